"""With CutMix the pseudo-labels come from where the pixels come from."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from torch import Tensor

from s4former.methods import config_class
from s4former.models.config import CustomViT, ModelConfig
from s4former.models.segmenter import build_segmenter
from s4former.types import Batch, DrawKey, LabeledBatch, PseudoLabel, UnlabeledBatch

COUNT, SIZE, CLASSES = 3, 16, 4


@pytest.mark.parametrize(
    ("name", "settings"),
    [("mean_teacher", {}), ("s4former", {"patch_shuffle": False, "pasa": False, "ncr": False})],
)
def test_pixels_keep_their_labels(
    monkeypatch: pytest.MonkeyPatch, name: str, settings: dict[str, Any]
) -> None:
    sizes = CustomViT(embed_dim=8, depth=1, num_heads=1, patch_size=4, image_size=(SIZE, SIZE))
    network = build_segmenter(ModelConfig(backbone="vit", custom=sizes, head="linear"), CLASSES, seed=0)
    method = config_class(name)(cutmix_probability=1.0, **settings).build(network).train()
    module = importlib.import_module(f"s4former.methods.{name}")
    labels = torch.randint(0, CLASSES, (COUNT, SIZE, SIZE), generator=torch.Generator().manual_seed(0))
    everywhere = torch.ones_like(labels, dtype=torch.bool)
    views = (labels / CLASSES)[:, None].expand(-1, 3, -1, -1)  # gray levels that say the label
    said = PseudoLabel(torch.zeros(COUNT, CLASSES, SIZE, SIZE), labels, everywhere)
    monkeypatch.setattr(method, "teach", lambda weak, valid: said)
    seen, learned = [], []
    encode, cross_entropy = network.encode, module.cross_entropy

    def recorded_encode(images: Tensor, bias: Tensor | None = None) -> tuple[Tensor, ...]:
        seen.append(images)
        return encode(images, bias)

    def recorded_loss(logits: Tensor, labels: Tensor, *rest: Any) -> Tensor:
        learned.append(labels)
        return cross_entropy(logits, labels, *rest)

    monkeypatch.setattr(network, "encode", recorded_encode)
    monkeypatch.setattr(module, "cross_entropy", recorded_loss)
    unlabeled = UnlabeledBatch(views, (views,), everywhere)
    method(Batch(LabeledBatch(views, labels, everywhere), unlabeled, DrawKey(0, 0)))
    (mixed,), (_, images) = learned, seen  # the labeled pass comes first, and its loss is in another module
    assert not torch.equal(mixed, labels)
    assert torch.equal((CLASSES * images[:, 0]).round().long(), mixed)
