"""``s4former models``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def models(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="List the backbones whose names hold this.")
    ] = "",
) -> None:
    """List networks: presets for `model=NAME`, and backbones for `model.backbone=NAME`.

    Example: s4former models dinov2
    """
    from s4former.models import describe_preset, preset_names

    if name:
        _backbones(name)
        return
    table = Table("model=", "model.backbone", "model.head", "", box=None, pad_edge=False)
    for preset in preset_names():
        described = describe_preset(preset)
        table.add_row(preset, described.config.backbone.name, described.config.head.name, described.about)
    console = Console()
    console.print(table)
    console.print(
        "any plain ViT of timm and any MiT is model.backbone=NAME: `s4former models vit_small` lists some",
        soft_wrap=True,
    )


def _backbones(part: str) -> None:
    import timm

    from s4former.config.errors import UserError
    from s4former.models.backbones.configs.mit import MiTConfig

    found = [
        name
        for module in ("vision_transformer", "deit", "eva")
        for name in timm.list_models(f"*{part}*", module=module)
    ]
    found += [name for name in MiTConfig.published if part in name]
    if not found:
        raise UserError(f"no backbone's name holds {part!r}; try `s4former models vit_small`")
    Console(soft_wrap=True, highlight=False).print("\n".join(found))
