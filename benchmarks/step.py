"""What one training step costs: time, CPU time, memory, arithmetic, and the phases it is spent in.

    python benchmarks/step.py --preset small_2x2_256
    python benchmarks/step.py --preset published_1x1_512 --out results/step.json

A machine is noisy, so beside the median step time stands the *cost*: that time multiplied by the rate of a
matrix product measured in the same run (in float32 the faster of torch's and ours; in bfloat16 torch's), in
GFLOP-equivalents. It compares runs on one machine; from one to another it does not travel. With one thread on
a CPU all times are CPU seconds, so that programs beside it take little part in them; the load is recorded.
The arithmetic of the step in its plain order is what torch's FLOP counter counts; a convolution that meets
its map before the map is enlarged needs less, so a cost can fall below it. The presets are the networks and
losses of the released step, which was run beside this one on one machine: results/released_step_*.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from s4former.inference.device import cpu_has_bfloat16
from s4former.methods import Method, config_class
from s4former.models import (
    BACKBONES,
    ModelConfig,
    build_segmenter,
    faster_on_cpu,
    model_preset,
    upsampled_conv,
)
from s4former.models import fast_linear as fast_linear_module
from s4former.models.fast_linear import fast_linear
from s4former.types import Batch, DrawKey, LabeledBatch, UnlabeledBatch

NUM_CLASSES = 21


@dataclass(frozen=True)
class Preset:
    """A network, a crop and a batch."""

    model: ModelConfig
    crop: int
    images: int


SETR = model_preset("setr_deit_base").model_copy(update={"pretrained": "none"})
SMALL = BACKBONES.parse({"name": "vit", "embed_dim": 384, "num_heads": 6, "image_size": [256, 256]})
PRESETS = {
    "published_1x1_512": Preset(SETR, 512, 1),
    "small_2x2_256": Preset(SETR.model_copy(update={"backbone": SMALL}), 256, 2),
}


class Stopwatch:
    """Adds up the wall time spent inside wrapped calls, by name."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = defaultdict(float)

    def now(self) -> float:
        """Wall time, after the device has finished; of a single thread of a CPU, its own time."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.process_time() if self.counts_cpu else time.perf_counter()

    @property
    def counts_cpu(self) -> bool:
        """Whether it counts CPU time."""
        return self.device.type == "cpu" and torch.get_num_threads() == 1

    def wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``call`` with its time added to ``name``."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = self.now()
            result = call(*args, **kwargs)
            self.seconds[name] += self.now() - start
            return result

        return timed


def product_rates(device: torch.device, side: int = 2048, seconds: float = 0.6) -> dict[str, float]:
    """Rates of a matrix product in GFLOP/s: torch's own, that of our linear layers, and bfloat16's."""
    left, right = torch.rand(2, side, side, device=device)
    # Without products of its own, a CPU would take minutes for a large one.
    slow = device.type == "cpu" and not cpu_has_bfloat16()
    small = side // 8 if slow else side
    low = left[:small, :small].bfloat16(), right[:small, :small].bfloat16()
    watch = Stopwatch(device)
    found = {}
    for name, size, product in (
        ("matmul", side, torch.matmul),
        ("fast_linear", side, lambda a, b: fast_linear(a, b, None)),
        ("bfloat16", small, lambda a, b: torch.matmul(*low)),
    ):
        rates: list[float] = []
        begin = watch.now()
        while watch.now() - begin < seconds / 2 or len(rates) < 3:
            start = watch.now()
            product(left, right)
            rates.append(2 * size**3 / (watch.now() - start) / 1e9)
        found[name] = statistics.median(rates)
    return found


def make_batch(preset: Preset, device: torch.device, step: int) -> Batch:
    """Random images and labels of a preset's sizes."""
    generator = torch.Generator().manual_seed(step)
    size = (preset.crop, preset.crop)
    labeled, weak, strong = torch.rand(3, preset.images, 3, *size, generator=generator)
    labels = torch.randint(0, NUM_CLASSES, (preset.images, *size), generator=generator)
    valid = torch.ones(preset.images, *size, dtype=torch.bool)
    batch = Batch(
        LabeledBatch(labeled, labels, valid),
        UnlabeledBatch(weak, (strong,), valid),
        DrawKey(seed=0, step=step),
    )
    return batch.to(device)


def build(preset: Preset, name: str, device: torch.device) -> tuple[Method, torch.optim.Optimizer]:
    """Method and optimizer of a preset; threshold 0 keeps every pixel in every loss."""
    config = config_class(name)
    settings = {"confidence_threshold": 0.0} if "confidence_threshold" in config.model_fields else {}
    student = build_segmenter(preset.model, NUM_CLASSES, seed=0)
    faster_on_cpu(student)
    method = config(**settings).build(student).to(device)
    method.train()
    trained = [p for p in method.parameters() if p.requires_grad]
    return method, torch.optim.SGD(trained, lr=1e-3, momentum=0.9)


def instrument(method: Method, watch: Stopwatch) -> None:
    """Time the passes of student and teacher separately."""
    student = method.student
    for verb in ("encode", "decode", "decode_auxiliary"):
        setattr(student, verb, watch.wrap(f"student {verb}", getattr(student, verb)))
    teacher = method.networks.get("teacher")
    if teacher is not None:
        teacher.forward = watch.wrap("teacher", teacher.forward)  # type: ignore[method-assign]


