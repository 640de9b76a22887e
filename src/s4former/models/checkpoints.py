"""Trained networks in a file of weights alone: ours, or checkpoints of the S4Former authors' code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from s4former.config.errors import UserError
from s4former.models.backbones import ViTBackbone
from s4former.models.config import ModelConfig
from s4former.models.fitting import fit_positions, has_no_place
from s4former.models.keys import Network, convert_authors_checkpoint
from s4former.models.mit_keys import mit_style, to_segformer
from s4former.models.segmenter import ViTSegmenter
from s4former.models.weight_files import read_state
from s4former.models.weights import describe_keys


def load_authors_checkpoint(path: str | Path, network: Network = "student") -> dict[str, Tensor]:
    """Read a checkpoint that the S4Former authors' code has saved, SETR or SegFormer, under our names.

    The file is a ``.pth`` of mmsegmentation 0.x, with ``state_dict`` and ``meta``, or the same tensors as
    safetensors; it is read without running code. To use it, say what the network is::

        config = ModelConfig(backbone="deit_base_patch16_224", image_size=(512, 512), taps=(11,))
        segmenter = segmenter_from_checkpoint(config, 21, "iter_80000.pth")

    Args:
        path: The checkpoint.
        network: The authors keep a student and its average, the ``teacher`` (``backbone_ema.*``,
            ``decode_head_ema.*``), in one file; supervised runs have a student alone.

    Returns:
        What ``ViTSegmenter.load_state_dict`` takes; a teacher has no auxiliary heads.

    Raises:
        UserError: If the file can't be read or holds no such network.
    """
    return _to_ours(read_state(path), network)


def segmenter_from_checkpoint(
    config: ModelConfig, num_classes: int, path: str | Path, network: Network = "student"
) -> ViTSegmenter:
    """Build a trained network from a file of weights alone, in our layout or the authors', in eval.

    A model folder says itself what its network is: `s4former.load` needs no config. Auxiliary heads are left
    out where the file or the config has none. Positions of another patch grid are resized.

    Args:
        config: What the network is; ``config.pretrained`` plays no part.
        num_classes: Number of classes.
        path: ``model.safetensors`` of a model folder, or a checkpoint of the authors.
        network: Which of the two networks in a checkpoint of the authors.

    Raises:
        UserError: If the file can't be read or is not of such a network.
    """
    state = read_state(path)
    if not any(key.startswith("head.") for key in state):
        state = _to_ours(state, network)
    has_auxiliary = any(key.startswith("auxiliary_heads.") for key in state)
    # Nothing here is to be trained: what only training uses must not stand in the way.
    changes: dict[str, object] = {"frozen_blocks": 0}
    if not has_auxiliary:
        changes["auxiliary_taps"] = ()
    segmenter = ViTSegmenter(config.model_copy(update=changes), num_classes)
    _load(segmenter, state, str(path))
    return segmenter.eval()


def _to_ours(state: Mapping[str, Tensor], network: Network) -> dict[str, Tensor]:
    renamed = dict(state)
    if network == "teacher":
        renamed = {key.replace("_ema.", ".", 1): value for key, value in state.items() if "_ema." in key}
    if mit_style(renamed) is not None:
        return to_segformer({key: value for key, value in renamed.items() if "_ema." not in key})
    return convert_authors_checkpoint(state, network)


def _load(segmenter: ViTSegmenter, state: dict[str, Tensor], origin: str) -> None:
    backbone, wanted = segmenter.backbone, segmenter.state_dict()
    inner = {
        key.removeprefix("backbone."): value.float()
        for key, value in state.items()
        if key.startswith("backbone.")
    }
    width = inner.get("cls_token")
    if isinstance(backbone, ViTBackbone) and width is not None and width.shape[-1] == backbone.embed_dim:
        fit_positions(inner, backbone, backbone.position_interpolation, origin)
    given = {key: value for key, value in state.items() if not key.startswith("backbone.")}
    if not segmenter.config.auxiliary_taps:
        given = {key: value for key, value in given.items() if not key.startswith("auxiliary_heads.")}
    given |= {
        f"backbone.{key}": value
        for key, value in inner.items()
        if f"backbone.{key}" in wanted or not has_no_place(key, backbone)
    }
    missing = tuple(sorted(wanted.keys() - given.keys()))
    unexpected = tuple(sorted(given.keys() - wanted.keys()))
    wrong = [
        f"{key} is {tuple(given[key].shape)}, the network's {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in given and given[key].shape != value.shape
    ]
    if missing or unexpected or wrong:
        shapes = f"{len(wrong)} of another shape: {'; '.join(wrong[:3])}" if wrong else ""
        problems = "; ".join(part for part in (describe_keys(missing, unexpected), shapes) if part)
        raise UserError(
            f"{origin} is not of the network in the config; {problems}. Check model.backbone, model.head, "
            "its sizes and the number of classes"
        )
    segmenter.load_state_dict(given)
