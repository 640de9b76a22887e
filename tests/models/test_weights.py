"""Weight files: what loads, and what is said about those that do not."""

from __future__ import annotations

import logging
import os
import struct
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import transformers
from safetensors.torch import save_file
from small_networks import NUM_CLASSES, SIZES, tiny, tiny_config
from torch import Tensor

from s4former.config import UserError
from s4former.models import (
    MiTConfig,
    ModelConfig,
    build_segmenter,
    convert_authors_checkpoint,
    from_authors,
    load_backbone_weights,
    read_state,
)

DINOV2 = Path(__file__).resolve().parents[3] / "shared" / "weights" / "dinov2_vits14.safetensors"


def backbone_state(seed: int = 1) -> dict[str, Tensor]:
    return tiny(seed, final_norm=True).backbone.state_dict()


def test_a_file_gives_the_backbone_and_leaves_the_heads_random(tmp_path: Path) -> None:
    path = tmp_path / "vit.safetensors"
    save_file(backbone_state(), path)
    loaded = tiny(0, pretrained=str(path), out_indices=(1,)).state_dict()
    random, stored = tiny(0, out_indices=(1,)).state_dict(), backbone_state()
    for name, value in loaded.items():
        expected = stored[name.removeprefix("backbone.")] if name.startswith("backbone.") else random[name]
        assert torch.equal(value, expected)


def test_what_a_trunk_has_no_place_for_is_reported() -> None:
    trunk = tiny(0, out_indices=(1,)).backbone
    report = load_backbone_weights(trunk, backbone_state() | {"head.weight": torch.zeros(2, 16)})
    assert report.style == "timm"
    assert report.loaded == len(trunk.state_dict())
    assert {name.split(".")[0] for name in report.ignored} == {"blocks", "norm", "head"}
    assert all(name.startswith("blocks.2.") for name in report.ignored if name.startswith("blocks."))
    assert report.resized_from is None


def test_half_precision_becomes_single() -> None:
    segmenter = tiny(0)
    load_backbone_weights(
        segmenter.backbone, {name: value.half() for name, value in backbone_state().items()}
    )
    assert all(value.dtype == torch.float32 for value in segmenter.backbone.state_dict().values())
    torch.testing.assert_close(
        segmenter.backbone.state_dict()["pos_embed"], backbone_state()["pos_embed"], rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "teacher"])
def test_torch_files(tmp_path: Path, wrapper: str | None) -> None:
    path = tmp_path / "vit.pth"
    state: Any = {f"module.{name}": value for name, value in backbone_state().items()}
    torch.save({wrapper: state, "student": {}, "epoch": 3} if wrapper else state, path)
    segmenter = tiny(0, pretrained=str(path))
    assert torch.equal(segmenter.backbone.state_dict()["pos_embed"], backbone_state()["pos_embed"])


def test_missing_and_unexpected_names_stop() -> None:
    state = backbone_state() | {"blocks.0.extra": torch.zeros(1)}
    del state["blocks.1.mlp.fc1.bias"]
    before = tiny(0).backbone
    with pytest.raises(UserError) as error:
        load_backbone_weights(before, state)
    message = str(error.value)
    assert "1 missing: blocks.1.mlp.fc1.bias" in message
    assert "1 unexpected: blocks.0.extra" in message
    assert "model.strict_weights=false" in message
    untouched = tiny(0).backbone.state_dict()
    assert all(torch.equal(value, untouched[name]) for name, value in before.state_dict().items())


def test_not_strict_loads_what_fits_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = backbone_state()
    del state["blocks.1.mlp.fc1.bias"]
    save_file(state, tmp_path / "vit.safetensors")
    with caplog.at_level(logging.WARNING):
        segmenter = tiny(0, pretrained=str(tmp_path / "vit.safetensors"), strict_weights=False)
    assert "blocks.1.mlp.fc1.bias" in caplog.text
    assert torch.equal(segmenter.backbone.state_dict()["cls_token"], state["cls_token"])


def test_another_width_stops() -> None:
    state = backbone_state()
    state["blocks.0.attn.proj.weight"] = torch.zeros(8, 8)
    with pytest.raises(UserError, match=r"blocks.0.attn.proj.weight is \(8, 8\), the backbone's \(16, 16\)"):
        load_backbone_weights(tiny(0).backbone, state)


