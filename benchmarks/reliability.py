"""The promises of docs/reliability.md, each tried many times: the long form of tests/reliability.

    python benchmarks/reliability.py                            all of it, some hours on one core
    python benchmarks/reliability.py --only resume,attacks      some of it
    python benchmarks/reliability.py --only mutations --share 0.1     a tenth of the trials

It needs Linux, a C compiler (for disks that fail) and the extras ``formats`` and ``onnx``. It writes
``benchmarks/results/reliability_HARDWARE_DATE.json`` and ``.md``; parts that were not asked for keep their
figures there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests"
sys.path[:0] = [str(TESTS / part) for part in ("reliability", "cli", ".")]

from attacks import attack_everything  # noqa: E402
from disks import ELSEWHERE, VERBS, fail_at_every_write  # noqa: E402
from mutations import mutate  # noqa: E402
from restarting import kill_under_torchrun, stop_by_signals  # noqa: E402
from resuming import Kind, kill_and_resume  # noqa: E402
from soaking import growth  # noqa: E402

from s4former.config import versions  # noqa: E402
from s4former.config.record import hardware, now  # noqa: E402
from trials import Trials, lacks_compiler, trials  # noqa: E402

Part = Callable[[Trials, Path, float], dict[str, Any]]


def resume(server: Trials, root: Path, share: float) -> dict[str, Any]:
    """Kill -9 at 50 random moments: by the clock, and in the middle of writes."""
    kinds = [
        Kind(*each) for each in product(("s4former", "unimatch_v2", "supervised"), (0, 2), (1, 2), (1, 2))
    ]
    kinds += [Kind(each, processes=2, parallel="fsdp") for each in ("s4former", "supervised")]
    moments = max(1, round(50 * share))
    records = [_shown(record) for record in kill_and_resume(server, root, kinds, moments)]
    wrong = [record for record in records if record["differ"]]
    varied = "methods, 0 or 2 workers, 1 or 2 processes, sharded or not, accumulation 1 or 2"
    said = f"{len(records)} kills ({varied})"
    return {
        "said": f"{said}; {len(wrong)} ended with another tensor or line",
        "wrong": wrong,
        "records": records,
    }


def faults(server: Trials, root: Path, share: float) -> dict[str, Any]:
    """A disk that fails at every write of every command: killed, full, input/output error, read-only.

    With a quarter of the trials every write fails once, in a way drawn at random.
    """
    records = [_shown(each) for each in fail_at_every_write(server, root, VERBS, share=share)]
    wrong = [record for record in records if record["wrong"]]
    codes = Counter(f"{record['way']}: {record['code']}" for record in records)
    verbs = {record["verb"]: record["of"] for record in records}
    said = f"{len(records)} failing writes of {len(verbs)} commands; {len(wrong)} ended wrong"
    return {"said": said, "wrong": wrong, "codes": codes, "writes": verbs, "left out": ELSEWHERE}


def preemption(server: Trials, root: Path, share: float) -> dict[str, Any]:
    """Signals, and a process killed under torchrun."""
    signals = [
        _shown(stop_by_signals(root, name, times, server))
        for name, times in product(("SIGTERM", "SIGINT", "SIGUSR1"), (1, 2))
    ]
    wrong = [
        each
        for each in signals
        if each["code"] != 75 or each["states"][-1:] != [f"step_0000000{4 - each['times']}"]
    ]
    killed = []
    for step, rank in [(3, 1), (5, 0)][: max(1, round(2 * share))]:
        (root / f"torchrun{step}").mkdir()
        killed.append(_shown(kill_under_torchrun(root / f"torchrun{step}", step, rank, server)))
    wrong += [each for each in killed if any(each["codes"].values()) or not each["resumed"] or each["differ"]]
    said = f"{len(signals)} runs stopped by signals, {len(killed)} with a process killed under torchrun"
    return {"said": f"{said}; {len(wrong)} ended wrong", "wrong": wrong, "signals": signals, "killed": killed}


def attacks(server: Trials, root: Path, share: float) -> dict[str, Any]:
    """Files that were made to do harm."""
    records = [_shown(record) for record in attack_everything(server, root)]
    wrong = [record for record in records if record["wrong"]]
    said = f"{len(records)} attacks; {len(wrong)} were not refused in words, or did something"
    return {"said": said, "wrong": wrong, "codes": {record["attack"]: record["code"] for record in records}}


def mutations(server: Trials, root: Path, share: float) -> dict[str, Any]:
    """10,000 inputs with something wrong in them."""
    found: dict[str, Counter[str]] = {}
    wrong = []
    for record in mutate(server, root, max(1, round(10_000 * share))):
        _shown(record)
        found.setdefault(record["surface"], Counter()).update(record["codes"])
        wrong += record["wrong"]
    inputs = sum(map(Counter.total, found.values()))
    return {"said": f"{inputs} mutated inputs; {len(wrong)} ended wrong", "wrong": wrong, "codes": found}


def soak(server: Trials, root: Path, share: float) -> dict[str, Any]:
    """10,000 steps of a tiny run with scoring and saving."""
    steps = round(10_000 * share)
    (trial,) = server.call("soaking:soak", str(root), steps, 2, patience=6 * 3600)
    if trial.code or not trial.value:
        return {"said": "it did not finish", "wrong": [trial.err[-2000:]]}
    grown = growth(trial.value)
    wrong = [f"{name}: {by}" for name, by in grown.items() if by > (20_000 if name == "memory_kib" else 0)]
    states = len(list((root / "run/checkpoint").glob("*.pt")))
    said = f"{steps} steps in {trial.seconds:.0f} s: memory {grown['memory_kib'] / 1024:+.1f} MiB from the "
    said += "second to the last fifth, handles, threads, processes and shared memory "
    said += f"{sum(grown.values()) - grown['memory_kib']:+}, {states} states kept"
    return {"said": said, "wrong": wrong, "seen": trial.value}


PARTS: dict[str, Part] = {
    "resume": resume,
    "faults": faults,
    "preemption": preemption,
    "attacks": attacks,
    "mutations": mutations,
    "soak": soak,
}


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    print(json.dumps(record, default=str)[:2000], flush=True)
    return record


def page(found: dict[str, Any]) -> str:
    """Return the results as a page."""
    lines = [
        "# Reliability",
        "",
        f"Made by `benchmarks/reliability.py` on {found['hardware']['cores']} cores that other programs were "
        "using; what ended wrong is in the JSON, with what repeats it. docs/reliability.md says what each "
        "part is.",
        "",
        "| part | figures | time | commit | took |",
        "|---|---|---|---|---:|",
    ]
    for name in PARTS:
        part = found["parts"].get(name)
        said = (
            f"{part['said']} | {part['time']} | {part['commit'][:10]} | {part['seconds']:.0f} s"
            if part
            else "not yet measured | | |"
        )
        lines.append(f"| {name} | {said} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Try, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--share", type=float, default=1.0, help="of the trials of each part")
    parser.add_argument(
        "--out", type=Path, help="the .json; default: benchmarks/results/reliability_HARDWARE_DATE.json"
    )
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}; expected some of {', '.join(PARTS)}")
    if why := lacks_compiler():
        sys.exit(why)
    from s4former.config.record import commit

    machine = hardware()
    name = f"reliability_{machine['cores']}cores_{time.strftime('%Y-%m-%d')}.json"
    out = options.out or ROOT / "benchmarks/results" / name
    found = json.loads(out.read_text()) if out.exists() else {"parts": {}}
    found |= {"hardware": machine, "versions": versions()}
    for part in options.only.split(","):
        with tempfile.TemporaryDirectory(prefix="reliability-") as scratch, trials() as server:
            begun = time.monotonic()
            result = PARTS[part](server, Path(scratch), options.share)
            about = {"time": now(), "commit": commit() or "", "seconds": time.monotonic() - begun}
            found["parts"][part] = {**about, "share": options.share, **result}
        print(f"{part}: {result['said']}", flush=True)
        out.write_text(json.dumps(found, indent=1, default=str) + "\n")
        out.with_suffix(".md").write_text(page(found))


if __name__ == "__main__":
    main()
