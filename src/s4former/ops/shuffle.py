"""PatchShuffle: blocks of an image change places before the backbone, and its features go back afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Int, Shaped
from torch import Tensor

from s4former.config.errors import ValueMistake
from s4former.ops.randomness import keyed_generator
from s4former.types import DrawKey


@dataclass(frozen=True)
class Shuffle:
    """How the blocks of each image of a batch are permuted.

    Attributes:
        permutation: Block ``k`` of the shuffled image is block ``permutation[k]`` of the original; blocks are
            numbered row by row.
        rows: Number of blocks from top to bottom.
        cols: Number of blocks from left to right.
    """

    permutation: Int[Tensor, "b k"]
    rows: int
    cols: int

    def __post_init__(self) -> None:
        if self.permutation.shape[1] != self.rows * self.cols:
            raise ValueError(
                f"{self.rows} x {self.cols} blocks need permutations of {self.rows * self.cols} numbers, "
                f"got {self.permutation.shape[1]}"
            )


def blocks_for(height: int, width: int, patch: int, blocks: int) -> tuple[int, int]:
    """Return how many (rows, columns) of blocks an image has.

    Args:
        height: Image height in pixels.
        width: Image width in pixels.
        patch: Pixels per side of a backbone patch.
        blocks: Patches per side of a block.

    Raises:
        ValueError: If a side of the image is not a multiple of the block's side.
    """
    side = patch * blocks
    if height < side or width < side or height % side or width % side:
        near = " x ".join(str(max(1, round(length / side)) * side) for length in (height, width))
        raise ValueMistake(
            f"PatchShuffle cuts images into blocks of {blocks} x {blocks} patches of {patch} pixels: their "
            f"sides must be multiples of {side}, got {height} x {width}. Choose another crop size ({near}) "
            "or other blocks."
        )
    return height // side, width // side


def sample_shuffle(
    key: DrawKey, stream: str, indices: Sequence[int], rows: int, cols: int, probability: float
) -> Shuffle:
    """Draw one permutation of ``rows * cols`` blocks for each image.

    An image is shuffled with ``probability`` and keeps its order otherwise; each has its own draw, named by
    the key, ``stream`` and its number in the global batch, one of ``indices``.
    """
    order = np.arange(rows * cols)
    permutations = np.tile(order, (len(indices), 1))
    for place, index in enumerate(indices):
        generator = keyed_generator(key.seed, stream, key.step, index)
        if generator.random() < probability:
            permutations[place] = generator.permutation(order)
    return Shuffle(torch.from_numpy(permutations), rows, cols)


def shuffle_blocks(images: Shaped[Tensor, "b c h w"], shuffle: Shuffle) -> Shaped[Tensor, "b c h w"]:
    """Permute the blocks of each image.

    Raises:
        ValueError: If the image's sides do not divide into the shuffle's rows and columns.

    Source:
        S4Former, PatchShuffle (golden ``patch_shuffle``, exact). **We differ:** the image may be any
        rectangle.
    """
    return _permute_blocks(images, shuffle.permutation, shuffle)


def restore_blocks(grid: Shaped[Tensor, "b d gh gw"], shuffle: Shuffle) -> Shaped[Tensor, "b d gh gw"]:
    """Put features of shuffled images back in place: the exact inverse of `shuffle_blocks`.

    The grid may have any stride, as long as each block covers a whole number of its cells.

    Raises:
        ValueError: If the grid's sides do not divide into the shuffle's rows and columns.
    """
    return _permute_blocks(grid, shuffle.permutation.argsort(dim=1), shuffle)


def _permute_blocks(grid: Tensor, order: Tensor, shuffle: Shuffle) -> Tensor:
    rows, cols = shuffle.rows, shuffle.cols
    height, width = grid.shape[-2:]
    if height % rows or width % cols:
        raise ValueError(f"a grid of {height} x {width} does not divide into {rows} x {cols} blocks")
    blocks = rearrange(grid, "b c (r y) (s x) -> b (r s) c y x", r=rows, s=cols)
    image = torch.arange(grid.shape[0], device=grid.device)[:, None]
    moved = blocks[image, order.to(grid.device, non_blocking=True)]
    return rearrange(moved, "b (r s) c y x -> b c (r y) (s x)", r=rows, s=cols)
