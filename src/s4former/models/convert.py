"""Rewriting weight files of any known key style as safetensors under timm's names."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from s4former.config.errors import UserError
from s4former.config.outputs import Outputs, claim
from s4former.config.validation import validated
from s4former.models.backbones import BACKBONES, Backbone
from s4former.models.backbones.timm import TimmBackbone
from s4former.models.candidates import NamedWeights, name_weights
from s4former.models.colors import Colors
from s4former.models.fitting import fit_positions, native_grid, outside_of_vit, vit_sizes
from s4former.models.weight_files import read_weights, require_finite
from s4former.models.weights import load_backbone_weights


@dataclass(frozen=True)
class Conversion:
    """What was written.

    Attributes:
        style: Whose names the tensors carried.
        tensors: Number of tensors written.
        parameters: Number of values in them.
        left_out: Number of tensors that belong to no backbone: heads, classifiers, mask tokens.
        fits: Names for model.backbone that the new file fits, the likeliest first.
        colors: The color statistics that the weights want, if the source says.
    """

    style: str
    tensors: int
    parameters: int
    left_out: int
    fits: tuple[str, ...]
    colors: Colors | None


def convert_weights(
    source: Path, out: Path, backbone: str | None = None, *, part: str | None = None, force: bool = False
) -> Conversion:
    """Write the backbone in a weight file as safetensors, by timm's names or, for a MiT, the official.

    Values, their precision and the patch grid of the positions stay as they are.

    Args:
        source: A file or folder with weights in any known key style; it is never changed.
        out: A ``.safetensors`` file.
        backbone: A name for model.backbone that the weights have to fit; none: whichever they do fit.
        part: Which one to take of several transformers, as model.pretrained_part.
        force: Replace ``out`` if it exists.

    Raises:
        NumericError: If a tensor holds a NaN or an infinity.
        UserError: If ``source`` can't be read or does not fit, or ``out`` is not to be written.
    """
    outputs = _claim(source, out, force)
    stored = read_weights(source)
    named = name_weights(stored.tensors, str(source), part, "--part ")
    tensors = {key: value for key, value in named.tensors.items() if not outside_of_vit(key)}
    require_finite(tensors, str(source))
    fits = named.fitting()
    if backbone is not None:
        network = _build(backbone, named)
        load_backbone_weights(network, stored.tensors, part=part, origin=str(source))
        fits = (backbone, *(name for name in fits if name != backbone))
    elif fits:
        network = _build(fits[0], named)
    else:
        network = None
    if isinstance(network, TimmBackbone) and native_grid(tensors) is not None:
        given = tensors["pos_embed"].dtype
        fit_positions(tensors, network, "bilinear", str(source))
        tensors = {key: value.to(given) if key == "pos_embed" else value for key, value in tensors.items()}
    written = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    about = {"format": "pt"}
    if stored.colors is not None:
        about |= {"mean": json.dumps(stored.colors.mean), "std": json.dumps(stored.colors.std)}
    outputs.write(out, lambda temporary: temporary.write_bytes(save(written, about)))
    return Conversion(
        style=named.style,
        tensors=len(written),
        parameters=sum(value.numel() for value in written.values()),
        left_out=named.outside + len(named.tensors) - len(tensors),
        fits=fits,
        colors=stored.colors,
    )


def _claim(source: Path, out: Path, force: bool) -> Outputs:
    if out.suffix != ".safetensors":
        raise UserError(f"the new file is safetensors: give it a name like {out.with_suffix('.safetensors')}")
    outputs = claim(
        [(out, "the weights")],
        "weight file",
        [source],
        instead=f"{source} is converted under another name; --force replaces what this command wrote, and "
        "nothing else",
        edited=True,
    )
    if os.path.lexists(out) and not force:
        raise UserError(f"{out} exists; choose another name, or replace it with --force")
    return outputs


def _build(backbone: str, named: NamedWeights) -> Backbone:
    """Return the backbone with the patch grid of the file, so that converting interpolates nothing."""
    data: dict[str, Any] = {"name": backbone}
    kind = BACKBONES.config_class(backbone)
    sizes, grid = vit_sizes(named.tensors), native_grid(named.tensors)
    if "image_size" in kind.model_fields and sizes and grid:
        data["image_size"] = [side * sizes.patch for side in grid]
    if "final_norm" in kind.model_fields:
        data["final_norm"] = "norm.weight" in named.tensors
    with torch.random.fork_rng(devices=[]):
        return validated(kind, data, "--backbone").build(3)
