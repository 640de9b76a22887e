"""Golden ``pasa`` case ``mit.a``: the released bias of SegFormer reaches its last stage, and no other."""

from __future__ import annotations

import torch
from golden_data import cases, load_arrays
from torch.nn import functional as F

from s4former.models import MiTConfig


def test_the_released_bias_reaches_the_last_stage_alone(golden, monkeypatch):
    case = cases(load_arrays(golden("pasa.npz")), "conf_mask")["mit.a"]
    count, rows, cols = case["unconfidence"].shape
    model = MiTConfig(embed_dims=(4, 8, 12, 16), depths=(1, 1, 2, 2), num_heads=(1, 1, 1, 2)).build(3)
    images = torch.rand(count, 3, 32 * rows, 32 * cols)
    masks = []
    fused = F.scaled_dot_product_attention

    def spy(query, key, value, attn_mask=None):
        assert key.shape[-2] == rows * cols  # every stage has a key for each of these patches
        masks.append(attn_mask)
        return fused(query, key, value, attn_mask=attn_mask)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    model(images, case["bias"])
    assert [mask is None for mask in masks] == [True] * 4 + [False] * 2
    for mask in masks[4:]:
        torch.testing.assert_close(mask[:, 0], case["bias"], rtol=0, atol=0)