def measure(preset: Preset, name: str, device: torch.device, precision: str, repeats: int) -> dict[str, Any]:
    """Run a preset's step and return its costs."""
    method, optimizer = build(preset, name, device)
    watch = Stopwatch(device)
    rates = [product_rates(device)]

    def forward(batch: Batch) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            return method(batch, method.prepare(batch)).loss

    phases: dict[str, Callable[..., Any]] = {
        "forward": forward,
        "backward": lambda loss: loss.backward(),
        "optimizer": lambda: (optimizer.step(), optimizer.zero_grad(set_to_none=True)),
        "teacher follows": method.after_update,
    }

    def one_step(step: int, wrap: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> None:
        batch = make_batch(preset, device, step)
        loss = wrap("forward", phases["forward"])(batch)
        wrap("backward", phases["backward"])(loss)
        wrap("optimizer", phases["optimizer"])()
        wrap("teacher follows", phases["teacher follows"])(step)

    instrument(method, watch)
    one_step(0, watch.wrap)
    watch.seconds.clear()
    wall, cpu = [], []
    for step in track(range(1, repeats + 1), f"{name}, {repeats} steps", console=Console(stderr=True)):
        start, cpu_start = watch.now(), time.process_time()
        one_step(step, watch.wrap)
        wall.append(watch.now() - start)
        cpu.append(time.process_time() - cpu_start)
        rates.append(product_rates(device))

    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated(device)
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    by_product = {name: statistics.median([found[name] for found in rates]) for name in rates[0]}
    # The faster of the two, so that a slow library product does not make our own step look cheap.
    low, median = by_product.pop("bfloat16"), statistics.median(wall)
    float32 = max(by_product.values())
    rate = low if precision == "bfloat16" else float32
    gflop = plain_arithmetic(preset, name, device)
    return {
        "step_seconds_median": median,
        "step_seconds": wall,
        "cpu_seconds_median": statistics.median(cpu),
        "peak_memory_gb": memory / 1e9,
        "counted_gflop": gflop,
        "float32_product_gflops": float32,
        "bfloat16_product_gflops": low,
        "counts": "CPU seconds" if watch.counts_cpu else "wall seconds",
        "load": os.getloadavg()[0],
        "parameter_bytes": sum(p.numel() * p.element_size() for p in method.parameters()),
        "kept_for_backward_bytes": kept_bytes(method, forward, make_batch(preset, device, 0)),
        "share_of_product_rate": gflop / median / rate,
        "float32_product_gflops_by_product": by_product,
        "cost_gflop_equivalents": median * rate,
        "phases_seconds": {phase: seconds / repeats for phase, seconds in watch.seconds.items()},
    }


def kept_bytes(method: Method, forward: Callable[[Batch], Tensor], batch: Batch) -> int:
    """Return the bytes of what a step keeps for its backward pass, parameters and batch aside."""
    known = {p.untyped_storage().data_ptr() for p in method.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = forward(batch)
    return sum(kept.values()) if loss.requires_grad else 0


def plain_arithmetic(preset: Preset, name: str, device: torch.device) -> float:
    """Count the GFLOP of a step in its plain order: nothing recomputed, nothing saved by our own kernels."""
    plain = replace(preset, model=preset.model.model_copy(update={"recompute_activations": "none"}))
    available, worthwhile = fast_linear_module._AVAILABLE, upsampled_conv._WORTHWHILE
    fast_linear_module._AVAILABLE, upsampled_conv._WORTHWHILE = False, sys.maxsize
    try:
        method, _ = build(plain, name, device)
        with FlopCounterMode(display=False) as counter:
            batch = make_batch(plain, device, 0)
            method(batch, method.prepare(batch)).loss.backward()
    finally:
        fast_linear_module._AVAILABLE, upsampled_conv._WORTHWHILE = available, worthwhile
    return counter.get_total_flops() / 1e9


def show(result: dict[str, Any], console: Console) -> None:
    """Print one result as a table."""
    table = Table(title=f"{result['preset']}, {result['method']}, {result['hardware']}")
    table.add_column("what")
    table.add_column("measured", justify="right")
    rows = {
        "step, median": f"{result['step_seconds_median']:.2f} s",
        "CPU time": f"{result['cpu_seconds_median']:.2f} s",
        "peak memory": f"{result['peak_memory_gb']:.2f} GB",
        "arithmetic, plain order": f"{result['counted_gflop']:,.0f} GFLOP",
        "float32 product": " / ".join(
            f"{rate:,.0f} ({product})"
            for product, rate in result["float32_product_gflops_by_product"].items()
        )
        + f" GFLOP/s, bfloat16 {result['bfloat16_product_gflops']:,.3g}",
        "kept for the backward pass": f"{result['kept_for_backward_bytes'] / 1e9:.2f} GB",
        "of the product's rate": f"{result['share_of_product_rate']:.0%}",
        "cost": f"{result['cost_gflop_equivalents']:,.0f} GFLOP-eq.",
    }
    rows |= {f"  {phase}": f"{seconds:.3f} s" for phase, seconds in result["phases_seconds"].items()}
    for what, value in rows.items():
        table.add_row(what, value)
    console.print(table)


def hardware_name(device: torch.device) -> str:
    """What ran it, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return f"{line.split(':')[1].strip()}, {torch.get_num_threads()} threads"
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def main() -> None:
    """Measure one preset and print the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=sorted(PRESETS), required=True)
    parser.add_argument("--method", default="s4former", help="supervised, mean_teacher or s4former")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument(
        "--recompute", default="none", choices=["none", "heads", "all"], help="for less memory"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    preset = PRESETS[options.preset]
    recompute = {"recompute_activations": options.recompute}
    preset = replace(preset, model=preset.model.model_copy(update=recompute))
    result = measure(preset, options.method, device, options.precision, options.repeats)
    result = {
        "preset": options.preset,
        "method": options.method,
        "recompute_activations": options.recompute,
        "precision": options.precision,
        "hardware": hardware_name(device),
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "date": time.strftime("%Y-%m-%d"),
        **result,
    }
    show(result, Console())
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
