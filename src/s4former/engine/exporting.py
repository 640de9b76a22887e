"""Exporting a trained model: a file that is compared with the network before it gets its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from s4former.config.errors import DataError, UserError
from s4former.config.outputs import claim
from s4former.curation.sources import open_source
from s4former.data.sources import split_ids
from s4former.data.sources.decode import decode_image
from s4former.engine.folder import data_of
from s4former.inference import Model
from s4former.inference.card import ModelCard, model_folder
from s4former.inference.export import (
    Agreement,
    Example,
    Format,
    compare,
    metadata,
    read_logits,
    require_packages,
    textures,
    traced,
    write_file,
)
from s4former.inference.inputs import find_images
from s4former.inference.onnx_model import Size

ExportPrecision = Literal["fp32", "fp16", "int8"]
MAX_CHANGED = {"fp32": 0.001, "fp16": 0.01, "int8": 0.05}
"""Share of pixels that may get another class than from the network."""
MAX_LOGIT_ERROR = {"fp32": 0.001, "fp16": 0.05}
"""Largest difference of logits, as a share of the largest logit; of int8 the classes alone count."""
_MOST = {"fp32": 16, "fp16": 100, "int8": 100}  # images that are compared


@dataclass(frozen=True)
class Export:
    """What was written, and how it compares.

    Attributes:
        path: The file.
        compared_on: Which images, in words.
        agreement: How far it is from the network.
    """

    path: Path
    compared_on: str
    agreement: Agreement


@dataclass(frozen=True)
class Examples:
    """Images to compare on: what they are, how many, and how one is read."""

    what: str
    count: int
    read: Callable[[int], Example]

    def spread(self, most: int) -> Iterator[Example]:
        """Yield all of them, or so many from the first to the last."""
        chosen = np.linspace(0, self.count - 1, min(most, self.count)).round().astype(int)
        return (self.read(int(index)) for index in chosen)


def export(
    path: Path,
    out: Path,
    *,
    format: Format = "onnx",
    size: Size | None = None,
    precision: ExportPrecision = "fp32",
    verify: Sequence[str] = (),
    max_changed: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Export:
    """Write a trained model as a file that runs elsewhere, if it computes what the network does.

    Args:
        path: A run folder, a model folder or a model file.
        out: The file to write.
        format: ``onnx``, or ``torch-export`` for what `torch.export.load` reads.
        size: Height and width of the images that it takes; none: any multiples of a patch.
        precision: ``fp32``; ``fp16`` for half the size; ``int8``, ONNX alone, for a quarter.
        verify: Files, folders and globs of images to compare on; by default the run's val images, and
            made-up textures where no run tells of any.
        max_changed: Share of pixels that may get another class; none: `MAX_CHANGED`.
        say: Told what is going on.

    Raises:
        UserError: If it cannot be exported so, or the file is too far from the network; nothing is left then.
        DataError: If an image cannot be read.
    """
    if precision == "int8" and format != "onnx":
        raise UserError("precision=int8 is for ONNX alone; type precision=fp16, or format=onnx")
    require_packages(format)
    outputs = claim(
        [(out, str(path))], "exported model", inputs=[model_folder(path)], instead="type another out="
    )
    model = Model.load(path, "cpu", "float32")
    card, network, half = model.card, model.network, precision == "fp16"
    examples = _given(verify, card) if verify else own_examples(model_folder(path), card, say)
    compared_on = f"{min(_MOST[precision], examples.count)} of {examples.count} {examples.what}"
    say("tracing the network")
    program = traced(network, card.input.channels, size, half)
    told = metadata(card, size, network.patch_size, precision)
    found: list[Agreement] = []

    def fill(temporary: Path) -> None:
        say(f"writing {format}")
        write_file(program, temporary, format, told, precision == "int8")
        say(f"comparing on {compared_on}")
        chosen = examples.spread(_MOST[precision])
        found.append(compare(network, read_logits(temporary, format), chosen, size))
        limit = MAX_CHANGED[precision] if max_changed is None else max_changed
        _require_agreement(found[0], precision, limit)

    outputs.write(out, fill)
    return Export(out, compared_on, found[0])


def _given(arguments: Sequence[str], card: ModelCard) -> Examples:
    """Return the images that a person names."""
    files = [file for _, file in find_images(arguments).images]
    taken = card.input
    return Examples(
        "given images",
        len(files),
        lambda index: (decode_image(files[index], taken.channels, taken.value_range), None),
    )


def own_examples(folder: Path, card: ModelCard, say: Callable[[str], None]) -> Examples:
    """Return the val images of a model's run with their masks; else textures, and why."""
    trained_on = data_of(folder)
    why = "the model tells of no images, as it lies in no run folder"
    if trained_on is not None:
        try:
            source = open_source(trained_on[0].found_from(trained_on[1]))
            ids = split_ids(source, "val")
            if ids and source.classes.names == card.names:
                return Examples(
                    "val images of the run",
                    len(ids),
                    lambda index: (source.read_image(ids[index], "val"), source.read_mask(ids[index], "val")),
                )
            why = "the run's data has no val images"
        except DataError as error:
            why = f"the run's val images cannot be read ({error})"
    say(f"{why}: made-up textures are compared; name images with verify=IMAGES")
    made_up = list(textures(card.input.channels, card.crop_size))
    return Examples("made-up textures", len(made_up), lambda index: made_up[index])


def _require_agreement(found: Agreement, precision: ExportPrecision, max_changed: float) -> None:
    problems = []
    if found.changed > max_changed:
        problems.append(
            f"{100 * found.changed:.3g} % of the pixels get another class (limit {100 * max_changed:g} %)"
        )
    limit = MAX_LOGIT_ERROR.get(precision)
    if limit is not None and not found.logit_error <= limit * found.largest_logit:
        problems.append(
            f"logits are up to {found.logit_error:.3g} off (limit {limit:g} of the largest, "
            f"{found.largest_logit:.3g})"
        )
    if problems:
        less = {"fp16": "type precision=fp32; ", "int8": "type precision=fp16; "}
        raise UserError(
            f"the file is too far from the network, and was not written: {', and '.join(problems)}; "
            f"{less.get(precision, '')}a larger max_changed= allows more changed pixels"
        )
