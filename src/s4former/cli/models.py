"""``s4former models``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from s4former.cli.backbones import backbones


def models(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="As `s4former backbones NAME`.", hidden=True)
    ] = "",
) -> None:
    """List networks by a short name, for `model=NAME`; `s4former backbones` lists what else there is."""
    from s4former.models import describe_preset, preset_names

    if name:
        return backbones(name)
    table = Table("model=", "model.backbone", "model.head", "", box=None, pad_edge=False)
    for preset in preset_names():
        described = describe_preset(preset)
        table.add_row(preset, described.config.backbone.name, described.config.head.name, described.about)
    console = Console()
    console.print(table)
    console.print(
        "any plain ViT of timm and any MiT is model.backbone=NAME: `s4former backbones` lists families",
        soft_wrap=True,
    )
