"""``s4former splits``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from s4former.cli.screen import bars

if TYPE_CHECKING:
    from s4former.curation.splits.check import SplitCheck
    from s4former.data.config import DataConfig

app = typer.Typer(
    help="Say which images are labeled: fetch, make or check split lists.", no_args_is_help=True
)


@app.command()
def fetch(
    publisher: Annotated[str, typer.Argument(help="s4former, unimatch or unimatch_v2.")],
    root: Annotated[Path, typer.Option(help="Folder of all data.")] = Path("data"),
    address: Annotated[
        str | None, typer.Option("--from", help="Address of a copy of the publisher's repository.")
    ] = None,
) -> None:
    """Put published lists into the folders of the data sets.

    Those of the S4Former release come with the package, the others from their publishers.
    """
    from s4former.config.errors import DataError, UserError
    from s4former.config.validation import nearest
    from s4former.curation.splits.fetch import fetch_splits, unverified
    from s4former.data.published_lists import PUBLISHERS
    from s4former.engine.tables import print_table

    if publisher not in PUBLISHERS:
        raise UserError(f"no lists of {publisher!r} are known; {nearest(publisher, PUBLISHERS)}")
    with bars() as report:
        fetched, problems = fetch_splits(PUBLISHERS[publisher], root, address, report)
    table = Table("list", "images", "checksum", "", title=str(root))
    for one in fetched:
        checksum = "right" if one.list.sha256 is not None else "not known"
        table.add_row(one.list.target, f"{one.list.images:,}", checksum, "" if one.new else "was there")
    print_table(Console(), table)
    unsure = unverified(fetched)
    if unsure:
        typer.echo(
            f"unverified: the checksums of {len(unsure)} lists are not known to us; their lengths are right",
            err=True,
        )
    if problems:
        raise DataError("\n".join([f"{len(problems)} lists are not in place:", *problems]))


@app.command()
def make(
    data: Annotated[
        str,
        typer.Argument(
            help="A folder with images/, masks/ and classes.json; a dataset.yaml; or voc, coco ... in --root."
        ),
    ],
    labeled: Annotated[str, typer.Option(help="How many: 1/16, 5% or a number of images.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[a=b ...]", help="Fields of data, as in train_images=JPEGImages."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another split.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the lists; by default splits/NAME beside the data.")
    ] = None,
    root: Annotated[Path, typer.Option(help="Folder of all data, for the names of data sets.")] = Path(
        "data"
    ),
) -> None:
    """Choose labeled images: seeded, nested (1/16 within 1/8), every class among them where possible."""
    from s4former.config.override import override
    from s4former.curation.sources import open_source
    from s4former.curation.splits.make import split_source

    config, home = _data_config(data, root)
    config, _ = override(config, overrides or [])
    with bars() as report:
        split = split_source(open_source(config), labeled, seed, report)
    name = labeled.replace("/", "_").replace("%", "_percent")
    folder = out or home / "splits" / (name if seed == 0 else f"{name}_seed{seed}")
    split.write(folder)
    typer.echo(f"{len(split.labeled):,} labeled and {len(split.unlabeled):,} unlabeled images: {folder}")
    if split.absent:
        typer.echo(f"warning: no labeled image shows {', '.join(split.absent)}", err=True)
    kinds = ("labeled", "unlabeled") if split.unlabeled else ("labeled",)
    uses = [f"data.{kind}_split={_from(home, folder / f'{kind}.txt')}" for kind in kinds]
    typer.echo(f"use it: {' '.join(uses)}")


@app.command()
def check(
    lists: Annotated[list[Path], typer.Argument(help="Lists, or folders of lists (*.txt).")],
    root: Annotated[
        Path | None, typer.Option(help="The data set's folder, to see whether the files exist.")
    ] = None,
) -> None:
    """Count what lists name, and find what is named twice, shared or missing."""
    from s4former.config.errors import DataError
    from s4former.curation.splits.check import check_splits, find_lists
    from s4former.engine.tables import print_table

    result = check_splits(find_lists(lists), root)
    print_table(Console(), _check_table(result))
    for note in result.notes:
        typer.echo(f"note: {note}", err=True)
    if result.all_problems:
        raise DataError("\n".join(result.all_problems))


def _check_table(result: SplitCheck) -> Table:
    from s4former.engine.tables import table_of

    folder = Path(os.path.commonpath([one.path.absolute().parent for one in result.lists]))
    title = "" if folder == Path(folder.anchor) else str(folder)
    table = table_of(["list"], ["images", "with its partner", "shared"], title=title)
    pairs = {pair.labeled: pair for pair in result.pairs}
    for one in result.lists:
        pair = pairs.get(one.path)
        both = ("", "") if pair is None else (f"{pair.union:,}", f"{len(pair.shared):,}")
        table.add_row(
            str(one.path.absolute().relative_to(folder)),
            "unreadable" if one.images == 0 else f"{one.images:,}",
            *both,
        )
    return table


def _data_config(data: str, root: Path) -> tuple[DataConfig, Path]:
    """Return the config of what was named, and the folder that its paths start from."""
    from s4former.config.errors import UserError
    from s4former.curation.prepare import DATASETS
    from s4former.data.config import DataConfig

    path = Path(data)
    if path.suffix in (".yaml", ".yml"):
        fields = {"source": "dataset", "root": str(path.parent), "dataset": path.name}
        return DataConfig.model_validate(fields), path.parent
    if data in DATASETS and not path.is_dir():
        config = DATASETS[data]().config(root)
        return config, Path(config.root)
    if not path.is_dir():
        raise UserError(
            f"there is no folder {data}; type a folder, a dataset.yaml or one of {', '.join(DATASETS)}"
        )
    return DataConfig(root=data), path


def _from(home: Path, path: Path) -> Path:
    """Return a path as the config wants it: from the data's folder if it lies below, else in full."""
    return path.relative_to(home) if path.is_relative_to(home) else path.absolute()
