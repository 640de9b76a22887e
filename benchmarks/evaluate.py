"""What scoring a split of a data set takes: one image after the other, as it was, and as `evaluate` does it.

    python benchmarks/evaluate.py --threads 2 --out benchmarks/results/evaluate_2cores.json

Two small networks with random weights are scored in the same process, in turns, on CamVid's and MSRC-21's
validation images, whole and in windows. "Before" reads each image when it is
needed, gives it to each network alone, waits for the prediction and keeps it as an array.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s4former.config import write_json
from s4former.config.record import hardware
from s4former.curation import open_source
from s4former.data import DataConfig, Source, evaluation_pairs
from s4former.inference import EvaluateConfig, evaluate, logit_row_chunks
from s4former.inference.logits import in_eval
from s4former.inference.row_chunks import with_rows
from s4former.models import ModelConfig, build_segmenter
from s4former.ops import Scores, confusion_matrix
from s4former.types import Segmenter

SHARED = Path(__file__).resolve().parents[2] / "shared" / "datasets"
SMALL = {"image_size": [224, 224], "patch_size": 16, "embed_dim": 96, "depth": 3, "num_heads": 3}


def one_by_one(
    networks: Mapping[str, Segmenter], source: Source, config: EvaluateConfig, device: str
) -> dict[str, Scores]:
    """Score as this package did before."""
    k = len(source.classes)
    matrices = {name: torch.zeros(k, k, dtype=torch.int64, device=device) for name in networks}
    with in_eval(networks):
        for _, image, mask in evaluation_pairs(source, config.part):
            labels = torch.from_numpy(mask).to(device)
            for name, network in networks.items():
                answer = np.empty(mask.shape, np.uint8)
                for rows, chunk in with_rows(
                    logit_row_chunks(network, image[None], config, device, "float32")
                ):
                    prediction = chunk[0].argmax(0)
                    matrices[name] += confusion_matrix(prediction, labels[rows], k)
                    answer[rows] = prediction.to(torch.uint8).cpu().numpy()
    return {name: Scores.from_matrix(matrix) for name, matrix in matrices.items()}


def measure(name: str, mode: str, device: str, threads: int, repeats: int) -> dict[str, Any]:
    """Time both ways in turns, and compare their scores."""
    source = open_source(DataConfig(root=str(SHARED / name)))
    model = ModelConfig.model_validate({"backbone": {"name": "vit", **SMALL}, "head": "linear"})
    networks = {
        each: build_segmenter(model, len(source.classes), seed).to(device)
        for seed, each in enumerate(("student", "teacher"))
    }
    config = EvaluateConfig.model_validate({"mode": mode}).resolved((168, 168))
    times: dict[str, list[np.ndarray]] = {"before": [], "after": []}
    difference = 0.0
    for _ in range(repeats):
        start = _now()
        before = one_by_one(networks, source, config, device)
        middle = _now()
        after = evaluate(networks, source, config, device, "float32", threads=threads)
        times["before"].append(middle - start)
        times["after"].append(_now() - middle)
        for each, scores in before.items():
            pairs = zip(scores.iou, after[each].scores.iou, strict=True)
            difference = max([difference, *(abs(a - b) for a, b in pairs if a == a)])
    medians = {when: np.median(values, axis=0).round(2).tolist() for when, values in times.items()}
    miou = {each: round(100 * result.scores.miou, 4) for each, result in after.items()}
    return {
        "data": name,
        "mode": mode,
        "images": len(source.val),
        "wall_and_cpu_seconds": medians,
        "miou_percent": miou,
        "largest_difference_of_a_class_iou": difference,
    }


def _now() -> np.ndarray:
    """Return the time of the wall and that of the CPU; on a busy machine only the second one means much."""
    return np.array([time.perf_counter(), time.process_time()])


def main() -> None:
    """Measure, print and write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--device", default="cpu")
    options.add_argument("--threads", type=int, default=2, help="threads that read images ahead")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    results = []
    for name in ("camvid", "msrc21"):
        for mode in ("whole", "slide"):
            results.append(measure(name, mode, given.device, given.threads, given.repeats))
            print(results[-1], flush=True)
    if given.out:
        settings = {"device": given.device, "threads_ahead": given.threads, "repeats": given.repeats}
        settings |= {"threads_of_torch": torch.get_num_threads(), "network": SMALL}
        write_json(given.out, {"settings": settings, "hardware": hardware(), "results": results})


if __name__ == "__main__":
    main()
