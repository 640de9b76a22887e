"""``s4former methods``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from s4former.cli.completion import complete_method


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
    from s4former.config.suggestions import nearest
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
