"""``s4former check``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from s4former.cli.arguments import complete_recipe
from s4former.cli.screen import bars, say
from s4former.config.errors import DataError, S4FormerError

if TYPE_CHECKING:
    from s4former.curation.check import Check, Finding
    from s4former.data.config import DataConfig
    from s4former.data.sources.base import Source
    from s4former.engine.pace import PaceMemory
    from s4former.engine.run import Run

_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}


def check(
    config: Annotated[
        str,
        typer.Argument(
            help="A dataset.yaml, or the recipe or config of a run.", autocompletion=complete_recipe
        ),
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[a.b=c ...]", help="Fields of the run, as for train.")
    ] = None,
    fix_suggestions: Annotated[
        bool, typer.Option("--fix-suggestions", help="Say for each finding what to type or to change.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with pictures here.")] = None,
) -> None:
    """Open every file of a data set and say what is wrong: exit code 3 (or 1) if training would stop.

    Example: s4former check dataset.yaml --fix-suggestions --html check.html
    """
    from s4former.config.invocation import program, typed
    from s4former.config.outputs import claim
    from s4former.recipes import load_data, main_settings

    page = None
    if html is not None:
        page = claim([(html, "the page")], "page", [Path(config)], instead="name another file after --html")
    changes = overrides or []
    data = load_data(config, changes)
    from s4former.curation.sources import open_source  # late: a mistake in what was typed is told at once

    source = open_source(data)
    run, settings = None, list[str]()
    problem: S4FormerError | None = None
    try:
        run, settings = main_settings(config, changes)
    except DataError as error:  # a labeled image that cannot be opened, as a rule: it is among the findings
        problem = error
    result, problem, memory = _looked_at(source, data, run, problem)
    console = Console(soft_wrap=True, highlight=False)
    for finding in result.findings:
        _print(console, finding, fix_suggestions)
    _summarize(console, result, fix_suggestions)
    command = typed(program(), ["train", config, *changes])
    if not problem:
        console.print(f"next: {command}", markup=False, soft_wrap=True)
        for line in settings:
            say(console, "  ", line)
        if run and memory:
            say(console, "  ", _time_needed(run, source, memory))
    if html is not None and page is not None:
        text = _page(result, source, data, settings, config, command, run.data.crop if run else None)
        page.write_text(html, text)
        console.print(f"page: {html}", markup=False)
    if problem:
        raise typer.Exit(problem.exit_code)


def _looked_at(
    source: Source, data: DataConfig, run: Run | None, problem: S4FormerError | None
) -> tuple[Check, S4FormerError | None, PaceMemory | None]:
    """Return what is to be said of data and run, why training would stop if it would, and its pace if known.

    Args:
        source: The data set.
        data: Its config.
        run: The run; none if it could not be made.
        problem: Why not.
    """
    from s4former.curation.check import Finding, check_source
    from s4former.curation.sources import CACHE
    from s4former.data.sources.base import SPLITS
    from s4former.engine.pace import PaceMemory

    with bars() as report:
        result = check_source(source, data, report, run.used_splits if run else SPLITS)
    if result.of("error"):  # they say it better than what follows from them
        return result, DataError("see the findings"), None
    memory = None
    try:
        if run and data.source == "dataset":
            memory = PaceMemory.of(run, source, result, Path(data.root) / CACHE / "check" / "pace.json")
    except S4FormerError as error:  # as a device that is not there
        problem = problem or error
    if run and not problem and not (memory and memory.pace):
        from s4former.engine.prepare import refusal

        problem = refusal(run, result)
    if problem:
        fix = "change what is named, as training stops for it too"
        result = replace(result, findings=(Finding("refused", "error", str(problem), fix), *result.findings))
    return result, problem, memory


def _time_needed(run: Run, source: Source, memory: PaceMemory) -> str:
    """Return how long the run takes on this machine, as a few of its steps do; they are timed only once."""
    from s4former.engine.pace import in_words
    from s4former.inference.device import resolve_device

    try:
        with bars() as report:
            pace = memory.measured(run, source, report)
    except (S4FormerError, MemoryError) as error:
        return f"time: training cannot start as it is: {error or 'there is not enough memory'}"
    seconds = in_words(pace.total(run, source))
    return f"time: about {seconds} on this machine ({resolve_device(run.device)}, {pace.step:.2g} s a step)"


def _print(console: Console, finding: Finding, with_fix: bool) -> None:
    label = Text(f"{finding.severity}: ", _STYLES[finding.severity])
    say(console, label, Text.assemble(finding.message, (f" [{finding.kind}]", "dim")))
    for file in finding.examples:
        console.print(Text(f"    {file}", style="dim"))
    more = finding.count - len(finding.examples)
    if finding.examples and more:
        console.print(Text(f"    and {more:,} more", style="dim"))
    if with_fix:
        say(console, Text("  to do: ", "green"), finding.fix)


def _summarize(console: Console, result: Check, with_fix: bool) -> None:
    counts = ", ".join(
        f"{len(found)} {severity}{'' if len(found) == 1 else 's'}"
        for severity in _STYLES
        if (found := result.of(severity))  # type: ignore[arg-type]
    )
    known = result.files - result.fresh
    remembered = f" ({known:,} of them known from an earlier check)" if known else ""
    console.print(
        f"{result.files:,} files{remembered}: {counts or 'nothing to complain about'}", markup=False
    )
    for sentence in result.few_scored():
        say(console, "", sentence)
    if result.findings and not with_fix:
        console.print("--fix-suggestions says what to do about each", markup=False)


def _page(
    result: Check,
    source: Source,
    data: DataConfig,
    settings: list[str],
    config: str,
    command: str,
    crop: tuple[int, int] | None,
) -> str:
    from s4former.report.page import check_page
    from s4former.report.sheets import sheet

    sheets = {
        split: sheet(source, split, summary.usable, data.display_channels)
        for split, summary in result.splits.items()
    }
    return check_page(result, sheets, settings, config, command, crop)
