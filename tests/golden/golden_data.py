"""Reading golden files: arrays as tensors, grouped by the case that their keys start with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

Case = dict[str, Tensor]


def load_arrays(path: Path) -> Case:
    """Return all arrays of an ``.npz`` file; ``uint8`` stays as stored."""
    with np.load(path) as arrays:
        return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}


def cases(arrays: Case, item: str) -> dict[str, Case]:
    """Group keys ``<case>.<rest>`` by the cases that have ``<case>.<item>``; the rest becomes the key."""
    names = [key.removesuffix(f".{item}") for key in arrays if key.endswith(f".{item}")]
    grouped = {
        name: {
            key.removeprefix(f"{name}."): value for key, value in arrays.items() if key.startswith(f"{name}.")
        }
        for name in names
    }
    assert grouped, f"no key ends in .{item}; the file holds {sorted(arrays)}"
    return grouped


def assert_gradient_close(actual: Tensor | None, expected: Tensor, tolerance: float) -> None:
    """Assert that the largest error is below ``tolerance`` times the largest expected value."""
    assert actual is not None
    error = (actual - expected).abs().max().item()
    assert error <= tolerance * expected.abs().max().item(), f"largest error {error:.3e}"
