"""PatchShuffle: blocks of the image change places before the backbone; its features go back afterwards."""

from __future__ import annotations

from dataclasses import replace

from s4former.methods.configs.parts import PatchShuffleConfig
from s4former.methods.parts.perturbation import Perturbation
from s4former.methods.parts.view import View
from s4former.ops.shuffle import Shuffle, blocks_for, restore_blocks, sample_shuffle, shuffle_blocks
from s4former.types import Features


class PatchShuffle(Perturbation):
    """Permutes the blocks of each image with a probability; the head sees the true layout.

    Source:
        S4Former, PatchShuffle; see `ops.shuffle`.
    """

    def __init__(self, config: PatchShuffleConfig, patch_size: int) -> None:
        super().__init__()
        self.config, self.patch_size = config, patch_size

    def draw(self, view: View) -> Shuffle:
        """Return the permutations of a view's images, the same at every call."""
        height, width = view.images.shape[-2:]
        rows, cols = blocks_for(height, width, self.patch_size, self.config.shuffle_block)
        names, probability = view.stream("patch_shuffle"), self.config.shuffle_probability
        return sample_shuffle(view.key, names, view.indices.tolist(), rows, cols, probability)

    def before(self, view: View) -> View:
        """Permute images, and with them what PASA looks at."""
        shuffle = self.draw(view)
        uncertain = shuffle_blocks(view.uncertain[:, None], shuffle)[:, 0]
        return replace(view, images=shuffle_blocks(view.images, shuffle), uncertain=uncertain)

    def after(self, grids: Features, view: View) -> Features:
        """Put features back in place."""
        shuffle = self.draw(view)
        return tuple(restore_blocks(grid, shuffle) for grid in grids)

    def check(self, crop: tuple[int, int]) -> None:
        """Refuse crops that do not divide into blocks."""
        blocks_for(*crop, self.patch_size, self.config.shuffle_block)
