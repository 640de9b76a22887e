"""``s4former shards``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from s4former.cli.screen import bars

app = typer.Typer(
    help="Pack unlabeled images into tar files, to read them from a network or a bucket.",
    no_args_is_help=True,
)


@app.command()
def make(
    images: Annotated[
        Path,
        typer.Argument(metavar="IMAGES", help="Folder of images, subfolders included; it stays as it is."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the shards.", show_default="IMAGES_shards")
    ] = None,
    size: Annotated[str, typer.Option(help="Largest size of a shard, as 500MB.")] = "1GB",
) -> None:
    """Pack the images of a folder as they are, in webdataset's layout, each shard with an index beside it."""
    from s4former.config.amounts import to_bytes
    from s4former.curation.shards import make_shards

    folder = out or images.absolute().with_name(f"{images.absolute().name}_shards")
    with bars() as report:
        made = make_shards(images, folder, to_bytes(size, "--size"), report)
    _print(made)
    typer.echo(
        f"learn from them: data.unlabeled_shards={folder.absolute()}, or in dataset.yaml "
        f"unlabeled: {{shards: {folder.absolute()}}}"
    )


@app.command()
def index(
    shards: Annotated[list[str], typer.Argument(help="Tar files, folders of them, or patterns.")],
) -> None:
    """Write the index of shards that others packed, after a look at all that is in them."""
    from s4former.curation.shards import index_shards

    with bars() as report:
        made = index_shards(shards, report)
    _print(made)
    if not made:
        typer.echo("each of them has an index")


def _print(shards: list[tuple[Path, int]]) -> None:
    for shard, images in shards:
        typer.echo(f"{shard}: {images:,} image{'' if images == 1 else 's'}")
