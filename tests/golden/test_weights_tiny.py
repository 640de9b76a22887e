"""Backbone weights in the naming of mmcls and of the authors' instructions give what their code holds."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from s4former.models import TimmBackbone, ViTConfig, load_backbone_weights
from s4former.models.keys import to_timm

Golden = Callable[[str], Path]


@pytest.fixture
def expected(golden: Golden) -> dict[str, Tensor]:
    state = load_file(golden("weights_tiny_loaded.safetensors"))
    return {to_timm(key): value for key, value in state.items()}


@pytest.fixture
def backbone(expected: dict[str, Tensor]) -> TimmBackbone:
    """A random ViT of the width, depth and patch grid that the reference holds."""
    width, _, patch, _ = expected["patch_embed.proj.weight"].shape
    depth = len({key.split(".")[1] for key in expected if key.startswith("blocks.")})
    grid = math.isqrt(expected["pos_embed"].shape[1])
    sizes = ViTConfig(
        image_size=(grid * patch, grid * patch), patch_size=patch, embed_dim=width, depth=depth, num_heads=1
    )
    return sizes.build(3)


@pytest.mark.parametrize("style", ["mmcls", "converted"])
@pytest.mark.parametrize("form", ["safetensors", "pth"])
def test_weights_of_either_naming(
    golden: Golden, tmp_path: Path, backbone: TimmBackbone, expected: dict[str, Tensor], style: str, form: str
) -> None:
    path = golden(f"weights_tiny_{style}.safetensors")
    if form == "pth":
        state = load_file(path)
        path = tmp_path / "weights.pth"
        torch.save({"meta": {"epoch": 1}, "state_dict": state}, path)
    before = path.read_bytes()
    report = load_backbone_weights(backbone, path)
    assert path.read_bytes() == before

    loaded = backbone.state_dict()
    assert loaded.keys() == expected.keys()
    for key, value in expected.items():
        tolerance = 1e-6 if key == "pos_embed" else 0.0
        torch.testing.assert_close(loaded[key], value, rtol=tolerance, atol=tolerance)

    stored = load_file(golden(f"weights_tiny_{style}.safetensors"))
    old_tokens = next(value for key, value in stored.items() if key.endswith("pos_embed")).shape[1]
    assert report.style == {"mmcls": "mmcls", "converted": "mmseg"}[style]
    assert report.resized_from == (math.isqrt(old_tokens), math.isqrt(old_tokens))
    assert report.loaded == len(expected)
    assert set(report.ignored) >= {"norm.bias", "norm.weight"}
    assert not report.missing
    assert not report.unexpected


def test_the_readmes_snippet_gives_the_converted_file(
    golden: Golden, tmp_path: Path, backbone: TimmBackbone
) -> None:
    """What a user has who ran the authors' renaming over the original download."""
    original = load_file(golden("weights_tiny_mmcls.safetensors"))
    renamed = {}
    for key, value in original.items():
        new = key.replace("backbone.", "") if key.startswith("backbone.") else key
        for part, replacement in (
            ("attn.qkv.weight", "attn.attn.in_proj_weight"),
            ("attn.qkv.bias", "attn.attn.in_proj_bias"),
            ("attn.proj.weight", "attn.attn.out_proj.weight"),
            ("attn.proj.bias", "attn.attn.out_proj.bias"),
        ):
            new = new.replace(part, replacement)
        renamed[new] = value
    converted = load_file(golden("weights_tiny_converted.safetensors"))
    assert renamed.keys() == converted.keys()
    assert all(torch.equal(value, converted[key]) for key, value in renamed.items())
    torch.save(renamed, tmp_path / "deit_base_p16.pth")
    assert load_backbone_weights(backbone, tmp_path / "deit_base_p16.pth").style == "mmseg"
