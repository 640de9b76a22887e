"""A run: everything that decides what comes out of training, in one config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PositiveInt, SerializeAsAny, model_validator

from s4former.config.base import Config
from s4former.config.override import Presets, VariantNames, Variants
from s4former.data.config import DataConfig
from s4former.engine.callbacks import CallbackField
from s4former.engine.device import resolve_threads
from s4former.engine.optim import OptimizerConfig
from s4former.inference.device import Precision, resolve_device, resolve_precision
from s4former.inference.evaluate import EvaluateConfig
from s4former.methods import METHODS, MethodConfig
from s4former.models.config import ModelConfig
from s4former.models.presets import model_preset


class Run(Config):
    """A whole training run. Everything counts in steps; a data set's size is no part of it."""

    variants: ClassVar[Variants] = {"method": METHODS.config_class}
    """Fields whose class follows their ``name``, for overrides."""
    variant_names: ClassVar[VariantNames] = {"method": METHODS.names}
    """Which classes these fields may have."""
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
    callbacks: tuple[CallbackField, ...] = ()
    """Who else listens, as in ``[tensorboard]``: files of ``engine/callbacks/`` or of your own."""
    data: DataConfig = DataConfig()
    """The images and how batches are drawn from them."""
    model: ModelConfig = ModelConfig()
    """The network."""
    load_from: str | None = None
    """A trained network to start from, heads included: a run or model folder, or the authors' checkpoint."""
    method: Annotated[SerializeAsAny[MethodConfig], BeforeValidator(METHODS.parse)] = Field(
        default_factory=lambda: METHODS.parse("s4former")
    )
    """How it learns."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """How its weights move."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """How it is scored."""
    precision: Precision = "auto"
    """Format of matrix products; weights are always float32."""
    device: str = "auto"
    """``cpu``, ``cuda``, ``cuda:1`` ..."""
    threads: PositiveInt | Literal["auto"] = "auto"
    """Threads of one operation on the CPU; sums depend on it in their last bits."""
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

    def resolved(self, before: Mapping[str, Any] | None = None) -> Run:
        """Return the run with each ``auto`` replaced by what it means on this machine.

        Args:
            before: The dump of the run as it was started, if it is resumed: ``auto`` means what it meant.

        Raises:
            UserError: If the device asked for does not exist.
        """
        if before:
            unsaid = [name for name in ("device", "precision", "threads") if getattr(self, name) == "auto"]
            return self.model_copy(update={name: before[name] for name in unsaid}).resolved()
        device = resolve_device(self.device)
        return self.model_copy(
            update={
                "device": device,
                "precision": resolve_precision(self.precision, device),
                "threads": resolve_threads() if self.threads == "auto" else self.threads,
                "evaluate": self.evaluate.resolved(self.data.crop),
            }
        )
