"""MiT and the SegFormer head: the numbers of another implementation, bias, shuffling, frozen blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from published_segformer import awake_segformer, random_segformer
from small_networks import NUM_CLASSES, TINY_MIT, tiny_segformer
from torch import Tensor, nn
from torch.nn import functional as F

from s4former.config import UserError
from s4former.models import MiTConfig, SegFormerConvConfig, ViTSegmenter, rebuild_segmenter
from s4former.models.backbones.mit import MiTBackbone
from s4former.models.heads.configs.segformer import SegFormerConfig
from s4former.models.heads.segformer import SegFormerHead
from s4former.models.heads.segformer_conv import SegFormerConvHead
from s4former.models.mit_keys import to_mit, to_segformer
from s4former.ops import Shuffle, resize_bilinear, restore_blocks, shuffle_blocks
from s4former.recipes import load_run
from s4former.types import Batch, DrawKey, LabeledBatch


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def encoder(frozen_blocks: int = 0, **options: Any) -> MiTBackbone:
    """A tiny encoder whose weights are so large that attention matters."""
    torch.manual_seed(0)
    made = TINY_MIT.model_copy(update=options).build(3)
    made.freeze(frozen_blocks)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.3)
    return made


@pytest.mark.parametrize(
    ("sizes", "channels", "size"), [(TINY_MIT, 12, (64, 96)), (MiTConfig(name="mit_b0"), 256, (64, 64))]
)
def test_features_and_logits_are_those_of_transformers(
    sizes: MiTConfig, channels: int, size: tuple[int, int]
) -> None:
    other = awake_segformer(sizes, channels, NUM_CLASSES)
    custom = {"backbone": sizes, "head_channels": channels, "mean": (0, 0, 0), "std": (1, 1, 1)}
    mine = tiny_segformer(**custom).eval()
    mine.load_state_dict(to_segformer(other.state_dict()))
    images = numbers(2, 3, *size)
    with torch.no_grad():
        expected = other.segformer(images, output_hidden_states=True).hidden_states
        features = mine.encode(images)
        assert len(features) == 4
        for one, theirs in zip(features, expected, strict=True):
            torch.testing.assert_close(one, theirs, rtol=1e-5, atol=1e-5)
        quarter = other(images).logits
        grid = (quarter.shape[-2], quarter.shape[-1])
        torch.testing.assert_close(mine.decode(features, grid), quarter, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(mine(images), resize_bilinear(quarter, size), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MiTConfig.published)
def test_sizes_are_the_published_ones(name: str) -> None:
    millions = {"mit_b0": 3.4, "mit_b1": 13.1, "mit_b2": 24.2, "mit_b3": 44.0, "mit_b4": 60.8, "mit_b5": 81.4}
    with torch.device("meta"):
        made = MiTConfig(name=name).build(3)
        theirs = random_segformer(MiTConfig(name=name)).segformer
    count = sum(parameter.numel() for parameter in made.parameters())
    assert count == sum(parameter.numel() for parameter in theirs.parameters())
    assert count / 1e6 == pytest.approx(millions[name], abs=0.1)  # as in table 1 of the paper
    renamed = to_mit(theirs.state_dict())
    assert renamed is not None
    shapes = {key: value.shape for key, value in renamed.items()}
    assert shapes == {key: value.shape for key, value in made.state_dict().items()}


def test_grids_have_four_strides() -> None:
    features = encoder()(numbers(2, 3, 64, 128))
    assert [tuple(feature.shape) for feature in features] == [
        (2, width, 64 // stride, 128 // stride)
        for width, stride in zip(TINY_MIT.widths, (4, 8, 16, 32), strict=True)
    ]


@pytest.mark.parametrize(("height", "width"), [(64, 32), (1, 1), (70, 40)])
def test_images_of_any_size(height: int, width: int) -> None:
    assert tiny_segformer().eval()(torch.rand(1, 3, height, width)).shape == (1, NUM_CLASSES, height, width)


def test_encode_wants_multiples_of_32() -> None:
    with pytest.raises(
        ValueError, match=r"patch of 32 pixels, got 48 x 64; set data.crop_size to \[64, 64\]"
    ):
        tiny_segformer().encode(torch.rand(1, 3, 48, 64))


def test_attributes_of_a_segmenter() -> None:
    segmenter = tiny_segformer()
    assert (segmenter.num_classes, segmenter.patch_size, segmenter.num_prefix_tokens) == (NUM_CLASSES, 32, 0)
    assert segmenter.backbone.out_indices == (0, 1, 2, 3)


def plain_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    return (scores if attn_mask is None else scores + attn_mask).softmax(-1) @ value


def test_the_last_stage_alone_takes_the_bias() -> None:
    """As published: earlier stages give the same features with and without it."""
    model, images = encoder().eval(), numbers(2, 3, 64, 96)
    bias = 5 * torch.rand(2, 6, 6)
    without, biased = model(images), model(images, bias)
    assert [torch.equal(*pair) for pair in zip(without, biased, strict=True)] == [True, True, True, False]


@pytest.mark.parametrize("stage", range(4))
def test_each_stage_can_take_the_bias(stage: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """softmax(q k / sqrt(d) + bias), where a query has the row of the 32-pixel patch that it lies in."""
    bias = 3 * numbers(2, 6, 6, seed=1)
    stride = 4 * 2**stage
    fine_rows, fine_cols = 64 // stride, 96 // stride
    rows = [(y * stride // 32) * 3 + x * stride // 32 for y in range(fine_rows) for x in range(fine_cols)]
    images = numbers(2, 3, 64, 96)
    actual = encoder(biased_stages=(stage,)).eval()(images, bias)
    masks = []

    def spy(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        assert key.shape[-2] == 6
        masks.append(attn_mask)
        own = bias[:, rows][:, None] if query.shape[-2] == len(rows) else None
        return plain_attention(query, key, value, own)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    expected = encoder(biased_stages=()).eval()(images)
    assert masks == [None] * sum(TINY_MIT.blocks)
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_bias_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"2 x 6 x 6, prefix tokens included, got 2 x 7 x 7"):
        encoder()(numbers(2, 3, 64, 96), torch.zeros(2, 7, 7))


def test_a_bias_that_no_stage_takes() -> None:
    network = tiny_segformer(head="linear", out_indices=(1,))
    with pytest.raises(
        ValueError, match=r"biased_stages=\[3\] come after .* set model.backbone.biased_stages=\[1\]"
    ):
        network.encode(numbers(1, 3, 32, 32), torch.zeros(1, 1, 1))
    biased = tiny_segformer(head="linear", out_indices=(1,), biased_stages=(1,))
    assert len(biased.encode(numbers(1, 3, 32, 32), torch.zeros(1, 1, 1))) == 1


def test_half_precision() -> None:
    network = tiny_segformer(biased_stages=(0, 1, 2, 3)).eval()
    images, bias = torch.rand(2, 3, 64, 96), numbers(2, 6, 6)
    with torch.no_grad():
        full = network.decode(network.encode(images, bias), (64, 96))
        with torch.autocast("cpu", torch.bfloat16):
            half = network.decode(network.encode(images, bias), (64, 96))
    assert (half.float() - full).abs().max() < 0.1 * full.abs().max()


def test_shuffled_blocks_are_restored_in_every_grid() -> None:
    """Where cells see only their own pixel, restored features are those of the image left alone."""
    model = encoder()
    for name, parameter in model.named_parameters():
        if name.endswith("proj.weight") and parameter.ndim == 4:
            middle = parameter.shape[-1] // 2
            alone = parameter[..., middle, middle].clone()
            nn.init.zeros_(parameter)
            parameter.data[..., middle, middle] = alone
        elif name.endswith(("attn.proj.weight", "mlp.fc2.weight")):
            nn.init.zeros_(parameter)
    images = numbers(2, 3, 64, 128)
    permutation = torch.stack([torch.randperm(8, generator=torch.Generator().manual_seed(i)) for i in (1, 2)])
    shuffle = Shuffle(permutation, rows=2, cols=4)
    plain, shuffled = model(images), model(shuffle_blocks(images, shuffle))
    for feature, moved in zip(plain, shuffled, strict=True):
        assert not torch.allclose(feature, moved)
        torch.testing.assert_close(restore_blocks(moved, shuffle), feature)


def test_gradients_reach_every_parameter_with_and_without_recomputing() -> None:
    gradients = []
    for recompute in ("none", "heads", "all"):
        network = tiny_segformer(recompute_activations=recompute, drop_path=0.3, frozen_blocks=1).train()
        torch.manual_seed(3)
        features = network.encode(torch.rand(4, 3, 32, 64, generator=torch.Generator().manual_seed(0)))
        network.decode(features, (32, 64)).square().mean().backward()
        gradients.append(
            {name: p.grad for name, p in network.named_parameters() if p.requires_grad}
            | dict(network.named_buffers())
        )
    plain, *others = gradients
    for recomputed in others:
        for name, value in plain.items():
            assert value is not None, name
            assert torch.equal(value, recomputed[name]), name


@pytest.mark.parametrize("frozen", [1, 2, 3, 5])
def test_frozen_blocks_build_no_graph(frozen: int) -> None:
    """Blocks count through the stages (of 1, 2, 1 and 1); what lies before the last one is frozen too."""
    order = ["patch_embed1", "block1.0", "norm1", "patch_embed2", "block2.0", "block2.1", "norm2"]
    order += ["patch_embed3", "block3.0", "norm3", "patch_embed4", "block4.0", "norm4"]
    blocks = [index for index, part in enumerate(order) if part.startswith("block")]
    model = encoder(frozen_blocks=frozen)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    later = order[blocks[frozen - 1] + 1 :]
    expected = {
        name for name, _ in model.named_parameters() if name.startswith(tuple(f"{p}." for p in later))
    }
    assert trained == expected
    features = model(numbers(1, 3, 32, 32))
    features[-1].square().sum().backward()
    assert {name for name, p in model.named_parameters() if p.grad is not None} == expected
    assert [feature.requires_grad for feature in features] == [f"norm{n}" in later for n in (1, 2, 3, 4)]


def test_more_frozen_blocks_than_there_are() -> None:
    with pytest.raises(UserError, match="frozen_blocks=6 is more than the 5 blocks"):
        tiny_segformer(frozen_blocks=6)


def test_stages_that_nobody_looks_at_are_dropped() -> None:
    network = tiny_segformer(head="linear", out_indices=(1,)).eval()
    assert {name[:12] for name in network.backbone.state_dict() if name.startswith("patch")} == {
        "patch_embed1",
        "patch_embed2",
    }
    assert [tuple(grid.shape) for grid in network.encode(torch.rand(1, 3, 32, 32))] == [(1, 8, 4, 4)]
    whole = tiny_segformer(head="linear", out_indices=(-1,)).backbone
    assert whole.out_indices == (3,)


def test_a_stage_that_it_lacks() -> None:
    with pytest.raises(UserError, match="has 4 blocks or stages, 0 to 3"):
        tiny_segformer(head="linear", out_indices=(4,))


def test_drop_path_draws_from_the_seeded_generator_in_training_alone() -> None:
    model, images = encoder(drop_path=0.5), numbers(8, 3, 32, 32)
    outputs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outputs.append(model(images)[3])
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])
    model.eval()
    assert torch.equal(model(images)[3], encoder().eval()(images)[3])
    rates = [part.drop_prob for name, part in model.named_modules() if name.endswith("drop_path")]
    assert rates == pytest.approx([0, 0.125, 0.25, 0.375, 0.5])


def published_order(head: SegFormerHead | SegFormerConvHead, grids: tuple[Tensor, ...]) -> Tensor:
    """The heads as their authors wrote them: map, upsample, join, fuse, classify."""
    size = grids[0].shape[-2:]
    if isinstance(head, SegFormerHead):  # joined with the coarsest stage first
        maps = [
            linear(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            for linear, grid in zip(head.projections, grids, strict=True)
        ][::-1]
    else:
        layers = zip(head.convs, head.norms, grids, strict=True)
        maps = [F.relu(norm(conv(grid))) for conv, norm, grid in layers]
    joined = torch.cat([resize_bilinear(part, (size[0], size[1])) for part in maps], dim=1)
    return head.classifier(F.relu(head.norm(head.fuse(joined))))


@pytest.mark.parametrize("kind", [SegFormerHead, SegFormerConvHead])
@pytest.mark.parametrize("train", [False, True])
def test_fusing_before_upsampling_changes_nothing(
    train: bool, kind: type[SegFormerHead | SegFormerConvHead]
) -> None:
    widths = (4, 6, 8, 10)
    config = {SegFormerHead: SegFormerConfig, SegFormerConvHead: SegFormerConvConfig}[kind]
    head = config(channels=12, dropout=0.0).build(widths, NUM_CLASSES).double().train(train)
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    for norm in (part for part in head.modules() if isinstance(part, nn.BatchNorm2d)):
        norm.running_mean, norm.running_var = numbers(12).double(), numbers(12, seed=1).double().abs() + 0.5
    grids = tuple(numbers(2, w, 16 >> i, 24 >> i, seed=i).double() for i, w in enumerate(widths))
    cheap, published = head(grids, (16, 24)), published_order(head, grids)
    torch.testing.assert_close(cheap, published, rtol=0, atol=1e-10)
    out = numbers(*cheap.shape, seed=9).double()
    parameters = list(head.parameters())
    for one, other in zip(
        torch.autograd.grad(cheap, parameters, out),
        torch.autograd.grad(published, parameters, out),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)


def test_the_head_drops_channels_in_training_alone() -> None:
    head = SegFormerConfig(channels=50).build((4,), NUM_CLASSES)
    nn.init.constant_(head.norm.bias, 9.0)  # so that no ReLU is at rest
    seen: list[Tensor] = []
    head.classifier.register_forward_hook(lambda _layer, inputs, _out: seen.append(inputs[0]))
    grids = (numbers(4, 4, 8, 8),)
    for mode in (True, False):
        head.train(mode)(grids, (8, 8))
    left_out = [(maps == 0).all(dim=(2, 3)).float().mean().item() for maps in seen]
    assert 0.02 < left_out[0] < 0.25
    assert left_out[1] == 0


def test_the_released_head_and_its_loss_at_the_size_of_the_crop() -> None:
    """Sizes of the release's one SegFormer config; its labeled loss compares pixels of the crop."""
    config = next(Path(__file__).parents[2].glob("configs/segformer/*.py"))
    run, _ = load_run(config, {"model.pretrained": "none"})
    head = run.model.head.build(run.model.backbone.widths, num_classes=19)
    shapes = {name: tuple(value.shape) for name, value in head.named_parameters()}
    assert shapes == {
        **{f"convs.{i}.weight": (256, w, 1, 1) for i, w in enumerate((64, 128, 320, 512))},
        **{f"norms.{i}.{name}": (256,) for i in range(4) for name in ("weight", "bias")},
        "fuse.weight": (256, 1024, 1, 1),
        **{f"norm.{name}": (256,) for name in ("weight", "bias")},
        "classifier.weight": (19, 256, 1, 1),
        "classifier.bias": (19,),
    }
    network = tiny_segformer(head=run.model.head.name).eval()
    assert isinstance(network.head, SegFormerConvHead)
    images = numbers(2, 3, 32, 64)
    labels = torch.randint(0, NUM_CLASSES, (2, 32, 64), generator=torch.Generator().manual_seed(0))
    method = run.method.build(network).eval()
    batch = Batch(LabeledBatch(images, labels, labels >= 0), None, DrawKey(0, 0))
    loss = method(batch, method.prepare(batch)).loss
    coarse = network.decode(network.encode(images), (8, 16))
    plain = F.interpolate(coarse, size=(32, 64), mode="bilinear", align_corners=False)
    torch.testing.assert_close(loss, F.cross_entropy(plain, labels))


