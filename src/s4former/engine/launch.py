"""Starting the processes that train together, on this machine and as one of several.

torchrun itself always ends with 1 and a traceback of its own; a batch system wants to see 75 (interrupted,
can be resumed) or 3 (a problem in the data), and people the workers' message alone.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence

from s4former.config.errors import Interrupted, UserError


def is_worker(environment: Mapping[str, str]) -> bool:
    """Return whether this process was started to train with others."""
    return "LOCAL_RANK" in environment


def start_processes(script: Sequence[str], asked: int, batches: Sequence[int], on_cpu: bool = False) -> int:
    """Run a script in several processes and return the exit code of the first one that fails, or 0.

    Where there are fewer GPUs, fewer processes do the same; where there is none, they share the CPU. The
    environment variables NNODES, NODE_RANK, MASTER_ADDR and PORT tell how several machines meet.

    Args:
        script: The script and its arguments, as torchrun takes them.
        asked: How many processes on this machine, one a GPU.
        batches: Sizes of global batches that have to divide by their number.
        on_cpu: Whether they share the CPU anyway.

    Raises:
        UserError: If a number is none, several machines cannot all have as many, or they cannot meet.
        Interrupted: If this process was asked to stop, and so asked the others.
    """
    meeting = meeting_point(os.environ)
    count, gpus = processes(asked, batches, on_cpu), _gpus(on_cpu)
    if count < asked or (gpus < asked and not on_cpu):
        print(_why(asked, count, gpus, batches), file=sys.stderr)
    if gpus == 0:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    return _torchrun([*meeting, f"--nproc-per-node={count}", *script])


def processes(asked: int, batches: Sequence[int], on_cpu: bool = False) -> int:
    """Return how many processes start on this machine; arguments and errors as of `start_processes`."""
    gpus, nodes = _gpus(on_cpu), machines(os.environ)
    if gpus < asked and nodes == 1:
        return affordable(asked, gpus, batches)
    if 0 < gpus < asked:
        raise UserError(f"{asked} GPUs on each of {nodes} machines were asked for, but this one has {gpus}")
    return asked


def _gpus(on_cpu: bool) -> int:
    import torch

    return 0 if on_cpu else torch.cuda.device_count()


def machines(environment: Mapping[str, str]) -> int:
    """Return how many machines train together.

    Raises:
        UserError: If NNODES is no such number.
    """
    return _number(environment, "NNODES", 1, range(1, 2**16))


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
    nodes = machines(environment)
    rank = _number(environment, "NODE_RANK", 0, range(nodes))
    port = _number(environment, "PORT", 0, range(2**16))
    if nodes == 1 and port == 0:
        # By default it is the machine's name, which not every network, container or laptop can resolve.
        return ["--standalone", "--local-addr=127.0.0.1"]
    address = environment.get("MASTER_ADDR") or "127.0.0.1"
    return [
        *(f"--nnodes={nodes}", f"--node-rank={rank}"),
        *(f"--master-addr={address}", f"--master-port={port or 29500}"),
    ]


def _number(environment: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or int(text) not in allowed:
        raise UserError(f"{name}={text}: expected a number from {allowed[0]} to {allowed[-1]}, or unset it")
    return int(text)


def _why(asked: int, count: int, gpus: int, batches: Iterable[int]) -> str:
    have = f"{gpus} GPUs are" if gpus > 1 else "one GPU is" if gpus else "no GPU is"
    where = "" if gpus else " on the CPU (gloo)"
    most = min(asked, gpus or asked)
    divide = f", as {' and '.join(map(str, batches))} images do not divide by {most}" if count < most else ""
    return (
        f"{asked} GPUs were asked for and {have} here: running {count} process{'es' * (count > 1)}{where}"
        f"{divide}. Batch sizes are global, so the results are the same to rounding; only the time is not."
    )


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
