"""Complementary channel dropout: of two strong views each loses the channels that the other keeps."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from s4former.methods.configs.perturbation import PerturbationConfig
from s4former.methods.parts.perturbation import Perturbation
from s4former.methods.parts.view import View
from s4former.ops.randomness import keyed_generator
from s4former.types import Features, Segmenter


class ComplementaryDropoutConfig(PerturbationConfig):
    """Which images of a batch are spared."""

    name: Literal["complementary_dropout"] = "complementary_dropout"
    """The perturbation: this file's name."""
    spared: float = Field(0.5, ge=0, le=1)
    """Share of the images of a batch, rounded down, that keep all channels in both views."""

    def build(self, student: Segmenter) -> ComplementaryDropout:
        """Return the perturbation."""
        return ComplementaryDropout(self)


class ComplementaryDropout(Perturbation):
    """Multiplies each channel of an image by 2 or 0 in its first view, and by 0 or 2 in its second.

    The factors are the same for all blocks that the head looks at. Third and fourth views are a pair as well.

    Source:
        UniMatch V2 (golden ``dropout``: the same law, and outputs to the bit with the recorded factors).
    """

    def __init__(self, config: ComplementaryDropoutConfig) -> None:
        super().__init__()
        self.config = config

    def draw(self, view: View, channels: int) -> Float[Tensor, "b d"]:
        """Return the factor of each channel of each image, the same at every call."""
        seed, step = view.key.seed, view.key.step
        pair, is_second = divmod(view.number, 2)
        stream = f"complementary_dropout/{pair}"
        order = keyed_generator(seed, f"{stream}/spared", step).permutation(view.batch_size)
        spared = torch.from_numpy(order[: int(self.config.spared * view.batch_size)])
        drawn = [
            keyed_generator(seed, stream, step, index).random(channels) for index in view.indices.tolist()
        ]
        factors = 2 * torch.from_numpy(np.stack(drawn) < 0.5).float()
        if is_second:
            factors = 2 - factors
        return torch.where(torch.isin(view.indices, spared)[:, None], 1.0, factors)

    def after(self, grids: Features, view: View) -> Features:
        """Drop channels."""
        factors = {width: self.draw(view, width) for width in {grid.shape[1] for grid in grids}}
        return tuple(grid * factors[grid.shape[1]].to(grid)[..., None, None] for grid in grids)
