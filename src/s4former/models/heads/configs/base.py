"""What all heads are as data, and how one is chosen by its name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from s4former.config.base import Config
from s4former.config.listed import Listed

if TYPE_CHECKING:
    from s4former.models.heads.base import Head


class HeadConfig(Config, ABC):
    """Which head, its sizes, and what it looks at. The config lives in the file of its class."""

    name: str
    """The head: the name of a file in ``models/heads/``, or the import path of a file of your own."""
    out_indices: Annotated[tuple[int, ...], Field(min_length=1)] | None = None
    """Blocks of a plain transformer, or stages of a hierarchical one, whose outputs the head sees: from 0, or
    from the end as -1. Later ones are dropped. Null: those that `looks_at` names."""

    @property
    def wants_final_norm(self) -> bool:
        """Whether it looks at grids through the transformer's final norm, having no such norm of its own."""
        return False

    def looks_at(self, depth: int) -> tuple[int, ...]:
        """Return which of ``depth`` blocks or stages the head sees if nothing else is said: the last."""
        return (depth - 1,)

    def indices(self, depth: int) -> tuple[int, ...]:
        """Return the blocks or stages that the head sees, counted from 0.

        Raises:
            ValueError: If there are none of these numbers.
        """
        chosen = self.out_indices or self.looks_at(depth)
        if any(not -depth <= index < depth for index in chosen):
            raise ValueError(
                f"out_indices={list(chosen)}: the backbone has {depth} blocks or stages, 0 to {depth - 1}, "
                f"or -{depth} to -1 from the end"
            )
        return tuple(index % depth for index in chosen)

    @abstractmethod
    def build(self, widths: tuple[int, ...], num_classes: int) -> Head:
        """Return the head with random weights.

        Args:
            widths: Channels of the grids that it is going to see.
            num_classes: Number of classes.
        """


HEADS: Listed[HeadConfig] = Listed("s4former.models.heads", HeadConfig, "segmentation head")  # type: ignore[type-abstract]
"""All heads by name."""
HeadField = Annotated[SerializeAsAny[HeadConfig], BeforeValidator(HEADS.parse)]


class OneGridConfig(HeadConfig):
    """A head that sees one grid."""

    @model_validator(mode="after")
    def _sees_one_grid(self) -> Self:
        if self.out_indices and len(self.out_indices) != 1:
            raise ValueError(
                f"{self.name} sees one grid, got out_indices={list(self.out_indices)}; use model.head=linear "
                "for more"
            )
        return self


def evenly(depth: int, count: int) -> tuple[int, ...]:
    """Return ``count`` of ``depth`` blocks at even distances, the last one among them."""
    count = min(count, depth)
    return tuple((number + 1) * depth // count - 1 for number in range(count))
