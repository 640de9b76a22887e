"""What ``tools/dist_*.sh`` run: torchrun, with as many processes as suit, and the workers' exit code.

torchrun itself always ends with 1 and a traceback of its own; a batch system wants to see 75 (interrupted,
can be resumed) or 3 (a problem in the data), and people the workers' message alone.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from s4former.cli.main import guarded
from s4former.config.errors import Interrupted, UserError

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
    meeting, nodes = meeting_point(os.environ), int(os.environ.get("NNODES") or 1)
    if trains:
        rest += ["--gpus", str(asked * nodes)]
    data = _look_at_data(trains, rest)
    import torch

    gpus, count = torch.cuda.device_count(), asked
    if gpus < asked and nodes == 1:
        batches = (data.labeled_batch_size, data.unlabeled_batch_size) if trains else ()
        count = affordable(asked, gpus, batches)
        print(_why(asked, count, gpus, batches), file=sys.stderr)
    elif 0 < gpus < asked:
        raise UserError(f"{asked} GPUs on each of {nodes} machines were asked for, but this one has {gpus}")
    if gpus == 0:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    return _torchrun([*meeting, f"--nproc-per-node={count}", script, *rest])


def affordable(asked: int, gpus: int, batches: Iterable[int]) -> int:
    """Return how many processes to start on a machine with too few GPUs: global batches divide by it."""
    sizes = list(batches)
    return next(
        count for count in range(min(asked, gpus or asked), 0, -1) if all(n % count == 0 for n in sizes)
    )


def meeting_point(environment: Mapping[str, str]) -> list[str]:
    """Return torchrun's options for where processes meet: by default on this machine, on any free port.

    Raises:
        UserError: If NNODES, NODE_RANK or PORT are not the numbers that they should be.
    """

    def number(name: str, default: int, allowed: range) -> int:
        text = environment.get(name) or str(default)
        if not text.isdecimal() or int(text) not in allowed:
            raise UserError(
                f"{name}={text}: expected a number from {allowed[0]} to {allowed[-1]}, or unset it"
            )
        return int(text)

    nodes = number("NNODES", 1, range(1, 2**16))
    rank, port = number("NODE_RANK", 0, range(nodes)), number("PORT", 0, range(2**16))
    if nodes == 1 and port == 0:
        # By default it is the machine's name, which not every network, container or laptop can resolve.
        return ["--standalone", "--local-addr=127.0.0.1"]
    address = environment.get("MASTER_ADDR") or "127.0.0.1"
    return [
        *(f"--nnodes={nodes}", f"--node-rank={rank}"),
        *(f"--master-addr={address}", f"--master-port={port or 29500}"),
    ]


def _why(asked: int, count: int, gpus: int, batches: Iterable[int]) -> str:
    have = f"{gpus} GPUs are" if gpus > 1 else "one GPU is" if gpus else "no GPU is"
    where = "" if gpus else " on the CPU (gloo)"
    most = min(asked, gpus or asked)
    divide = f", as {' and '.join(map(str, batches))} images do not divide by {most}" if count < most else ""
    return (
        f"{asked} GPUs were asked for and {have} here: running {count} process{'es' * (count > 1)}{where}"
        f"{divide}. Batch sizes are global, so the results are the same to rounding; only the time is not."
    )


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


def _torchrun(arguments: Sequence[str]) -> int:
    from torch.distributed import DistNetworkError
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    # A step and a save may take a while on a CPU; by default workers that were asked to stop get 30 seconds.
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "300")
    # Its own account of a failed worker; ours say what happened.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        run(parse_args(list(arguments)))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        code = int(failure.exitcode)
        if code < 0:
            name = signal.Signals(-code).name
            print(f"process {rank} was ended by {name}; SIGKILL often means out of memory", file=sys.stderr)
        return code if code >= 0 else 128 - code
    except DistNetworkError as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"the processes cannot meet ({reason}). If another run has the port, set PORT to a free one, or "
            "on a single machine unset it; on several, MASTER_ADDR is the machine with NODE_RANK=0"
        ) from None
    except SignalException as error:
        raise Interrupted(f"{error.sigval.name}: all processes were asked to save and stop") from None
    return 0


if __name__ == "__main__":
    main()
