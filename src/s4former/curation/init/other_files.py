"""What else lies among the images: photographs under other names, other versions of an image, masks."""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path

from s4former.config.errors import DataError
from s4former.curation.init.image_survey import Notes
from s4former.curation.init.pairs import rule_of_masks
from s4former.data.dataset_yaml import LabeledFiles, UnlabeledFiles
from s4former.data.sources.matching import Matcher
from s4former.data.sources.naming import Naming, name_parts
from s4former.data.split_lists import first_few

_KINDS = 20
_OTHER_PICTURES = {
    *(".heic", ".heif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".rw2", ".orf"),
    *(".ppm", ".pgm", ".tga", ".exr", ".psd", ".dcm", ".svs", ".czi", ".nd2", ".lif"),
}


def unlabeled_files(
    matcher: Matcher, labeled: LabeledFiles, folders: tuple[str, ...], guessed: bool, notes: Notes
) -> UnlabeledFiles:
    """Return which images are learned from without a mask, and say what is passed over.

    Labeled images may have an affix, as ``_rgb``, that photographs without a mask do not have. These are
    taken too, unless some of them are other versions of an image, as ``_depth``, or a person said the affix.

    Args:
        matcher: Of the folders.
        labeled: The labeled images.
        folders: All folders of images.
        guessed: Whether their affixes were found out from the names.
        notes: Gets what was decided.
    """
    affixes = {"image_prefix": labeled.image_prefix, "image_suffix": labeled.image_suffix}
    own, every = UnlabeledFiles(images=folders, **affixes), UnlabeledFiles(images=folders)
    if own == every:
        return own
    naming = Naming(labeled.image_prefix, labeled.image_suffix)
    fitting = matcher.images(own, "unlabeled")
    try:
        found = matcher.images(every, "unlabeled").files
    except DataError:  # as of a picture in two formats: without the affix, which is meant is not clear
        return own
    images = set(fitting.files.values())
    others = [id for id, file in found.items() if file not in images]
    if not others:
        return own
    count = f"{len(others)} other image{'s' * (len(others) > 1)} ({first_few(others, 2)})"
    version = _version(others, {posixpath.basename(key) for _, key in fitting.keys.values()})
    if guessed and version is None:
        notes.decided.append(
            f"{count} are not called {naming} as the labeled ones are: they are learned from as "
            "unlabeled images; if they should not, write the affixes below unlabeled: that are below labeled:"
        )
        return every
    why = f", as {version} seems to be one of them in another version" if version else ""
    how = (
        "put them into a folder of their own, and write it below unlabeled:"
        if version
        else "take the affixes below unlabeled: out"
    )
    notes.decided.append(
        f"{count} are not called {naming} and are passed over{why}; to learn from them, {how}"
    )
    return own


def not_read(folders: Sequence[Path]) -> list[str]:
    """Return how many pictures of other formats lie in folders, which would be passed over silently."""
    found: Counter[str] = Counter()
    for folder in dict.fromkeys(folders):
        for _, below, files in os.walk(folder):
            below[:] = [name for name in below if not name.startswith(".")]
            endings = (os.path.splitext(name)[1] for name in files if not name.startswith("."))
            found.update(ending for ending in endings if ending.lower() in _OTHER_PICTURES)
    return [
        f"{count} {'files that end' if count > 1 else 'file that ends'} in {ending}: not read; to learn from "
        "such files, save them as PNG or JPEG"
        for ending, count in found.most_common()
    ]


def masks_beside(names: Sequence[str], notes: Notes) -> None:
    """Say which files among images are called as masks are, where the masks lie elsewhere.

    Args:
        names: Of all files in the folders of images.
        notes: Gets what was decided.
    """
    if rule := rule_of_masks(names):
        found = [name for name in names if rule.masks.key(name) is not None]
        count = f"{len(found)} file{'s' * (len(found) > 1)} among the images ({first_few(found, 2)})"
        notes.decided.append(
            f"{count} are called {rule.masks} as masks are, but the masks are elsewhere: they are taken for "
            "images; if they are none, move them out of the folder"
        )


def _version(others: Sequence[str], keys: Set[str]) -> str | None:
    """Return a file that seems to be an image in another version, as its depth; none if there is none.

    Its name is what the image is called, with something before or after it that most files have which belong
    to an image: ``IMG_1`` to ``IMG_90`` are no versions of ``frame_1`` to ``frame_4``.
    """
    names = [posixpath.basename(id) for id in others]
    kinds: dict[Naming, str] = {}
    for name in names:
        key = next((part for part in name_parts(name) if part in keys), None)
        if key == name:
            return name
        if key is not None:
            before, _, after = name.partition(key)
            kinds.setdefault(Naming(before, after), name)
    for kind, name in [*kinds.items()][:_KINDS]:
        alike = [key for each in names if (key := kind.key(each)) is not None]
        if 2 * sum(key in keys for key in alike) >= len(alike):
            return name
    return None
