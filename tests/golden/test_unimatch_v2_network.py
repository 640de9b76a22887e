"""UniMatch V2's network against its authors' code: the DPT head, features, positions, whole images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden_data import cases, load_arrays
from safetensors.torch import load_file
from torch import Tensor
from unimatch_v2 import Golden, meta, their_config, their_network, their_weights

from s4former.inference import init_weights_from, load_networks
from s4former.models import DPTConfig, ViTSegmenter, build_segmenter
from s4former.models.heads.dpt import DPTHead
from s4former.models.keys import convert_dpt, dpt_name
from s4former.ops import resize_bilinear, resize_position_embedding
from s4former.ops.confusion import count_pixels
from s4former.types import IGNORE

TOLERANCE = {"rtol": 0, "atol": 2e-4}


@pytest.fixture(scope="module")
def network(golden: Golden) -> ViTSegmenter:
    return their_network(golden).eval()


@pytest.fixture(scope="module")
def head(golden: Golden) -> DPTHead:
    sizes = meta(golden)
    config = DPTConfig(features=sizes["dpt"]["features"], out_channels=tuple(sizes["dpt"]["out_channels"]))
    made = config.build((sizes["dpt"]["width"],) * 4, sizes["classes"])
    weights = load_file(golden("unimatch_v2/dpt.safetensors"))
    given = convert_dpt({key: value.float() for key, value in weights.items()})
    made.load_state_dict({key.removeprefix("head."): value for key, value in given.items()})
    return made


def whole_size(rows: int, columns: int, patch: int) -> tuple[int, int]:
    return patch * rows, patch * columns


def test_the_head(golden: Golden, head: DPTHead) -> None:
    patch = meta(golden)["network"]["patch"]
    for case in cases(load_arrays(golden("unimatch_v2/dpt.npz")), "head_out").values():
        rows, columns = case["grid"].tolist()
        tokens = [case[f"feat{number}"].float() for number in range(4)]
        grids = tuple(each.transpose(1, 2).unflatten(2, (rows, columns)) for each in tokens)
        with torch.no_grad():
            before, logits = head.before_resize(grids), head(grids, whole_size(rows, columns, patch))
        torch.testing.assert_close(before, case["head_out"], **TOLERANCE)
        torch.testing.assert_close(logits[..., ::3, ::3], case["logits_stride3"], **TOLERANCE)
        if "logits" in case:
            torch.testing.assert_close(logits, case["logits"], **TOLERANCE)


def test_the_shapes_of_its_weights(golden: Golden, head: DPTHead) -> None:
    theirs = meta(golden)["dpt"]["parameters"]
    unused = "head.scratch.refinenet4.resConfUnit1."
    expected = {
        dpt_name(name).removeprefix("head."): tuple(shape)
        for name, shape in theirs.items()
        if not name.startswith(unused)
    }
    assert {name: tuple(p.shape) for name, p in head.named_parameters()} == expected
    assert len(expected) < len(theirs)


def test_positions(golden: Golden, network: ViTSegmenter) -> None:
    arrays = load_arrays(golden("unimatch_v2/vit.npz"))
    embed = network.backbone.get_parameter("pos_embed").detach()
    grid = network.backbone.grid
    for case in cases(arrays, "position").values():
        size = tuple(side // network.patch_size for side in case["image"].shape[-2:])
        resized = resize_position_embedding(embed, grid, size, 1, mode="dinov2")
        torch.testing.assert_close(resized, case["position"], **TOLERANCE)


@pytest.mark.parametrize("size", [(12, 12), (23, 37)])
def test_positions_of_the_published_grid(golden: Golden, size: tuple[int, int]) -> None:
    arrays = load_arrays(golden("unimatch_v2/vit.npz"))
    resized = resize_position_embedding(arrays["position_37x37"].float(), (37, 37), size, 1, mode="dinov2")
    torch.testing.assert_close(resized, arrays[f"position_to_{size[0]}x{size[1]}"], **TOLERANCE)


def test_positions_of_a_larger_grid(golden: Golden) -> None:
    arrays = load_arrays(golden("unimatch_v2/vit.npz"))
    resized = resize_position_embedding(
        arrays["position_37x37"].float(), (37, 37), (57, 57), 1, mode="dinov2"
    )
    torch.testing.assert_close(resized[:, 1::5], arrays["position_to_57x57_stride5"], **TOLERANCE)


def test_features_and_logits(golden: Golden, network: ViTSegmenter) -> None:
    for case in cases(load_arrays(golden("unimatch_v2/vit.npz")), "tap0").values():
        images = case["image"].float()
        size = (images.shape[-2], images.shape[-1])
        with torch.no_grad():
            features = network.encode(images)
            logits = network.decode(features, size)
        for number, feature in enumerate(features):
            tokens = feature.flatten(2).transpose(1, 2)
            torch.testing.assert_close(tokens, case[f"tap{number}"], **TOLERANCE)
        torch.testing.assert_close(logits[..., ::3, ::3], case["logits_stride3"], **TOLERANCE)


def as_they_predict(network: ViTSegmenter, image: Tensor) -> Tensor:
    """Resize to the nearest multiples of a patch, and the logits back: both with corners aligned."""
    patch, size = network.patch_size, (image.shape[-2], image.shape[-1])
    seen = (int(size[0] / patch + 0.5) * patch, int(size[1] / patch + 0.5) * patch)
    with torch.no_grad():
        logits = network.decode(network.encode(resize_bilinear(image, seen, align_corners=True)), seen)
    return resize_bilinear(logits, size, align_corners=True).argmax(1)


def test_whole_images(golden: Golden, network: ViTSegmenter) -> None:
    arrays = load_arrays(golden("unimatch_v2/evaluate.npz"))
    total = torch.zeros(3, network.num_classes, dtype=torch.int64)
    for case in cases(arrays, "image").values():
        predicted = as_they_predict(network, case["image"].float())
        agreement = (predicted[0] == case["pred"]).float().mean()
        assert agreement >= 0.999
        # What is counted depends on the predictions; a pixel of rounding must not matter.
        counts = areas(case["pred"][None].long(), case["mask"].long(), network.num_classes)
        for name, count in zip(("intersection", "union", "target"), counts, strict=True):
            assert torch.equal(count, case[name])
        total += counts
    # We differ: a class that is nowhere has no IoU with us and leaves the mean; theirs counts it as 0.
    iou = 100 * total[0] / (total[1] + 1e-10)
    torch.testing.assert_close(iou.double(), arrays["iou"].double(), rtol=1e-5, atol=1e-6)
    assert iou.mean().item() == pytest.approx(arrays["miou"].item(), rel=1e-5)


def areas(predicted: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Return intersection, union and labeled area of each class, by our own counts."""
    assert ((labels < num_classes) | (labels == IGNORE)).all()
    counts = count_pixels(predicted, labels, num_classes)[0]
    hit = counts.diagonal()
    return torch.stack([hit, counts.sum(0) + counts.sum(1) - hit, counts.sum(1)])


def save_as_released(path: Path, golden: Golden, factor: float) -> None:
    """A checkpoint as their training writes it, of networks that were wrapped for several processes."""
    weights = their_weights(golden)
    student = {f"module.{name}": value for name, value in weights.items()}
    teacher = {f"module.{name}": factor * value for name, value in weights.items()}
    others = {"optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}, "epoch": 7, "previous_best": 1.5}
    torch.save({"model": student, "model_ema": teacher, **others}, path)


def test_a_checkpoint_as_the_authors_write_it(golden: Golden, network: ViTSegmenter, tmp_path: Path) -> None:
    path = tmp_path / "latest.pth"
    save_as_released(path, golden, factor=0.5)
    config = their_config(golden, their_weights(golden))
    networks = load_networks(path, config, network.num_classes)
    assert list(networks) == ["student", "teacher"]
    for name, value in network.state_dict().items():
        assert torch.equal(networks["student"].state_dict()[name], value)
        assert torch.equal(networks["teacher"].state_dict()[name], 0.5 * value)

    fresh = build_segmenter(config, network.num_classes, seed=1)
    init_weights_from(fresh, config, path)
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in fresh.state_dict().items())
