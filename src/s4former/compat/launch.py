"""What ``tools/dist_*.sh`` run: as many processes as suit, and the workers' exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from s4former.cli.main import guarded
from s4former.config.errors import UserError
from s4former.engine.launch import machines, start_processes

if TYPE_CHECKING:
    from s4former.data.config import DataConfig


def main() -> None:
    """Run ``python -m s4former.compat.launch PROCESSES SCRIPT [ARGUMENTS]``."""
    guarded(lambda: sys.exit(launch(sys.argv[1:])))


def launch(arguments: Sequence[str]) -> int:
    """Start a script in several processes and return the exit code of the first one that fails, or 0.

    Raises:
        UserError: If a number is none, several machines cannot all have as many, or they cannot meet.
        Interrupted: If this process was asked to stop, and so asked the others.
    """
    number, script, *rest = arguments
    if not number.isdecimal() or int(number) < 1:
        raise UserError(f"expected the number of GPUs after the config, as in 2; got {number!r}")
    asked, trains = int(number), os.path.basename(script) == "train.py"
    if trains:
        rest += ["--gpus", str(asked * machines(os.environ))]
    data = _look_at_data(trains, rest)
    batches = (data.labeled_batch_size, data.unlabeled_batch_size) if trains else ()
    return start_processes([script, *rest], asked, batches)


def _look_at_data(trains: bool, arguments: Sequence[str]) -> DataConfig:
    """Return which data a command is about, opened once: what is missing is said before processes start."""
    from s4former.compat import mmseg_test, mmseg_train
    from s4former.curation.sources import open_source

    if trains:
        run = mmseg_train.read_command(mmseg_train.parser().parse_args(arguments)).planned.run
    else:
        run, _ = mmseg_test.read_run(mmseg_test.parser().parse_args(arguments))
    open_source(run.data)
    return run.data


if __name__ == "__main__":
    main()
