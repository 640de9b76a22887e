"""``tools/train.py``: mmsegmentation's options for training, over the same engine as ``s4former train``."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from s4former.cli.main import guarded
from s4former.cli.train import config_name, report
from s4former.config.errors import UserError

if TYPE_CHECKING:
    from s4former.recipes import PlannedRun

LAUNCHERS = ("none", "pytorch", "slurm", "mpi")


class TrainCommand(NamedTuple):
    """What a command line asks for: a run, its folder, and whether to go on with what is there."""

    planned: PlannedRun
    folder: Path
    resume: bool
    notes: list[str]


def main() -> None:
    """Run ``tools/train.py``."""
    guarded(lambda: train(sys.argv[1:]))


def train(arguments: Sequence[str]) -> None:
    """Train as a command line says."""
    from rich.console import Console

    from s4former.config.invocation import again, invoked, python
    from s4former.engine.progress import is_main_process
    from s4former.engine.start import start

    options = parser().parse_args(arguments)
    os.environ.update(launcher_environment(options.launcher, options.local_rank, os.environ))
    command = read_command(options)
    if is_main_process():
        for note in command.notes:
            print(note, file=sys.stderr)
    option = "" if command.resume else "--auto-resume"
    # What started several processes is not known here.
    same = " with ".join(filter(None, ["type the same command", option]))
    once_more = same if "WORLD_SIZE" in os.environ else again(python(sys.argv[0]), option)
    with invoked(once_more, out="--work-dir"):
        planned, resume = command.planned, command.resume
        outcome = start(
            planned.run, command.folder, resume=resume, config=planned.config, source=planned.source
        )
    report(outcome, Console())


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = argparse.ArgumentParser(prog="tools/train.py", description="Train a segmentation model.")
    options.add_argument("config", help="a .py or .yaml file, or the name of a recipe")
    options.add_argument("--work-dir", type=Path, help="run folder (default: work_dirs/CONFIG)")
    options.add_argument("--load-from", help="start from this trained model, heads included")
    going_on = options.add_mutually_exclusive_group()
    going_on.add_argument("--resume-from", type=Path, help="go on with the run in this folder")
    about = "go on with the run in the work dir, if any"
    going_on.add_argument("--auto-resume", "--resume", action="store_true", help=about)
    options.add_argument("--no-validate", action="store_true", help="score nothing")
    options.add_argument("--seed", type=int, help="seed of all random draws")
    options.add_argument("--deterministic", action="store_true", help="repeatable kernels on a GPU")
    options.add_argument("--gpu-id", type=int, help="number of the GPU, for one process")
    options.add_argument("--gpu-ids", type=int, nargs="+", help="the same; the first one counts")
    options.add_argument("--gpus", type=int, help="processes that data.samples_per_gpu is multiplied by")
    options.add_argument("--diff-seed", "--diff_seed", action="store_true", help="without effect: always so")
    add_shared_options(options)
    return options


def add_shared_options(options: argparse.ArgumentParser) -> None:
    """Add what training and testing have in common."""
    about = "change fields of the config; mmsegmentation's keys are translated where they mean something"
    names = ("--cfg-options", "--options")
    options.add_argument(*names, dest="cfg_options", nargs="+", default=[], metavar="a.b=c", help=about)
    options.add_argument("--launcher", choices=LAUNCHERS, default="none", help="who started the processes")
    options.add_argument("--local_rank", "--local-rank", type=int, help="number of this process's GPU")


def read_command(options: argparse.Namespace) -> TrainCommand:
    """Return what parsed options ask for.

    Raises:
        UserError: If the config cannot be had, or options do not fit it or each other.
    """
    from s4former.compat.mmseg_options import translate
    from s4former.recipes import plan_run

    resume = options.auto_resume or options.resume_from is not None
    folder = _folder(options)
    resumed = folder if resume else None
    run = plan_run(options.config, resumed=resumed).run
    changes, notes = translate(run, options.cfg_options, options.gpus or processes())
    given = {
        "seed": options.seed,
        "deterministic": options.deterministic or None,
        "load_from": options.load_from,
    }
    changes |= {field: value for field, value in given.items() if value is not None}
    changes |= own_gpu(options.gpu_ids[0] if options.gpu_ids else options.gpu_id)
    if options.no_validate:
        changes["evaluate_every"] = 0
        if run.data.source == "folder":
            changes["data.val_images"] = None
        else:
            notes.append(
                f"--no-validate: data.source={run.data.source} has val images of its own, which are scored "
                "once, after the last step"
            )
    if options.diff_seed:
        notes.append("--diff-seed changes nothing: every image of a batch has its own draws in any case")
    planned = plan_run(options.config, changes, resumed)
    return TrainCommand(planned, folder, resume, [*notes, *planned.notes])


def processes() -> int:
    """Return how many processes the launcher has started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def own_gpu(number: int | None) -> dict[str, Any]:
    """Return the overrides for a GPU that was asked for by its number; several processes share them out."""
    return {} if number is None or processes() > 1 else {"device": f"cuda:{number}"}