def test_rebuilt_from_config_and_state() -> None:
    network = tiny_segformer(drop_path=0.1).train()
    network(torch.rand(2, 3, 32, 32)).sum().backward()
    network.eval()
    config = type(network.config).model_validate_json(network.config.model_dump_json())
    again = rebuild_segmenter(config, NUM_CLASSES, network.state_dict())
    images = torch.rand(1, 3, 64, 32)
    assert torch.equal(again(images), network(images))


def test_every_trained_parameter_is_in_one_group() -> None:
    network = tiny_segformer(frozen_blocks=2)
    groups = network.parameter_groups()
    found = [id(p) for group in groups.values() for p in group]
    assert sorted(found) == sorted(id(p) for p in network.parameters() if p.requires_grad)
    assert {id(p) for p in groups["head"]} == {id(p) for p in network.head.parameters()}


def test_it_can_be_built_without_memory() -> None:
    with torch.device("meta"):
        network = ViTSegmenter(tiny_segformer().config, NUM_CLASSES)
    assert network.state_dict().keys() == tiny_segformer().state_dict().keys()


def test_it_learns() -> None:
    """Bright squares on noise: after some steps nearly every pixel is right."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.zeros(4, 64, 64, dtype=torch.long)
    for index in range(4):
        labels[index, 8 * index : 8 * index + 32, 16:48] = 1 + index % 2
    images = 0.3 * torch.rand(4, 3, 64, 64, generator=generator) + 0.3 * labels[:, None]
    network = tiny_segformer(drop_path=0.1).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    losses = []
    torch.manual_seed(0)
    for _ in range(40):
        loss = F.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
