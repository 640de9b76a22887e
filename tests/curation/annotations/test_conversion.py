"""What holds for every format: the masks, the cache, names, sizes, and errors that say what to do."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn import (
    CELL,
    HEIGHT,
    NAMES,
    OUTSIDE,
    SMALL,
    WIDTH,
    coco,
    expected,
    flat,
    in_polygon,
    labelme,
    paint,
    read_mask,
    tiny,
    write_images,
    write_json,
)
from PIL import Image

from s4former.config import DataError
from s4former.curation.annotations import FORMATS, Conversion, class_names, convert, detect_format
from s4former.types import IGNORE

each_format = pytest.mark.parametrize(
    "format", [format for format in FORMATS.names() if format != "mask_files"]
)


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(file): (file.stat().st_mtime_ns, file.read_bytes())
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def run(root: Path, annotations: Path, format: str = "coco", **changes: object) -> Conversion:
    """Convert with images one, sub/two and plain, the last of which nobody annotated."""
    images = write_images(root / "photos", "one.png", "sub/two.png", "plain.png")
    arguments = {"images": images, "names": NAMES, "outside": OUTSIDE, "out": root / "out"} | changes
    return convert(annotations, format, **arguments)


@each_format
def test_masks_are_those_that_were_drawn(tmp_path: Path, format: str) -> None:
    annotations = tiny(format, tmp_path / "given")
    assert detect_format(annotations) == format
    before = files_of(tmp_path / "given")
    seen: list[tuple[int, int]] = []
    done = run(tmp_path, annotations, format, on_image=lambda *progress: seen.append(progress))
    assert done.ids == ("one", "sub/two")
    for id, mask in expected().items():
        np.testing.assert_array_equal(read_mask(tmp_path / "out", id), mask)
    assert seen == [(1, 2), (2, 2)]
    assert files_of(tmp_path / "given") == before
    assert not list(tmp_path.rglob("*.tmp"))


@each_format
def test_folder_of_the_file_is_enough(tmp_path: Path, format: str) -> None:
    annotations = tiny(format, tmp_path / "given")
    folder = annotations if annotations.is_dir() else annotations.parent
    assert detect_format(folder) == format
    assert run(tmp_path, folder, format).ids == ("one", "sub/two")


@each_format
def test_class_names(tmp_path: Path, format: str) -> None:
    ordered = {"coco": ["cell", "vein"], "cvat": ["vein", "cell"]}  # by id; as the task lists them
    assert class_names(tiny(format, tmp_path), format) == ordered.get(format, ["cell", "vein"])


@each_format
def test_a_second_call_does_nothing(tmp_path: Path, format: str) -> None:
    annotations = tiny(format, tmp_path / "given")
    first = run(tmp_path, annotations, format)
    images = {id: tmp_path / f"photos/{id}.png" for id in ("one", "sub/two", "plain")}
    before = files_of(tmp_path / "out")

    def never(done: int, total: int) -> None:
        raise AssertionError("drew an image again")

    again = convert(annotations, format, images, NAMES, OUTSIDE, tmp_path / "out", on_image=never)
    assert again == first
    assert files_of(tmp_path / "out") == before


CHANGES = (
    "annotations",
    "content alone",
    "image",
    "names",
    "outside",
    "mask gone",
    "mask drawn on",
    "record broken",
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_converts_again(tmp_path: Path, change: str) -> None:
    annotations = tiny("coco", tmp_path / "given")
    run(tmp_path, annotations)
    images = {id: tmp_path / f"photos/{id}.png" for id in ("one", "sub/two", "plain")}
    names, outside, out = list(NAMES), OUTSIDE, tmp_path / "out"
    if change == "annotations":
        os.utime(annotations, ns=(1, 1))
    elif change == "content alone":
        before = annotations.stat()
        annotations.write_text(annotations.read_text().replace("2024", "2025"))
        os.utime(annotations, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "mask drawn on":
        Image.new("L", (WIDTH, HEIGHT), 7).save(out / "one.png")
    elif change == "image":
        os.utime(images["one"], ns=(1, 1))
    elif change == "names":
        names.append("nerve")
    elif change == "outside":
        outside = IGNORE
    elif change == "mask gone":
        (out / "one.png").unlink()
    else:
        (out / "conversion.json").write_text('{"masks": ')
    drawn: list[int] = []
    convert(annotations, "coco", images, names, outside, out, on_image=lambda done, _: drawn.append(done))
    assert drawn == [1, 2]
    assert read_mask(out, "one")[0, 0] == outside


def test_a_new_version_of_the_masks_converts_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    annotations = tiny("coco", tmp_path / "given")
    run(tmp_path, annotations)
    made = (tmp_path / "out/one.png").stat().st_mtime_ns
    monkeypatch.setattr(sys.modules[convert.__module__], "VERSION", 99)
    run(tmp_path, annotations)
    assert (tmp_path / "out/one.png").stat().st_mtime_ns > made


def test_shapes_that_are_smaller_than_a_pixel_are_no_pixels(tmp_path: Path) -> None:
    """Fractions of the image in place of pixels: all of it would become outside."""
    content = json.loads(coco(tmp_path / "given").read_text())
    for entry in content["annotations"]:
        entry["segmentation"] = [[value / 100 for value in flat(SMALL)]]
    with pytest.raises(
        DataError, match="3 of 3 shapes lie outside of their image or are smaller than a pixel"
    ):
        run(tmp_path, write_json(tmp_path / "given/annotations.json", content))


def test_masks_of_images_no_longer_annotated_go(tmp_path: Path) -> None:
    run(tmp_path, tiny("coco", tmp_path / "given"))
    content = json.loads((tmp_path / "given/annotations.json").read_text())
    content["images"].pop()
    content["annotations"].pop(1)
    assert run(tmp_path, write_json(tmp_path / "given/annotations.json", content)).ids == ("one",)
    assert [file.name for file in (tmp_path / "out").rglob("*.png")] == ["one.png"]


def test_empty_list_of_shapes_is_an_annotation(tmp_path: Path) -> None:
    done = run(tmp_path, coco(tmp_path, annotations=[]), outside=2)
    assert done.ids == ("one", "sub/two")
    assert (read_mask(tmp_path / "out", "one") == 2).all()
    assert any("without any shape" in note and note.split(": ")[1].startswith("2") for note in done.notes)


def test_notes_say_what_was_decided(tmp_path: Path) -> None:
    notes = "\n".join(run(tmp_path, tiny("coco", tmp_path), names=(*NAMES, "nerve")).notes)
    assert "different classes overlap (smaller ones count): 1" in notes
    assert "classes that no shape has: nerve" in notes
    assert "background" not in notes
    notes = "\n".join(run(tmp_path, tiny("cvat", tmp_path / "cvat"), "cvat").notes)
    assert "different classes overlap (later ones count): 1" in notes


def test_special_labels(tmp_path: Path) -> None:
    """Labelme's labels for pixels to ignore and for background, which also cut holes."""
    corner = [(25, 0), (32, 0), (32, 6)]
    shapes = [
        {"label": label, "points": corners, "shape_type": "polygon"}
        for label, corners in (("cell", CELL), ("_background_", SMALL), ("__ignore__", corner))
    ]
    file = labelme(tmp_path, "one", shapes)
    assert class_names(file, "labelme") == ["cell"]
    run(tmp_path, file, "labelme")
    mask = paint((in_polygon(CELL), 1), (in_polygon(SMALL), OUTSIDE), (in_polygon(corner), IGNORE))
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), mask)
    run(tmp_path, file, "labelme", names=("cell", "_background_", "__ignore__"), outside=IGNORE)
    assert set(np.unique(read_mask(tmp_path / "out", "one"))) == {0, 1, 2, IGNORE}


