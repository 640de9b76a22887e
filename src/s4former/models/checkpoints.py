"""Trained networks in a file of weights alone: ours, or checkpoints of S4Former's and UniMatch V2's code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from s4former.config.errors import UserError
from s4former.models.backbones.timm import TimmBackbone
from s4former.models.config import LoRAConfig, ModelConfig
from s4former.models.fitting import fit_positions, has_no_place, vit_sizes
from s4former.models.keys import Network, convert_authors_checkpoint, convert_dpt
from s4former.models.mit_keys import mit_style, to_segformer
from s4former.models.segmenter import ViTSegmenter
from s4former.models.weight_files import read_state, require_finite
from s4former.models.weights import describe_keys, wrong_shapes

_NETWORK_PART = re.compile(r"(?:^|(?<=\.))(?:(?P<head>decode_head(_ema)?|head)|backbone(_ema)?|segformer)\.")


def load_checkpoint(path: str | Path) -> dict[Network, dict[str, Tensor]]:
    """Read weights alone, as the S4Former authors' code saves them or as a model folder holds them.

    They may lie in a folder or in shards, see `read_state`. A checkpoint is a ``.pth`` of mmsegmentation 0.x,
    with ``state_dict`` and ``meta``, or the same tensors as safetensors, of SETR or SegFormer; or one of
    UniMatch V2, with ``model`` and ``model_ema``. It is read without running code.

    Returns:
        What ``ViTSegmenter.load_state_dict`` takes, for each network in the file: the ``student`` and, in the
        authors' checkpoints of runs that have one, its average, the ``teacher`` (``backbone_ema.*``,
        ``decode_head_ema.*``, which has no auxiliary heads, or ``model_ema.*``).

    Raises:
        UserError: If the file can't be read or holds no such network.
    """
    found = _networks_in(read_state(path))
    if all(any(key.startswith("head.") for key in state) for state in found.values()):
        return {name: convert_dpt(state) for name, state in found.items()}
    state = next(iter(found.values()))
    averaged = {key.replace("_ema.", ".", 1): value for key, value in state.items() if "_ema." in key}
    own = {key: value for key, value in state.items() if "_ema." not in key}
    networks: dict[Network, dict[str, Tensor]] = {}
    if own or not averaged:
        networks["student"] = _to_ours(own)
    if averaged:
        networks["teacher"] = _to_ours(averaged)
    return networks


def segmenter_from_checkpoint(
    config: ModelConfig, num_classes: int, path: str | Path, network: Network = "student"
) -> ViTSegmenter:
    """Build a trained network from a file of weights alone, in our layout or the authors', in eval.

    A model folder says itself what its network is: `s4former.load` needs no config. Of others one has to say
    what they are::

        config = model_preset("setr_deit_base")
        segmenter = segmenter_from_checkpoint(config, 21, "iter_80000.pth", "teacher")

    Args:
        config: What the network is; ``config.pretrained`` plays no part.
        num_classes: Number of classes.
        path: ``model.safetensors`` of a model folder, or a checkpoint of the authors.
        network: Which of the two networks in a checkpoint of the authors.

    Raises:
        UserError: If the file can't be read or is not of such a network.
    """
    networks = load_checkpoint(path)
    if network not in networks:
        raise UserError(f"{path} holds no {network}; it has a {' and a '.join(networks)}")
    return segmenter_from_state(config, num_classes, networks[network], str(path))


def segmenter_from_state(
    config: ModelConfig, num_classes: int, state: Mapping[str, Tensor], origin: str
) -> ViTSegmenter:
    """Build a trained network from what `load_checkpoint` returns for it, in eval.

    Auxiliary heads are dropped where the state or the config has none. Positions of another patch grid are
    resized.

    Raises:
        UserError: If the tensors are not those of such a network; the message starts with ``origin``.
        NumericError: If a tensor holds a NaN or an infinity.
    """
    has_auxiliary = any(key.startswith("auxiliary_heads.") for key in state)
    # Nothing here is to be trained: what only training uses must not stand in the way.
    changes: dict[str, object] = {"frozen_blocks": 0, "lora": LoRAConfig()}
    if not has_auxiliary:
        changes["auxiliary_heads"] = ()
    segmenter = ViTSegmenter(config.model_copy(update=changes), num_classes)
    _load(segmenter, state, origin)
    return segmenter.eval()


def _networks_in(state: Mapping[str, Tensor]) -> dict[Network, dict[str, Tensor]]:
    """Return the tensors of the whole networks among some, without the names of what lies around them.

    A whole network is a backbone and a head side by side, wherever they lie; of several, the plainest, and
    the plainest one with ``ema`` around it is its teacher.
    """
    around: dict[str, set[str]] = {}
    for key in state:
        for match in _NETWORK_PART.finditer(key):
            around.setdefault(key[: match.start()], set()).add("head" if match["head"] else "backbone")
    whole = [prefix for prefix, parts in around.items() if len(parts) == 2]
    places = sorted(whole or around or [""], key=lambda one: (_is_average(one), len(one)))
    chosen: dict[Network, str] = {"student": places[0]}
    averages = [place for place in whole if _is_average(place) and place != places[0]]
    if averages:
        chosen["teacher"] = min(averages, key=len)
    return {
        name: {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        for name, prefix in chosen.items()
    }


def _is_average(place: str) -> bool:
    return "ema" in re.split(r"[._]", place)


def _to_ours(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return convert_authors_checkpoint(state) if mit_style(state) is None else to_segformer(state)


def _load(segmenter: ViTSegmenter, state: Mapping[str, Tensor], origin: str) -> None:
    backbone, wanted = segmenter.backbone, segmenter.state_dict()
    inner = {
        key.removeprefix("backbone."): value.float()
        for key, value in state.items()
        if key.startswith("backbone.")
    }
    sizes = vit_sizes(inner)
    if isinstance(backbone, TimmBackbone) and sizes is not None and sizes.width == backbone.embed_dim:
        fit_positions(inner, backbone, backbone.position_interpolation, origin)
    given = {key: value for key, value in state.items() if not key.startswith("backbone.")}
    if not segmenter.config.auxiliary_heads:
        given = {key: value for key, value in given.items() if not key.startswith("auxiliary_heads.")}
    given |= {
        f"backbone.{key}": value
        for key, value in inner.items()
        if f"backbone.{key}" in wanted or not has_no_place(key, backbone)
    }
    missing = tuple(sorted(wanted.keys() - given.keys()))
    unexpected = tuple(sorted(given.keys() - wanted.keys()))
    wrong = wrong_shapes(given, wanted, "the network's")
    if missing or unexpected or wrong:
        shapes = f"{len(wrong)} of another shape: {'; '.join(wrong[:3])}" if wrong else ""
        problems = "; ".join(part for part in (describe_keys(missing, unexpected), shapes) if part)
        raise UserError(
            f"{origin} is not of the network in the config; {problems}. Check model.backbone, model.head, "
            f"its sizes and the number of classes{_segformer_head(given, segmenter.config)}"
        )
    require_finite(given, origin)
    segmenter.load_state_dict(given)


def _segformer_head(state: Mapping[str, Tensor], config: ModelConfig) -> str:
    """Say which of SegFormer's heads a file holds, if it is another than the config's."""
    layers = {"segformer": "head.projections.0.weight", "segformer_conv": "head.convs.0.weight"}
    for head, first in layers.items():
        channels = state[first].shape[0] if first in state else 0
        if channels and (config.head.name, getattr(config.head, "channels", None)) != (head, channels):
            return f": its head is model.head={head} model.head.channels={channels}"
    return ""
