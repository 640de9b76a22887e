"""Backbones: features as timm computes them, attention bias, frozen blocks, any grid."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import timm
import torch
from small_networks import SIZES
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from s4former.config import UserError
from s4former.models import BACKBONES, TimmBackbone, TimmConfig, fast_linear, faster_on_cpu


def images(count: int = 2, height: int = 16, width: int = 16, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def backbone(
    out_indices: tuple[int, ...] = (2,),
    registers: int = 0,
    frozen_blocks: int = 0,
    recompute: bool = False,
    **options: object,
) -> TimmBackbone:
    torch.manual_seed(0)
    made = type(SIZES)(**(SIZES.model_dump() | {"num_registers": registers} | options)).build(3)
    made.keep(out_indices)
    made.freeze(frozen_blocks)
    if recompute:
        made.recompute()
    for parameter in made.parameters():  # the default is so small that attention hardly matters
        torch.nn.init.normal_(parameter, std=0.3)
    return made


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "vit_betwixt_patch16_reg4_gap_256"])
def test_features_are_those_of_timm(name: str) -> None:
    torch.manual_seed(0)
    vit = timm.create_model(name, pretrained=False, num_classes=0, global_pool="").eval()
    side = vit.patch_embed.img_size[0]
    batch = images(1, side, side)
    with torch.no_grad():
        expected = vit.forward_intermediates(batch, indices=[1, 3], intermediates_only=True)
        normed = vit.forward_intermediates(batch, indices=[3], intermediates_only=True, norm=True)
        # Taking over changes a model, so the reference comes first.
        whole = TimmBackbone(vit, TimmConfig(name=name, final_norm=True)).eval()
        whole.keep((3,))
        with_norm = whole(batch)
        plain = TimmBackbone(vit, TimmConfig(name=name)).eval()
        plain.keep((1, 3))
        actual = plain(batch)
    assert len(actual) == 2
    for one, other in zip((*actual, *with_norm), (*expected, *normed), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_blocks_that_nobody_looks_at_are_dropped() -> None:
    names = backbone(out_indices=(0, 1)).state_dict().keys()
    assert {name.split(".")[1] for name in names if name.startswith("blocks.")} == {"0", "1"}
    assert not any(name.startswith("norm.") for name in names)
    assert any(name.startswith("norm.") for name in backbone(final_norm=True).state_dict())


@pytest.mark.parametrize("registers", [0, 2])
def test_any_grid(registers: int) -> None:
    features = backbone(out_indices=(0, 2), registers=registers)(images(2, 12, 40))
    assert [tuple(feature.shape) for feature in features] == [(2, 16, 3, 10)] * 2


@pytest.mark.parametrize("registers", [0, 2])
def test_attention_bias_is_added_to_the_scores(registers: int) -> None:
    """Compared with attention written out: softmax(q k / sqrt(d) + bias), alike for all heads and blocks."""
    model = backbone(registers=registers).eval()
    length = 16 + model.num_prefix_tokens
    bias = 3 * torch.randn(2, length, length, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        fused = model(images(), bias)[0]
        for block in model.vit.blocks:
            block.attn.fused_attn = False  # timm's own written-out attention
        written_out = model(images(), bias)[0]
        without = model(images())[0]
    torch.testing.assert_close(fused, written_out, rtol=1e-4, atol=1e-4)
    assert (fused - without).abs().max() > 0.1


def test_a_bias_on_one_key_makes_every_query_look_there() -> None:
    """Rows of the bias are queries, columns keys: where one key is favored, the rest is not seen."""
    model = backbone(out_indices=(0,)).eval()
    bias = torch.zeros(1, 17, 17)
    bias[:, :, 1 + 5] = 1e4
    seen = model.vit.blocks[0].attn
    with torch.no_grad():
        tokens = model.vit._pos_embed(model.vit.patch_embed(images(1)))
        out = seen(model.vit.blocks[0].norm1(tokens), attn_mask=bias[:, None])
    torch.testing.assert_close(out, out[:, :1].expand_as(out), rtol=1e-4, atol=1e-4)


def test_gradients_pass_the_bias() -> None:
    model = backbone(out_indices=(2,))
    bias = torch.randn(2, 17, 17)
    model(images(), bias)[0].square().sum().backward()
    fused = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    assert fused.keys() == dict(model.named_parameters()).keys()
    model.zero_grad()
    for block in model.vit.blocks:
        block.attn.fused_attn = False
    model(images(), bias)[0].square().sum().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(fused[name], parameter.grad, rtol=1e-3, atol=1e-3)


def test_a_bias_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"2 x 17 x 17, prefix tokens included, got 2 x 16 x 16"):
        backbone()(images(), torch.zeros(2, 16, 16))


def test_bias_under_autocast() -> None:
    bias = torch.randn(2, 17, 17)
    model = backbone().eval()
    with torch.no_grad():
        full = model(images(), bias)[0]
        with torch.autocast("cpu", torch.bfloat16):
            half = model(images(), bias)[0]
    assert (half.float() - full).abs().max() < 0.1 * full.abs().max()


@pytest.mark.parametrize("frozen", [1, 2, 3])
def test_frozen_blocks_build_no_graph(frozen: int) -> None:
    model = backbone(out_indices=(0, 1, 2), frozen_blocks=frozen)
    features = model(images())
    assert [feature.requires_grad for feature in features] == [index >= frozen for index in range(3)]
    trained = {name.split(".")[1] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {str(index) for index in range(frozen, 3)}


def test_a_frozen_trunk_gives_the_gradients_of_a_whole_one() -> None:
    gradients = []
    for frozen in (0, 2):
        model = backbone(frozen_blocks=frozen)
        model(images())[0].square().sum().backward()
        gradients.append(
            {name: p.grad for name, p in model.named_parameters() if name.startswith("blocks.2.")}
        )
    for name, gradient in gradients[0].items():
        assert gradient is not None
        assert torch.equal(gradient, gradients[1][name])


def test_checkpointed_blocks_give_the_same_gradients() -> None:
    gradients = []
    for recompute in (False, True):
        model = backbone(recompute=recompute, frozen_blocks=1)
        model(images(), torch.randn(2, 17, 17, generator=torch.Generator().manual_seed(1)))[
            0
        ].square().sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.requires_grad])
    for one, other in zip(*gradients, strict=True):
        assert torch.equal(one, other)


class _Counted(TorchDispatchMode):
    """Counts calls of fused attention and of matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "product",
    [
        "addmm",
        pytest.param(
            "_linear_pointwise",
            marks=pytest.mark.skipif(not fast_linear._AVAILABLE, reason="this torch has no oneDNN"),
        ),
    ],
)
def test_attention_and_what_follows_of_checkpointed_blocks_are_kept_and_the_rest_computed_again(
    product: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_linear, "_WORTHWHILE", 1)
    calls = []
    for recompute in (False, True):
        model = backbone(recompute=recompute, frozen_blocks=1)
        if product != "addmm":
            faster_on_cpu(model)
        with _Counted() as counted:
            model(images())[0].square().sum().backward()
        calls.append(counted.calls)
    plain, checkpointed = calls
    attention = "_scaled_dot_product_flash_attention_for_cpu"
    assert checkpointed[attention] == plain[attention] == len(model.vit.blocks)
    # Queries, keys and values, and the MLP's first layer; what comes after attention is kept, and the
    # MLP's last is needed by nobody.
    assert checkpointed[product] == plain[product] + 2 * (len(model.vit.blocks) - 1)


