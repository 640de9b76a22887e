"""``s4former recipes``, ``models``, ``backbones`` and ``methods``: what there is to choose from."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from s4former.cli.arguments import complete_method, complete_recipe


def recipes(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="Only names that start so; a file's name shows its card too.",
            autocompletion=complete_recipe,
        ),
    ] = "",
) -> None:
    """List the recipes that `s4former train` knows by name.

    Example: s4former recipes voc
    """
    from s4former.config.errors import UserError
    from s4former.config.validation import nearest
    from s4former.recipes import recipe_card, recipe_families, recipe_names

    families = {file: list(family) for file, family in recipe_families().items()}
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if not name:
        table = Table("recipe", "what it trains", box=None, pad_edge=False)
        for file, family in families.items():
            more = f"{family[0]} ... ({len(family)})" if len(family) > 1 else family[0]
            table.add_row(more, recipe_card(file).splitlines()[0])
        Console().print(table)
        console.print(
            "`s4former recipes NAME` lists a family with its card; `s4former config show RECIPE` all fields"
        )
        return
    found = [recipe for family in families.values() for recipe in family if recipe.startswith(name)]
    if not found:
        raise UserError(f"there is no recipe {name!r}; {nearest(name, recipe_names(), fallback=families)}")
    if name in families:
        console.print(recipe_card(name), end="\n\n")
    console.print("\n".join(found))


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


def backbones(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="All whose names hold this.")] = "",
) -> None:
    """List backbones for `model.backbone=NAME`: ours, and plain vision transformers of timm.

    Example: s4former backbones dinov3
    """
    import timm

    from s4former.config.errors import UserError
    from s4former.config.validation import nearest
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


def methods(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]", help="Say more of one, of your own too.", autocompletion=complete_method
        ),
    ] = "",
) -> None:
    """List the methods that `method=NAME` takes; one with its source and its fields.

    Example: s4former methods s4former_plus
    """
    from s4former.config.errors import UserError
    from s4former.config.fields import fields_of
    from s4former.config.validation import nearest
    from s4former.methods import METHODS

    console, rest = Console(soft_wrap=True, highlight=False, markup=False), Console()
    names = METHODS.names()
    if not name:
        table = Table("method=", "how it learns", box=None, pad_edge=False)
        for each in names:
            table.add_row(each, METHODS.config_class(each).__doc__.partition("\n")[0])  # type: ignore[union-attr]
        rest.print(table)
        console.print("`s4former methods NAME` says more of one; your own is a file: docs/write_a_method.md")
        return
    if "." not in name and name not in names:
        raise UserError(f"there is no method {name!r}; {nearest(name, names)} (`s4former methods` lists all)")
    try:
        config = METHODS.config_class(name)
    except ValueError as error:
        raise UserError(str(error)) from None
    console.print(METHODS.about(name).replace("``", "`"), end="\n\n")
    table = Table("field", "default", "", box=None, pad_edge=False)
    for fact in fields_of(config):
        if "." not in fact.path and fact.path != "name":
            table.add_row(*map(Text, (f"method.{fact.path}", fact.default, fact.about.partition(". ")[0])))
    rest.print(table)
    console.print(f"train it: s4former train CONFIG method={name}")
