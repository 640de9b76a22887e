"""The network of the recorded UniMatch V2 data, built as ours, with the authors' weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from s4former.models import DPTConfig, ModelConfig, ViTConfig, ViTSegmenter, build_segmenter
from s4former.models.keys import convert_dpt

Golden = Callable[[str], Path]


def meta(golden: Golden) -> dict[str, Any]:
    """Return the sizes and settings of the recorded runs."""
    return json.loads(golden("unimatch_v2/meta.json").read_text())


def their_weights(golden: Golden) -> dict[str, Tensor]:
    """Return the weights of the recorded runs by the authors' names; they were exact in float16."""
    return {key: value.float() for key, value in load_file(golden("unimatch_v2/step.safetensors")).items()}


def their_config(golden: Golden, weights: Mapping[str, Tensor], **changes: Any) -> ModelConfig:
    """Return the config of their network; images are given to it as stored, normalized."""
    sizes = meta(golden)["network"]
    backbone = {
        "name": "vit",
        "image_size": (sizes["crop"], sizes["crop"]),
        "patch_size": sizes["patch"],
        "embed_dim": sizes["width"],
        "depth": sizes["depth"],
        "num_heads": sizes["heads"],
        "mlp_ratio": weights["backbone.blocks.0.mlp.fc1.weight"].shape[0] / sizes["width"],
        "layer_scale": 1.0,
        "position_interpolation": "dinov2",
    }
    head = DPTConfig(
        out_indices=tuple(sizes["taps"]),
        features=sizes["features"],
        out_channels=tuple(sizes["out_channels"]),
    )
    plain = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    return ModelConfig(backbone=ViTConfig(**backbone), head=head, **(plain | changes))


def their_network(golden: Golden, **changes: Any) -> ViTSegmenter:
    """Return our segmenter with the weights of ``step.safetensors``.

    Args:
        golden: The fixture.
        changes: Fields of the model's config.
    """
    weights = their_weights(golden)
    network = build_segmenter(their_config(golden, weights, **changes), meta(golden)["classes"], seed=0)
    network.load_state_dict(convert_dpt(weights))
    return network
