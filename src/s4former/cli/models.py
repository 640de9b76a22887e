"""``s4former models``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def models(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="List the plain ViTs of timm whose names hold this.")
    ] = "",
) -> None:
    """List networks: presets for `model=NAME`, and backbones of timm for `model.backbone=NAME`.

    Example: s4former models dinov2
    """
    from s4former.models.presets import describe_preset, preset_names

    if name:
        _backbones(name)
        return
    table = Table("model=", "model.backbone", "model.head", "", box=None, pad_edge=False)
    for preset in preset_names():
        described = describe_preset(preset)
        table.add_row(preset, described.config.backbone, described.config.head, described.about)
    console = Console()
    console.print(table)
    console.print(
        "any plain ViT of timm is model.backbone=NAME: `s4former models vit_small` lists some", soft_wrap=True
    )


def _backbones(part: str) -> None:
    import timm

    from s4former.config.errors import UserError

    found = [
        name
        for module in ("vision_transformer", "deit")
        for name in timm.list_models(f"*{part}*", module=module)
    ]
    if not found:
        raise UserError(f"timm has no plain ViT whose name holds {part!r}; try `s4former models vit_small`")
    Console(soft_wrap=True, highlight=False).print("\n".join(found))
