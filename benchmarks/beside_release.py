"""A training step of the authors' released code beside ours: time and memory, one machine, one sitting.

    python benchmarks/beside_release.py --release FOLDER --preset small_2x2_256
    python benchmarks/beside_release.py --release FOLDER --preset published_1x1_512 --out results/beside.json
    python benchmarks/beside_release.py --preset small_2x2_256 --only "ours, all recomputed"     ours alone

Both sides train the network of a preset of `step.py` with all parts on (PatchShuffle, PASA, NCR), every pixel
being confident, on the same random images, which each makes inside its step. Ours is the step that `step.py`
measures.

How the figures are made: each program is a process of its own with one thread and computes only when it is
its turn, so what else the machine does meets all of them alike. After one step each that does not count,
every round gives each of them one step. Times are CPU seconds of the process, as medians of the rounds.
Memory is the process's peak of resident memory; what it had taken once its packages were imported stands
beside it. Ratios are ratios of medians. Rates of matrix products, measured between the rounds, say how fast
the machine was meanwhile: torch's in float32, which the release uses, that of our linear layers, bfloat16's.

All programs stay alive until the last round, so the highest peak and what the others keep between their turns
must fit into memory together: about 12 GB for the small preset and 25 GB for the published one. Where it does
not, the measurement ends with a word about it. `--only` leaves programs of ours out.

The other side is not part of this repository; without it, ours are compared to the plain one of them. FOLDER,
which goes to the front of Python's path, needs:

- `mmseg`: that of mmsegmentation 0.30.0 (the release lacks much of it), in which these files come from
  github.com/JoyHuYY1412/S4Former at commit 2fe87ec6: `models/backbones/vit.py`,
  `models/decode_heads/decode_head.py` and `setr_up_head.py`, `models/losses/cross_entropy_loss.py`,
  `models/segmentors/base.py` and `encoder_decoder.py`, `models/utils/structual_utils.py`,
  `utils/generate_unsup_data.py`;
- `mmcv` 1.7.2, pure Python, and what both import: addict, yapf, platformdirs, opencv-python-headless,
  prettytable, wcwidth;
- `released_step.py` with `build(preset: dict, threads: int)`. The preset has `width`, `heads`, `crop`,
  `images` (of each kind) and `classes`. It returns a function without arguments that does one whole training
  step: make the images, `train_step` (which moves the teacher, then computes the losses), gradients,
  optimizer. The function's attribute `trained` counts the numbers that are trained, position embeddings aside
  (ours keep the grid of the checkpoint); it must be the same on both sides. The step may write files into the
  working directory, as the release does every time.

The release cannot be imported as it is. `released_step.py` has to mend this: `collections.Mapping` and
`Sequence` are gone from Python; `mmseg.utils` does not export the functions of its `generate_unsup_data.py`;
`mmcv.ops` is compiled (nothing of it is called); `vit.py` reads an attribute `self_attn` of mmcv's attention,
where the second result of torch's attention has to be kept; SyncBN needs mmcv's `revert_sync_batchnorm`; and
a threshold of 0 fails, so that it takes 1e-9.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import re
import resource
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

# What is ours is imported where it is used: the released program's process runs this file too, and its peak
# of memory would count our packages.

RELEASED = "released"


class PresetName(StrEnum):
    """The presets of `step.py`."""

    published_1x1_512 = "published_1x1_512"
    small_2x2_256 = "small_2x2_256"


SIZES = {
    PresetName.published_1x1_512: {"width": 768, "heads": 12, "crop": 512, "images": 1},
    PresetName.small_2x2_256: {"width": 384, "heads": 6, "crop": 256, "images": 2},
}
"""What the released side is told of a preset."""


@dataclass(frozen=True)
class Ours:
    """A way to run our step."""

    precision: str = "float32"
    recompute: str = "none"


PROGRAMS: dict[str, Ours | None] = {
    RELEASED: None,
    "ours": Ours(),
    "ours, bfloat16": Ours(precision="bfloat16"),
    "ours, heads recomputed": Ours(recompute="heads"),
    "ours, all recomputed": Ours(recompute="all"),
}


def peak_gb() -> float:
    """Return the most memory that this process has had.

    Of Linux it is asked in a way that forgets the process that started this one, unlike getrusage.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return memory_of("self/status", "VmHWM") or usage.ru_maxrss * 1024 / 1e9


