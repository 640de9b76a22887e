"""What exported files cost and lose: size, images/s, logit error, changed pixels and mIoU on val.

    python benchmarks/export.py RUN --out results/export.json

One thread; times are of the CPU, as a shared machine's wall clock says little. Images are seen whole, at the
nearest multiples of a patch, by the network and by the files alike; a crop is 168 x 168.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from s4former.engine.exporting import own_examples
from s4former.inference import Model
from s4former.inference.card import model_folder
from s4former.inference.export import compare, metadata, read_logits, traced, write_file
from s4former.inference.onnx_model import fitting_size, resized

CROP, REPEATS = 168, 20


def cpu_seconds(logits: Callable[[np.ndarray], object], images: list[np.ndarray]) -> float:
    """Return the median time of the CPU for one image."""
    times = []
    for image in images:
        start = time.process_time()
        logits(image[None])
        times.append(time.process_time() - start)
    return float(np.median(times))


def main() -> None:
    """Write, compare and time the files of one model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = Model.load(options.run, "cpu", "float32")
    network, card = model.network, model.card
    examples = own_examples(model_folder(options.run), card, print)
    chosen = list(track(examples.spread(examples.count), "reading", total=examples.count))
    patch = network.patch_size
    whole = [resized(image, fitting_size(image.shape[:2], None, patch)) for image, _ in chosen[:REPEATS]]
    crops = [image[:CROP, :CROP] for image in whole]

    def with_torch(images: np.ndarray) -> object:
        with torch.inference_mode():
            return network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)

    weights = (model_folder(options.run) / "model.safetensors").stat().st_size
    rows = [{"what": "torch", "bytes": weights, "crop": cpu_seconds(with_torch, crops)}]
    rows[0]["whole"] = cpu_seconds(with_torch, whole)
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("fp32", "fp16", "int8"):
            file = Path(folder) / f"{precision}.onnx"
            program = traced(network, card.input.channels, None, half=precision == "fp16")
            told = metadata(card, None, patch, precision)
            write_file(program, file, "onnx", told, int8=precision == "int8")
            logits = read_logits(file, "onnx")
            row = {"what": f"onnxruntime {precision}", "bytes": file.stat().st_size}
            row |= {"crop": cpu_seconds(logits, crops), "whole": cpu_seconds(logits, whole)}
            found = compare(network, logits, chosen, None)
            row |= {"logit_error": found.logit_error, "changed": found.changed, "miou": found.miou}
            rows.append(row)
            print(json.dumps(row), flush=True)
    table = Table(
        "file", "MB", "crop, images/s", "whole, images/s", "largest logit error", "changed pixels", "mIoU"
    )
    for row in rows:
        speeds = [f"{1 / row[name]:.1f}" for name in ("crop", "whole")]
        lost = (
            [f"{row['logit_error']:.2g}", f"{100 * row['changed']:.2g} %"] if "changed" in row else ["", ""]
        )
        miou = row["miou"][1] if "miou" in row else rows[1]["miou"][0]
        table.add_row(row["what"], f"{row['bytes'] / 1e6:.1f}", *speeds, *lost, f"{100 * miou:.2f}")
    Console(width=120).print(table)
    if options.out:
        options.out.write_text(json.dumps({"images": len(chosen), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
