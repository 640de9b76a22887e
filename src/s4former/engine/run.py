"""A run: everything that decides what comes out of training, in one config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, SerializeAsAny, model_validator

from s4former.config.base import Config
from s4former.config.override import Presets
from s4former.config.validation import Variants, validated
from s4former.data.config import DataConfig
from s4former.data.sources import Split
from s4former.engine.alarms_config import AlarmsConfig
from s4former.engine.callbacks import CallbackField
from s4former.inference.config import EvaluateConfig, Precision
from s4former.inference.device import resolve_device, resolve_precision
from s4former.methods import METHODS, MethodConfig
from s4former.models import ModelConfig, model_preset


class OptimizerConfig(Config):
    """How weights move. The learning rate falls from ``lr`` to ``min_lr`` as a polynomial does."""

    name: Literal["sgd", "adamw"] = "adamw"
    """``sgd`` (with momentum, as published) or ``adamw``."""
    lr: PositiveFloat = 5e-5
    """Learning rate of the backbone at its highest."""
    head_lr_factor: PositiveFloat = 10.0
    """The heads learn faster than the pretrained backbone by this factor."""
    probe_lr: PositiveFloat = 1e-2
    """Learning rate of the heads if no weight of the backbone is trained (``model.frozen_blocks=all``)."""
    layer_decay: float = Field(1.0, gt=0, le=1)
    """Each block of the backbone learns slower than the one after it by this factor, as 0.75; the last one
    slower than what follows it. 1: all at the same rate."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Momentum of SGD; the first moment's decay of AdamW."""
    weight_decay: float = Field(0.0, ge=0)
    """Decay of weights, as a share of the learning rate."""
    decayed: Literal["matrices", "all"] = "matrices"
    """Which parameters decay: ``matrices`` and kernels, not norms, biases, tokens and position embeddings; or
    ``all``, as in UniMatch V2's code."""
    min_lr: float = Field(0.0, ge=0)
    """Learning rate at the end, the same for backbone and heads."""
    power: float = Field(0.9, ge=0)
    """Power of the polynomial; 0 keeps the learning rate constant until the end."""
    warmup_steps: int = Field(0, ge=0)
    """Steps over which the learning rate rises linearly to its schedule."""
    max_grad_norm: float = Field(0.0, ge=0)
    """Gradients are scaled down to this norm, over all parameters; 0 leaves them alone."""

    @model_validator(mode="after")
    def _min_below(self) -> OptimizerConfig:
        least, of = min((self.lr, "lr"), (self.lr * self.head_lr_factor, "lr x head_lr_factor"))
        if self.min_lr > least:
            raise ValueError(
                f"expected min_lr to be at most {of}={least:g}, as the schedule falls, got {self.min_lr}"
            )
        return self


class _Machine(Config):
    """What ``auto`` meant when a run was started."""

    device: str
    """Where the weights were."""
    precision: Literal["float32", "bfloat16"]
    """Numbers of the forward passes."""
    threads: PositiveInt
    """Of a process."""