def test_unknown_labels_are_named_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"'cell' \(2 shapes, perhaps 'Cells'\), 'vein' \(1 shape\)"
    ) as caught:
        run(tmp_path, tiny("coco", tmp_path), names=("background", "Cells"))
    assert "names in dataset.yaml" in str(caught.value)
    assert "annotation 1" in str(caught.value)  # the first one
    assert not (tmp_path / "out/conversion.json").exists()


@pytest.mark.parametrize(
    ("size", "hint"), [((HEIGHT, WIDTH + 1), "resized or cropped"), ((WIDTH, HEIGHT), "EXIF")]
)
def test_other_size_than_annotated(tmp_path: Path, size: tuple[int, int], hint: str) -> None:
    images = write_images(tmp_path / "other", "one.png", "sub/two.png", size=size)
    with pytest.raises(DataError, match=hint) as caught:
        run(tmp_path, tiny("coco", tmp_path), images=images)
    assert f"{WIDTH} x {HEIGHT}" in str(caught.value)
    assert f"{size[1]} x {size[0]}" in str(caught.value)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_shapes_lie_on_the_picture_as_it_is_seen(tmp_path: Path, orientation: int) -> None:
    """The mask has the size and place of what viewers show, whatever the camera stored."""
    stored = (HEIGHT, WIDTH) if orientation < 5 else (WIDTH, HEIGHT)
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "photos").mkdir()
    file = tmp_path / "photos/one.jpg"
    Image.fromarray(np.zeros((*stored, 3), dtype=np.uint8)).save(file, exif=exif)
    shape = {"label": "cell", "points": CELL, "shape_type": "polygon"}
    run(tmp_path, labelme(tmp_path / "drawn", "one", [shape]), "labelme", images={"one": file})
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))