def test_the_position_embedding_learns_at_any_grid() -> None:
    model = backbone()
    model(images(1, 24, 8))[0].square().sum().backward()
    assert model.vit.pos_embed.grad is not None
    assert model.vit.pos_embed.grad.shape == (1, 17, 16)
    assert (model.vit.pos_embed.grad.abs().sum(-1) > 0).all()


def test_position_interpolation_matters() -> None:
    outputs = [
        backbone(position_interpolation=mode).eval()(images(1, 24, 8))[0] for mode in ("bilinear", "bicubic")
    ]
    assert not torch.allclose(*outputs)


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(UserError, match="nearest names are vit_small_patch14_dinov2"):
        BACKBONES.parse("vit_smal_patch14_dinov2").build(3)


@pytest.mark.parametrize(
    "name", ["resnet18", "vit_small_r26_s32_224", "swin_tiny_patch4_window7_224", "samvit_base_patch16"]
)
def test_a_network_that_is_no_plain_vit(name: str) -> None:
    with pytest.raises(UserError, match=f"'{name}' .* is not a plain vision transformer"):
        BACKBONES.parse(name).build(3)


def test_another_native_size() -> None:
    assert TimmConfig(name="vit_tiny_patch16_224", image_size=(32, 64)).build(3).grid == (2, 4)


def test_drop_path_reaches_the_blocks() -> None:
    deep = TimmConfig(name="vit_tiny_patch16_224", image_size=(32, 32), drop_path=0.3).build(3)
    assert [block.drop_path1.drop_prob for block in deep.trunk[1::5]] == pytest.approx(
        [0.3 / 11, 0.3 * 6 / 11, 0.3]
    )
    model = backbone(drop_path=0.9)
    assert not torch.equal(model(images())[0], model(images())[0])
    model.eval()
    assert torch.equal(model(images())[0], model(images())[0])
