"""The wheel in empty environments, the licenses of all it brings, and known vulnerabilities.

    python benchmarks/installs.py --work /tmp/installs --out benchmarks/results/installs_DATE.md
    python benchmarks/installs.py --lock      writes requirements-dev.lock

Needs `pip install -e '.[dev,audit]'`. The wheel is built and installed where nothing else is, once with the
oldest versions that `pyproject.toml` allows and once with the newest; the commands of the README run from a
folder outside of the repository. An environment takes up to 6 GB and is removed when its commands have run.
It ends with 1 if a command fails, or a license is neither permissive nor of those named with a reason.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
# What trains does two steps of a tiny network: here it counts that it runs, not what it learns.
SMALL = "steps=2 data.crop_size=64 model.backbone=vit_tiny_patch16_224 model.pretrained=none threads=1"
MORE = [
    "s4former --help",
    "s4former doctor",
    "s4former methods",
    "s4former recipes",
    "s4former config show demo",
]

PERMISSIVE = re.compile(
    r"\b(MIT|MIT-0|MIT-CMU|HPND|BSD|FreeBSD|BSD-[0-3]-Clause|0BSD|Apache|ISC|PSF|Python|Unlicense|Zlib|CC0)\b",
    re.IGNORECASE,
)
RESTRICTIVE = re.compile(
    r"\b(A?GPL|LGPL|MPL|Mozilla|SSPL|BUSL|proprietary|non.?commercial|EULA)", re.IGNORECASE
)
EXCEPTIONS = {
    r"nvidia-.*|cuda-.*": "CUDA's, which PyTorch's wheel for Linux asks for; its CPU wheel does without",
    r"certifi|tqdm|pathspec|hypothesis|orjson": "MPL-2.0: binds changes of its own files; used as it is",
}
"""Packages whose license is not permissive and does no harm here, with the reason."""


def oldest(requirements: list[str]) -> list[str]:
    """Return the constraints that pick the oldest version of each requirement that it allows."""
    found = [Requirement(each) for each in requirements]
    return [
        f"{each.name}=={spec.version}.*" for each in found for spec in each.specifier if spec.operator == ">="
    ]


def commands(readme: str) -> Iterator[str]:
    """Yield the commands of the README's section on own images, made small, and some that only answer."""
    section = readme.split("## Your own images")[1].split("```sh\n")[1].split("```")[0]
    for line in section.splitlines():
        command = line.split("#")[0].strip()
        yield f"{command} {SMALL}" if command.startswith("s4former train") else command
    yield from MORE
    block = readme.split("```python\n")[1].split("```")[0]
    yield shlex.join(["python", "-c", block])


