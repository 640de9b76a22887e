"""Networks without weights, built to ask what their tensors are called and how large they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_FILLS = {"uniform_", "normal_", "fill_", "zero_", "erfinv_", "mul_", "add_", "clamp_"}


@contextmanager
def shapes_only() -> Iterator[None]:
    """Build what is built in this context on the meta device, and fill nothing with first weights.

    On that device PyTorch works out in Python what each fill would do to a shape, which is most of the time
    that building there takes.
    """
    with torch.device("meta"), _Unfilled():
        yield


class _Unfilled(TorchFunctionMode):
    """Lets the in-place functions that fill weights leave those on the meta device as they are."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _FILLS:
            weight = args[0] if args else kwargs["tensor"]  # torch.nn.init names its argument
            if weight.is_meta:
                return weight
        return func(*args, **kwargs)
