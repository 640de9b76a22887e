"""How fast `s4former predict` is, beside a plain loop, and how much memory an image of any size takes.

    python benchmarks/predict.py --model RUN --images DIR --out benchmarks/results/predict.json [--side 20000]

Loop: `model.predict(path).save(...)`, one image after the other. Each row is a process of its own, on the
CPU, with so many threads as OMP_NUM_THREADS says; rounds alternate, the medians are reported. The
large image is one photograph repeated, and its row the peak resident memory of the process. Beside the JSON
file comes a table (.md).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image

ROUNDS = 3


def loop(model: str, images: str, out: str) -> None:
    """Predict and save one image after the other."""
    from s4former.inference import Model, find_images

    network = Model.load(model, "cpu")
    found, start = find_images([images]).images, time.perf_counter()
    for stem, path in found:
        network.predict(path).save(out, stem)
    print(json.dumps({"images_per_second": len(found) / (time.perf_counter() - start)}))


def command(model: str, images: str, out: str) -> None:
    """Predict as the command does."""
    from s4former.inference import Model
    from s4former.inference.config import Options
    from s4former.inference.jobs import run_plan
    from s4former.inference.plans import make_plan

    plan = make_plan(Path(model), [images], Path(out), Options())
    summary = run_plan(plan, Model.load(model, "cpu"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    speed = len(plan.todo) / summary.seconds
    print(json.dumps({"images_per_second": speed, "seconds": summary.seconds, "peak_gib": peak}))


def measured(what: str, model: str, images: str) -> dict[str, float]:
    """Return what a process of its own measures."""
    with tempfile.TemporaryDirectory() as out:
        arguments = [
            sys.executable,
            __file__,
            "--row",
            what,
            "--model",
            model,
            "--images",
            images,
            "--out",
            out,
        ]
        text = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    result: dict[str, float] = json.loads(text.splitlines()[-1])
    return result


def large_image(photo: Path, side: int, folder: str) -> str:
    """Write a photograph repeated to a side of so many pixels."""
    pixels = np.asarray(Image.open(photo).convert("RGB"))
    rows, columns = (-(-side // length) for length in pixels.shape[:2])
    path = Path(folder) / "large.png"
    Image.fromarray(np.tile(pixels, (rows, columns, 1))[:side, :side]).save(path, compress_level=1)
    return str(path)


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--row", choices=("loop", "command"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.row:
        return {"loop": loop, "command": command}[asked.row](asked.model, asked.images, str(asked.out))
    rows: dict[str, list[float]] = {"loop": [], "command": []}
    for _ in range(ROUNDS):
        for what, speeds in rows.items():
            speeds.append(measured(what, asked.model, asked.images)["images_per_second"])
    with tempfile.TemporaryDirectory() as folder:
        photo = next(path for path in sorted(Path(asked.images).iterdir()) if path.suffix in (".jpg", ".png"))
        large = measured("command", asked.model, large_image(photo, asked.side, folder))
    medians = {what: statistics.median(speeds) for what, speeds in rows.items()}
    result = {
        "date": str(date.today()),
        "machine": platform.machine(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "images_per_second": rows,
        "large": {"side": asked.side, **large},
    }
    asked.out.write_text(json.dumps(result, indent=2) + "\n")
    lines = [
        "# Predicting many images, and a large one",
        "",
        f"{result['date']}, threads: {result['threads']}; medians of {ROUNDS} alternating rounds, images "
        "read from files and masks and overlays written. Made by `benchmarks/predict.py`.",
        "",
        "| | images/s |",
        "|---|---:|",
        f"| `model.predict(path).save(...)` in a loop | {medians['loop']:.2f} |",
        f"| `s4former predict` | {medians['command']:.2f} |",
        "",
        f"One image of {asked.side} x {asked.side} pixels: {large['seconds'] / 60:.1f} minutes, "
        f"{large['peak_gib']:.2f} GiB of memory at most.",
    ]
    asked.out.with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
