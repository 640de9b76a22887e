"""``s4former recipes``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from s4former.cli.completion import complete_recipe


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
    from s4former.config.suggestions import nearest
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
