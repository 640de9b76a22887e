"""Images of other than three channels: networks of both kinds, statistics, and pretrained weights."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest
import torch
from small_networks import NUM_CLASSES, tiny, tiny_segformer
from torch import Tensor

from s4former.config import UserError
from s4former.models import ModelConfig, ViTSegmenter, load_backbone_weights
from s4former.models.config import IMAGENET_MEAN, IMAGENET_STD

NETWORKS = [tiny, tiny_segformer]


def channels(count: int) -> dict[str, Any]:
    return {"channels": count, "mean": (0.4,) * count, "std": (0.2,) * count}


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("build", NETWORKS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_channel_counts(build: Any, count: int) -> None:
    network: ViTSegmenter = build(**channels(count)).eval()
    images = numbers(1, count, 32, 32)
    logits = network(images)
    assert logits.shape == (1, NUM_CLASSES, 32, 32)
    for channel in range(count):
        others = images.clone()
        others[:, channel] = 0
        assert not torch.equal(network(others), logits)


@pytest.mark.parametrize("build", NETWORKS)
def test_each_channel_has_its_statistics(build: Any) -> None:
    mean, std = (0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8)
    plain = build(channels=4, mean=(0, 0, 0, 0), std=(1, 1, 1, 1)).eval()
    normalizing = build(channels=4, mean=mean, std=std).eval()
    images = numbers(1, 4, 32, 32)
    by_hand = (images - torch.tensor(mean).view(4, 1, 1)) / torch.tensor(std).view(4, 1, 1)
    torch.testing.assert_close(normalizing(images), plain(by_hand))


@pytest.mark.parametrize("build", NETWORKS)
def test_images_with_other_channels_than_the_network(build: Any) -> None:
    with pytest.raises(ValueError, match=r"made for images of 2 channels, got 3; set model.channels"):
        build(**channels(2))(numbers(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channels": 4}, r"mean needs one number a channel: got 3 .* mean=\[0.449,0.449,0.449,0.449\]"),
        ({"channels": 1}, r"as mean=\[0.449\]"),
        ({"channels": 2, "mean": (0.5, 0.5)}, r"std needs .* as std=\[0.226,0.226\]"),
        ({"channels": 10**7}, r"mean needs one .* channels=10000000; .* mean=\[(0\.449,){16}\.\.\.\]"),
        ({"mean": ()}, "mean needs one number a channel: got 0"),
        ({"channels": 2, "mean": (0.5, 0.5), "std": (0.0, 1.0)}, "above 0"),
        ({"channels": 0}, "greater than 0"),
    ],
)
def test_statistics_that_do_not_match(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        ModelConfig(**changes)


def test_a_config_of_three_channels_says_nothing_of_them() -> None:
    """As in the files of earlier versions."""
    old = ModelConfig().model_dump(mode="json")
    del old["channels"]
    assert ModelConfig.model_validate(old) == ModelConfig()
    assert (ModelConfig().mean, ModelConfig().std) == (IMAGENET_MEAN, IMAGENET_STD)


@pytest.mark.parametrize("build", NETWORKS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_pretrained_weights_of_three_channels(build: Any, count: int) -> None:
    """One channel gets the sum; more get red, green, blue in turn, scaled so that tokens keep their size."""
    pretrained: ViTSegmenter = build(seed=1)
    network: ViTSegmenter = build(seed=2, **channels(count))
    load_backbone_weights(network.backbone, pretrained.backbone.state_dict())
    name = "patch_embed.proj.weight" if build is tiny else "patch_embed1.proj.weight"
    old, new = (part.backbone.state_dict()[name] for part in (pretrained, network))
    if count == 1:
        torch.testing.assert_close(new, old.sum(1, keepdim=True))
    else:
        for channel in range(count):
            torch.testing.assert_close(new[:, channel], old[:, channel % 3] * 3 / count)
    rest = pretrained.backbone.state_dict()
    assert all(torch.equal(rest[key], v) for key, v in network.backbone.state_dict().items() if key != name)


def test_pretrained_weights_of_other_channels_are_not_guessed_at() -> None:
    with pytest.raises(UserError, match=r"patch_embed.proj.weight is \(16, 4, 4, 4\)"):
        load_backbone_weights(tiny(**channels(5)).backbone, tiny(**channels(4)).backbone.state_dict())
