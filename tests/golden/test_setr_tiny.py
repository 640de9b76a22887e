"""A whole SETR-PUP against the authors' code: features, logits, losses, gradients, batch-norm buffers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden_data import Case, assert_gradient_close, cases
from safetensors.torch import load_file
from torch import Tensor

from s4former.models import (
    ModelConfig,
    SETRPUPConfig,
    ViTConfig,
    ViTSegmenter,
    build_segmenter,
    convert_authors_checkpoint,
    from_authors,
)
from s4former.ops import cross_entropy

Golden = Callable[[str], Path]


@pytest.fixture(scope="module")
def sizes(golden: Golden) -> dict[str, Any]:
    return json.loads(golden("meta.json").read_text())


@pytest.fixture(scope="module")
def arrays(golden: Golden) -> Case:
    with np.load(golden("setr_tiny.npz")) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files if arrays[key].dtype.kind != "U"}


@pytest.fixture(scope="module")
def gradient_norms(golden: Golden) -> dict[str, float]:
    """Norm of every parameter's gradient, by the authors' name."""
    with np.load(golden("setr_tiny.npz")) as arrays:
        return dict(zip(arrays["train.grad_norm_names"].tolist(), arrays["train.grad_norms"], strict=True))


@pytest.fixture
def network(golden: Golden, sizes: dict[str, Any]) -> ViTSegmenter:
    """The authors' network, its size read from the files, loaded through our own converter."""
    state = load_file(golden("setr_tiny.safetensors"))
    setr = sizes["setr_tiny"]

    def count(prefix: str, depth: int) -> int:
        return len({key.split(".")[depth] for key in state if key.startswith(prefix)})

    config = ModelConfig(
        backbone=ViTConfig(
            image_size=tuple(setr["img_size"]),
            patch_size=setr["patch_size"],
            embed_dim=setr["embed_dims"],
            depth=setr["num_layers"],
            num_heads=setr["num_heads"],
            mlp_ratio=setr["mlp_ratio"],
        ),
        head=SETRPUPConfig(channels=setr["head_channels"], num_convs=count("decode_head.up_convs.", 2)),
        auxiliary_heads=tuple(
            SETRPUPConfig(
                out_indices=(block,),
                channels=setr["head_channels"],
                num_convs=count("auxiliary_head.0.up_convs.", 3),
                scale=4,
            )
            for block in setr["out_indices"]
        ),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    )
    segmenter = build_segmenter(config, setr["num_classes"], seed=0)
    segmenter.load_state_dict(convert_authors_checkpoint(state))
    return segmenter


def test_the_teacher_of_a_checkpoint_loads_too(golden: Golden, network: ViTSegmenter) -> None:
    state = load_file(golden("step_teacher.safetensors"))
    network.drop_auxiliary_heads()
    network.load_state_dict(convert_authors_checkpoint(state, "teacher"))
    prefix = "decode_head_ema."
    expected = {key: value for key, value in state.items() if key.startswith(prefix)}
    assert expected
    loaded = network.state_dict()
    for key, value in expected.items():
        assert torch.equal(loaded[from_authors(key, "teacher") or ""], value)


def image_size(images: Tensor) -> tuple[int, int]:
    return images.shape[-2], images.shape[-1]


def test_features_and_logits(network: ViTSegmenter, arrays: Case) -> None:
    network.eval()
    for case in cases(arrays, "decode_logits").values():
        images = case["image"].float()
        with torch.no_grad():
            features = network.encode(images)
            logits = network.decode(features, image_size(images))
            auxiliary = network.decode_auxiliary(features, image_size(images))
            whole = network(images)
        for index, feature in enumerate(features):
            torch.testing.assert_close(feature, case[f"feat{index}"], rtol=0, atol=1e-4)
        torch.testing.assert_close(logits, case["decode_logits"], rtol=0, atol=1e-4)
        torch.testing.assert_close(whole, logits, rtol=0, atol=0)
        assert (logits.argmax(1) == case["pred"]).float().mean() >= 0.999
        for index, value in enumerate(auxiliary):
            torch.testing.assert_close(
                value[..., ::2, ::2], case[f"aux_logits{index}_stride2"], rtol=0, atol=1e-4
            )


def test_training_losses_gradients_and_buffers(
    network: ViTSegmenter, arrays: Case, gradient_norms: dict[str, float], sizes: dict[str, Any]
) -> None:
    network.train()
    images, labels = arrays["a.image"].float(), arrays["train.label"].long()
    features = network.encode(images)
    losses = {
        "decode.loss_ce": cross_entropy(network.decode(features, image_size(images)), labels, labels.numel())
    } | {
        f"aux_{index}.loss_ce": sizes["step"]["aux_weight"] * cross_entropy(logits, labels, labels.numel())
        for index, logits in enumerate(network.decode_auxiliary(features, image_size(images)))
    }
    total = torch.stack(list(losses.values())).sum()
    total.backward()

    prefix = "train.loss."
    assert {key.removeprefix(prefix) for key in arrays if key.startswith(prefix)} == losses.keys()
    for name, loss in losses.items():
        torch.testing.assert_close(loss.detach(), arrays[prefix + name], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(total.detach(), arrays["train.loss_total"], rtol=1e-5, atol=1e-6)
    assert_gradients(network, arrays, gradient_norms)
    assert_buffers(network, arrays)


def assert_gradients(network: ViTSegmenter, arrays: Case, norms: dict[str, float]) -> None:
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    prefix = "train.grad."
    stored = {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
    assert stored
    for name, expected in stored.items():
        assert_gradient_close(gradients[from_authors(name) or ""], expected, 1e-4)
    assert {from_authors(name) for name in norms} == gradients.keys()
    for name, norm in norms.items():
        gradient = gradients[from_authors(name) or ""]
        assert gradient is not None
        assert gradient.double().norm().item() == pytest.approx(norm, rel=1e-4, abs=1e-7), name


def assert_buffers(network: ViTSegmenter, arrays: Case) -> None:
    buffers = dict(network.named_buffers())
    prefix = "train.buffer_after."
    found = {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
    assert found
    for name, expected in found.items():
        torch.testing.assert_close(buffers[from_authors(name) or ""], expected, rtol=1e-6, atol=1e-7)