class Environment:
    """An empty environment with the wheel and what it needs, and nothing of the repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")
        # Some systems ship Python without ensurepip: the outer pip fills it, as in bootstrap.py.
        if not folder.exists():
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)

    def install(self, *what: str) -> None:
        """Install packages."""
        subprocess.run([*PIP, "--python", str(self.bin / "python"), "install", "--quiet", *what], check=True)

    def run(self, command: str, place: Path) -> tuple[int, str]:
        """Run a command in a folder; return its exit code and what it printed."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "S4FORMER"))
        }
        environment = kept | {"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
        words = shlex.split(command)
        done = subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


def try_out(name: str, wheel: Path, constraints: list[str], work: Path) -> tuple[str, list[dict[str, str]]]:
    """Install the wheel, run all commands, remove the environment; return a report and the licenses."""
    environment, place = Environment(work / name), work / f"{name}_place"
    (work / f"{name}.txt").write_text("\n".join(constraints))
    environment.install(str(wheel), "--constraint", str(work / f"{name}.txt"))
    runpy.run_path(str(ROOT / "docs/images/make_cells.py"))["make_cells"](place, photos=14)
    shutil.copy(place / "photos/dish_01.jpg", place / "photo.jpg")
    versions = {each["name"].lower(): each["version"] for each in listed(environment)}
    shown = ", ".join(
        f"{each} {versions[each]}" for each in ("torch", "torchvision", "timm", "numpy", "pydantic")
    )
    lines = [f"## {name.capitalize()}\n", f"{shown}.\n"]
    lines += ["| command | exit code |", "|---|---:|"]
    for command in commands((ROOT / "README.md").read_text(encoding="utf-8")):
        code, printed = environment.run(command, place)
        told = "the README's Python" if command.startswith("python -c") else command.replace(SMALL, "SMALL")
        print(f"{name}: {code} {told}", file=sys.stderr, flush=True)
        lines.append(f"| `{told}` | {code} |")
        if code:
            lines.append(f"| `{' '.join(printed.split())[-400:]}` | |")
    found = licenses(environment.bin / "python")
    shutil.rmtree(environment.folder)
    return "\n".join(lines) + "\n", found


def listed(environment: Environment) -> list[dict[str, str]]:
    """Return what is installed."""
    command = [*PIP, "--python", str(environment.bin / "python"), "list", "--format=json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def licenses(python: Path) -> list[dict[str, str]]:
    """Return name, version and license of each package that a Python has."""
    command = [sys.executable, "-m", "piplicenses", f"--python={python}", "--from=mixed", "--format=json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def verdict(package: dict[str, str]) -> str:
    """Return why a package may be used: ``permissive``, a reason, or nothing if it may not."""
    reasons = [why for names, why in EXCEPTIONS.items() if re.fullmatch(names, package["Name"].lower())]
    if reasons:
        return reasons[0]
    fine = PERMISSIVE.search(package["License"]) and not RESTRICTIVE.search(package["License"])
    return "permissive" if fine else ""


def license_table(own: list[dict[str, str]], all_: list[dict[str, str]]) -> tuple[str, list[str]]:
    """Return a table of what comes with the package and of what developers add, and what is refused."""
    names = {each["Name"].lower() for each in own}
    more = [each for each in all_ if each["Name"].lower() not in names]
    lines, refused = ["| package | license | for | |", "|---|---|---|---|"], []
    for whom, packages in (("all", own), ("developers", more)):
        for each in packages:
            if each["Name"] != "s4former":
                told = " ".join(each["License"].split())[:80]
                lines.append(f"| {each['Name']} {each['Version']} | {told} | {whom} | {verdict(each)} |")
                refused += [] if verdict(each) else [f"{each['Name']} ({told})"]
    lines.append(f"\nNeither permissive nor excepted with a reason: {', '.join(refused) or 'none'}.")
    return "\n".join(lines), refused


def vulnerabilities(packages: list[dict[str, str]]) -> str:
    """Return what pip-audit knows against these versions, and of how many it knows nothing at all."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        pinned = [f"{each['Name']}=={each['Version'].split('+')[0]}\n" for each in packages]
        file.write("".join(line for line in pinned if not line.startswith("s4former=")))
        file.flush()
        command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "-r", file.name]
        done = subprocess.run([*command, "--format=json"], capture_output=True, text=True, check=False)
    if not done.stdout:
        return f"pip-audit failed: {' '.join(done.stderr.split())[-300:]}"
    found = json.loads(done.stdout)["dependencies"]
    asked = [each for each in found if "vulns" in each]
    known = [f"- {each['name']} {each['version']}: {flaw['id']}" for each in asked for flaw in each["vulns"]]
    told = f"{len(asked)} of {len(found)} packages were looked up, with {len(known)} known vulnerabilities."
    missing = "" if asked else " **Not audited**: the list of vulnerabilities could not be reached from here."
    return "\n".join([told + missing, "", *known]).strip()


def lock() -> None:
    """Write the newest versions of all that developers need, as pip resolves them here and today."""
    command = [*PIP, "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", f"{ROOT}[dev]"]
    report: dict[str, Any] = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
    )
    found = {each["metadata"]["name"].lower(): each["metadata"]["version"] for each in report["install"]}
    python = f"Python {platform.python_version()}, {platform.system()}, {datetime.date.today()}"
    lines = [f"{name}=={found[name].split('+')[0]}\n" for name in sorted(found) if name != "s4former"]
    head = f"# Written by `python benchmarks/installs.py --lock` ({python}). To get these versions:\n"
    head += "#   pip install --requirement requirements-dev.lock --editable .\n"
    (ROOT / "requirements-dev.lock").write_text(head + "".join(lines))


def main() -> None:
    """Try both ends and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, help="an empty folder with room for 8 GB")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--ends", default="oldest,newest")
    parser.add_argument("--lock", action="store_true")
    given = parser.parse_args()
    if given.lock:
        return lock()
    work: Path = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run([*PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(work), str(ROOT)], check=True)
    (wheel,) = work.glob("s4former-*.whl")
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    ends = {"oldest": oldest(needs), "newest": []}
    with ThreadPoolExecutor() as pool:
        jobs = {name: pool.submit(try_out, name, wheel, ends[name], work) for name in given.ends.split(",")}
    tried = {name: job.result() for name, job in jobs.items()}
    environment = f"Python {platform.python_version()}, {platform.system()} on {platform.machine()}"
    text = [f"# The wheel in an empty environment, {datetime.date.today()}\n"]
    text.append(f"{environment}; `benchmarks/installs.py`; `SMALL` is for `{SMALL}`.\n")
    text += [report for report, _ in tried.values()]
    own = list(tried.values())[-1][1]
    table, refused = license_table(own, licenses(Path(sys.executable)))
    text += ["## Known vulnerabilities\n", "By pip-audit, for what is installed with the package.\n"]
    text += [vulnerabilities(own), "\n## Licenses\n", table]
    given.out.write_text("\n".join(text) + "\n")
    failed = [name for name, (report, _) in tried.items() if re.search(r"\| [1-9]\d* \|", report)]
    sys.exit(f"refused: {refused}; failed: {failed}" if refused or failed else 0)


if __name__ == "__main__":
    main()
