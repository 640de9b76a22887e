"""Where a network computes and in which precision."""

from __future__ import annotations

import ctypes
import functools
import logging
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from s4former.config.errors import UserError

_logger = logging.getLogger(__name__)
_CPU_INFO = Path("/proc/cpuinfo")
# What Linux calls them there: AVX-512's, AMX's, and those of ARM.
_BFLOAT16_PRODUCTS = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}
_FORMATS: dict[str, Literal["float32", "bfloat16"]] = {"float32": "float32", "bfloat16": "bfloat16"}


def resolve_device(name: str) -> str:
    """Return a device that exists: ``auto`` is the first CUDA device, else the CPU.

    Raises:
        UserError: If the device is not there, or is no device at all.
    """
    if name == "cpu" or (name == "auto" and _surely_no_gpu()):
        return "cpu"
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    given = f"device={name}"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"{given} is not a device; type device=auto, cpu, cuda or cuda:1") from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise UserError(f"{given}: networks run on none of those; type device=auto, cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"{given} was asked for, but this torch sees {torch.cuda.device_count()} CUDA devices; type "
            f"device=cpu, or install a torch build that fits the driver"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"{given} was asked for, but there is none; type device=cpu")
    return name


def _surely_no_gpu() -> bool:
    """Whether there is no driver of a GPU (Linux): so much is known without torch, which takes a second."""
    if sys.platform != "linux" or "torch" in sys.modules or Path("/dev/kfd").exists():
        return False
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return True
    return False


def resolve_precision(precision: str, device: str) -> Literal["float32", "bfloat16"]:
    """Return the number format of matrix products: ``auto`` is bfloat16 where a CUDA device has it.

    A CPU without products of bfloat16 takes many times as long for them (docs/speed.md): there it is float32,
    and a line says so.

    Raises:
        UserError: If it is no format that networks run in.
    """
    if precision == "bfloat16" and device == "cpu" and not cpu_has_bfloat16():
        _say_that_it_is_float32()
        return "float32"
    if precision in _FORMATS:
        return _FORMATS[precision]
    if precision != "auto":
        raise UserError(f"precision={precision} is unknown; type precision=auto, float32 or bfloat16")
    if not device.startswith("cuda"):
        return "float32"
    import torch

    has_it = torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if has_it else "float32"


def cpu_has_bfloat16() -> bool:
    """Whether the CPU is known to multiply bfloat16 itself, so that it is faster than float32 there."""
    try:
        return not _BFLOAT16_PRODUCTS.isdisjoint(_CPU_INFO.read_text().split())
    except OSError:
        return False


@functools.cache
def _say_that_it_is_float32() -> None:
    _logger.warning(
        "precision=bfloat16: this CPU has no products of bfloat16 and would take many times as long; it "
        "computes in float32"
    )


def autocast(device: str, precision: str) -> AbstractContextManager[object]:
    """Return the context in which networks run: bfloat16 products of float32 weights, or nothing special."""
    import torch

    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=precision == "bfloat16")
