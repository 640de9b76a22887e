"""What a screen shows: long lines, broken between words and left whole for programs, and bars of progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from s4former.config.invocation import as_typed

if TYPE_CHECKING:
    from s4former.data.progress import Report


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


@contextmanager
def bars() -> Iterator[Report]:
    """Return a function that is told what is done and shows it on stderr until the block ends."""
    tasks: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def report(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(tasks[what], completed=done, total=total)

        yield report


@contextmanager
def image_bar(what: str, total: int, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Return a function that is told how many more images are done, and shows speed and time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        task = progress.add_task(what, total=total, speed="")

        def advance(count: int) -> None:
            progress.advance(task, count)
            speed = progress.tasks[0].speed
            progress.update(task, speed=f"{speed:.1f} images/s" if speed else "")

        yield advance