class Run(Config):
    """A whole training run. Everything counts in steps; a data set's size is no part of it."""

    variants: ClassVar[Variants] = {"method": METHODS}
    """Fields whose class follows their ``name``, for overrides."""
    presets: ClassVar[Presets] = {"model": model_preset}
    """Fields that a short name replaces, for overrides."""

    steps: PositiveInt = 2000
    """Updates of the weights."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Names every random draw: first weights, crops, colors, boxes."""
    accumulate: PositiveInt = 1
    """Equal parts in which a process learns its share of a batch, one after the other: less memory, the same
    step. Only batch norms see the difference, as they see a part at a time."""
    evaluate_every: int = Field(500, ge=0)
    """Steps between scores; 0: only at the end."""
    save_every: int = Field(500, ge=0)
    """Steps between saved states, to resume from; 0: only at the end and when interrupted."""
    log_every: PositiveInt = 10
    """Steps per line of the journal."""
    diagnose_every: int = Field(5, ge=0)
    """Steps between those in which pseudo-labels are counted, for ``pseudo/*`` in the journal; 0: never."""
    diagnose_truth: str | None = None
    """Folder of masks of unlabeled images, from the data set's folder, as ``masks/train``: opened to log
    ``pseudo/precision``, never learned from. None: such masks stay closed."""
    callbacks: tuple[CallbackField, ...] = ()
    """Who else listens, as in ``[tensorboard]``: files of ``engine/callbacks/`` or of your own."""
    alarms: AlarmsConfig = AlarmsConfig()
    """When it says that unlabeled images teach it little."""
    data: DataConfig = DataConfig()
    """The images and how batches are drawn from them."""
    model: ModelConfig = ModelConfig()
    """The network."""
    load_from: str | None = None
    """A trained network to start from, heads included: a run or model folder, or the authors' checkpoint."""
    fall_back: bool = False
    """Keep the network from before unlabeled images take part, and let it be the model if val shows, beyond
    its noise, that the end is worse."""
    method: Annotated[SerializeAsAny[MethodConfig], BeforeValidator(METHODS.parse)] = Field(
        default_factory=lambda: METHODS.parse("s4former")
    )
    """How it learns."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """How its weights move."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """How it is scored."""
    precision: Precision = "auto"
    """Format of matrix products; weights are always float32. A CPU without products of bfloat16 takes
    float32."""
    device: str = "auto"
    """``cpu``, ``cuda``, ``cuda:1`` ..."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """What each of several processes keeps: all weights (``ddp``), or some rows of each weight, gradient and
    state of the optimizer (``fsdp``), for networks that one GPU cannot hold. The numbers are the same to
    rounding; one process has all of it anyway."""
    threads: PositiveInt | Literal["auto"] = "auto"
    """Threads of one operation on the CPU; sums depend on it in their last bits."""
    faster_on_cpu: bool = True
    """On a CPU, compute linear maps and convolutions in the order that is fastest there: the same numbers to
    rounding."""
    deterministic: bool = False
    """Ask a CUDA device for repeatable kernels, which are slower; the CPU is repeatable anyway."""

    @model_validator(mode="after")
    def _channels_agree(self) -> Self:
        if self.data.channels != self.model.channels:
            raise ValueError(
                f"images have data.channels={self.data.channels}, but the network takes model.channels="
                f"{self.model.channels}; set both to the same number, and as many model.mean and model.std"
            )
        self.method.views.check(self.data.channels)
        return self

    @model_validator(mode="after")
    def _unlabeled_images_take_part(self) -> Self:
        if self.steps < self.method.least_steps:
            raise ValueError(
                f"steps={self.steps} end before method {self.method.name} learns from unlabeled images, "
                f"which takes at least {self.method.least_steps}; give more steps or a smaller "
                "method.unlabeled_start_step"
            )
        return self

    @property
    def used_splits(self) -> list[Split]:
        """The splits of the data that the run looks at."""
        unlabeled: list[Split] = ["unlabeled"] if self.method.views.unlabeled else []
        return ["labeled", *unlabeled, self.evaluate.part]

    def resolved(self, before: Mapping[str, Any] | None = None) -> Run:
        """Return the run with each ``auto`` replaced by what it means on this machine.

        Args:
            before: The dump of the run as it was started, if it is resumed: ``auto`` means what it meant.

        Raises:
            UserError: If the device asked for does not exist, or ``before`` does not say what it ran on.
        """
        if before:
            fields = {name: before.get(name) for name in _Machine.model_fields}
            meant = validated(
                _Machine, fields, "what the run says of the machine that it started on does not fit"
            )
            unsaid = {name: value for name, value in meant if getattr(self, name) == "auto"}
            return self.model_copy(update=unsaid).resolved()
        threads = self.threads
        if threads == "auto":
            from s4former.engine.device import resolve_threads  # late, as it asks torch

            threads = resolve_threads()
        device = resolve_device(self.device)
        on_device = {"views_on_device": self.data.makes_views_on(device)}
        return self.model_copy(
            update={
                "device": device,
                "data": self.data.model_copy(update=on_device),
                "precision": resolve_precision(self.precision, device),
                "threads": threads,
                "evaluate": self.evaluate.resolved(self.data.crop),
            }
        )