def memory_of(what: str, entry: str) -> float:
    """Return an entry, in GB, of a file in which Linux tells of memory; elsewhere 0."""
    path = Path("/proc", what)
    found = re.search(rf"^{entry}:\s*(\d+) kB", path.read_text(), re.MULTILINE) if path.exists() else None
    return int(found[1]) * 1024 / 1e9 if found else 0.0


def our_step(preset_name: str, way: Ours) -> tuple[Callable[[], object], int, float]:
    """Return our step, how many numbers it trains, and the memory that the imports took."""
    import step as ours

    imported = peak_gb()
    device = torch.device("cpu")
    preset = ours.PRESETS[preset_name]
    recompute = {"recompute_activations": way.recompute}
    preset = replace(preset, model=preset.model.model_copy(update=recompute))
    method, optimizer = ours.build(preset, "s4former", device)
    numbers = count()

    def one_step() -> None:
        number = next(numbers)
        batch = ours.make_batch(preset, device, number)
        with torch.autocast(device.type, torch.bfloat16, enabled=way.precision == "bfloat16"):
            loss = method(batch, method.prepare(batch)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        method.after_update(number)

    trained = [p for name, p in method.named_parameters() if p.requires_grad and "pos_embed" not in name]
    return one_step, sum(p.numel() for p in trained), imported


def released_step(preset_name: str, release: str, classes: int) -> tuple[Callable[[], object], int, float]:
    """Return the released step, how many numbers it trains, and the memory that the imports took."""
    sys.path.insert(0, release)
    module = importlib.import_module("released_step")
    imported = peak_gb()
    one_step = module.build({**SIZES[PresetName(preset_name)], "classes": classes}, 1)
    return one_step, one_step.trained, imported


def serve(turns: Connection, program: str, preset_name: str, release: str | None, classes: int) -> None:
    """Be one program: build its step, then do one for each turn and say what it took."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # the released step writes its images there
        try:
            way = PROGRAMS[program]
            one_step, trained, imported = (
                our_step(preset_name, way) if way else released_step(preset_name, str(release), classes)
            )
            turns.send({"trained": trained, "imported_gb": imported})
            while turns.recv():
                wall, cpu = time.perf_counter(), time.process_time()
                one_step()
                turns.send(
                    {
                        "cpu_seconds": time.process_time() - cpu,
                        "wall_seconds": time.perf_counter() - wall,
                        "peak_gb": peak_gb(),
                        "held_gb": memory_of("self/status", "VmRSS"),
                    }
                )
        except Exception:
            traceback.print_exc()
        finally:
            os.chdir("/")
            turns.close()


@contextmanager
def running(program: str, *about: Any) -> Iterator[Connection]:
    """Start a program and end it."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, program, *about), daemon=True)
    process.start()
    there.close()
    try:
        yield here
        here.send(False)
        process.join()
    finally:
        process.kill()


def answer(program: str, turns: Connection) -> dict[str, float]:
    """Return what a program says next."""
    try:
        found: dict[str, float] = turns.recv()
    except EOFError:
        raise SystemExit(f"the program `{program}` ended; its message stands above") from None
    return found


def check_memory(program: str, last: dict[str, float]) -> None:
    """End with a sentence if a program's next step may not fit into memory, judged by its last one."""
    free = memory_of("meminfo", "MemAvailable")
    needed = 1.2 * last["peak_gb"] - last["held_gb"]
    if 0 < free < needed:
        raise SystemExit(
            f"`{program}` may need {needed:.1f} GB more and {free:.1f} GB are free;"
            " leave programs out with --only"
        )


def measure(programs: list[str], preset_name: str, release: str | None, rounds: int) -> dict[str, Any]:
    """Let the programs take turns and return what each step took."""
    from step import NUM_CLASSES, product_rates

    device = torch.device("cpu")
    rates = [product_rates(device)]
    found: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        all_turns = {}
        for program in programs:  # one after the other, as building a network takes a core too
            all_turns[program] = stack.enter_context(running(program, preset_name, release, NUM_CLASSES))
            found[program] = {**answer(program, all_turns[program]), "steps": []}
        trained = {program: about["trained"] for program, about in found.items()}
        if len(set(trained.values())) > 1:
            raise SystemExit(f"the programs train networks of different sizes: {trained}")
        last: dict[str, dict[str, float]] = {}
        for number in range(rounds + 1):
            for program, turns in all_turns.items():
                if number:
                    check_memory(program, last[program])
                turns.send(True)
                took = last[program] = answer(program, turns)
                warm = f"round {number}" if number else "warm-up"
                print(warm, program, {name: round(x, 2) for name, x in took.items()}, flush=True)
                if number:
                    found[program]["steps"].append(took)
            rates.append(product_rates(device))
    return {"programs": {p: summary(about) for p, about in found.items()}, "product_gflops": rates}


def summary(about: dict[str, Any]) -> dict[str, Any]:
    """Add the medians of a program's steps, and its peak, to what is known of it."""
    steps = about["steps"]
    return {
        **about,
        "cpu_seconds_median": statistics.median(step["cpu_seconds"] for step in steps),
        "wall_seconds_median": statistics.median(step["wall_seconds"] for step in steps),
        "peak_gb": steps[-1]["peak_gb"],
    }


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    programs = record["programs"]
    against, base = next(iter(programs.items()))
    size = SIZES[PresetName(record["preset"])]
    lines = [
        "# The released training step beside ours"
        if against == RELEASED
        else "# Ways to make our training step",
        "",
        f"Width {size['width']}, {size['crop']} x {size['crop']}, {size['images']} + {size['images']} images"
        f" (`{record['preset']}`), {base['trained']:,} trained numbers in each; medians of the"
        f" {record['rounds']} steps after the first, programs taking turns, {record['date']},"
        f" {record['processor']} each, torch {record['versions']['torch']}.",
        "",
        f"| step | CPU time | wall | peak memory | of it imports | {against} / this: time | memory |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, about in programs.items():
        seconds, peak = about["cpu_seconds_median"], about["peak_gb"]
        lines.append(
            f"| {name} | {seconds:.1f} s | {about['wall_seconds_median']:.1f} s | {peak:.2f} GB"
            f" | {about['imported_gb']:.2f} GB | {base['cpu_seconds_median'] / seconds:.2f}"
            f" | {base['peak_gb'] / peak:.2f} |"
        )
    rate = {
        name: statistics.median(found[name] for found in record["product_gflops"])
        for name in record["product_gflops"][0]
    }
    lines += [
        "",
        f"Matrix products (2048 x 2048) ran at {rate['matmul']:.0f} GFLOP/s meanwhile (float32, torch's),"
        f" {rate['fast_linear']:.0f} (that of our linear layers) and {rate['bfloat16']:.3g} (bfloat16);"
        " medians. Made by `benchmarks/beside_release.py`, which says how.",
    ]
    return "\n".join(lines) + "\n"


def main(
    preset: Annotated[PresetName, typer.Option(help="network, crop and batch")],
    release: Annotated[
        Path | None, typer.Option(help="folder with the authors' code, see above", exists=True)
    ] = None,
    rounds: Annotated[int, typer.Option(help="steps of each program that count", min=1)] = 5,
    only: Annotated[list[str] | None, typer.Option(help=f"of {list(PROGRAMS)}; repeat it")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file; a table is written beside it")] = None,
) -> None:
    """Measure, print and write."""
    from s4former.config import versions, write_json
    from s4former.config.record import hardware, write_text
    from step import hardware_name

    if unknown := set(only or ()) - set(PROGRAMS):
        raise typer.BadParameter(f"no such program: {sorted(unknown)}", param_hint="--only")
    torch.set_num_threads(1)
    first = RELEASED if release else next(program for program, way in PROGRAMS.items() if way)
    ours = only or [program for program, way in PROGRAMS.items() if way]
    programs = [program for program in PROGRAMS if program in (first, *ours)]
    record = {
        "preset": preset.value,
        "rounds": rounds,
        "date": time.strftime("%Y-%m-%d"),
        "processor": hardware_name(torch.device("cpu")),
        "hardware": hardware(),
        "versions": versions(),
        "load_before": os.getloadavg()[0],
        **measure(programs, preset.value, str(release.resolve()) if release else None, rounds),
        "load_after": os.getloadavg()[0],
    }
    text = table(record)
    print(text)
    if out:
        write_json(out, record)
        write_text(out.with_suffix(".md"), text)


if __name__ == "__main__":
    main.__doc__ = __doc__
    typer.run(main)
