"""``s4former train``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from s4former.cli.arguments import RunConfig

if TYPE_CHECKING:
    from s4former.engine.run import Run
    from s4former.engine.writer import Outcome
    from s4former.recipes.derived import PlannedRun


_SECONDS = 5
"""If scoring takes longer, the page that is written in the end has no predictions."""


def train(
    config: RunConfig,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[a.b=c ...]", help="Any field of `s4former config show`.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run folder.", show_default="runs/CONFIG_METHOD_seedN")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Short for seed=N.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder, if any.")
    ] = False,
    replayed: Annotated[
        bool,
        typer.Option(
            "--replay",
            help="Take the step at which the numbers stopped being finite once more, and say where.",
        ),
    ] = False,
    memory: Annotated[
        str | None,
        typer.Option(help="As 8GB: fit into it by accumulation and recomputation, as the same experiment."),
    ] = None,
    gpus: Annotated[
        int | None,
        typer.Option(min=1, help="Train on so many GPUs of this machine; with device=cpu, processes."),
    ] = None,
) -> None:
    """Train a model; a stopped run goes on with --resume as if it had never stopped.

    Example: s4former train demo steps=40 method.name=supervised --out runs/first
    """
    from s4former.config.errors import UserError
    from s4former.config.invocation import again, invoked, program
    from s4former.engine.launch import is_worker
    from s4former.engine.progress import is_main_process, progress_for
    from s4former.engine.start import start
    from s4former.recipes import plan_run

    changes = [*(overrides or []), *([f"seed={seed}"] if seed is not None else [])]
    with invoked(again(program(), "--resume"), "--out", again(program(), "--replay")):
        there = resume or replayed
        planned = plan_run(config, changes, out if there else None)
        run = planned.run
        folder = out or Path("runs") / f"{_run_name(config, run.method.name)}_seed{run.seed}"
        if there and not out:
            planned = plan_run(config, changes, folder)
        picked: tuple[str, ...] = ()
        if memory and is_worker(os.environ) and not gpus:
            raise UserError(
                "--memory fits a run before its processes start, and torchrun has started this one: type "
                f"`s4former train ... --gpus N --memory {memory}` without torchrun, or leave --memory out"
            )
        if memory and not is_worker(os.environ):
            if resume and (folder / "run.json").is_file():
                typer.echo("--memory: the run goes on as it was fitted when it began", err=True)
            else:
                planned, picked = _fitted(planned, memory, gpus)
        if gpus and not is_worker(os.environ):
            if picked:
                typer.echo(planned.notes[-1], err=True)  # the others are said by the processes
            raise typer.Exit(_together(planned, gpus, picked))
        if is_main_process():
            for note in planned.notes:
                typer.echo(note, err=True)
        if replayed:
            from s4former.engine import replay

            with progress_for(Console(stderr=True)) as shown:
                return replay(planned.run, folder, shown, planned.source)
        outcome = start(planned.run, folder, resume=resume, config=config, source=planned.source)
    report(outcome, Console())


def _fitted(planned: PlannedRun, memory: str, gpus: int | None) -> tuple[PlannedRun, tuple[str, ...]]:
    """Return a run that fits into some memory, and the overrides that make it fit."""
    from s4former.config.amounts import in_units, to_bytes
    from s4former.config.override import override
    from s4former.curation.sources import open_source

    amount = to_bytes(memory, "--memory")
    source = planned.source or open_source(planned.run.data)
    from s4former.engine.budget import fit  # late: what is missing is said before torch is imported
    from s4former.engine.launch import machines, processes

    run = planned.run.resolved()
    together = processes(gpus, _batches(run), run.device == "cpu") * machines(os.environ) if gpus else 1
    found = fit(run, source, amount, together)
    note = f"{' '.join(found.overrides)}: takes {in_units(found.peak)} of {in_units(amount)} at most"
    run, _ = override(planned.run, found.overrides)
    return replace(planned, run=run, notes=[*planned.notes, note], source=source), found.overrides


def _together(planned: PlannedRun, gpus: int, picked: tuple[str, ...]) -> int:
    """Give the same command line to several processes, and return their exit code."""
    from s4former.config.invocation import starting_others
    from s4former.curation.sources import open_source
    from s4former.engine.launch import start_processes

    run = planned.run
    if planned.source is None and run.data.source != "scenes":
        open_source(run.data)  # what is missing is said once, before processes start
    words = ["-m", "s4former", *sys.argv[1:], *picked]
    with starting_others():
        return start_processes(words, gpus, _batches(run), run.device == "cpu")


def _batches(run: Run) -> list[int]:
    """Return the sizes that the number of processes has to divide."""
    batches = [run.data.labeled_batch_size // run.accumulate]
    if run.method.views.unlabeled:
        batches.append(run.data.unlabeled_batch_size // run.accumulate)
    return batches


def config_name(config: str) -> str:
    """Return what a run of a config is called: a file's name without its ending, a recipe's whole name."""
    path = Path(config)
    return path.stem if path.suffix in (".py", ".yaml", ".yml") else path.name


def _run_name(config: str, method: str) -> str:
    """Return the config's name with that of the method, said once: some recipes end with it."""
    stem, _, last = config_name(config).rpartition(".")
    return f"{stem}_{last}" if stem and last.startswith(method) else f"{config_name(config)}_{method}"


