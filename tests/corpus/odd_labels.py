"""Odd masks and annotations."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import tifffile
from odd_sets import SIZE, Accepted, Cases, Flawed, OddSet, Refused
from PIL import Image

CASES = case = Cases()

COLORS = np.array([[0, 0, 0], [200, 30, 40], [20, 90, 250]], np.uint8)


def all_masks(data: OddSet, change: Any, ending: str = ".png", **options: Any) -> None:
    """Write every mask anew, as ``change`` makes it of its labels."""
    for folder in ("masks", "val/masks"):
        for file in sorted((data.root / folder).iterdir()):
            labels = np.array(Image.open(file))
            file.unlink()
            data.picture(str(file.with_suffix(ending)), change(labels), **options)


def with_value(data: OddSet, value: int, stem: str = "a0", dtype: type = np.uint8) -> None:
    labels = data.labels().astype(dtype)
    labels[:2] = value
    data.mask(f"masks/{stem}.png", labels)


def binary(labels: np.ndarray) -> np.ndarray:
    return np.where(labels == 1, 255, 0).astype(np.uint8)


def palette(labels: np.ndarray, order: tuple[int, ...] = (0, 1, 2)) -> Image.Image:
    picture = Image.fromarray(np.argsort(order).astype(np.uint8)[labels])
    picture.putpalette(COLORS[list(order)].tobytes())
    return picture


def in_color(data: OddSet) -> None:
    data.fields["names"] = [
        {"name": name, "values": [color.tolist()]}
        for name, color in zip(("ground", "red", "blue"), COLORS, strict=True)
    ]


@case(Accepted())
def masks_of_0_and_255_described(data: OddSet) -> None:
    all_masks(data, binary)
    data.fields["names"] = ["ground", {"name": "crack", "values": [255]}]


@case(Accepted("absent_class", "one_class_mask", "mostly_one_class", words=("values: [255]", "ignore: []")))
def masks_of_0_and_255_not_described(data: OddSet) -> None:
    all_masks(data, binary)
    data.fields["names"] = ["ground", "crack"]


@case(
    Flawed(
        "unknown_value",
        words=("counted from 1", "values: [1]"),
    )
)
def masks_counted_from_1(data: OddSet) -> None:
    all_masks(data, lambda labels: labels + 1)


@case(
    Flawed(
        "unknown_value",
        words=(
            "masks/a0.png (7: 96 pixels)",
            "NAME, values: [7]",
            "ignore: [255, 7]",
        ),
    )
)
def one_unknown_value(data: OddSet) -> None:
    with_value(data, 7)


@case(Flawed("unknown_value", words=("2 of 5 masks", "[7, 9]")))
def unknown_values_in_several_masks(data: OddSet) -> None:
    with_value(data, 7)
    with_value(data, 9, "a1")


@case(Flawed("unknown_value"))
def an_unknown_value_of_16_bits(data: OddSet) -> None:
    with_value(data, 1000, dtype=np.uint16)


@case(Accepted())
def masks_of_16_bits(data: OddSet) -> None:
    all_masks(data, lambda labels: labels.astype(np.uint16) * 1000)
    data.fields["names"] = [
        "ground",
        {"name": "red", "values": [1000]},
        {"name": "blue", "values": [2000]},
    ]


@case(Accepted())
def masks_of_1_bit(data: OddSet) -> None:
    all_masks(data, lambda labels: Image.fromarray(labels == 1))
    data.fields["names"] = ["ground", "crack"]


@case(Accepted())
def masks_with_a_palette(data: OddSet) -> None:
    all_masks(data, palette)


@case(Accepted())
def palettes_in_several_orders(data: OddSet) -> None:
    orders = iter([(0, 1, 2), (2, 0, 1), (1, 2, 0), (0, 2, 1), (2, 1, 0)])
    all_masks(data, lambda labels: palette(labels, next(orders)))
    in_color(data)


@case(Flawed("palettes_disagree", words=("index 0 is", "values: [[220, 30, 30]]")))
def palettes_in_several_orders_read_by_index(data: OddSet) -> None:
    palettes_in_several_orders(data)
    data.fields["names"] = ["ground", "red", "blue"]


@case(Flawed("palettes_disagree", words=("masks/a0.png", "val/masks/v0.png")))
def palettes_of_val_in_another_order(data: OddSet) -> None:
    all_masks(data, palette)
    for stem in ("v0", "v1"):
        data.mask(f"val/masks/{stem}.png", palette(data.labels(), (0, 2, 1)))


@case(Accepted("palettes_missing", words=("1 of 5 masks have no palette", "masks/a1.png")))
def one_mask_without_a_palette(data: OddSet) -> None:
    all_masks(data, palette)
    data.mask("masks/a1.png")


@case(Flawed("unknown_value", words=("init IMAGES --masks MASKS --force",), others=()))
def one_mask_in_color_among_palettes(data: OddSet) -> None:
    all_masks(data, palette)
    data.mask("masks/a1.png", COLORS[data.labels()])


@case(
    Accepted(
        "one_class_mask",
        "only_background_and_ignored",
        words=("1 of 3 labeled masks hold ground and ignored", "masks/a1.png"),
    )
)
def masks_of_two_habits(data: OddSet) -> None:
    all_masks(data, lambda labels: (labels == 1).astype(np.uint8))
    data.mask("masks/a1.png", binary(data.labels()))
    data.fields["names"] = ["ground", "crack"]


def _no_data(data: OddSet, value: int) -> None:
    data.remove("masks/a0.png")
    labels = data.labels()
    labels[:3] = value
    tag = [(42113, 2, 0, str(value), True)]
    tifffile.imwrite(data.path("masks/a0.tif"), labels, extratags=tag)


@case(Accepted("declared_nodata", words=("1 of 5 masks have pixels that hold no data",)))
def a_mask_with_no_data(data: OddSet) -> None:
    _no_data(data, 200)


@case(Accepted("declared_nodata", words=("declare 0 to be no data, but it is the class ground",)))
def a_mask_whose_background_is_no_data(data: OddSet) -> None:
    _no_data(data, 0)


@case(Accepted())
def masks_of_numpy_with_minus_one(data: OddSet) -> None:
    for stem in ("a0", "a1"):
        data.remove(f"masks/{stem}.png")
        np.save(
            data.path(f"masks/{stem}.npy"), data.labels().astype(np.int32) - (np.indices(SIZE)[0] == 0) * 3
        )
    data.fields["ignore"] = [255, -1, -2, -3]


@case(Accepted())
def masks_with_a_page_a_class(data: OddSet) -> None:
    for stem in ("a0", "a1", "a2"):
        labels = data.labels()
        pages = np.stack([labels == index for index in range(3)]).astype(np.uint8) * 255
        data.remove(f"masks/{stem}.png")
        tifffile.imwrite(data.path(f"masks/{stem}.tif"), pages, photometric="minisblack")


@case(Flawed("unreadable_mask", words=("lossy JPEG in a TIFF",)))
def a_mask_saved_as_jpeg_in_a_tiff(data: OddSet) -> None:
    data.remove("masks/a0.png")
    data.mask("masks/a0.tif", compression="jpeg")


@case(Accepted())
def masks_in_color(data: OddSet) -> None:
    all_masks(data, lambda labels: COLORS[labels])
    in_color(data)


@case(Accepted())
def masks_in_color_named_in_hexadecimal(data: OddSet) -> None:
    masks_in_color(data)
    data.fields["names"][1]["values"] = ["#c81e28"]


@case(Accepted())
def masks_in_color_with_transparency(data: OddSet) -> None:
    all_masks(data, lambda labels: np.dstack([COLORS[labels], 255 * (labels > 0)]).astype(np.uint8))
    in_color(data)


@case(Accepted())
def gray_masks_saved_as_color(data: OddSet) -> None:
    all_masks(data, lambda labels: np.dstack([labels] * 3))


@case(Accepted())
def gray_masks_with_transparency(data: OddSet) -> None:
    all_masks(data, lambda labels: Image.fromarray(labels).convert("LA"))


@case(Flawed("unknown_value", words=("a0.png")))
def an_unknown_color(data: OddSet) -> None:
    masks_in_color(data)
    pixels = COLORS[data.labels()]
    pixels[:2] = 1, 2, 3
    data.mask("masks/a0.png", pixels)


@case(Flawed("unknown_value", words=("[200, 30, 40]",)))
def masks_in_color_not_described(data: OddSet) -> None:
    all_masks(data, lambda labels: COLORS[labels])


@case(Flawed("unreadable_mask", words=("lossy JPEG", "a0.jpg")))
def a_mask_saved_as_jpeg(data: OddSet) -> None:
    data.remove("masks/a0.png")
    data.mask("masks/a0.jpg")


@case(Flawed("unreadable_mask", words=("lossy WEBP",)))
def a_mask_saved_as_lossy_webp(data: OddSet) -> None:
    data.remove("masks/a0.png")
    data.mask("masks/a0.webp", quality=80)


@case(Accepted())
def a_mask_saved_as_lossless_webp(data: OddSet) -> None:
    data.remove("masks/a0.png")
    data.mask("masks/a0.webp", np.dstack([data.labels()] * 3), lossless=True)


@case(Flawed("unreadable_mask", words=("masks/a0.png",)))
def a_truncated_mask(data: OddSet) -> None:
    data.cut("masks/a0.png")


@case(Flawed("unreadable_mask", words=("masks/a0.png", "1 of 5 masks")))
def a_mask_of_no_bytes(data: OddSet) -> None:
    data.path("masks/a0.png").write_bytes(b"")


@case(Flawed("unreadable_mask", words=("whole numbers", "probability")))
def a_mask_of_probabilities(data: OddSet) -> None:
    data.remove("masks/a0.png")
    data.mask("masks/a0.tif", np.random.default_rng(0).random(SIZE, np.float32))


@case(Accepted())
def a_mask_of_whole_floats(data: OddSet) -> None:
    data.remove("masks/a0.png")
    data.mask("masks/a0.tif", data.labels().astype(np.float32))


@case(Flawed("size_mismatch", words=("20 x 24", "was resized")))
def a_mask_of_half_size(data: OddSet) -> None:
    data.mask("masks/a0.png", data.labels((20, 24)))


@case(Flawed("size_mismatch", words=("39 x 48", "belongs to its image")))
def a_mask_that_lacks_a_row(data: OddSet) -> None:
    data.mask("masks/a0.png", data.labels((39, 48)))


@case(Flawed("mask_of_no_classes", words=("blurred")))
def a_blurred_mask(data: OddSet) -> None:
    small = Image.fromarray(binary(data.labels((20, 24))))
    data.mask("masks/a0.png", np.array(small.resize(SIZE[::-1], Image.Resampling.BICUBIC)))


@case(Flawed("mask_of_no_classes", words=("instances")))
def a_mask_of_instances(data: OddSet) -> None:
    data.mask("masks/a0.png", (np.indices(SIZE).sum(axis=0) // 2).astype(np.uint8))


@case(Flawed("mask_of_no_classes", words=("is no mask of classes")))
def a_photograph_in_place_of_a_mask(data: OddSet) -> None:
    data.image("masks/a0.png")


@case(Accepted("all_ignored", words=("1 of 3 labeled masks are ignored as a whole", "masks/a1.png")))
def a_mask_of_unknown_only(data: OddSet) -> None:
    data.mask("masks/a1.png", np.full(SIZE, 255, np.uint8))


@case(Flawed("all_ignored", words=("3 of 3 labeled masks", "nothing to learn from")))
def masks_of_unknown_only(data: OddSet) -> None:
    for stem in ("a0", "a1", "a2"):
        data.mask(f"masks/{stem}.png", np.full(SIZE, 255, np.uint8))


@case(Accepted("one_class_mask", words=("1 of 3 labeled masks show a single class",)))
def an_empty_mask(data: OddSet) -> None:
    data.mask("masks/a1.png", np.zeros(SIZE, np.uint8))


@case(Accepted("mostly_one_class", words=("labeled pixels are ground",)))
def masks_with_very_small_objects(data: OddSet) -> None:
    for stem in ("a0", "a1", "a2"):
        labels = np.zeros(SIZE, np.uint8)
        labels[0, :8], labels[1, :8] = 1, 2
        data.mask(f"masks/{stem}.png", labels)


@case(Accepted("mostly_ignored", words=("labeled pixels are ignored",)))
def masks_of_scribbles(data: OddSet) -> None:
    for stem in ("a0", "a1", "a2"):
        labels = np.full(SIZE, 255, np.uint8)
        labels[:3, :9] = np.arange(3, dtype=np.uint8)[:, None]
        data.mask(f"masks/{stem}.png", labels)


@case(
    Accepted("absent_class", words=("1 of 3 classes are in no labeled mask: blue", "they cannot be learned"))
)
def a_class_that_no_labeled_mask_shows(data: OddSet) -> None:
    for stem in ("a0", "a1", "a2"):
        data.mask(f"masks/{stem}.png", data.labels(classes=2))


@case(Accepted("absent_class", words=("in no val mask: blue",)))
def a_class_that_no_val_mask_shows(data: OddSet) -> None:
    for stem in ("v0", "v1"):
        data.mask(f"val/masks/{stem}.png", data.labels(classes=2))


@case(Accepted(counts=(2, 4, 2, 0)))
def a_broken_mask_of_an_unlabeled_image(data: OddSet) -> None:
    data.text("labeled.txt", "a0\na1\n")
    data.fields["labeled"]["list"] = "labeled.txt"
    data.fields["unlabeled"]["images"] = ["unlabeled", "images"]
    data.path("masks/a2.png").write_bytes(b"never opened")


def labelme(data: OddSet, stem: str = "a0", label: str = "red", size: tuple[int, int] = SIZE) -> None:
    """Give an image a labelme file with one rectangle, and the data set these in place of masks."""
    shape = {"label": label, "points": [[4, 4], [30, 20]], "shape_type": "rectangle"}
    content = {"imagePath": f"{stem}.png", "imageHeight": size[0], "imageWidth": size[1], "shapes": [shape]}
    data.text(f"shapes/{stem}.json", json.dumps(content))
    data.fields["labeled"] = {"images": "images", "annotations": "shapes"}
    data.fields["names"] = ["background", "red"]
    data.fields["val"] = {"list": "val.txt"}
    data.text("val.txt", "a1\n")
    if not (data.root / "shapes/a1.json").exists():
        shutil.copy(data.root / f"shapes/{stem}.json", data.root / "shapes/a1.json")
        text = (
            (data.root / "shapes/a1.json").read_text().replace(f"{stem}.png", "a1.png").replace(label, "red")
        )
        data.text("shapes/a1.json", text)


@case(Accepted("one_labeled_image", counts=(1, 3, 1, 0)))
def annotations_of_labelme(data: OddSet) -> None:
    labelme(data)


@case(Refused("'rod'", "red"))
def an_annotation_of_no_class(data: OddSet) -> None:
    labelme(data, label="rod")


@case(Refused("drawn on an image of 20 x 10 pixels", "48 x 40"))
def annotations_of_images_of_another_size(data: OddSet) -> None:
    labelme(data, size=(10, 20))


@case(Refused("a0.json"))
def a_truncated_annotation_file(data: OddSet) -> None:
    labelme(data)
    data.cut("shapes/a0.json")


@case(Refused("shapes"))
def no_annotation_file(data: OddSet) -> None:
    data.fields["labeled"] = {"images": "images", "annotations": "shapes.json"}


@case(Refused("no image of the data set is annotated"))
def annotations_of_other_images(data: OddSet) -> None:
    labelme(data)
    for stem in ("a0", "a1"):
        text = (data.root / f"shapes/{stem}.json").read_text().replace(f"{stem}.png", f"other_{stem}.png")
        data.text(f"shapes/other_{stem}.json", text)
        data.remove(f"shapes/{stem}.json")


@case(Accepted("one_labeled_image", counts=(1, 3, 1, 0)))
def annotations_of_coco(data: OddSet) -> None:
    images = [
        {"id": number, "file_name": f"a{number}.png", "height": SIZE[0], "width": SIZE[1]}
        for number in (0, 1)
    ]
    shapes = [
        {
            "id": number,
            "image_id": number,
            "category_id": 9,
            "segmentation": [[4, 4, 30, 4, 30, 20, 4, 20]],
            "bbox": [4, 4, 26, 16],
            "area": 416,
            "iscrowd": 0,
        }
        for number in (0, 1)
    ]
    content = {"images": images, "annotations": shapes, "categories": [{"id": 9, "name": "red"}]}
    data.text("coco.json", json.dumps(content))
    data.text("val.txt", "a1\n")
    data.fields["labeled"] = {"images": "images", "annotations": "coco.json"}
    data.fields["names"] = ["background", "red"]
    data.fields["val"] = {"list": "val.txt"}


@case(Flawed("one_class", words=("ground", "background"), others=("one_class_mask",)))
def one_class_alone(data: OddSet) -> None:
    data.fields["names"] = ["ground"]
    all_masks(data, lambda labels: labels * 0)