def test_another_size_names_the_cause_and_the_backbone_that_fits() -> None:
    small = timm.create_model("vit_tiny_patch16_224", depth=3, num_classes=0).state_dict()
    with pytest.raises(UserError) as error:
        load_backbone_weights(tiny(0).backbone, small)
    message = str(error.value)
    assert "cls_token is (1, 1, 192), the backbone's (1, 1, 16)" in message
    assert "a ViT with width 192, patches of 16 pixels, 3 blocks; the backbone has width 16" in message
    assert "the file fits" not in message  # no such ViT has 3 blocks

    whole = timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict()
    with pytest.raises(UserError, match=r"the file fits model.backbone=vit_tiny_patch16_224 or deit_tiny_pa"):
        load_backbone_weights(tiny(0).backbone, whole)


def test_a_shallower_file_names_the_depths() -> None:
    state = {name: value for name, value in backbone_state().items() if not name.startswith("blocks.2.")}
    with pytest.raises(UserError, match=r"12 missing: blocks.2.*with width 16, .* 2 blocks; the .* 3 blocks"):
        load_backbone_weights(tiny(0).backbone, state)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_images_of_other_channels(channels: int) -> None:
    colors = {"mean": (0.5,) * channels, "std": (0.5,) * channels}
    backbone = tiny(0, channels=channels, **colors).backbone
    state = backbone_state()
    load_backbone_weights(backbone, state)
    given, loaded = (weights["patch_embed.proj.weight"] for weights in (state, backbone.state_dict()))
    if channels == 1:
        torch.testing.assert_close(loaded, given.sum(1, keepdim=True))
    else:
        torch.testing.assert_close(loaded, torch.cat([given, given], dim=1)[:, :channels] * 3 / channels)


TINY_MIT = MiTConfig(embed_dims=(4, 4, 8, 8), depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2))


@pytest.mark.parametrize("style", ["official", "huggingface"])
def test_a_mit(style: str) -> None:
    stored = TINY_MIT.build(3).state_dict()
    state = {f"backbone.{name}": value for name, value in stored.items()}
    if style == "huggingface":
        config = transformers.SegformerConfig(
            hidden_sizes=[4, 4, 8, 8], depths=[1] * 4, num_attention_heads=[1, 1, 2, 2], mlp_ratios=[4] * 4
        )
        state = dict(transformers.SegformerModel(config).state_dict())
    backbone = TINY_MIT.build(3)
    backbone.keep((0, 1))
    report = load_backbone_weights(backbone, state)
    assert report.style == {"official": "mit_official", "huggingface": "mit_hf"}[style]
    assert report.loaded == len(backbone.state_dict())
    assert {name.split(".")[0][-1] for name in report.ignored} == {"3", "4"}
    if style == "official":
        assert all(torch.equal(value, stored[name]) for name, value in backbone.state_dict().items())


def test_a_mit_and_a_plain_vit_are_not_mistaken_for_each_other() -> None:
    with pytest.raises(UserError, match=r"holds a plain ViT, but model.backbone is a MiT$"):
        load_backbone_weights(TINY_MIT.build(3), backbone_state())
    with pytest.raises(
        UserError, match=r"a MiT, but model.backbone is a plain ViT; the file fits .*=mit_b0$"
    ):
        load_backbone_weights(tiny(0).backbone, MiTConfig().build(3).state_dict())


def test_a_mit_of_another_size_names_the_one_that_fits() -> None:
    with pytest.raises(UserError, match=r"tensors differ in shape.*the file fits model.backbone=mit_b0"):
        load_backbone_weights(TINY_MIT.build(3), MiTConfig().build(3).state_dict())


def test_positions_that_fit_no_square() -> None:
    state = backbone_state() | {"pos_embed": torch.zeros(1, 12, 16)}
    with pytest.raises(UserError, match="12 tokens"):
        load_backbone_weights(tiny(0).backbone, state)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("form", ["1 n d", "n d", "h w d", "1 h w d", "1 d h w"])
