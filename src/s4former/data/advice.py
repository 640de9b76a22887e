"""What to write when masks hold values that belong to no class."""

from __future__ import annotations

from collections.abc import Sequence, Set

from s4former.data.classes import Classes, MaskValue, shown

_MANY = 8


def advice(classes: Classes, unknown: Sequence[MaskValue], present: Set[int]) -> str:
    """Return the likeliest repairs for unknown mask values.

    Args:
        classes: The classes as they are; without ``values`` they come from a classes file, not from a
            ``dataset.yaml``.
        unknown: The values, the most frequent first.
        present: Class indices that the same mask does hold.
    """
    if classes.values is None:
        return _for_classes_file(classes, unknown)
    if len(unknown) > _MANY:
        return (
            f"{len(unknown)} different values suggest that the mask was blurred on its way (resized with "
            "smoothing, drawn with soft edges, saved as JPEG) or is no mask of classes: export it as PNG "
            "without smoothing. If they are instances or heights, turn them into classes first"
        )
    listed = f"[{', '.join(map(shown, unknown))}]"
    ignored = f"[{', '.join(map(shown, [*classes.ignore, *unknown]))}]"
    absent = [index for index in range(len(classes)) if index not in present]
    if _counted_from_one(classes, unknown, present):
        entries = ", ".join(f"{{name: {name}, values: [{i}]}}" for i, name in enumerate(classes.names, 1))
        first = f"If the classes are counted from 1, write names: [{entries}]"
    elif len(unknown) == len(absent) == 1:
        name = classes.names[absent[0]]
        first = f"If this is {name}, write its class as {{name: {name}, values: {listed}}} under names"
    else:
        first = f"If this is one more class, add {{name: NAME, values: {listed}}} to names"
    if isinstance(unknown[0], tuple) and not any(isinstance(value, tuple) for value in classes.meanings):
        first += (
            "; if masks are in color or have palettes, `s4former init IMAGES --masks MASKS --force` finds all"
        )
    return f"{first}; if it means unknown, write ignore: {ignored}"


def _counted_from_one(classes: Classes, unknown: Sequence[MaskValue], present: Set[int]) -> bool:
    count = len(classes)
    in_order = classes.values == tuple((index,) for index in range(count))
    return in_order and list(unknown) == [count] and 0 not in present


def _for_classes_file(classes: Classes, unknown: Sequence[MaskValue]) -> str:
    if isinstance(unknown[0], tuple):
        return (
            "If the masks are in color, describe the data with a dataset.yaml, where a class can be "
            f"{{name: NAME, values: [{shown(unknown[0])}]}}; `s4former init IMAGES --masks MASKS` writes one."
        )
    if list(unknown) == [len(classes)]:
        return (
            f"If classes are counted from 1 in this file, subtract 1 from its values; if {unknown[0]} is one "
            "more class, add its name to the names."
        )
    if list(unknown) == [255] and len(classes) == 2:
        return (
            "If 255 means foreground, write 1 instead; if it means unknown, add it to ignore_index in the "
            "classes file."
        )
    listed = ", ".join(map(shown, unknown[:5]))
    return (
        f"If {listed} means unknown, add it to ignore_index in the classes file; if it is a class, give it "
        "the next free index and add its name to the names."
    )
