"""Writes a ``dataset.yaml`` as a person would like to read and edit it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from s4former.config.yaml_text import parse_yaml
from s4former.data.classes import shown
from s4former.data.dataset_yaml import FORMAT, ClassEntry, DatasetFile, ImageFiles

_PLAIN = re.compile(r"[A-Za-z_./][\w ./()+-]*")


def dataset_text(file: DatasetFile) -> str:
    """Return the text of a ``dataset.yaml``, with a comment for each thing that may need another value."""
    lines = [
        "# Paths start from the folder of this file.",
        f"format: {FORMAT}",
        "",
        "# The classes, in the order of their numbers in predictions. `values` is what their pixels hold in",
        '# masks: numbers, or colors as [255, 0, 0] or "#ff0000"; without it, it is the place in this list.',
        "names:",
        *(f"  - {_entry(entry)}" for entry in file.names),
        "",
        "# Values in masks that mean unknown: such pixels are neither learned from nor scored.",
        f"ignore: [{', '.join(map(shown, file.classes.ignore))}]",
        "",
        "# Images to learn from with their masks: all images that have a mask and are not held out below.",
        "labeled:",
        *_split(file.labeled),
    ]
    if file.unlabeled:
        lines += [
            "",
            "# Images to learn from without masks; those that are labeled or held out are excluded here.",
            "unlabeled:",
            *_split(file.unlabeled),
        ]
    for name, purpose in (("val", "measure progress on"), ("test", "score the finished model on")):
        split = getattr(file, name)
        if split:
            lines += ["", f"# Images to {purpose}, never learned from.", f"{name}:", *_split(split)]
    if not file.val:
        lines += ["", "# No images to validate on. To have some:  val: {images: DIR, masks: DIR}"]
    return "\n".join([*lines, *_pixels(file), ""])


def _entry(entry: ClassEntry) -> str:
    if entry.values is None and entry.color is None:
        return _scalar(entry.name)
    fields = [f"name: {_scalar(entry.name)}"]
    if entry.values is not None:
        fields.append(f"values: [{', '.join(map(shown, entry.values))}]")
    if entry.color is not None:
        fields.append(f"color: {list(entry.color)}")
    return f"{{{', '.join(fields)}}}"


def _split(split: ImageFiles) -> list[str]:
    """Return the fields of a split that say something."""
    lines = []
    for name, value in split.model_dump().items():
        if value in ("", None, ()):
            continue
        texts = [_scalar(text) for text in ([value] if isinstance(value, str) else value)]
        listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        lines.append(f"  {name}: {listed}")
    return lines


def _pixels(file: DatasetFile) -> list[str]:
    lines: list[str] = []
    if file.channels != 3:
        lines += [
            "",
            "# Channels of the images; `display` are those shown as red, green and blue, counted from 0.",
            f"channels: {file.channels}",
        ]
    if file.display:
        lines.append(f"display: {list(file.display)}")
    if file.value_range:
        low, high = file.value_range
        lines += [
            "",
            "# Values of the images that become black (0) and white (255); what is beyond is cut off.",
            f"value_range: [{low:g}, {high:g}]",
        ]
    if file.mean and file.std:
        lines += [
            "",
            "# Mean and standard deviation of each channel, on the scale 0 to 1.",
            f"mean: {_numbers(file.mean)}",
            f"std: {_numbers(file.std)}",
        ]
    return lines


def _numbers(values: Sequence[float]) -> str:
    return f"[{', '.join(f'{value:g}' for value in values)}]"


def _scalar(text: str) -> str:
    """Return a text as YAML reads it back, without quotes where none are needed."""
    plain = _PLAIN.fullmatch(text) and text == text.strip() and parse_yaml(text, text) == text
    return text if plain else json.dumps(text, ensure_ascii=False)
