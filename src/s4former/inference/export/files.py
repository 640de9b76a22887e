"""A graph as a file: ONNX, or what torch.export.save writes."""

from __future__ import annotations

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
from torch.export import ExportedProgram

from s4former.config.errors import UserError
from s4former.inference.card import ModelCard
from s4former.inference.onnx_model import FORMAT, Size, open_session

Format = Literal["onnx", "torch-export"]
Logits = Callable[[np.ndarray], np.ndarray]
"""Takes images "b h w c" of 8 bits and returns logits "b k h w"."""
_PACKAGES: dict[Format, tuple[str, ...]] = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "torch-export": ()}
_LARGEST = 2**31 - 2**20  # bytes of an ONNX file


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
            f"ONNX needs {', '.join(missing)}, not installed here; type `pip install s4former[onnx]`, or "
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


def _in_int8(model: Any) -> Any:
    """Return an ONNX model whose matrix products have weights of 8 bits.

    Activations are scaled as they come, and weights output by output: on MSRC-21 that changes 0.7 % of the
    pixels, while scales of activations that are fixed beforehand (QDQ) change 3.6 %, and take longer.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().addFilter(lambda line: "pre-processing before quantization" not in line.getMessage())
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