def _folder(options: argparse.Namespace) -> Path:
    """Return the run folder, and see that a run to go on with is in it."""
    asked: Path | None = options.work_dir
    if options.resume_from is None:
        return asked or Path("work_dirs") / config_name(options.config)
    given: Path = options.resume_from
    folder = given.parent.parent if given.parent.name == "checkpoint" else given
    if not (folder / "run.json").is_file():
        if (given.parent / "run.json").is_file():  # as in work_dirs/CONFIG/latest.pth
            raise UserError(f"--resume-from {given}: a run goes on from its folder, {given.parent}")
        raise UserError(
            f"--resume-from {given}: there is no run of this package; give a run folder. Weights of other "
            "programs are a start, not a state to resume: use --load-from"
        )
    from s4former.engine.checkpoint import Checkpoints

    newest = Checkpoints(folder).newest_step()
    if given != folder and (newest is None or given.stem.partition("-")[0] != f"step_{newest:08d}"):
        raise UserError(
            f"{folder} goes on after its newest state, step {newest}; type --resume-from {folder}"
        )
    if asked is not None and asked.resolve() != folder.resolve():
        raise UserError(f"a run goes on in its own folder: --work-dir {asked} is not {folder}; drop it")
    return folder


_VARIABLES = {
    "slurm": {"RANK": "SLURM_PROCID", "WORLD_SIZE": "SLURM_NTASKS", "LOCAL_RANK": "SLURM_LOCALID"},
    "mpi": {
        "RANK": "OMPI_COMM_WORLD_RANK",
        "WORLD_SIZE": "OMPI_COMM_WORLD_SIZE",
        "LOCAL_RANK": "OMPI_COMM_WORLD_LOCAL_RANK",
    },
}
"""Launchers (srun, Open MPI) and what they call torchrun's variables."""


def launcher_environment(
    launcher: str, local_rank: int | None, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables that torchrun would have set, from those of who started the processes.

    Args:
        launcher: One of `LAUNCHERS`; torchrun has set its own.
        local_rank: What ``--local_rank`` says, as the launcher before torchrun did.
        environment: The variables there are.

    Raises:
        UserError: If the launcher has left no trace, or MASTER_ADDR must be said.
    """
    names = _VARIABLES.get(launcher, {"RANK": "RANK"} if launcher == "pytorch" else {})
    absent = [theirs for theirs in names.values() if theirs not in environment]
    if absent:
        instead = (
            "start the processes with tools/dist_train.sh"
            if launcher == "pytorch"
            else "was this started by it?"
        )
        raise UserError(f"--launcher {launcher}: {', '.join(absent)} is not set; {instead}")
    if launcher not in _VARIABLES:
        return {} if local_rank is None or "LOCAL_RANK" in environment else {"LOCAL_RANK": str(local_rank)}
    found = {ours: environment[theirs] for ours, theirs in names.items()}
    if found["WORLD_SIZE"] == "1":
        return found
    # The first of Slurm's hosts, as in node[03-05,9],other: node03.
    first = re.match(r"([^\[,]+)(?:\[(\w+)[^\]]*\](\S*?))?(?:,|$)", environment.get("SLURM_NODELIST", ""))
    address = environment.get("MASTER_ADDR") or "".join(
        part or "" for part in (first.groups() if first else ())
    )
    if not address:
        raise UserError("set MASTER_ADDR to the address of the first process's machine")
    port = environment.get("MASTER_PORT") or environment.get("PORT") or "29500"
    return {**found, "MASTER_ADDR": address, "MASTER_PORT": port}


if __name__ == "__main__":
    main()