def test_positions_in_other_forms(form: str, strict: bool) -> None:
    """As other code bases write them, without one for the class token."""
    patches = backbone_state()["pos_embed"][:, 1:]
    forms = {
        "1 n d": patches,
        "n d": patches[0],
        "h w d": patches[0].unflatten(0, (4, 4)),
        "1 h w d": patches.unflatten(1, (4, 4)),
        "1 d h w": patches.unflatten(1, (4, 4)).permute(0, 3, 1, 2),
    }
    backbone = tiny(0).backbone
    report = load_backbone_weights(backbone, backbone_state() | {"pos_embed": forms[form]}, strict=strict)
    assert report.resized_from is None
    assert torch.equal(backbone.state_dict()["pos_embed"], torch.nn.functional.pad(patches, (0, 0, 1, 0)))


@pytest.mark.parametrize("form", ["h w d", "1 h w d", "1 d h w"])
def test_positions_of_an_oblong_grid_that_their_shape_tells(form: str) -> None:
    grid = torch.randn(1, 16, 2, 6, generator=torch.Generator().manual_seed(0))
    channels_last = grid.permute(0, 2, 3, 1)
    forms = {"h w d": channels_last[0], "1 h w d": channels_last, "1 d h w": grid}
    backbone = tiny(0).backbone
    report = load_backbone_weights(backbone, backbone_state() | {"pos_embed": forms[form]})
    assert report.resized_from == (2, 6)
    expected = torch.nn.functional.interpolate(grid, size=(4, 4), mode="bilinear", align_corners=False)
    torch.testing.assert_close(backbone.pos_embed[:, 1:], expected.flatten(2).transpose(1, 2))


def test_positions_of_an_oblong_grid_are_asked_for_and_load_as_advised() -> None:
    state = backbone_state() | {"pos_embed": torch.randn(1, 1 + 2 * 7, 16)}
    with pytest.raises(UserError, match=r"model.backbone.image_size=\[8,28\]"):
        load_backbone_weights(tiny(0).backbone, state)
    wide = tiny(0, backbone=SIZES.model_copy(update={"image_size": (8, 28)})).backbone
    load_backbone_weights(wide, state)
    assert torch.equal(wide.state_dict()["pos_embed"], state["pos_embed"])


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("shape", [(16,), (1, 17, 8), (1, 8, 4, 4), (2, 3, 4, 5), (), (1, 0, 16), (0, 16)])
def test_positions_that_are_none(shape: tuple[int, ...], strict: bool) -> None:
    with pytest.raises(UserError, match="position embedding"):
        load_backbone_weights(
            tiny(0).backbone, backbone_state() | {"pos_embed": torch.zeros(shape)}, strict=strict
        )


def test_half_a_network_is_not_proposed() -> None:
    state = {name: value for name, value in backbone_state().items() if "blocks.0" not in name}
    with pytest.raises(UserError, match=r"model.strict_weights=false"):
        load_backbone_weights(tiny(0).backbone, state)
    state = {name: value for name, value in state.items() if "blocks.1" not in name}
    with pytest.raises(UserError, match="24 missing") as error:
        load_backbone_weights(tiny(0).backbone, state)
    assert "strict_weights" not in str(error.value)
    shallow = timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict()
    deep = build_segmenter(
        ModelConfig(
            backbone=SIZES.model_copy(
                update={
                    "image_size": (224, 224),
                    "patch_size": 16,
                    "embed_dim": 192,
                    "depth": 40,
                    "num_heads": 3,
                }
            ),
        ),
        NUM_CLASSES,
        seed=0,
    )
    with pytest.raises(UserError, match=r"the file fits model.backbone=vit_tiny_patch16_224") as error:
        load_backbone_weights(deep.backbone, shallow)
    assert "strict_weights" not in str(error.value)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_positions_of_another_grid_are_resized(mode: Any) -> None:
    state = backbone_state() | {
        "pos_embed": torch.randn(1, 10, 16, generator=torch.Generator().manual_seed(0))
    }
    backbone = tiny(0, position_interpolation=mode).backbone
    report = load_backbone_weights(backbone, state)
    grid = state["pos_embed"][:, 1:].reshape(1, 3, 3, 16).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(grid, size=(4, 4), mode=mode, align_corners=False)
    torch.testing.assert_close(backbone.pos_embed[:, 1:], expected.flatten(2).transpose(1, 2))
    assert torch.equal(backbone.pos_embed[:, :1], state["pos_embed"][:, :1])
    assert report.resized_from == (3, 3)


