"""Golden ``patch_shuffle``: which block goes where, and back, exact."""

from __future__ import annotations

import torch
from einops import rearrange
from golden_data import cases, load_arrays

from s4former.ops import Shuffle, blocks_for, restore_blocks, shuffle_blocks


def test_shuffle_and_restore(golden):
    for case in cases(load_arrays(golden("patch_shuffle.npz")), "permutation").values():
        patch = int(case["patch_size"])
        height, width = case["image"].shape[-2:]
        rows, cols = blocks_for(height, width, patch, int(case["PatchMix_N"]))
        shuffle = Shuffle(case["permutation"], rows, cols)
        assert torch.equal(shuffle_blocks(case["image"], shuffle), case["shuffled"])
        assert torch.equal(restore_blocks(case["shuffled"], shuffle), case["image"])

        grid = rearrange(case["tokens"], "b (r s) d -> b d r s", r=height // patch)
        restored = rearrange(restore_blocks(grid, shuffle), "b d r s -> b (r s) d")
        assert torch.equal(restored, case["tokens_unshuffled"])
