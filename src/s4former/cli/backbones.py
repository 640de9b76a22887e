"""``s4former backbones``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table


def backbones(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="All whose names hold this.")] = "",
) -> None:
    """List backbones for `model.backbone=NAME`: ours, and plain vision transformers of timm.

    Example: s4former backbones dinov3
    """
    import timm

    from s4former.config.errors import UserError
    from s4former.config.suggestions import nearest
    from s4former.models import list_backbones

    table = Table(
        Column("model.backbone=", no_wrap=True), "patch", "width", "weights", "", box=None, pad_edge=False
    )
    for each in list_backbones(name):
        table.add_row(each.name, each.patch, each.width, each.weights, each.about)
    if not table.row_count:
        hint = nearest(name, timm.list_models(), fallback=["vit_small", "dinov2", "mit"])
        raise UserError(f"no backbone's name holds {name!r}; {hint}")
    Console().print(table)
    Console(soft_wrap=True, highlight=False, markup=False).print(
        "weights: here (downloaded before) and hub (to download) by model.pretrained=hub; file: "
        "model.pretrained=FILE\n`s4former backbones NAME` lists all that hold NAME, as dinov3, siglip or mit"
    )