def report(outcome: Outcome, console: Console) -> None:
    """Print what came of a run and what to type next."""
    from s4former.config.invocation import program, typed
    from s4former.engine.progress import is_main_process
    from s4former.engine.tables import print_table, tell
    from s4former.inference import wording

    if not is_main_process():
        return
    if outcome.last:
        print_table(console, _table(outcome))
        for remark in wording.all_remarks(list(outcome.last.values())):
            console.print(remark, markup=False, highlight=False, soft_wrap=not console.is_terminal)
    for line in (*_result(outcome), f"report: {_page(outcome)}", f"run folder: {outcome.folder}", "next:"):
        tell(console, line)
    for what, arguments in _next_steps(outcome).items():
        tell(console, f"  {typed(program(), arguments)}    # {what}")


def _result(outcome: Outcome) -> Iterator[str]:
    """Yield where the model and the pictures are, and what to know of the model."""
    from s4former.inference import wording

    folder, best, fell_back = outcome.folder, outcome.best, outcome.fall_back
    if fell_back and fell_back["fell_back"]:
        yield (
            f"fell back: {folder / 'model'} is the network after step {fell_back['before_step']}, which "
            f"learned from labeled images alone and scores better on val; {folder / 'model_last'} is the end"
        )
    else:
        yield f"model: {folder / 'model'} ({outcome.deployed} after step {outcome.steps})"
    if best:
        yield (
            f"best {best['network']} mIoU {wording.mean(best)} at step {best['step']}, chosen on "
            f"{best['chosen_on']}: {folder / 'model_best'}"
        )
    elif outcome.last:
        yield "no best step: the masks of the validation images have no known pixel"
    else:
        yield "not scored: there are no validation images"
    shown = {
        "curves.png": "scores and losses",
        f"panels/step_{outcome.steps:08d}.png": "images, truth and prediction",
        "panels/unlabeled": "pseudo-labels over time",
    }
    for name, what in shown.items():
        if (folder / name).exists():
            yield f"{what}: {folder / name}"


def _next_steps(outcome: Outcome) -> dict[str, tuple[str, ...]]:
    """Return commands to try, by what they do."""
    folder = str(outcome.folder)
    steps = {"classes of other images": ("predict", folder, "IMAGES", "--out", "DIR")}
    return steps | ({"scored once more": ("val", folder)} if outcome.last else {})


def _page(outcome: Outcome) -> str:
    """Write ``report.html`` and return where it is; a page that cannot be made is no failure of the run."""
    from s4former.config.invocation import program, typed
    from s4former.config.outputs import claim
    from s4former.report import make_report

    page = outcome.folder / "report.html"
    scored = outcome.last.get(outcome.deployed)
    # Predictions are shared by all processes, of which the others are gone by now.
    quick = scored is None or scored["seconds"] > _SECONDS or "WORLD_SIZE" in os.environ
    command = typed(program(), ["report", str(outcome.folder)])
    try:
        outputs = claim([(page, "the report")], "page", instead=f"`{command} --out FILE` writes it elsewhere")
        outputs.write_text(page, make_report([outcome.folder], predict=not quick))
    except Exception as error:
        return f"none ({error}); `{command}` tries again"
    return f"{page} (with pictures of predictions: {command})" if quick else str(page)


def _table(outcome: Outcome) -> Table:
    from s4former.engine.tables import table_of
    from s4former.inference import wording

    lines = outcome.last
    first = next(iter(lines.values()))
    table = table_of(
        ["class"],
        [f"{name} (deployed)" if name == outcome.deployed else name for name in lines],
        title=f"IoU %, {first['part']} ({first['images']} images), step {outcome.steps}",
        caption=wording.caption(first["protocol"]),
    )
    for label in first["iou"]:
        table.add_row(label, *(wording.percent(line["iou"][label]) for line in lines.values()))
    table.add_section()
    table.add_row("mean", *(wording.percent(line["miou"]) for line in lines.values()), style="bold")
    if first["interval"]:
        table.add_row("95 % interval", *map(wording.interval, lines.values()))
    if any(line["counted_absent"] for line in lines.values()):
        present = (wording.percent(line["miou_present"]) for line in lines.values())
        table.add_row("mean, present classes", *present)
    return table
