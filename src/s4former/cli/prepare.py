"""``s4former prepare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s4former.cli.screen import bars

if TYPE_CHECKING:
    from s4former.curation.prepare import DataSet, Planned, Verification

_ACTIONS = {
    "nothing": "there",
    "make": "to make",
    "unpack": "to unpack",
    "download": "to download",
    "get": "to get by hand",
}


def prepare(
    dataset: Annotated[str, typer.Argument(help="voc, cityscapes, coco, ade20k or camvid.")],
    root: Annotated[Path, typer.Option(help="Folder of all data; made if there is none.")] = Path("data"),
    archives: Annotated[
        Path | None, typer.Option(help="Folder of archives that you have; those in it are not downloaded.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and stop.")] = False,
) -> None:
    """Bring a published data set into its usual layout, and look at what came out.

    What is there already is left alone, so that the command can be run again.
    """
    from s4former.config.errors import UserError
    from s4former.config.outputs import claim
    from s4former.config.validation import nearest
    from s4former.curation.prepare import DATASETS, carry_out, plan, verify

    if dataset not in DATASETS:
        raise UserError(f"cannot prepare {dataset!r}; {nearest(dataset, DATASETS)}")
    chosen = DATASETS[dataset]()
    steps = plan(chosen, root, archives)
    _print_plan(chosen, root, steps)
    if dry_run:
        return
    sheet = root / f"{dataset}.png"
    outputs = claim([(sheet, "a few samples")], "sheet", instead="move it away, or type another --root")
    with bars() as report:
        for step, files in carry_out(steps, root, report):
            typer.echo(f"{step.title}: {files:,} files written")
        result = verify(chosen.config(root), chosen.images, report)
    for part, (found, published) in result.counts.items():
        typer.echo(f"{part}: {found:,} images ({published:,} published)")
    typer.echo(f"masks read: {result.masks_read:,}, all values known; {_shares(result)}")
    from s4former.report.sheets import contact_sheet

    samples = [(id, image, mask, "") for id, image, mask in result.samples]
    figure = contact_sheet(samples, result.classes)
    outputs.write(sheet, lambda path: figure.savefig(path, format="png"))
    typer.echo(f"look at a few: {sheet}")
    for difference in result.differences:
        typer.echo(f"warning: {difference}", err=True)
    if result.differences:
        typer.echo("warning: scores on this data compare with no published ones", err=True)


def _print_plan(dataset: DataSet, root: Path, steps: list[Planned]) -> None:
    """Print a line a step; no table, as it would break addresses apart."""
    from s4former.curation.prepare import size

    typer.echo(f"{dataset.title}, in {root / dataset.folder}\nterms: {dataset.terms}")
    for planned in steps:
        archive, origin = planned.step.archive, ""
        if planned.archive is not None:
            origin = f": {planned.archive}"
        elif archive is not None and planned.action != "nothing":
            origin = f": {archive.url or f'{archive.name} from {archive.page}'} ({size(archive)})"
        typer.echo(f"  {_ACTIONS[planned.action]:14} {planned.step.title}{origin}")


def _shares(result: Verification) -> str:
    """Return how much of the pixels is ignored, and the most and the least frequent class."""
    total = max(1, int(result.pixels.sum()))
    shares = sorted(zip(result.pixels[:-1].tolist(), result.classes.names, strict=True), reverse=True)
    (most, common), (least, rare) = shares[0], shares[-1]
    return (
        f"{common} {most / total:.1%} of the pixels, {rare} {least / total:.2%}, "
        f"ignored {result.pixels[-1] / total:.1%}"
    )
