"""What this machine and environment are: what is installed, where networks run, what is missing."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from s4former.config.record import commit, hardware, versions
from s4former.inference.device import cpu_has_bfloat16

_FOR_DEVELOPERS = ("dev", "docs")
_ROOM = 2.0
"""GiB of a disk below which a run's checkpoints may not fit."""


@dataclass
class Diagnosis:
    """What was found.

    Attributes:
        facts: What an issue report needs, without names of files or people.
        missing: Extras that are not installed, with the packages that each lacks.
        problems: What should be mended, one sentence each.
    """

    facts: dict[str, Any]
    missing: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def diagnose() -> Diagnosis:
    """Look at the environment; nothing is changed, and nothing is asked of a network."""
    found = Diagnosis({"versions": versions(), "commit": commit()})
    _packages(found)
    found.facts["hardware"] = hardware() | {"threads": _threads()}
    found.facts["devices"] = _devices(found)
    found.facts["disk_free_gib"] = {
        name: round(shutil.disk_usage(_nearest(path)).free / 2**30, 1)
        for name, path in {"here": Path(), "weights": _hub_cache()}.items()
    }
    for name, free in found.facts["disk_free_gib"].items():
        if free < _ROOM:
            where = "where you are" if name == "here" else "where downloaded weights lie (HF_HOME moves it)"
            found.problems.append(f"{free} GiB are free {where}; a run may need more")
    variables = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "HF_HUB_OFFLINE", "PYTORCH_CUDA_ALLOC_CONF")
    found.facts["environment"] = {name: os.environ[name] for name in variables if name in os.environ}
    return found


def _packages(found: Diagnosis) -> None:
    """Compare what is installed with what the package asks for, extras included."""
    try:
        asked = [Requirement(text) for text in metadata.requires("s4former") or ()]
    except metadata.PackageNotFoundError:
        found.problems.append("s4former runs from files that are not installed; type `pip install .` there")
        return
    extras: dict[str, list[str]] = {}
    for requirement in asked:
        installed = _version(requirement.name)
        fits = installed is not None and requirement.specifier.contains(installed, prereleases=True)
        if requirement.marker is None:
            found.facts["versions"].setdefault(requirement.name, installed or "not installed")
            if not fits:
                found.problems.append(
                    f"{requirement.name} {installed or 'is missing'}, and {requirement} is needed; type pip "
                    f'install "{requirement.name}{requirement.specifier}"'
                )
            continue
        for extra in metadata.metadata("s4former").get_all("Provides-Extra") or ():
            if extra not in _FOR_DEVELOPERS and requirement.marker.evaluate({"extra": extra}):
                extras.setdefault(extra, []).extend([] if fits else [requirement.name])
    found.facts["extras"] = {extra: not lacking for extra, lacking in sorted(extras.items())}
    found.missing = {extra: lacking for extra, lacking in sorted(extras.items()) if lacking}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _devices(found: Diagnosis) -> list[dict[str, Any]]:
    """Return the devices that networks can run on, each tried by a small product; the first is taken."""
    import torch

    devices: list[dict[str, Any]] = []
    for number in range(torch.cuda.device_count()):
        name, properties = f"cuda:{number}", torch.cuda.get_device_properties(number)
        bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        record = {"device": name, "name": properties.name, "cuda": torch.version.cuda, "bfloat16": bfloat16}
        devices.append(record | {"memory_gib": round(properties.total_memory / 2**30, 1)})
        try:
            free, _ = torch.cuda.mem_get_info(number)
            devices[-1]["free_gib"] = round(free / 2**30, 1)
            (torch.ones(8, 8, device=name) @ torch.ones(8, 8, device=name)).sum().item()
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            found.problems.append(f"{name} does not compute ({reason}); install a torch build that fits it")
    if torch.version.cuda and not devices and sys.platform == "linux" and Path("/dev/nvidia0").exists():
        found.problems.append(
            f"there is a GPU, and torch {torch.__version__} (CUDA {torch.version.cuda}) does not see it: its "
            "driver is older than that CUDA, or CUDA_VISIBLE_DEVICES hides it"
        )
    return [*devices, {"device": "cpu", "bfloat16": cpu_has_bfloat16()}]


def _hub_cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def _nearest(folder: Path) -> Path:
    folder = folder.absolute()
    return next(parent for parent in (folder, *folder.parents) if parent.exists())
