"""What `s4former train --memory` promises, beside what the process took at its peak.

    python benchmarks/memory.py --out benchmarks/results/memory_MACHINE_DATE.md

Each setting is a process of its own, on the CPU, that picks, says so and trains a few steps; its peak is what
the system counted (resident memory). With `--processes 2` that many share a larger network (`parallel=fsdp`):
what was picked is then trained by processes that pick nothing, and the peak is the larger one of theirs.

    python benchmarks/memory.py --processes 2 --memory 100GB 4.5GB
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

RUN = "demo steps=2 evaluate_every=0 device=cpu threads=1 data.cache_images=64 data.crop_size=256"
NETWORK = "model.backbone=vit_small_patch16_224 model.pretrained=none method.unlabeled_start_step=0"
LARGE = "parallel=fsdp model.backbone=vit_base_patch16_224 model.head.out_indices=[11] data.crop_size=128"


def peak(words: list[str], processes: int = 1) -> tuple[int, str, int]:
    """Run a command and return its exit code, what it said and its peak of resident memory in bytes."""
    together = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}"] if processes > 1 else []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *together, "-m", "s4former", "train", *words, "--out", f"{folder}/run"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        return os.waitstatus_to_exitcode(status), said, usage.ru_maxrss * 1024


def main() -> None:
    """Measure, print and write the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--memory", nargs="+", default=["100GB", "2.5GB", "1.5GB"])
    options.add_argument("--processes", type=int, default=1)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    sharing = given.processes > 1
    words = [*RUN.split(), *NETWORK.split(), *(LARGE.split() if sharing else ())]
    together = ["--gpus", str(given.processes)] if sharing else []
    lines = ["| asked | picked | promised | measured peak |", "|---|---|---:|---:|"]
    for memory in given.memory:
        code, said, most = peak([*words, *together, "--memory", memory])
        found = re.search(r"(accumulate=.*): takes (\S+) of", said)
        if found and sharing:  # the one that picked had taken a step with all weights
            code, _, most = peak([*words, *found[1].split()], given.processes)
        refused = re.search(r"type `--memory (\S+)`,", said)
        if found:
            lines.append(f"| {memory} | {found[1]} | {found[2]} | {most / 1e9:.3g}GB |")
        else:
            lines.append(f"| {memory} | refused: {refused[1] if refused else said[-300:]} | | |")
        print(lines[-1], f"exit code {code}", flush=True)
    if given.out:
        given.out.write_text(
            f"# Memory\n\n`{' '.join(words)}`, {given.processes} processes; see benchmarks/memory.py.\n\n"
            + "\n".join(lines)
            + "\n"
        )


if __name__ == "__main__":
    main()
