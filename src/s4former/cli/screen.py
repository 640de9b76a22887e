"""Long lines: broken between words and indented on a screen, left whole where a program reads them."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from s4former.config.invocation import as_typed


def say(console: Console, head: str | Text, text: str | Text) -> None:
    """Print a text after a head; on a screen its further lines start below its first, not below the head.

    Lines that are commands of Python stay whole and begin at the edge, for copying them.
    """
    head, text = (Text(as_typed(part)) if isinstance(part, str) else part for part in (head, text))
    if not console.is_terminal:
        console.print(Text.assemble(head, text), soft_wrap=True)
        return
    text, *commands = text.split("\npython ")
    row = Table.grid()
    row.add_column(no_wrap=True, width=head.cell_len)
    row.add_column(overflow="fold")
    row.add_row(head, text)
    console.print(row, soft_wrap=False)
    for command in commands:
        console.print(Text.assemble("python ", command), soft_wrap=True)
