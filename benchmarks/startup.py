"""How long commands take until they say something: help, lists, mistakes, a cached check, missing data.

    python benchmarks/startup.py --out results/startup.json
    PYTHONPATH=OTHER/src python benchmarks/startup.py --tools OTHER/tools      another version, for comparison

Each command runs in a process of its own, in a folder of its own. The time of the wall and that of the CPU
(all processes of the command together) are medians; on a busy machine only the second one means much.
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
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = "configs/setr/setr_deit-base_pup_bs_8_512x512_80k_pascal_1over16_split_classic_sup.py"
S4FORMER = [sys.executable, "-m", "s4former"]


def commands(tools: Path) -> dict[str, tuple[list[str], int]]:
    """Return the commands by what they are, each with its exit code."""
    train = ["sh", str(tools / "dist_train.sh"), PUBLISHED, "2"]
    test = ["sh", str(tools / "dist_test.sh"), PUBLISHED, "run", "2"]
    return {
        "s4former --help": ([*S4FORMER, "--help"], 0),
        "s4former recipes": ([*S4FORMER, "recipes"], 0),
        "a mistyped recipe": ([*S4FORMER, "train", "voc.clasic_92.s4former"], 1),
        "a mistyped override": ([*S4FORMER, "train", "voc.classic_92.s4former", "data.crop=3"], 1),
        "a cached check": ([*S4FORMER, "check", "dataset.yaml"], 0),
        "train, data set missing": ([*S4FORMER, "train", "voc.classic_92.s4former"], 3),
        "tools/dist_train.sh CONFIG 2, data set missing": (train, 3),
        "tools/dist_test.sh CONFIG run 2, data set missing": (test, 3),
    }


def furnish(place: Path, tools: Path) -> None:
    """Write a small data set that `check` has seen once, and the published configs beside some tools."""
    (place / "configs").symlink_to(tools.parent / "configs")
    generator = np.random.default_rng(0)
    for name in ("images", "masks"):
        (place / name).mkdir()
    for number in range(40):
        pixels = generator.integers(0, 256, (240, 320, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / "images" / f"{number:02}.jpg")
        mask = np.zeros((240, 320), dtype=np.uint8)
        mask[number : 160 + number, 40:200] = 1
        Image.fromarray(mask).save(place / "masks" / f"{number:02}.png")
    for arguments in (["init", "images", "--masks", "masks"], ["check", "dataset.yaml"]):
        subprocess.run([*S4FORMER, *arguments], cwd=place, check=True, capture_output=True)


def measure(command: list[str], code: int, place: Path) -> tuple[float, float]:
    """Run a command and return its wall and CPU seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != code:
        sys.exit(f"{' '.join(command)}: expected exit code {code}, got {done.returncode}\n{done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure all commands and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tools", type=Path, default=ROOT / "tools", help="of the version that is measured")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    options = parser.parse_args()
    table, results = Table("command", "wall s", "CPU s"), {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        tools = options.tools.resolve()
        furnish(place, tools)
        todo = commands(tools).items()
        for name, (command, code) in track(todo, "commands", console=Console(stderr=True)):
            measure(command, code, place)  # so that files are in the system's cache
            runs = [measure(command, code, place) for _ in range(options.repeats)]
            wall, cpu = (statistics.median(times) for times in zip(*runs, strict=True))
            results[name] = {"wall_seconds": wall, "cpu_seconds": cpu, "runs": runs}
            table.add_row(name, f"{wall:.2f}", f"{cpu:.2f}")
    Console().print(table)
    if options.out:
        record = {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "python": sys.version.split()[0],
            "load": os.getloadavg()[0],
            "date": time.strftime("%Y-%m-%d"),
            "commands": results,
        }
        options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
