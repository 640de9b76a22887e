"""Plain ViTs in the ``.npz`` files of JAX code (ViT, AugReg, big_vision), by timm's names."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from s4former.models.keys import translated

_NAMES = [
    (r"(^|/)embedding/", r"\1patch_embed/proj/"),
    (r"(^|/)cls$", r"\1cls_token"),
    (r"(Transformer/posembed_input/)?pos_embed(ding)?$", "pos_embed"),
    (r"Transformer/encoderblock_(\d+)/", r"blocks/\1/"),
    (r"Transformer/encoder_norm/", "norm/"),
    (r"/LayerNorm_0/", "/norm1/"),
    (r"/LayerNorm_[12]/", "/norm2/"),
    (r"/MultiHeadDotProductAttention_\d/(q|k|v)(uery|ey|alue)/", r"/attn/\1/"),
    (r"/MultiHeadDotProductAttention_\d/out/", "/attn/proj/"),
    (r"/MlpBlock_\d/Dense_0/", "/mlp/fc1/"),
    (r"/MlpBlock_\d/Dense_1/", "/mlp/fc2/"),
    (r"/(kernel|scale)$", "/weight"),
]


def load_npz(path: Path) -> dict[str, Tensor]:
    """Return the arrays of an ``.npz`` as tensors, those of a plain ViT by timm's names and in its layout.

    Source:
        The rules of timm's loader for these files; features equal its own exactly. Arrays of Python objects
        are refused by NumPy.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    tensors = {}
    for name, array in _by_block(arrays).items():
        if array.dtype.kind == "V" and array.dtype.itemsize == 2:  # bfloat16, which NumPy does not know
            value = torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        elif array.dtype.kind in "biuf":
            native = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))
            value = torch.from_numpy(native)
        else:
            continue
        tensors[translated(name, _NAMES).replace("/", ".")] = _in_layout(name, value)
    return tensors


def _by_block(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Take apart what big_vision's scan over blocks has stacked."""
    apart = {}
    for name, array in arrays.items():
        if "/encoderblock/" in f"/{name}" and array.ndim:
            for number, one in enumerate(array):
                apart[name.replace("encoderblock/", f"encoderblock_{number}/", 1)] = one
        else:
            apart[name] = array
    return apart


def _in_layout(name: str, value: Tensor) -> Tensor:
    """Turn what JAX multiplies from the right, head by head, into torch's matrices."""
    if not name.endswith("kernel"):
        projection = re.search(r"/(query|key|value)/bias$", name)
        return value.flatten() if projection else value
    if value.ndim == 4:  # a convolution
        return value.permute(3, 2, 0, 1).contiguous()
    if value.ndim == 3:  # "d heads h" of queries, keys and values, "heads h d" of what joins them
        value = value.flatten(0, 1) if "/out/" in name else value.flatten(1)
    return value.T.contiguous() if value.ndim == 2 else value
