"""What a call of ``s4former predict`` will write, and what stands complete from before; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from s4former.config.errors import DataError
from s4former.config.outputs import Ledgers, Outputs, claim
from s4former.data.split_lists import require_utf8
from s4former.inference.card import model_folder
from s4former.inference.config import Options
from s4former.inference.frames import count_frames
from s4former.inference.geotiff import GeoReference, georeference
from s4former.inference.inputs import VIDEOS, find_images
from s4former.inference.records import ImageRecord, Records, key_of, model_checksum, require_pycocotools

CSV, COCO, LEGEND = "areas.csv", "coco.json", "_legend.png"


@dataclass(frozen=True)
class Item:
    """A file that is predicted.

    Attributes:
        stem: Its name in the output folder.
        path: Where it is.
        key: What its record is found by.
        geo: Where on earth it lies, if it says so.
        frames: Frames of a video at most; 0 of an image.
    """

    stem: str
    path: Path
    key: str
    geo: GeoReference | None = None
    frames: int = 0

    def frame(self, number: int) -> str:
        """Return the name of a frame."""
        return f"{self.stem}/{number:06}"

    def places(self, out: Path, options: Options, frames: int | None = None) -> list[Path]:
        """Return the files that are written of it, of a video with a number of frames."""
        if not self.frames:
            return options.places(out, self.stem, ".tif" if self.geo else ".png")
        of_frames = options.model_copy(update={"overlay": False})
        count = self.frames if frames is None else frames
        places = list(chain.from_iterable(of_frames.places(out, self.frame(n)) for n in range(count)))
        return [*places, *([self.video(out)] if options.overlay else [])]

    def video(self, out: Path) -> Path:
        """Return the file of the overlay video."""
        return out / f"{self.stem}_overlay.mp4"


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        items: All files, in the order in which they were given.
        done: Keys of those that stand complete from before.
        options: What is written of each.
        out: The output folder.
        pictures: The files of images, claimed.
        tables: Those of all images together, claimed.
        wanted: Names of the tables that were asked for.
        records: What is written down of complete ones.
        failures: Files that cannot be read, so much is known already.
        passed_over: How many pictures were skipped because this package wrote them.
    """

    items: tuple[Item, ...]
    done: Mapping[str, Sequence[ImageRecord]]
    options: Options
    out: Path
    pictures: Outputs
    tables: Outputs
    wanted: tuple[str, ...]
    records: Records
    failures: tuple[str, ...]
    passed_over: int

    @property
    def todo(self) -> tuple[Item, ...]:
        """What is left to do."""
        return tuple(item for item in self.items if item.key not in self.done)


def make_plan(
    model: Path, sources: Sequence[str], out: Path, options: Options, *, csv: bool = False, coco: bool = False
) -> Plan:
    """Find the files, and claim all that will be written before its first byte.

    Raises:
        UserError: If there is no model or image, a file of the user's would be lost, or an extra is missing.
        DataError: If a table could not hold the name of an image.
    """
    if coco:
        require_pycocotools()
    found = find_images(sources, videos=find_spec("av") is not None)
    if csv:
        require_utf8(str(path) for _, path in found.images)
    checksum, failures = model_checksum(model_folder(model)), list(found.unreadable)
    items = list[Item]()
    for stem, path in found.images:
        try:
            frames = count_frames(path) if path.suffix.lower() in VIDEOS else 0
            place, key = georeference(path), key_of(checksum, options, stem, path)
        except DataError as error:
            failures.append(str(error))
            continue
        except OSError as error:  # a link to nothing, or one that goes round in circles
            failures.append(f"cannot read the image {path}: {error.strerror}")
            continue
        items.append(Item(stem, path, key, place, frames))
    pictures = [(path, str(item.path)) for item in items for path in item.places(out, options)]
    legends = [(out / LEGEND, "the legend")] if options.overlay else []
    wanted = tuple(name for name, asked in ((CSV, csv), (COCO, coco)) if asked)
    inputs, instead = [path for _, path in found.images], "type another --out, a folder of its own"
    tables = claim([(out / name, "a table") for name in wanted], "table", inputs, instead=instead)
    claimed = claim(
        [*pictures, *legends], "picture", inputs, instead=f"{instead}; images that share a name need one each"
    )
    records = Records(out)
    known, ledgers = records.read(), Ledgers()

    def complete(item: Item) -> bool:
        places = item.places(out, options, len(known.get(item.key, ())))
        return item.key in known and all(ledgers.wrote(path, "picture") for path in places)

    done = {item.key: known[item.key] for item in items if complete(item)}
    return Plan(
        tuple(items), done, options, out, claimed, tables, wanted, records, tuple(failures), found.passed_over
    )
