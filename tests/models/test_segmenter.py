"""The network that methods see: sizes, taps, groups, and rebuilding."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from small_networks import NUM_CLASSES, PATCH, tiny, tiny_config
from timm.layers import DropPath
from torch import nn

from s4former.config import UserError
from s4former.models import build_segmenter, rebuild_segmenter
from s4former.models.recompute import recomputed


def images(height: int = 16, width: int = 16) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_the_seed_names_the_weights() -> None:
    one, same, other = tiny(1).state_dict(), tiny(1).state_dict(), tiny(2).state_dict()
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not torch.equal(one["head.classifier.weight"], other["head.classifier.weight"])


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    segmenter = tiny()
    rebuild_segmenter(segmenter.config, NUM_CLASSES, segmenter.state_dict())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (1, 1), (17, 30), (3, 50)])
@pytest.mark.parametrize("head", ["setr_pup", "linear"])
def test_images_of_any_size(height: int, width: int, head: str) -> None:
    segmenter = tiny(head=head).eval()
    assert segmenter(images(height, width)).shape == (2, NUM_CLASSES, height, width)


def test_call_is_encode_and_decode_where_patches_fit() -> None:
    segmenter = tiny().eval()
    logits = segmenter.decode(segmenter.encode(images(12, 20)), (12, 20))
    assert torch.equal(segmenter(images(12, 20)), logits)


def test_encode_refuses_sides_that_do_not_divide() -> None:
    with pytest.raises(
        ValueError, match=r"multiples of .* 4 pixels, got 17 x 16; set data.crop_size to \[16, 16\]"
    ):
        tiny().encode(images(17, 16))


def test_normalization_is_inside() -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    plain, normalizing = tiny(mean=(0, 0, 0), std=(1, 1, 1)).eval(), tiny(mean=mean, std=std).eval()
    by_hand = (images() - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(normalizing(images()), plain(by_hand))


def test_taps_go_to_their_heads() -> None:
    segmenter = tiny(out_indices=(1,), auxiliary=(2, 0, 2)).eval()
    features = segmenter.encode(images())
    assert len(features) == 3
    for index in range(3):
        blanked = tuple(0 * f if i == index else f for i, f in enumerate(features))
        moved = [not torch.equal(segmenter.decode(blanked, (16, 16)), segmenter.decode(features, (16, 16)))]
        pairs = zip(
            segmenter.decode_auxiliary(blanked, (16, 16)),
            segmenter.decode_auxiliary(features, (16, 16)),
            strict=True,
        )
        moved += [not torch.equal(*pair) for pair in pairs]
        assert moved == [index == 1, index == 2, index == 0, index == 2]


def test_the_linear_head_sees_taps_in_the_order_given() -> None:
    segmenter = tiny(head="linear", out_indices=(2, 0)).eval()
    features = segmenter.encode(images())
    expected = segmenter.head((features[1], features[0]), (16, 16))
    assert torch.equal(segmenter.decode(features, (16, 16)), expected)


def test_negative_taps_count_from_the_end() -> None:
    assert torch.equal(tiny(out_indices=(-2,)).eval()(images()), tiny(out_indices=(1,)).eval()(images()))


@pytest.mark.parametrize("field", ["out_indices", "auxiliary"])
@pytest.mark.parametrize("tap", [3, -4])
def test_taps_that_the_backbone_lacks(field: str, tap: int) -> None:
    with pytest.raises(
        UserError, match=r"model.(head|auxiliary_heads.0).out_indices=.* has 3 blocks or stages, 0 to 2"
    ):
        tiny(**{field: (tap,)})


def test_more_frozen_blocks_than_there_are() -> None:
    with pytest.raises(UserError, match="frozen_blocks=3 is more than the 2 blocks"):
        tiny(out_indices=(1,), frozen_blocks=3)


def test_one_class_is_too_few() -> None:
    with pytest.raises(UserError, match="at least 2 classes"):
        build_segmenter(tiny_config(), 1, seed=0)


def test_every_trained_parameter_is_in_one_group() -> None:
    segmenter = tiny(frozen_blocks=1, auxiliary=(0,))
    groups = segmenter.parameter_groups()
    assert groups.keys() == {"backbone", "head"}
    found = [id(p) for group in groups.values() for p in group]
    assert sorted(found) == sorted(id(p) for p in segmenter.parameters() if p.requires_grad)
    assert {id(p) for p in groups["backbone"]} <= {id(p) for p in segmenter.backbone.parameters()}


def test_rebuilt_from_config_and_state() -> None:
    segmenter = tiny(auxiliary=(0,), final_norm=True, frozen_blocks=1)
    segmenter.train()
    segmenter(images()).sum().backward()  # moves the batch-norm statistics
    segmenter.eval()
    config = type(segmenter.config).model_validate_json(segmenter.config.model_dump_json())
    config = config.model_copy(update={"pretrained": "gone.pth"})
    again = rebuild_segmenter(config, NUM_CLASSES, segmenter.state_dict())
    assert not again.training
    assert torch.equal(again(images()), segmenter(images()))


def test_rebuilt_from_another_state() -> None:
    with pytest.raises(UserError, match="not those of the network"):
        rebuild_segmenter(tiny_config(head="linear"), NUM_CLASSES, tiny().state_dict())


@pytest.mark.parametrize("taps", [(-1,), (0,)])
def test_auxiliary_heads_can_be_dropped(taps: tuple[int, ...]) -> None:
    segmenter = tiny(out_indices=taps, auxiliary=(1, 2), frozen_blocks=2).eval()
    light = copy.deepcopy(segmenter)
    light.drop_auxiliary_heads()
    assert torch.equal(light(images()), segmenter(images()))
    features = light.encode(images())
    assert len(features) == 1
    assert light.decode_auxiliary(features, (16, 16)) == ()
    again = rebuild_segmenter(light.config, NUM_CLASSES, light.state_dict())
    assert torch.equal(again(images()), segmenter(images()))
    assert len(list(segmenter.parameters())) > len(list(light.parameters()))


def test_attributes_of_a_segmenter() -> None:
    segmenter = tiny()
    assert (segmenter.num_classes, segmenter.patch_size, segmenter.num_prefix_tokens) == (
        NUM_CLASSES,
        PATCH,
        1,
    )


def test_a_trained_network_does_not_say_how_memory_was_saved() -> None:
    assert tiny(recompute_activations="all").for_inference()[0].recompute_activations == "none"


@pytest.mark.parametrize("head", ["setr_pup", "linear"])
def test_recomputed_activations_change_nothing_but_memory(head: str) -> None:
    results = []
    for recompute in ("none", "heads", "all"):
        auxiliary = {"auxiliary": (0,)} if head == "setr_pup" else {}
        network = tiny(head=head, recompute_activations=recompute, **auxiliary).train()
        features = network.encode(images())
        logits = [network.decode(features, (16, 16)), *network.decode_auxiliary(features, (16, 16))]
        torch.stack([part.square().mean() for part in logits]).sum().backward()
        results.append(
            {name: p.grad for name, p in network.named_parameters()} | dict(network.named_buffers())
        )
    plain, *others = results
    for again in others:
        for name, value in plain.items():
            assert value is not None, name
            assert torch.equal(value, again[name]), name


@pytest.mark.parametrize("layer", [nn.Dropout, nn.Dropout1d, DropPath])
def test_a_head_drops_the_same_when_it_is_computed_again(layer: Callable[[float], nn.Module]) -> None:
    found = []
    for compute in (lambda head, x: head(x), recomputed):
        torch.manual_seed(0)
        head = nn.Sequential(nn.Linear(8, 8), layer(0.5), nn.Linear(8, 4)).train()
        compute(head, torch.ones(3, 5, 8)).square().sum().backward()
        found.append(head[0].weight.grad)
    assert found[0] is not None
    assert found[0].equal(found[1])
