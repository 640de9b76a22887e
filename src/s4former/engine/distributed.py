"""Several processes that train one run together: joining them, and making them agree.

Whoever starts them says so in the environment, as torchrun does: RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR
and MASTER_PORT. Process 0 alone writes and speaks. All of them stop together: what goes wrong in one is
raised in all, at the same place.
"""

from __future__ import annotations

import atexit
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parallel import DistributedDataParallel

from s4former import collectives
from s4former.config.errors import OutOfMemory, S4FormerError, StoppedAtOnce, UserError
from s4former.config.invocation import invocation
from s4former.methods import Method

T = TypeVar("T")
_PATIENCE = timedelta(minutes=30)


def join() -> None:
    """Join the processes that this one was started with, if any and if that was not done before.

    Raises:
        UserError: If the environment names other processes but not how to meet them.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or dist.is_initialized():
        return
    unsaid = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if unsaid:
        raise UserError(
            f"WORLD_SIZE={os.environ['WORLD_SIZE']} asks for several processes, but {', '.join(unsaid)} is "
            "not set; start them with torchrun or tools/dist_train.sh, or unset WORLD_SIZE"
        )
    with_gpus = torch.cuda.is_available() and dist.is_nccl_available()
    store, rank, size = next(rendezvous("env://", timeout=_PATIENCE))
    # torchrun keeps its store when it restarts processes; they must not meet the addresses of dead ones.
    attempt = PrefixStore(f"restart_{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    backend = "cpu:gloo,cuda:nccl" if with_gpus else "gloo"
    dist.init_process_group(backend, store=attempt, rank=rank, world_size=size, timeout=_PATIENCE)
    atexit.register(_leave)


@contextmanager
def joined() -> Iterator[None]:
    """Join as `join` does, and exit silently if this process fails alone.

    What a person can act on is raised in all processes, which then part as usual. Other errors (out of
    memory, a second Ctrl-C) may be this one's own: where taking leave waits for the others, who still wait
    for its numbers, it ends at once instead, and who started them ends those.
    """
    join()
    try:
        yield
    except BaseException as error:
        shared = isinstance(error, S4FormerError) and not isinstance(error, OutOfMemory | StoppedAtOnce)
        if not shared and _leaving_waits():
            atexit.unregister(_leave)
        if not _lost_another(error):
            raise
        raise StoppedAtOnce(
            f"another process of this run is gone, so this one ends too ({str(error).splitlines()[0]}). "
            f"What it said itself stands above, unless it was killed; {invocation().resume} to go on from "
            "the last saved step, if any"
        ) from error


def _lost_another(error: BaseException) -> bool:
    """Whether an error says that a process cannot be reached any more."""
    of_torch = isinstance(error, RuntimeError) and collectives.world_size() > 1
    return of_torch and ("gloo" in str(error) or isinstance(error, dist.DistError))


def _leaving_waits() -> bool:
    """Whether `dist.destroy_process_group` waits for the other processes to call it, as NCCL's does."""
    return dist.is_initialized() and "nccl" in dist.get_backend_config()


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def own_device(device: torch.device) -> torch.device:
    """Return the device of this process: alone the one asked for, else a GPU of its own, or the CPU.

    Raises:
        UserError: If there are more processes on this machine than GPUs, or one device is asked for by all.
    """
    if collectives.world_size() == 1 or device.type == "cpu":
        return device
    index = int(os.environ.get("LOCAL_RANK", collectives.rank()))
    if device.type != "cuda" or device.index is not None:
        raise UserError(f"device={device} is one device for all processes; type device=cuda or device=cpu")
    if index >= torch.cuda.device_count():
        raise UserError(
            f"process {index} of this machine needs a GPU of its own, but there are "
            f"{torch.cuda.device_count()}; start fewer processes, which changes nothing else as batch sizes "
            "are global, or type device=cpu"
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def synchronize_layers(network: nn.Module, device: torch.device, accumulate: int = 1) -> None:
    """Let the layers of a network that depend on the batch know the global one, in place.

    These are batch norms, and layers that drop what torch's generator draws. Alone, and with the batch
    learned in one piece, they know it anyway. A batch norm never knows the other parts of a batch.

    Raises:
        UserError: If a layer cannot know it.
    """
    if collectives.world_size() * accumulate == 1:
        return
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            shared = _synchronized(child, device)
            if shared is not child:
                setattr(parent, name, shared)


def _synchronized(layer: nn.Module, device: torch.device) -> nn.Module:
    from timm.layers.drop import DropPath  # late: a config is read without timm

    if isinstance(layer, _BatchNorm) and collectives.world_size() == 1:
        return layer
    if isinstance(layer, _BatchNorm) and device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(layer)  # type: ignore[no-untyped-call,no-any-return]
    if isinstance(layer, nn.BatchNorm2d):
        return SyncBatchNorm2d.of(layer)
    if isinstance(layer, DropPath):
        return GlobalDropPath(layer.drop_prob, layer.scale_by_keep).train(layer.training)
    if isinstance(layer, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
        whole_channels = not isinstance(layer, nn.Dropout)
        return GlobalDropout(layer.p, whole_channels).train(layer.training) if layer.p else layer
    if isinstance(layer, _DropoutNd | _BatchNorm):
        raise UserError(
            f"the network has a layer {type(layer).__name__}, which sees a part of the batch alone, so with "
            "several processes or accumulate the run would be another one; use one of nn.Dropout, "
            "nn.Dropout1d to nn.Dropout3d, nn.BatchNorm2d and timm's DropPath, or one process and "
            "accumulate=1"
        )
    return layer


class GlobalDropout(nn.Module):
    """Drops the elements, or the whole channels, that it would drop from the global batch."""

    def __init__(self, p: float, whole_channels: bool) -> None:
        super().__init__()
        self.p, self.whole_channels = p, whole_channels

    def forward(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Drop them, in training."""
        if not self.training:
            return x
        shape = (x.shape[1], *(1,) * (x.ndim - 2)) if self.whole_channels else tuple(x.shape[1:])
        return collectives.drop(x, self.p, shape)


class GlobalDropPath(nn.Module):
    """Skips the branches that it would skip for the global batch."""

    def __init__(self, drop_prob: float, scale_by_keep: bool) -> None:
        super().__init__()
        self.drop_prob, self.scale_by_keep = drop_prob, scale_by_keep

    def forward(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Skip a branch of some images, in training."""
        if not self.training or not self.drop_prob:
            return x
        return collectives.drop(x, self.drop_prob, (1,) * (x.ndim - 1), self.scale_by_keep)


class SyncBatchNorm2d(nn.BatchNorm2d):
    """As torch's `SyncBatchNorm`, on a CPU, where that has no kernel."""

    @classmethod
    def of(cls, norm: nn.BatchNorm2d) -> SyncBatchNorm2d:
        """Return one with the weights, statistics and settings of ``norm``."""
        if norm.momentum is None or not (norm.affine and norm.track_running_stats):
            raise UserError(f"{norm} cannot be shared by several processes; it needs weights and a momentum")
        new = cls(norm.num_features, norm.eps, norm.momentum)
        new.load_state_dict(norm.state_dict())
        return new.train(norm.training)

    def forward(self, x: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d h w"]:
        """Normalize: in training with the statistics of the global batch, else with the running ones."""
        if not self.training:
            return super().forward(x)
        cast(Tensor, self.num_batches_tracked).add_(1)
        running = cast(Tensor, self.running_mean), cast(Tensor, self.running_var)
        return collectives.batch_norm(
            x, self.weight, self.bias, *running, cast(float, self.momentum), self.eps
        )


def wrap(method: Method) -> nn.Module:
    """Return what to call for a step: the method, whose gradients become the mean over processes.

    Sharded units see to that themselves, in each part of a batch: whole gradients would take more memory.
    """
    if collectives.world_size() == 1 or collectives.any_sharded(method.parameters()):
        return method
    # A method's own parameters may rest in steps without unlabeled images; the student's never do.
    own = "method" in method.parameter_groups()
    with warnings.catch_warnings():
        # From torch 2.14 on the first option is to have another name, which earlier ones don't know.
        warnings.simplefilter("ignore", FutureWarning)
        return DistributedDataParallel(
            method, broadcast_buffers=False, gradient_as_bucket_view=True, find_unused_parameters=own
        )


def syncing(step_of: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Return the context of one part of a step: processes exchange gradients with the last one only."""
    if last or not isinstance(step_of, DistributedDataParallel):
        return nullcontext()
    return step_of.no_sync()


def averaged(scalars: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the mean over processes of each scalar, without gradients: its value for the global batch."""
    if collectives.world_size() == 1:
        return dict(scalars)
    mine = torch.stack([value.detach().float() for value in scalars.values()])
    return dict(zip(scalars, collectives.total(mine) / collectives.world_size(), strict=True))
