"""What ``docs/your_own_data.md`` says that people see is what they see."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pages import ROOT, code, tables
from PIL import Image
from places import make_cells
from shell import Shell

from s4former.cli.main import guarded
from s4former.config import UserError
from s4former.models.hub import hub_file

PAGE = ROOT / "docs/your_own_data.md"
INIT = "s4former init photos --masks masks"
CHECK = "s4former check dataset.yaml"
TRAIN = "s4former train dataset.yaml model.pretrained=none --out runs/cells"

Trouble = Callable[[], tuple[str, ...]]
TROUBLES: dict[str, Trouble] = {}


def trouble(make: Trouble) -> Trouble:
    """List a function that spoils the working folder and returns the commands that show it."""
    TROUBLES[make.__name__] = make
    return make


@trouble
def masks_elsewhere() -> tuple[str, ...]:
    return ("s4former init photos",)


@trouble
def no_images() -> tuple[str, ...]:
    Path("empty").mkdir()
    return ("s4former init empty --masks masks",)


@trouble
def wrong_folder() -> tuple[str, ...]:
    return ("s4former init fotos --masks masks",)


@trouble
def written_before() -> tuple[str, ...]:
    return INIT, INIT


@trouble
def two_values() -> tuple[str, ...]:
    return (INIT,)


@trouble
def soft_edges() -> tuple[str, ...]:
    make_cells(Path(), photos=2, masks=2)
    for mask in Path("masks").iterdir():
        drawn = Image.open(mask)
        half = drawn.resize((drawn.width // 2, drawn.height // 2), Image.Resampling.BILINEAR)
        half.resize(drawn.size, Image.Resampling.BILINEAR).save(mask)
    return (INIT,)


@trouble
def instances() -> tuple[str, ...]:
    for number, mask in enumerate(sorted(Path("masks").iterdir())):
        numbers = np.arange(48 * 64).reshape(48, 64) % 400 + number
        Image.fromarray(numbers.astype(np.uint16)).save(mask)
    return (INIT,)


@trouble
def jpeg_masks() -> tuple[str, ...]:
    for mask in list(Path("masks").iterdir()):
        Image.open(mask).save(mask.with_suffix(".jpg"))
        mask.unlink()
    return (INIT,)


@trouble
def other_names() -> tuple[str, ...]:
    _write_described()
    for mask in list(Path("masks").iterdir()):
        mask.rename(mask.with_stem(f"{mask.stem}_mask"))
    return (TRAIN,)


@trouble
def two_masks() -> tuple[str, ...]:
    Image.open("masks/dish_01.png").save("masks/dish_01.bmp")
    return (INIT,)


@trouble
def a_mask_for_each_class() -> tuple[str, ...]:
    for mask in sorted(Path("masks").iterdir())[1:]:
        mask.unlink()
    mask = Path("masks/dish_01.png")
    Image.open(mask).save("masks/dish_01_vein.png")
    mask.rename("masks/dish_01_cell.png")
    for photo in sorted(Path("photos").iterdir())[1:]:
        photo.unlink()
    return (INIT,)


@trouble
def one_more_value() -> tuple[str, ...]:
    _write_described()
    mask = np.array(Image.open("masks/dish_02.png"))
    mask[:5, :5] = 128
    Image.fromarray(mask).save("masks/dish_02.png")
    return (TRAIN,)


@trouble
def palettes_in_two_orders() -> tuple[str, ...]:
    _write_described("names: [background, cell]\n")
    for number, mask in enumerate(sorted(Path("masks").iterdir())):
        indices = Image.fromarray((np.array(Image.open(mask)) > 0).astype(np.uint8))
        indices.putpalette([0, 0, 0, 200 * number, 200, 0])
        indices.save(mask)
    return (TRAIN,)


@trouble
def a_stack_of_masks() -> tuple[str, ...]:
    for mask in list(Path("masks").iterdir()):
        page = Image.open(mask)
        page.save(mask.with_suffix(".tif"), save_all=True, append_images=[page, page])
        mask.unlink()
    return (INIT,)


@trouble
def counted_from_one() -> tuple[str, ...]:
    _write_described("names: [background, cell]\n")
    for mask in Path("masks").iterdir():
        Image.fromarray((np.array(Image.open(mask)) > 0).astype(np.uint8) + 1).save(mask)
    return (TRAIN,)


@trouble
def value_named_twice() -> tuple[str, ...]:
    _write_described("names: [{name: background, values: [0]}, {name: cell, values: [255]}]\nignore: [255]\n")
    return (TRAIN,)


@trouble
def other_size() -> tuple[str, ...]:
    _write_described()
    Image.open("masks/dish_01.png").resize((32, 24), Image.Resampling.NEAREST).save("masks/dish_01.png")
    return (CHECK,)


@trouble
def cut_off() -> tuple[str, ...]:
    _write_described()
    photo = Path("photos/dish_01.jpg")
    os.truncate(photo, photo.stat().st_size // 2)
    return (TRAIN,)


@trouble
def all_held_out() -> tuple[str, ...]:
    _write_described(val="val: {list: val.txt}\n")
    Path("val.txt").write_text("dish_01\ndish_02\n")
    return (TRAIN,)


@trouble
def held_out_image_without_a_mask() -> tuple[str, ...]:
    _write_described(val="val: {list: val.txt}\n")
    Path("val.txt").write_text("dish_04\n")
    return (TRAIN,)


@trouble
def nothing_to_validate_on() -> tuple[str, ...]:
    return INIT, TRAIN


@trouble
def nothing_unlabeled() -> tuple[str, ...]:
    for number in (3, 4):
        Path(f"photos/dish_{number:02}.jpg").unlink()
    return INIT, TRAIN


@trouble
def trained_before() -> tuple[str, ...]:
    _write_described()
    return TRAIN, TRAIN


@trouble
def label_spelled_otherwise() -> tuple[str, ...]:
    _labelme("Cell")
    _write_described(labels="annotations: drawn", names="names: [background, cell]\n")
    return (TRAIN,)


@trouble
def drawn_on_another_size() -> tuple[str, ...]:
    _labelme("cell", size=(480, 640))
    return ("s4former init photos --masks drawn",)


@trouble
def annotated_elsewhere() -> tuple[str, ...]:
    _labelme("cell", name="other_{:02}")
    return ("s4former init photos --masks drawn",)


@trouble
def boxes() -> tuple[str, ...]:
    Path("drawn").mkdir()
    Path("drawn/dish_01.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    return ("s4former init photos --masks drawn",)


@trouble
def merged_ids() -> tuple[str, ...]:
    images = [{"id": 1, "file_name": f"dish_{n:02}.jpg", "height": 48, "width": 64} for n in (1, 2)]
    content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "cell"}]}
    Path("coco.json").write_text(json.dumps(content))
    return ("s4former init photos --masks coco.json",)


@trouble
def sixteen_bits() -> tuple[str, ...]:
    for photo in list(Path("photos").iterdir()):
        Image.fromarray(np.array(Image.open(photo).convert("L")).astype(np.uint16) * 40).save(
            photo.with_suffix(".tif")
        )
        photo.unlink()
    _write_described()
    return (TRAIN,)


@trouble
def other_channels() -> tuple[str, ...]:
    for photo in list(Path("photos").iterdir()):
        np.save(photo.with_suffix(".npy"), np.zeros((48, 64, 5), np.uint8))
        photo.unlink()
    _write_described()
    return (TRAIN,)


@trouble
def same_picture_in_val() -> tuple[str, ...]:
    shutil.copy("photos/dish_01.jpg", "photos/dish_03.jpg")
    shutil.copy("masks/dish_01.png", "masks/dish_03.png")
    _write_described(val="val: {list: val.txt}\n")
    Path("val.txt").write_text("dish_03\n")
    return (CHECK,)


@trouble
def class_without_an_example() -> tuple[str, ...]:
    _write_described("names: [{name: background, values: [0]}, {name: cell, values: [255]}, dust]\n")
    return (CHECK,)


@trouble
def empty_masks() -> tuple[str, ...]:
    _write_described()
    Image.new("L", (64, 48)).save("masks/dish_03.png")
    return (CHECK,)


@trouble
def broken_unlabeled_image() -> tuple[str, ...]:
    _write_described()
    Path("photos/dish_04.jpg").write_bytes(b"no picture")
    return (CHECK,)


@trouble
def odd_crop() -> tuple[str, ...]:
    _write_described()
    return ("s4former config show dataset.yaml data.crop=300",)


def _write_described(
    names: str = "names: [{name: background, values: [0]}, {name: cell, values: [255]}]\n",
    labels: str = "masks: masks",
    val: str = "",
) -> None:
    Path("dataset.yaml").write_text(
        f"{names}labeled: {{images: photos, {labels}}}\nunlabeled: {{images: photos}}\n{val}"
    )


def _labelme(label: str, name: str = "dish_{:02}", size: tuple[int, int] = (48, 64)) -> None:
    Path("drawn").mkdir()
    for number in (1, 2):
        shape = {"label": label, "points": [[5, 5], [30, 5], [30, 30]], "shape_type": "polygon"}
        content = {
            "imagePath": f"{name.format(number)}.jpg",
            "imageHeight": size[0],
            "imageWidth": size[1],
            "shapes": [shape],
        }
        Path(f"drawn/{name.format(number)}.json").write_text(json.dumps(content))


def no_network(monkeypatch: pytest.MonkeyPatch) -> str:
    """Ask for weights where nothing answers."""
    monkeypatch.setenv("HF_HOME", "hub")
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", _nobody_answers)
    with pytest.raises(UserError) as error:
        hub_file("timm/vit_small_patch14_dinov2.lvd142m", "vit_small_patch14_dinov2", "model.safetensors")
    return str(error.value)


def _nobody_answers(*_: object, **__: object) -> None:
    raise ConnectionError("nobody answers")


def out_of_memory(capsys: pytest.CaptureFixture[str]) -> str:
    """Let a command end as one does whose GPU is full."""

    def command() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(SystemExit):
        guarded(command)
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_messages_are_what_people_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row of the table is a message, and every trouble made here is in a row."""
    (rows,) = tables(PAGE, "What you see, what it means, what to type")
    assert len(rows) >= 15
    monkeypatch.setenv("COLUMNS", "1000")
    shell = Shell(monkeypatch, capsys)
    seen: dict[str, list[str]] = {}
    for name, make in TROUBLES.items():
        place = tmp_path / name
        place.mkdir()
        monkeypatch.chdir(place)
        make_cells(place, photos=4, masks=2, size=(48, 64))
        seen[name] = []
        for line in make():
            shell.run(line)
            seen[name].append(shell.output)
    seen["no_network"] = [no_network(monkeypatch)]
    seen["out_of_memory"] = [out_of_memory(capsys)]

    def shown_by(row: list[str]) -> set[str]:
        pieces = [piece.strip() for piece in code(row[0])[0].split("...")]
        return {name for name, texts in seen.items() if any(_in_order(pieces, text) for text in texts)}

    found = {row[0]: shown_by(row) for row in rows}
    never = [message for message, names in found.items() if not names]
    assert not never, "\n".join(["messages that nothing shows:", *never, "", *map(str, seen.items())])
    unlisted = seen.keys() - set().union(*found.values())
    assert not unlisted, f"no row tells of {unlisted}"


def _in_order(pieces: list[str], text: str) -> bool:
    place = 0
    for piece in pieces:
        place = text.find(piece, place)
        if place < 0:
            return False
    return True
