"""Channel dropout: whole channels of the features are dropped before the head."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from s4former.methods.configs.perturbation import PerturbationConfig
from s4former.methods.parts.perturbation import Perturbation
from s4former.methods.parts.view import View
from s4former.ops.randomness import keyed_generator
from s4former.types import Features, Segmenter


class ChannelDropoutConfig(PerturbationConfig):
    """How many channels are dropped."""

    name: Literal["channel_dropout"] = "channel_dropout"
    """The perturbation: this file's name."""
    probability: float = Field(0.5, ge=0, lt=1)
    """Probability that a channel of an image's features is dropped; the others grow by as much."""

    def build(self, student: Segmenter) -> ChannelDropout:
        """Return the perturbation."""
        return ChannelDropout(self)


class ChannelDropout(Perturbation):
    """Drops channels of each grid and image by chance.

    Source:
        Yang et al., 2023 and 2025 (UniMatch, UniMatch V2): their feature perturbation is this with 0.5.
    """

    def __init__(self, config: ChannelDropoutConfig) -> None:
        super().__init__()
        self.config = config

    def after(self, grids: Features, view: View) -> Features:
        """Drop channels, the same at every call."""
        name = f"channel_dropout again {self.repetition}" if self.repetition else "channel_dropout"
        generators = [
            keyed_generator(view.key.seed, view.stream(name), view.key.step, index)
            for index in view.indices.tolist()
        ]
        return tuple(grid * self._factors(grid, generators) for grid in grids)

    def _factors(self, grid: Tensor, generators: list[np.random.Generator]) -> Tensor:
        drawn = np.stack([generator.random(grid.shape[1]) for generator in generators])
        kept = torch.from_numpy(drawn >= self.config.probability).to(grid)
        return kept[..., None, None] / (1 - self.config.probability)
