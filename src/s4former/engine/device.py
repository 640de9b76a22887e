"""How a run computes: threads, switches of torch, seeds of layers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

from s4former import collectives
from s4former.engine.cores import free_cores
from s4former.engine.distributed import own_device
from s4former.ops.randomness import keyed_generator


def resolve_threads() -> int:
    """Return how many threads to take: as many as torch would, but fewer where other programs compute.

    Threads wait for each other in every operation, so one that finds its core taken holds up all of them. A
    number that the user gave in OMP_NUM_THREADS is kept, and so is that of processes that train together.
    """
    most = torch.get_num_threads()
    if most == 1 or "OMP_NUM_THREADS" in os.environ or collectives.world_size() > 1:
        return most
    return max(1, min(most, round(free_cores())))


def fewer_threads(threads: int) -> str:
    """Return why `resolve_threads` took fewer threads than torch would; empty if it did not."""
    most = torch.get_num_threads()
    if threads >= most:
        return ""
    return (
        f"{threads} of {most} threads: other programs, or the limit of a container, leave no more cores "
        f"free; threads={most} takes all of them"
    )


@contextmanager
def own_threads() -> Iterator[None]:
    """Give the process its number of threads back at the end."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def set_up(device: str, threads: int | Literal["auto"], deterministic: bool) -> torch.device:
    """Set the switches of torch that belong to the process, not to a tensor, and return its device.

    Args:
        device: A resolved device.
        threads: Threads of one operation on the CPU; ``auto`` leaves them as they are.
        deterministic: Ask CUDA for repeatable kernels, and warn where there is none. The CPU is repeatable
            for a given number of threads as it is.

    Raises:
        UserError: If several processes share this machine and there is no such device for each of them.
    """
    if threads != "auto" and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    if device.startswith("cuda"):
        if deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(deterministic, warn_only=True)
        torch.backends.cudnn.benchmark = False
        # Products that stay in float32 may use TF32: 10 bits of mantissa, as much as bfloat16 needs and more.
        torch.set_float32_matmul_precision("highest" if deterministic else "high")
    return own_device(torch.device(device))


def seed_layers(seed: int, step: int) -> None:
    """Key torch's own generators to one step, for layers that draw from them (dropout, drop path).

    All processes get the same numbers: such layers draw for the global batch and take their own part.
    """
    torch.manual_seed(int(keyed_generator(seed, "layers", step).integers(2**62)))


def describe(device: str) -> dict[str, Any]:
    """Return what a run records of its device."""
    record: dict[str, Any] = {"device": device, "threads": torch.get_num_threads()}
    if collectives.world_size() > 1:
        record["processes"] = collectives.world_size()
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        record |= {
            "accelerator": properties.name,
            "accelerator_memory_gib": round(properties.total_memory / 2**30, 1),
            "cuda": torch.version.cuda,
        }
    return record
