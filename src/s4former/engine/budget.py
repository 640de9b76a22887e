"""Fitting a run into an amount of memory: the same experiment in parts, or with activations recomputed.

Decoded images are kept in what is left.

Nothing is guessed: a step of the run is taken, in the smallest parts and in parts twice as large, and what
tensors take at their peak is counted. Larger parts take more in proportion. Where processes are to share the
weights (``parallel=fsdp``), one of them takes that step with all of them, and its share of them is counted.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import gcd, inf
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from s4former.config.amounts import in_units
from s4former.config.errors import DataError, UserError
from s4former.data import Source, Split, split_ids, spread
from s4former.data.loader import share_of_batch
from s4former.engine.device import own_threads, set_up
from s4former.engine.run import Run
from s4former.engine.timing import rehearsal
from s4former.methods import Method
from s4former.models import build_segmenter, shapes_only

_MARGIN = 1.2
"""Fragments and scratch space of kernels, beside tensors."""
_SHARDED_MARGIN = 2.2
"""The same on a CPU where weights come and go: malloc keeps room between (benchmarks/memory.py)."""
_ON_DEVICE = 700e6
"""Bytes of a GPU that its driver and the libraries take."""
_BESIDE_STEPS = 320 * 10**6
"""Bytes that saving, scoring and the page at the end take on a CPU (benchmarks/memory.py)."""
_GATHERED = 5
"""Copies of a unit that are whole at once: its weights and gradients while it computes, gradients that leave
for the others, and the next unit's weights, arriving and arrived."""
_RECOMPUTED = ("none", "heads", "all")


@dataclass(frozen=True)
class Fit:
    """How a run fits.

    Attributes:
        run: The run, with what was picked.
        peak: Bytes that it is expected to take at most.
    """

    run: Run
    peak: float

    @property
    def overrides(self) -> tuple[str, str, str]:
        """What was picked, as a person would type it."""
        recompute = f"model.recompute_activations={self.run.model.recompute_activations}"
        return (
            f"accumulate={self.run.accumulate}",
            recompute,
            f"data.cache_images={self.run.data.cache_images}",
        )


def fit(run: Run, source: Source, memory: float, processes: int = 1) -> Fit:
    """Return a run as the same experiment that takes no more than some memory, the fastest first.

    Accumulation costs no arithmetic, so it comes before recomputation; where a batch norm would see smaller
    parts of the batch, which is another experiment, there is only the latter.

    Args:
        run: The run, resolved.
        source: Its data.
        memory: Bytes, of the GPU if it trains on one, else of the process.
        processes: How many share its batches.

    Raises:
        UserError: If nothing fits, and the message names the least that would; or if a batch does not divide.
    """
    shares = {
        name: len(share_of_batch(name, size, 0, processes, run.accumulate))
        for name, size in _batches(run).items()
    }
    run = run.model_copy(update={"data": run.data.model_copy(update=shares)})
    on_gpu = run.device.startswith("cuda")
    fixed = _ON_DEVICE if on_gpu else _resident()
    sharing = processes if run.parallel == "fsdp" else 1
    tried: list[Fit] = []
    for mode in _RECOMPUTED[_RECOMPUTED.index(run.model.recompute_activations) :]:
        try:
            options = list(_peaks(_with(run, mode), source, fixed, memory, sharing))
        except torch.OutOfMemoryError as error:
            raise UserError(
                "finding what fits takes a step of the whole network on one device, and there is no room for "
                f"it on this one ({str(error).splitlines()[0]}). Leave `--memory` out, and choose yourself: "
                "type `accumulate=N` and `model.recompute_activations=all`"
            ) from None
        found = next((option for option in options if option.peak <= memory), None)
        if found:
            return found if on_gpu else _with_cache(found, source, memory)
        tried += options
    least = min(tried, key=lambda option: option.peak)
    amount = in_units(1.005 * least.peak)
    raise UserError(
        f"a memory of {in_units(memory)} is too little: as the same experiment this run takes {amount}, with "
        f"{' '.join(least.overrides)}; type `--memory {amount}`, or make it another experiment with a "
        "smaller data.crop_size or model.frozen_blocks=all, which trains the heads alone"
    )


def _peaks(run: Run, source: Source, fixed: float, memory: float, sharing: int) -> Iterator[Fit]:
    """Yield what a run takes in larger and larger numbers of parts; if the smallest don't fit, in those."""
    most = gcd(*_batches(run).values())
    counts = [count for count in range(run.accumulate, most + 1) if most % count == 0]
    if len(counts) < 2 or _has_batch_norms(run):
        counts = [run.accumulate]
    margin = _margin(run, sharing)
    least = fixed + margin * _measured(_with(run, accumulate=counts[-1]), source, sharing)
    if len(counts) == 1 or least > memory:
        yield Fit(_with(run, accumulate=counts[-1]), least)
        return
    larger = fixed + margin * _measured(_with(run, accumulate=counts[-2]), source, sharing, memory - fixed)
    if larger > memory:
        yield Fit(_with(run, accumulate=counts[-1]), least)
        return
    slope = max(0.0, larger - least) / (1 / counts[-2] - 1 / counts[-1])
    for count in counts:
        yield Fit(_with(run, accumulate=count), least + slope * (1 / count - 1 / counts[-1]))


