"""Whole trained networks of others: a SegFormer of its authors, a SETR made for another crop."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from authors_names import to_authors
from s4former.config import NumericError, UserError
from s4former.engine import Checkpoints, train
from s4former.inference import Model, init_weights_from, load_networks
from s4former.models import ModelConfig, ViTSegmenter, build_segmenter
from tiny_run import make_data, tiny_run

NUM_CLASSES = 3
SEGFORMER = ModelConfig.model_validate(
    {
        "backbone": {
            "name": "mit",
            "embed_dims": [4, 4, 8, 8],
            "depths": [1] * 4,
            "num_heads": [1, 1, 2, 2],
        },
        "head": {"name": "segformer", "channels": 8},
    }
)
SETR = ModelConfig.model_validate(
    {
        "backbone": {
            "name": "vit",
            "image_size": [16, 16],
            "patch_size": 8,
            "embed_dim": 16,
            "depth": 2,
            "num_heads": 2,
        },
        "head": {"name": "setr_pup", "channels": 8, "num_convs": 2},
        "auxiliary_heads": [
            {"name": "setr_pup", "channels": 8, "num_convs": 2, "scale": 4, "out_indices": [0]}
        ],
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
        torch.testing.assert_close(logits(found[name], 64), logits(network, 64))
    fresh = build_segmenter(SEGFORMER, NUM_CLASSES, seed=3)
    init_weights_from(fresh, fresh.config, path)
    torch.testing.assert_close(logits(fresh, 64), logits(student, 64))


def test_a_setr_made_for_another_crop_is_scored_at_ours_and_without_auxiliary_heads(tmp_path: Path) -> None:
    trained = build_segmenter(SETR, NUM_CLASSES, seed=1)
    path = save(tmp_path / "iter.pth", authors_setr(trained))
    backbone = SETR.backbone.model_copy(update={"image_size": (32, 32)})
    wide = SETR.model_copy(update={"backbone": backbone})
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


def hugging_face_segformer(folder: Path) -> ViTSegmenter:
    """Write a SegFormer as ``transformers`` does, and return ours with its weights."""
    config = transformers.SegformerConfig(
        hidden_sizes=[4, 4, 8, 8],
        depths=[1] * 4,
        num_attention_heads=[1, 1, 2, 2],
        mlp_ratios=[4] * 4,
        decoder_hidden_size=8,
        num_labels=NUM_CLASSES,
    )
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(folder)
    (network,) = load_networks(folder, SEGFORMER, NUM_CLASSES).values()
    return network


def test_a_folder_of_hugging_face_is_gone_on_with(tmp_path: Path) -> None:
    network = hugging_face_segformer(tmp_path / "hf")
    fresh = build_segmenter(SEGFORMER, NUM_CLASSES, seed=3)
    init_weights_from(fresh, fresh.config, tmp_path / "hf")
    torch.testing.assert_close(logits(fresh, 64), logits(network, 64))


def test_other_color_statistics_are_no_network_to_go_on_with(tmp_path: Path) -> None:
    run = tiny_run(make_data(tmp_path / "data"), {"steps": 1, "evaluate_every": 0, "save_every": 0})
    train(run, tmp_path / "run")
    hugging_face_segformer(tmp_path / "hf")
    (tmp_path / "hf/preprocessor_config.json").write_text(
        '{"image_mean": [0.1, 0.1, 0.1], "image_std": [1, 1, 1]}'
    )
    half = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    for path, model, typed in ((tmp_path / "run", run.model, "0.485"), (tmp_path / "hf", SEGFORMER, "0.1")):
        student = build_segmenter(model.model_copy(update=half), NUM_CLASSES, seed=1)
        with pytest.raises(UserError, match=rf"other color statistics .* type model.mean=\[{typed}"):
            init_weights_from(student, student.config, path)
    with pytest.raises(UserError, match="other color statistics"):
        load_networks(tmp_path / "hf", SEGFORMER, NUM_CLASSES)


def test_for_other_classes_the_advised_field_takes_the_backbone_alone(tmp_path: Path) -> None:
    """Of a run, a model folder and a folder of Hugging Face's."""
    changes = {"steps": 1, "evaluate_every": 0, "save_every": 0}
    run = tiny_run(make_data(tmp_path / "data"), changes)
    train(run, tmp_path / "run")
    hugging_face_segformer(tmp_path / "hf")
    for path, model in (
        (tmp_path / "run", run.model),
        (tmp_path / "run/model", run.model),
        (tmp_path / "hf", SEGFORMER),
    ):
        other = build_segmenter(model, 7, seed=3)
        with pytest.raises(UserError, match="in place of load_from") as error:
            init_weights_from(other, other.config, path)
        (given,) = re.findall(r"type model\.pretrained=(\S+)", str(error.value))
        assert given == str(path)
        built = build_segmenter(model.model_copy(update={"pretrained": given}), 7, seed=3)
        (trained,) = load_networks(path, SEGFORMER, NUM_CLASSES).values()
        own = trained.backbone.state_dict()
        assert all(torch.equal(value, own[name]) for name, value in built.backbone.state_dict().items())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_stop_every_road(tmp_path: Path, bad: float) -> None:
    trained = build_segmenter(SETR, NUM_CLASSES, seed=1)
    state = authors_setr(trained)
    state["decode_head.conv_seg.bias"][1] = bad
    path = save(tmp_path / "iter.pth", state)
    for use in (
        lambda: load_networks(path, SETR, NUM_CLASSES),
        lambda: init_weights_from(trained, trained.config, path),
    ):
        with pytest.raises(NumericError, match=r"iter.pth holds .*head.classifier.bias"):
            use()


def test_a_run_and_a_model_with_values_that_are_no_numbers(tmp_path: Path) -> None:
    run = tiny_run(make_data(tmp_path / "data"), {"steps": 2, "evaluate_every": 0, "save_every": 1})
    train(run, tmp_path / "run")
    weights = tmp_path / "run/model/model.safetensors"
    state = load_file(weights)
    state["head.classifier.bias"][0] = torch.nan
    save_file(state, weights)
    for path in (tmp_path / "run", weights):
        with pytest.raises(NumericError, match=r"model.safetensors holds .*: head.classifier.bias"):
            Model.load(path)
    other = run.model_copy(update={"load_from": str(tmp_path / "run")})
    with pytest.raises(NumericError, match=r"head.classifier.bias"):
        train(other, tmp_path / "other")


def test_a_saved_state_with_values_that_are_no_numbers_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path)
    state = {"state": {0: {"exp_avg": torch.full((2,), torch.inf)}}}
    bad = {"step": 1, "method": {"a": torch.zeros(1)}, "optimizer": state}
    with pytest.raises(NumericError, match=r"after step 1, .*optimizer\.state\.0\.exp_avg"):
        checkpoints.save(1, bad)
    with monkeypatch.context() as careless:
        careless.setattr("s4former.engine.checkpoint.non_finite", lambda _: [])
        checkpoints.save(1, bad)
    with pytest.raises(NumericError, match=r"step_00000001.pt holds .*: optimizer.state.0.exp_avg"):
        checkpoints.load("cpu")
    # What a meter has summed so far may be undefined.
    checkpoints.save(2, {"step": 2, "method": {}, "journal": {"share": torch.tensor(torch.nan)}})
    assert checkpoints.load("cpu") is not None
