"""From a trained network to a graph that takes pixels, and to a file: ONNX, or torch.export's."""

from __future__ import annotations

import copy
import importlib.util
import json
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from s4former.config.errors import UserError
from s4former.inference.card import ModelCard
from s4former.inference.onnx_model import FORMAT, Size, open_session
from s4former.types import Segmenter

_EXAMPLE = (5, 7)  # rows and columns of patches of the image that is traced where the size is left open
_MOST = 4096  # rows or columns of patches
Format = Literal["onnx", "torch-export"]
Logits = Callable[[np.ndarray], np.ndarray]
"""Takes images "b h w c" of 8 bits and returns logits "b k h w"."""
_PACKAGES: dict[Format, tuple[str, ...]] = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "torch-export": ()}
_LARGEST = 2**31 - 2**20  # bytes of an ONNX file


class Exported(nn.Module):
    """What a file computes: RGB pixels "b h w c" from 0 to 255 become logits "b k h w"."""

    def __init__(self, network: Segmenter) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b k h w"]:
        """Return float32 logits at the images' size."""
        dtype = next(self.network.parameters()).dtype
        channels_first = images.permute(0, 3, 1, 2).to(dtype) / 255
        features = self.network.encode(channels_first)
        return self.network.decode(features, (images.shape[1], images.shape[2])).float()


def traced(network: Segmenter, channels: int, size: Size | None, half: bool = False) -> ExportedProgram:
    """Return the graph of a network in eval mode, for batches of any number of images.

    Args:
        network: The network; it stays as it is.
        channels: Channels of an image.
        size: Height and width of the images; none: left open.
        half: Let weights and products be float16.

    Raises:
        UserError: If sides are no multiples of a patch, or the network has no such graph.
    """
    patch = network.patch_size
    own = copy.deepcopy(network).cpu().eval()
    if size:
        if any(side % patch or not side for side in size):
            near = "x".join(str(max(1, round(side / patch)) * patch) for side in size)
            raise UserError(
                f"size={size[0]}x{size[1]}: sides must be multiples of the network's patch of {patch} "
                f"pixels; type size={near}, images are resized to it"
            )
        own.fit_positions(size)
    open_sides = {axis: patch * Dim(name, min=1, max=_MOST) for axis, name in ((1, "rows"), (2, "columns"))}
    axes = {0: Dim("batch", min=1, max=1024), **({} if size else open_sides)}
    height, width = size or tuple(patch * side for side in _EXAMPLE)
    example = torch.zeros(2, height, width, channels, dtype=torch.uint8)
    logging.getLogger("torch.export").setLevel(logging.ERROR)
    instead = "" if size else "; try one size, as in size=224x224"
    try:
        with torch.no_grad():
            graph = Exported(own.half() if half else own)
            program = torch.export.export(graph, (example,), dynamic_shapes={"images": axes})
    except Exception as error:  # of torch, or of whoever wrote the backbone or head
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"torch.export makes no graph of this network: {why}{instead}") from error
    if size is None:
        _require_open(program, example[:1, : patch * 3, : patch * 4], instead)
    return program


def _require_open(program: ExportedProgram, other: UInt8[Tensor, "b h w c"], instead: str) -> None:
    """Make sure that a graph takes images of another size; torch.export may fix a size without saying so."""
    try:
        with torch.no_grad():
            program.module()(other)
    except (AssertionError, RuntimeError):
        raise UserError(
            "positions in this network are computed for one size (as of DINOv3, or with "
            f"position_interpolation=dinov2), so that the file cannot leave it open{instead}"
        ) from None


def metadata(card: ModelCard, size: Size | None, patch: int, precision: str) -> dict[str, str]:
    """Return what is written into a file, JSON each: classes, the images it takes, and how it came about."""
    protocol = card.evaluate.resolved(card.crop_size)
    told = {
        "names": card.names,
        "colors": card.colors,
        "input": {
            "layout": "batch height width channels",
            "dtype": "uint8",
            **card.input.model_dump(mode="json"),
            "size": size,
            "multiple_of": patch,
        },
        "evaluate": {**protocol.model_dump(mode="json"), "crop_size": protocol.crop_size or card.crop_size},
        "precision": precision,
        "method": card.method.get("name"),
        "network": card.network,
        "step": card.step,
    }
    return {"s4former_format": FORMAT, **{name: json.dumps(value) for name, value in told.items()}}


def require_packages(format: Format) -> None:
    """Make sure that what writes and reads a format is installed.

    Raises:
        UserError: If not.
    """
    missing = [name for name in _PACKAGES[format] if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"ONNX needs {', '.join(missing)}, not installed here; type `pip install 's4former[onnx]'`, or "
            "format=torch-export"
        )


def write_file(
    program: ExportedProgram, path: Path, format: Format, told: Mapping[str, str], int8: bool = False
) -> None:
    """Write a graph with its metadata.

    Raises:
        UserError: If the file would be larger than ONNX allows.
    """
    if format == "torch-export":
        # A file object, as torch refuses names that do not end in .pt2, which unfinished files don't.
        with path.open("wb") as file:
            torch.export.save(program, file, extra_files=dict(told))
        return
    import onnx

    for talkative in ("torch.onnx", "onnxscript"):
        logging.getLogger(talkative).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written = torch.onnx.export(
            program, (), input_names=["images"], output_names=["logits"], dynamo=True, verbose=False
        )
        assert written is not None
        model = written.model_proto
    if model.ByteSize() > _LARGEST:
        raise UserError("the network has more than the 2 GiB of an ONNX file; type format=torch-export")
    if int8:
        model = _in_int8(model)
    onnx.helper.set_model_props(model, dict(told))
    onnx.save(model, path)


def _needs_no_preparing(line: logging.LogRecord) -> bool:
    return "pre-processing before quantization" not in line.getMessage()


def _in_int8(model: Any) -> Any:
    """Return an ONNX model whose matrix products have weights of 8 bits.

    Activations are scaled as they come, and weights output by output: on MSRC-21 that changed 0.7 % of the
    pixels of an earlier graph, while scales of activations that are fixed beforehand (QDQ) changed 3.6 %, and
    took longer (docs/export.md has today's figures).
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().addFilter(_needs_no_preparing)  # the same filter is added once
    with TemporaryDirectory() as folder:
        quantize_dynamic(
            model,
            Path(folder) / "int8.onnx",
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["MatMul", "Gemm"],
        )
        return onnx.load(Path(folder) / "int8.onnx")


def read_logits(path: Path, format: Format) -> Logits:
    """Return what a file computes, loaded anew."""
    if format == "onnx":
        session = open_session(path, torch.get_num_threads())
        return lambda images: session.run(["logits"], {"images": images})[0]
    with path.open("rb") as file:
        module = torch.export.load(file).module()

    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return module(torch.from_numpy(images)).numpy()  # type: ignore[no-any-return]

    return run