def _with_cache(found: Fit, source: Source, memory: float) -> Fit:
    """Return what fits with as many decoded images kept as there is room for; it only saves time."""
    room = int((memory - found.peak) / 2**20)
    data = found.run.data.model_copy(update={"cache_images": min(found.run.data.cache_images, room)})
    run = found.run.model_copy(update={"data": data})
    return Fit(run, found.peak + min(data.cache_images * 2**20, _all_decoded(run, source)))


def _all_decoded(run: Run, source: Source) -> float:
    """Return about how many bytes all images and masks of a run take, from some of each split."""
    splits: tuple[Split, ...] = ("labeled", "unlabeled") if run.method.views.unlabeled else ("labeled",)
    total = 0.0
    for split in splits:
        ids, sizes = split_ids(source, split), list[int]()
        for id in spread(ids, 4):
            with suppress(DataError):  # training says what is wrong with it
                sizes.append(source.read_image(id, split).nbytes)
        total += 4 / 3 * len(ids) * max(sizes, default=inf)
    return total


@own_threads()
def _measured(run: Run, source: Source, sharing: int, limit: float = inf) -> float:
    """Return the bytes of all tensors at the peak of a step; infinity if above a limit, where it ends.

    Args:
        run: The run.
        source: Its data.
        sharing: How many processes share the weights; 1: each has them all.
        limit: In bytes.
    """
    device = set_up(run.device, run.threads, run.deterministic)
    margin = _margin(run, sharing)
    with rehearsal(run, source, device) as (method, optimizer, step):
        weights = sum(parameter.nbytes for parameter in method.parameters())
        held = weights / sharing + sum(buffer.nbytes for buffer in method.buffers())
        if sharing > 1:
            held += _GATHERED * _largest_unit(method)
        with suppress(_TooMuch), LiveBytes(limit / margin - held) as live:

            def keep_share(tensor: torch.Tensor | None) -> None:
                if tensor is not None:
                    live.count_as(tensor, tensor.nbytes / sharing)

            for parameter in method.parameters():
                if parameter.requires_grad:
                    parameter.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
                        lambda learned: keep_share(learned.grad)
                    )
            for _ in range(2):  # the second one with what the optimizer remembers
                step(run.steps - 1)
                for remembered in tree_leaves(optimizer.state_dict()["state"]):
                    keep_share(remembered if _is_tensor(remembered) else None)
    # On a CPU each process builds all of the networks in the memory that they will share.
    most = max(held + live.most, weights if device.type == "cpu" else 0)
    return most if most <= limit / margin else inf


def _margin(run: Run, sharing: int) -> float:
    return _SHARDED_MARGIN if sharing > 1 and run.device == "cpu" else _MARGIN


def _largest_unit(method: Method) -> int:
    """Return the bytes of the weights that are gathered at once; a unit has those that none before it has."""
    taken: set[int] = set()
    sizes = [0]
    for unit in (unit for network in method.networks.values() for unit in network.units()):
        own = [parameter for parameter in unit.parameters() if id(parameter) not in taken]
        taken.update(map(id, own))
        sizes.append(sum(parameter.nbytes for parameter in own))
    return max(sizes)


def _has_batch_norms(run: Run) -> bool:
    with shapes_only():
        model = run.model.model_copy(update={"pretrained": "none"})
        network = build_segmenter(model, 2, run.seed)
    return any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules())


def _resident() -> int:
    """Return how many bytes of memory this process takes now, and will beside steps."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 + _BESIDE_STEPS
    except OSError:  # not Linux
        return 600 * 2**20 + _BESIDE_STEPS


def _batches(run: Run) -> dict[str, int]:
    names = ["labeled_batch_size", *["unlabeled_batch_size"] * run.method.views.unlabeled]
    return {name: getattr(run.data, name) for name in names}


def _with(run: Run, recompute: str | None = None, accumulate: int | None = None) -> Run:
    model = run.model.model_copy(
        update={"recompute_activations": recompute or run.model.recompute_activations}
    )
    return run.model_copy(update={"model": model, "accumulate": accumulate or run.accumulate})


class _TooMuch(Exception):
    """Tensors take more than a limit."""


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that are made while it is on and not yet freed.

    Args:
        limit: Bytes at which the block is left.

    Attributes:
        now: Bytes at the moment.
        most: Bytes at the peak.
    """

    def __init__(self, limit: float = inf) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0.0
        self._limit = limit
        self._sizes: dict[int, float] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Do what was asked for, and count what came of it."""
        out = func(*args, **(kwargs or {}))
        given = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if _is_tensor(leaf)}
        for leaf in tree_leaves(out):
            if _is_tensor(leaf):
                self._count(leaf.untyped_storage(), given)
        return out

    def count_as(self, tensor: torch.Tensor, size: float) -> None:
        """Count a tensor as so many bytes from now on, if it was made while this was on."""
        key = tensor.untyped_storage()._cdata
        if key in self._sizes:
            self.now += size - self._sizes[key]
            self._sizes[key] = size

    def _count(self, storage: torch.UntypedStorage, given: set[int]) -> None:
        key = storage._cdata
        if key in self._sizes or key in given:
            return
        self._sizes[key] = size = storage.nbytes()
        self.now += size
        self.most = max(self.most, self.now)
        if self.now > self._limit:
            raise _TooMuch
        weakref.finalize(storage, self._freed, key)

    def _freed(self, key: int) -> None:
        self.now -= self._sizes.pop(key, 0)


def _is_tensor(leaf: object) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.layout is torch.strided