def test_images_that_do_not_exist_are_counted(tmp_path: Path) -> None:
    images = write_images(tmp_path / "photos", "one.png")
    done = run(tmp_path, tiny("coco", tmp_path), images=images)
    assert done.ids == ("one",)
    assert any("not in the data set, skipped: 1 (first: 'sub/two.jpg')" in note for note in done.notes)


def test_one_name_in_two_folders(tmp_path: Path) -> None:
    """The entry whose folders agree means the image; the others mean images that are not here."""
    shapes = [{"label": "cell", "points": CELL, "shape_type": "polygon"}]
    for number, path in enumerate(("old/a.png", "left/a.png", "train/c.png", "val/b.png")):
        labelme(tmp_path / "drawn", str(number), shapes, imagePath=path)
    images = write_images(tmp_path, "train/left/a.png", "train/b.png")
    done = run(tmp_path, tmp_path / "drawn", "labelme", images=images)
    assert done.ids == ("train/left/a",)
    assert any(
        "not in the data set, skipped: 3 (first: " in note and "old/a.png')" in note for note in done.notes
    )


@each_format
def test_no_match_shows_both_sides(tmp_path: Path, format: str) -> None:
    images = write_images(tmp_path / "photos", "IMG_1.png")
    with pytest.raises(DataError, match=r"no image of the data set is annotated.*(one|two).*IMG_1\.png"):
        run(tmp_path, tiny(format, tmp_path), format, images=images)


def test_broken_entries_of_other_images_do_not_matter(tmp_path: Path) -> None:
    images = write_images(tmp_path / "photos", "one.png")
    annotations = coco(tmp_path, segmentation=[[float("nan")] * 6])
    assert run(tmp_path, annotations, images=images).ids == ("one",)


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/../evil.png", "..\\..\\evil.png", "C:\\evil.png"])
def test_names_never_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """A name only finds an image; what is written is named by the image's id."""
    root = tmp_path / "a/b/c"
    photo = write_images(root / "photos", "evil.png")
    entry = {"id": 1, "file_name": name, "height": HEIGHT, "width": WIDTH}
    box = {"id": 1, "image_id": 1, "category_id": 4, "segmentation": [flat(SMALL)]}
    annotations = coco(root, images=[entry], annotations=[box])
    before = set(tmp_path.rglob("*"))
    assert run(root, annotations, images=photo).ids == ("evil",)
    made = {file.relative_to(root).as_posix() for file in set(tmp_path.rglob("*")) - before if file.is_file()}
    assert made - {f"photos/{name}.png" for name in ("one", "sub/two", "plain")} == {
        "out/evil.png",
        "out/conversion.json",
    }


