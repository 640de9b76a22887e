"""Saved tensors of which each file holds some rows, and how they get back into whatever goes on with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from s4former import collectives

_ROWS = "rows"
"""In place of a tensor stands ``{"rows": those of this file}``, which no other part of a state looks like."""


@dataclass(frozen=True)
class Rows:
    """A tensor in pieces: the rows of process 0, then those of process 1, and so on."""

    pieces: tuple[Tensor, ...]

    def between(self, start: int, stop: int) -> Tensor:
        """Return some rows, in memory of their own."""
        found, first = [self.pieces[0][:0]], 0
        for piece in self.pieces:
            found.append(piece[max(0, start - first) : max(0, stop - first)])
            first += len(piece)
        return torch.cat(found)

    def whole(self) -> Tensor:
        """Return all rows."""
        return torch.cat(self.pieces)


def own_part(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what this process saves of a state: of sharded tensors its rows, as they are now."""

    def kept(value: Any) -> Any:
        if collectives.is_sharded(value):
            return {_ROWS: collectives.own_rows(value).detach().to("cpu", copy=True)}
        return value

    part: dict[str, Any] = _each(kept, state)
    return part


def united(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the state of which each process saved a part, with `Rows` where they shared a tensor."""
    return {key: _united([part[key] for part in parts]) for key in parts[0]}


def _united(values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, dict):
        if first.keys() == {_ROWS}:
            return Rows(tuple(value[_ROWS] for value in values))
        return {key: _united([value[key] for value in values]) for key in first}
    return first  # the same in all, or only process 0's counts


def in_one_piece(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state with whole tensors."""
    whole: dict[str, Any] = _each(lambda value: value.whole() if isinstance(value, Rows) else value, state)
    return whole


def as_held(saved: Any, target: Tensor) -> Any:
    """Return what was saved of a tensor as ``target`` is held: whole, or the rows of this process.

    Args:
        saved: A tensor, whole or in pieces; a scalar or what is no tensor is returned as it is.
        target: The tensor that it is for, or the parameter that it belongs to.
    """
    if isinstance(saved, Tensor) and saved.shape == target.shape and collectives.is_sharded(target):
        saved = Rows((saved,))
    if not isinstance(saved, Rows):
        return saved
    if not collectives.is_sharded(target):
        return saved.whole()
    from torch.distributed.tensor import DTensor

    # As torch.chunk divides rows, which is how FSDP2 shards them.
    most = -(-len(target) // collectives.world_size())
    mine, start = collectives.own_rows(target.detach()), most * collectives.rank()
    rows = saved.between(start, start + len(mine)).to(mine.device)
    return DTensor.from_local(
        rows, target.device_mesh, target.placements, shape=target.shape, stride=target.stride()
    )


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    """Return nested dicts with their values changed."""
    if isinstance(value, Mapping):
        return {key: _each(change, each) for key, each in value.items()}
    return change(value)