def test_an_unknown_naming_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"no backbone in a known naming .* starts with layer1.conv.weight"):
        load_backbone_weights(tiny(0).backbone, {"layer1.conv.weight": torch.zeros(1)})


def test_a_missing_file_says_where_to_put_it(tmp_path: Path) -> None:
    path = tmp_path / "pretrain" / "deit.pth"
    with pytest.raises(UserError) as error:
        build_segmenter(tiny_config(pretrained=str(path)), NUM_CLASSES, seed=0)
    assert str(path) in str(error.value)
    assert "model.pretrained=hub" in str(error.value)
    assert "model.pretrained=none" in str(error.value)
    mit = MiTConfig(name="mit_b0").build(3)
    with pytest.raises(UserError, match=r"mit_b\*\.pth of SegFormer's authors.*=none") as error:
        load_backbone_weights(mit, path)
    assert "=hub" not in str(error.value)  # timm has no MiT


@pytest.mark.parametrize("name", ["cut.safetensors", "cut.pth"])
@pytest.mark.parametrize("share", [0, 0.002, 0.1, 0.5, 0.999])
def test_a_truncated_file(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    (save_file if name.endswith("safetensors") else torch.save)(backbone_state(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=f"{name} can't be read.*a cut-off download is a common cause"):
        read_state(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"nothing of use", "a cut-off download"),
        (bytes(range(256)) * 4, "a cut-off download"),
        (b"\x80\x02}q\x00.", "a cut-off download"),
        (b"\n<!doctype html><html>not found</html>", "it is a web page"),
        # a header of 60 bytes, which as a letter is <
        (
            struct.pack("<Q", 60)
            + b'{"w":{"dtype":"X9","shape":[2],"data_offsets":[0,8]}}'.ljust(60)
            + bytes(8),
            "can't be read as a weight file of plain tensors",
        ),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
    ],
)
def test_a_foreign_file(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "vit.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match=why) as error:
        read_state(path)
    assert "weights_only" not in str(error.value)


class Trap:
    """What a hostile file would hold: reading it in full makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path, trap = tmp_path / "code.pth", tmp_path / "sprung"
    torch.save({"state_dict": backbone_state(), "optimizer": Trap(trap)}, path)
    with pytest.raises(UserError, match=r"holds a Python object, posix.mkdir, .*trust whoever made it"):
        read_state(path)
    assert not trap.exists()


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.zeros(1)]])
def test_a_file_without_tensors_by_name(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(UserError, match=r"odd.pth holds"):
        read_state(tmp_path / "odd.pth")


@pytest.fixture
def dinov2() -> Path:
    """A real file that lies beside the repository, where there is one."""
    if not DINOV2.is_file():
        reason = f"{DINOV2} is missing"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return DINOV2


def test_a_real_file(dinov2: Path) -> None:
    config = ModelConfig(
        backbone="vit_small_patch14_dinov2",
        pretrained=str(dinov2),
        head={"name": "linear", "out_indices": [0]},
    )
    segmenter = build_segmenter(config, NUM_CLASSES, seed=0).eval()
    stored = read_state(dinov2)
    for name, value in segmenter.backbone.state_dict().items():
        assert torch.equal(value, stored[name].float())
    with torch.no_grad():
        assert segmenter(torch.rand(1, 3, 30, 45)).isfinite().all()


def test_authors_names() -> None:
    assert from_authors("decode_head.up_convs.2.0.bn.running_var") == "head.stages.2.norm.running_var"
    assert from_authors("auxiliary_head.3.conv_seg.bias") == "auxiliary_heads.3.classifier.bias"
    assert from_authors("backbone_ema.cls_token", "teacher") == "backbone.cls_token"
    assert from_authors("backbone_ema.cls_token", "student") is None
    assert from_authors("backbone.layers.1.ln2.bias") == "backbone.blocks.1.norm2.bias"


def test_a_checkpoint_without_the_network_asked_for() -> None:
    with pytest.raises(UserError, match=r"holds no teacher .* expected keys backbone_ema"):
        convert_authors_checkpoint({"backbone.cls_token": torch.zeros(1)}, "teacher")