@pytest.mark.parametrize("id", ["../one", "/one", "sub/../../one", "a\\b", ""])
def test_ids_never_lead_out_of_the_folder(tmp_path: Path, id: str) -> None:
    photo = write_images(tmp_path / "photos", "one.png")["one"]
    with pytest.raises(DataError, match="no id of an image"):
        run(tmp_path, tiny("coco", tmp_path), images={id: photo})


def test_a_record_that_was_tampered_with_removes_nothing_outside(tmp_path: Path) -> None:
    precious = write_images(tmp_path, "precious.png")["precious"]
    write_json(tmp_path / "out/conversion.json", {"made_of": {}, "masks": {"../precious": [1, 1]}})
    run(tmp_path, tiny("coco", tmp_path))
    assert precious.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": [str(number) for number in range(256)]}, "at most 255 classes"),
        ({"outside": 256}, "from 0 to 255"),
        ({"outside": -1}, "from 0 to 255"),
    ],
)
def test_values_that_a_mask_cannot_hold(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(tmp_path, tiny("coco", tmp_path), **changes)


@each_format
def test_missing_file(tmp_path: Path, format: str) -> None:
    with pytest.raises(DataError, match="there is no annotation file or folder"):
        run(tmp_path, tmp_path / "nothing", format)
    with pytest.raises(DataError, match="there is no annotation file or folder"):
        detect_format(tmp_path / "nothing")


def test_unreadable_image(tmp_path: Path) -> None:
    images = write_images(tmp_path / "broken", "one.png")
    images["one"].write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"cannot read the image .*one\.png"):
        run(tmp_path, tiny("coco", tmp_path), images=images)


@pytest.mark.parametrize("name", ["one.npy", "one.tif"])
def test_images_of_many_channels(tmp_path: Path, name: str) -> None:
    """Files that viewers don't open have a size, too."""
    (tmp_path / "stacks").mkdir()
    file = tmp_path / "stacks" / name
    stack = np.zeros((HEIGHT, WIDTH, 7), dtype=np.uint16)
    if name.endswith("npy"):
        np.save(file, stack)
    else:
        pytest.importorskip("tifffile").imwrite(file, stack, photometric="minisblack")
    run(tmp_path, tiny("yolo", tmp_path), "yolo", images={"one": file}, channels=7)
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), expected()["one"])


def test_what_is_no_annotation(tmp_path: Path) -> None:
    write_images(tmp_path / "photos", "one.png")
    (tmp_path / "photos/readme.txt").write_text("taken in May")
    assert detect_format(tmp_path / "photos") is None
    assert detect_format(tmp_path / "photos/one.png") is None
    assert detect_format(write_json(tmp_path / "other.json", {"names": []})) is None
    assert detect_format(write_json(tmp_path / "list.json", [1, 2])) is None
    (tmp_path / "voc.xml").write_text("<annotation><filename>one.png</filename></annotation>")
    assert detect_format(tmp_path / "voc.xml") is None


def test_several_files_in_a_folder(tmp_path: Path) -> None:
    coco(tmp_path / "train")
    coco(tmp_path / "val")
    with pytest.raises(
        DataError, match=r"several annotation files: train/annotations\.json, val.*init .*/train --val"
    ):
        detect_format(tmp_path)
    with pytest.raises(DataError, match="expected one annotation file"):
        run(tmp_path, tmp_path)


@pytest.mark.parametrize("name", ["a.json", "a.xml"])
def test_truncated_file(tmp_path: Path, name: str) -> None:
    given = coco(tmp_path / "given") if name == "a.json" else tiny("cvat", tmp_path / "given")
    (tmp_path / name).write_bytes(given.read_bytes()[:-40])
    with pytest.raises(DataError, match=rf"{name}.*xport it again"):
        detect_format(tmp_path / name)
