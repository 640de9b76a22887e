"""``s4former doctor``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from s4former.cli.screen import say

if TYPE_CHECKING:
    from s4former.engine.doctor import Diagnosis


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print it for a program or an issue.")] = False,
) -> None:
    """Say what is installed, where networks run, and what is missing: what an issue report needs.

    It ends with 1 if something has to be mended. Nothing is changed, and no name of a file is shown.
    """
    from s4former.engine.doctor import diagnose

    found = diagnose()
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
    else:
        _print(found)
    if found.problems:
        raise typer.Exit(1)


def _print(found: Diagnosis) -> None:
    facts, console = found.facts, Console(highlight=False, markup=False)
    hardware, extras = facts["hardware"], facts.get("extras", {})
    say(console, "versions  ", ", ".join(f"{name} {version}" for name, version in facts["versions"].items()))
    if facts["commit"]:
        say(console, "commit    ", facts["commit"])
    say(
        console,
        "machine   ",
        f"{hardware['platform']}, {hardware['cores']} cores, {hardware.get('memory_gib', '?')} GiB of memory",
    )
    for number, device in enumerate(facts["devices"]):
        gpu = "memory_gib" in device
        told = (
            f", {device['name']}, {device.get('free_gib', '?')} of {device['memory_gib']} GiB free, CUDA "
            f"{device['cuda']}"
            if gpu
            else f", threads={hardware['threads']}"
        )
        precision = "bfloat16" if device["bfloat16"] else "no bfloat16"
        taken = "; device=auto takes it" if number == 0 else ""
        say(console, "device    ", f"{device['device']}{told}, {precision}{taken}")
    disk = facts["disk_free_gib"]
    say(console, "disk      ", f"{disk['here']} GiB free here, {disk['weights']} GiB where weights are kept")
    for name, value in facts["environment"].items():
        say(console, "set       ", f"{name}={value}")
    if extras:
        say(console, "extras    ", ", ".join(name for name, here in extras.items() if here) or "none")
    for name, packages in found.missing.items():
        say(console, "missing   ", f'{", ".join(packages)}; if you want it: pip install "s4former[{name}]"')
    for problem in found.problems:
        say(console, "to mend   ", problem)
    if not found.problems:
        console.print("all is well")
