"""Whole trained networks of others: a SegFormer of its authors, a SETR made for another crop."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from authors_names import to_authors
from s4former.config.errors import UserError
from s4former.engine.trained import load_networks, start_from
from s4former.models.config import ModelConfig
from s4former.models.segmenter import ViTSegmenter, build_segmenter

NUM_CLASSES = 3
SEGFORMER = ModelConfig.model_validate(
    {
        "backbone": "mit",
        "custom_mit": {"embed_dims": [4, 4, 8, 8], "depths": [1] * 4, "num_heads": [1, 1, 2, 2]},
        "head": "segformer",
        "head_channels": 8,
        "taps": [0, 1, 2, 3],
    }
)
SETR = ModelConfig.model_validate(
    {
        "backbone": "vit",
        "custom": {"image_size": [16, 16], "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2},
        "head": "setr_pup",
        "head_channels": 8,
        "head_convs": 2,
        "auxiliary_taps": [0],
    }
)


def authors_segformer(network: ViTSegmenter, ending: str) -> dict[str, Tensor]:
    """Its tensors by the names of SegFormer's authors."""
    named = {}
    for name, value in network.state_dict().items():
        name = re.sub(
            r"^head\.projections\.(\d)", lambda found: f"head.linear_c{int(found[1]) + 1}.proj", name
        )
        for ours, theirs in (
            ("norm", "linear_fuse.bn"),
            ("fuse", "linear_fuse.conv"),
            ("classifier", "linear_pred"),
        ):
            name = name.replace(f"head.{ours}.", f"head.{theirs}.")
        named[re.sub(r"^(backbone|head)\.", lambda found: f"{_PARTS[found[1]]}{ending}.", name)] = value
    return named


_PARTS = {"backbone": "backbone", "head": "decode_head"}


def authors_setr(network: ViTSegmenter) -> dict[str, Tensor]:
    """Its tensors by the names of the S4Former authors."""
    return {to_authors(name): value for name, value in network.state_dict().items()}


def save(path: Path, state: dict[str, Tensor]) -> Path:
    torch.save({"meta": {"iter": 7}, "state_dict": state}, path)
    return path


def logits(network: ViTSegmenter, side: int) -> Tensor:
    images = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return network.eval()(images)


def test_a_segformer_of_its_authors_is_scored_and_gone_on_with(tmp_path: Path) -> None:
    student, teacher = (build_segmenter(SEGFORMER, NUM_CLASSES, seed) for seed in (1, 2))
    path = save(tmp_path / "iter.pth", authors_segformer(student, "") | authors_segformer(teacher, "_ema"))
    found = load_networks(path, SEGFORMER, NUM_CLASSES)
    assert list(found) == ["student", "teacher"]
    for name, network in (("student", student), ("teacher", teacher)):
        assert torch.equal(logits(found[name], 64), logits(network, 64))
    fresh = build_segmenter(SEGFORMER, NUM_CLASSES, seed=3)
    start_from(fresh, path)
    assert torch.equal(logits(fresh, 64), logits(student, 64))


def test_a_setr_made_for_another_crop_is_scored_at_ours_and_without_auxiliary_heads(tmp_path: Path) -> None:
    trained = build_segmenter(SETR, NUM_CLASSES, seed=1)
    path = save(tmp_path / "iter.pth", authors_setr(trained))
    sizes: Any = SETR.custom
    wide = SETR.model_copy(update={"custom": sizes.model_copy(update={"image_size": (32, 32)})})
    (network,) = load_networks(path, wide, NUM_CLASSES).values()
    assert network.backbone.grid == (4, 4)
    assert len(network.auxiliary_heads) == 0
    torch.testing.assert_close(logits(network, 32), logits(trained, 32))


def test_another_network_names_what_differs(tmp_path: Path) -> None:
    path = save(tmp_path / "iter.pth", authors_setr(build_segmenter(SETR, NUM_CLASSES, seed=1)))
    with pytest.raises(UserError, match=r"the student of \S+iter.pth is not of the network in the config"):
        load_networks(path, SETR, NUM_CLASSES + 1)
    with pytest.raises(UserError, match="is not of the network in the config"):
        load_networks(path, SEGFORMER, NUM_CLASSES)
