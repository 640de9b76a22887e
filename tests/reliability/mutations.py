"""Inputs with something wrong in them: whatever they hold, a command ends as it says it does."""

from __future__ import annotations

import contextlib
import io
import json
import random
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from disks import half_written
from PIL import Image
from safetensors.torch import save_file

from damage import ODD, changed, damaged, places
from trials import Trials

CODES = (0, 1, 2, 3, 4)
"""Exit codes that a command may have: it went on, or said what is wrong; never 70 or a signal."""
_SECONDS, _BYTES = 60, 12 * 2**30
_PUT = (
    *(
        "nan",
        "-",
        "1e400",
        "<",
        "&",
        '"',
        "9" * 5000,
        "\0",
        ";",
        "0.5 ",
        "\n",
        "[",
        "*a",
        "",
        "../",
        "\ud800",
    ),
    *(
        "[" * 3000,
        "&a [*a]",
        "!!python/object/apply:os.system [touch escaped]",
        "<<: *a",
        "\t",
        "? ",
        "- - ",
        "{",
    ),
    *(": ", "\x1b[31m", "%s%n", "${HOME}", "/dev/zero", "\u2028", "-1", "null", ".inf", "true", "{}", "~"),
)
_OTHER_NUMBERS = (
    "deep",
    "tiled",
)  # sound files, but with numbers that the model of the world was not trained on
Draw = random.Random


@dataclass(frozen=True)
class Surface:
    """Something that is read: files as they should be, and the commands that read one of them.

    Attributes:
        make: Writes good files into a folder and returns them.
        commands: What to type, of ``{file}`` or, for what is no file, ``{text}``.
        damage: Returns the content with something wrong in it.
        place: Where the file is put.
    """

    make: Callable[[Path], list[Path]]
    commands: tuple[str, ...]
    damage: Callable[[bytes, Draw], bytes] = damaged
    place: str = "mutated/{name}"


def _whole(content: bytes, draw: Draw) -> bytes:
    """Leave it as it is, or of several texts the first one."""
    return content.splitlines()[0] if content.startswith(b"data.crop_size") else content


def of_text(content: bytes, draw: Draw) -> bytes:
    """Put something odd into a text, leave something out, or cut it off."""
    text = content.decode()
    for _ in range(draw.choice([1, 1, 2, 5])):
        at = draw.randrange(len(text) + 1)
        text = text[:at] + draw.choice(_PUT) + text[at + draw.choice([0, 1, 8, len(text)]) :]
    return text.encode("utf-8", "surrogatepass")


def of_json(content: bytes, draw: Draw) -> bytes:
    """Replace a value of JSON by an odd one, or damage its text."""
    if draw.random() < 0.4:
        return of_text(content, draw)
    tree = json.loads(content)
    return json.dumps(changed(tree, draw.choice(list(places(tree))), draw.choice(ODD))).encode()


def of_yaml(content: bytes, draw: Draw) -> bytes:
    """Replace a value of YAML by an odd one, or damage its text."""
    if draw.random() < 0.5:
        return of_text(content, draw)
    tree = yaml.safe_load(content)
    odd = draw.choice([value for value in ODD if value != "\ud800"])
    return yaml.safe_dump(changed(tree, draw.choice(list(places(tree))), odd)).encode()


def of_tags(content: bytes, draw: Draw) -> bytes:
    """Change type, count or value of entries in the first directory of a little-endian TIFF, or its place."""
    data = bytearray(content)
    start = int.from_bytes(data[4:8], "little")
    entries = int.from_bytes(data[start : start + 2], "little")
    for _ in range(draw.choice([1, 1, 2, 4])):
        entry = start + 2 + 12 * draw.randrange(entries)
        at, size = draw.choice([(0, 2), (2, 2), (4, 4), (8, 4), (8, 4)])
        odd = draw.choice(
            [0, 1, 2, 3, 5, 12, 13, 16, 255, 2**15, 2**16 - 1, 2**31, 2**32 - 1, draw.getrandbits(32)]
        )
        data[entry + at : entry + at + size] = (odd % 2 ** (8 * size)).to_bytes(size, "little")
    if draw.random() < 0.1:
        data[4:8] = draw.choice([0, 1, len(data), 2**32 - 1, start + 6]).to_bytes(4, "little")
    return bytes(data) if draw.random() < 0.8 else damaged(bytes(data), draw)


def _pictures(folder: Path) -> list[Path]:
    generator = np.random.default_rng(0)
    picture = Image.fromarray(generator.integers(0, 256, (40, 48, 3), dtype=np.uint8))
    files = [
        folder / f"train0{ending}" for ending in (".png", ".jpg", ".gif", ".bmp", ".webp", ".jp2", ".avif")
    ]
    for file in files:
        with contextlib.suppress(KeyError, OSError, ValueError):  # an encoder that this Pillow lacks
            picture.save(file)
    np.save(folder / "train0.npy", np.asarray(picture))
    return [file for file in [*files, folder / "train0.npy"] if file.exists()]


def _tiffs(folder: Path) -> list[Path]:
    import tifffile

    generator, found = np.random.default_rng(0), []
    shapes: dict[str, tuple[Any, dict[str, Any]]] = {
        "rgb": (np.uint8, {"photometric": "rgb"}),
        "deep": (np.uint16, {"photometric": "rgb", "extratags": [(42113, 2, 4, "-999", True)]}),
        "packed": (np.uint8, {"photometric": "rgb", "compression": "lzw"}),
        "tiled": (np.float32, {"photometric": "minisblack", "tile": (16, 16)}),
        "pages": (np.uint8, {"photometric": "minisblack"}),
    }
    for name, (kind, settings) in shapes.items():
        size = (3, 40, 48) if settings["photometric"] == "minisblack" else (40, 48, 3)
        values = generator.integers(0, 255, size).astype(kind)
        tifffile.imwrite(folder / f"{name}.tif", values, byteorder="<", **settings)
        found.append(folder / f"{name}.tif")
    return found


def _masks(folder: Path) -> list[Path]:
    import tifffile

    mask = np.zeros((40, 48), np.uint8)
    mask[5:20, 5:20] = 1
    picture = Image.fromarray(mask)
    picture.save(folder / "train0.png")
    tifffile.imwrite(folder / "train0.tif", mask, byteorder="<")
    np.save(folder / "train0.npy", mask)
    picture.putpalette([0, 0, 0, 200, 0, 0])
    (folder / "palette").mkdir()
    picture.save(folder / "palette/train0.png")
    return [folder / name for name in ("train0.png", "train0.tif", "train0.npy", "palette/train0.png")]


def _weights(folder: Path) -> list[Path]:
    state = torch.load("weights.pth", weights_only=True)["state_dict"]
    save_file(state, folder / "w.safetensors")
    torch.save({"state_dict": state}, folder / "w.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    return [folder / name for name in ("w.safetensors", "w.pth", "old.pth")]


def _copied(*names: str) -> Callable[[Path], list[Path]]:
    """Return what takes files of the world as they are."""
    return lambda folder: [Path(shutil.copy(name, folder / Path(name).name)) for name in names]


def _text(name: str, content: Any) -> Callable[[Path], list[Path]]:
    def write(folder: Path) -> list[Path]:
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text)
        return [folder / name]

    return write


_POLYGON = [5, 5, 30, 5, 30, 30]
_COCO = {
    "images": [{"id": 1, "file_name": "train0.png", "height": 40, "width": 48}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [_POLYGON], "iscrowd": 0},
        {
            "id": 2,
            "image_id": 1,
            "category_id": 2,
            "segmentation": {"size": [40, 48], "counts": [0, 9, 1911]},
        },
    ],
    "categories": [{"id": 1, "name": "square"}, {"id": 2, "name": "disk"}],
}
_LABELME = {
    "imagePath": "train0.png",
    "imageHeight": 40,
    "imageWidth": 48,
    "shapes": [{"label": "square", "points": [[5, 5], [30, 5], [30, 30]], "shape_type": "polygon"}],
}
_CVAT = (
    '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task><labels>'
    "<label><name>square</name></label></labels></task></meta>"
    '<image id="0" name="train0.png" width="48" height="40"><polygon label="square" points="5,5;30,5;30,30">'
    "</polygon></image></annotations>\n"
)
_DATASET = """names: [background, square, {name: disk, values: [2], color: [9, 8, 7]}]
ignore: [255]
labeled: {images: data/images/train, masks: data/masks/train, list: data/labeled.txt}
unlabeled: {images: data/images/train}
val: {images: data/images/val, masks: data/masks/val}
"""
_OVERRIDES = "\n".join(
    (
        "data.crop_size=64",
        "method.name=fixmatch",
        "optimizer.lr=1e-3",
        "model.backbone.depth=3",
        "steps=5",
        "data.resize_range=[0.5, 2.0]",
        "method.views={weak: identity}",
        "callbacks=[tensorboard]",
    )
)


def _line(content: bytes, draw: Draw) -> bytes:
    return of_text(draw.choice(content.splitlines()), draw).replace(b"\0", b"") or b"="


def of_lines(content: bytes, draw: Draw) -> bytes:
    """Damage one line of JSON among several."""
    lines = content.splitlines()
    number = draw.randrange(len(lines))
    lines[number] = of_json(lines[number], draw)
    return b"\n".join(lines) + b"\n"


def _exported(folder: Path) -> list[Path]:
    """Return an ONNX file of the run."""
    code, said = call(["export", "run", "--size", "32x32", "--out", str(folder / "net.onnx")])
    assert not code, said
    return [folder / "net.onnx"]


def of_metadata(content: bytes, draw: Draw) -> bytes:
    """Damage what an ONNX file tells beside its network, or leave some of it out."""
    import onnx

    model = onnx.load_from_string(content)
    told = [each for each in model.metadata_props if each.key in ("names", "colors", "input", "evaluate")]
    chosen = draw.choice(told)
    if draw.random() < 0.1:
        model.metadata_props.remove(chosen)
    else:
        chosen.value = of_json(chosen.value.encode(), draw).decode("utf-8", "replace")
    written: bytes = model.SerializeToString()
    return written


_RESUME = "train run.yaml steps=1 evaluate_every=0 --out broken --resume"
_INIT = "init data/images/train --masks mutated --out d.yaml"
SURFACES = {
    "image": Surface(
        _pictures, ("predict run {file} --out out", "init mutated --masks data/masks/train --out d.yaml")
    ),
    "TIFF": Surface(_tiffs, ("predict run {file} --out out",), of_tags),
    "mask": Surface(_masks, (_INIT,)),
    "mask in TIFF": Surface(lambda folder: _masks(folder)[1:2], (_INIT,), of_tags),
    "weights": Surface(_weights, ("convert {file} out/w.safetensors",)),
    "run as YAML": Surface(_copied("run.yaml"), ("config show {file}",), of_yaml),
    "dataset.yaml": Surface(
        _text("set.yaml", _DATASET), ("check {file}", "config show {file}"), of_yaml, "{name}"
    ),
    "override": Surface(_text("overrides.txt", _OVERRIDES), ("config show demo {text}",), _line),
    "split list": Surface(
        _copied("data/labeled.txt"),
        ("splits check {file}", "check run.yaml data.labeled_split=../{file}"),
        of_text,
    ),
    "COCO": Surface(
        _text("coco.json", _COCO), ("init data/images/train --masks {file} --out d.yaml",), of_json
    ),
    "labelme": Surface(_text("train0.json", _LABELME), (_INIT,), of_json),
    "CVAT": Surface(
        _text("annotations.xml", _CVAT), ("init data/images/train --masks {file} --out d.yaml",), of_text
    ),
    "model card": Surface(
        _copied("run/model/model.json"),
        ("predict broken photos/p0.png --out out", "val broken"),
        of_json,
        "broken/model/{name}",
    ),
    "run.json": Surface(
        _copied("run/run.json"),
        (
            _RESUME,
            "val broken",
            "report broken --quick --out r.html",
        ),
        of_json,
        "broken/{name}",
    ),
    "journal": Surface(
        _copied("run/journal.jsonl"),
        (_RESUME, "report broken --quick --out r.html"),
        of_lines,
        "broken/{name}",
    ),
    "scores": Surface(
        _copied("run/scores.jsonl"),
        (_RESUME, "report broken --quick --out r.html"),
        of_lines,
        "broken/{name}",
    ),
    "ONNX metadata": Surface(_exported, ("predict {file} photos/p0.png --out out",), of_metadata),
    "shard index": Surface(
        _copied("shards/photos-000000.tar.index"),
        ("check run.yaml data.unlabeled_shards=../shards",),
        of_text,
        "shards/{name}",
    ),
    "index of states": Surface(
        _copied("run/checkpoint/index.json"),
        (_RESUME,),
        of_json,
        "broken/checkpoint/{name}",
    ),
}


def mutate(
    trials: Trials, root: Path, count: int, seed: int = 0, at_once: int = 100
) -> Iterator[dict[str, Any]]:
    """Give ``count`` mutated inputs to commands, the same number of each surface.

    Yields:
        A record per surface and process: how many there were, their exit codes, and those that ended wrong.
    """
    from every_verb import make_world

    if not (root / "world").exists():
        make_world(root / "world")
    rest = {
        name: count // len(SURFACES) + (place < count % len(SURFACES)) for place, name in enumerate(SURFACES)
    }
    while any(rest.values()):
        for name in SURFACES:
            share = min(rest[name], at_once)
            rest[name] -= share
            if not share:
                continue
            seed += 1
            first = seed <= len(SURFACES)
            place = root / "place"
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(root / "world", place)
            (trial,) = trials.call(
                "mutations:give", name, share, seed, first, place=place, patience=60.0 * (share + 20)
            )
            died = [f"the process ended with {trial.code}: {trial.err[-2000:]}"] if trial.code else []
            found = trial.value or {"codes": {}, "wrong": []}
            yield {"surface": name, "inputs": share, "codes": found["codes"], "wrong": found["wrong"] + died}


def give(name: str, count: int, seed: int, first: bool) -> dict[str, Any]:
    """Give mutated inputs of one surface to commands, in this process in the folder of a small world."""
    surface, draw, here = SURFACES[name], random.Random(f"{name} {seed}"), Path.cwd()
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    Path("good").mkdir()
    good = surface.make(Path("good"))
    Path("masks.yaml").write_text(
        _DATASET.replace("data/masks/train", "mutated", 1).replace("data/labeled", "one")
    )
    Path("one.txt").write_text("train0\n")
    sound, codes, wrong = {path.name for path in here.iterdir()}, dict[int, int](), []
    sound_too = [(file, command, _whole) for file in good for command in surface.commands] if first else []
    drawn = ((draw.choice(good), draw.choice(surface.commands), surface.damage) for _ in range(count))
    for number, (file, command, damage) in enumerate([*sound_too, *drawn]):
        place = Path(surface.place.format(name=file.name))
        if place.parts[0] == "broken":
            shutil.copytree("run", "broken")
        place.parent.mkdir(exist_ok=True, parents=True)
        content = damage(file.read_bytes(), draw)
        place.write_bytes(content)
        text = content.decode("utf-8", "surrogateescape")
        words = [word.format(file=place, text=text) for word in command.split()]
        code, said = call(words)
        codes[code] = codes.get(code, 0) + 1
        problems = list(judged(code, said, here))
        if damage is _whole and code and file.stem not in _OTHER_NUMBERS:
            problems.append(f"it is sound, but exit code {code}: {said[-1500:]}")
        if problems:
            wrong.append(
                {"words": words, "seed": [seed, number], "input": repr(content[:300]), "problems": problems}
            )
        for path in here.iterdir():
            if path.name not in sound:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return {"codes": codes, "wrong": wrong}


def call(words: list[str]) -> tuple[int, str]:
    """Run ``s4former`` in this process; return its exit code and all that it said."""
    from s4former.__main__ import main

    def late(*_: object) -> None:
        raise TimeoutError(f"not done in {_SECONDS} s")

    said = io.StringIO()
    sys.argv = ["s4former", *words]
    signal.signal(signal.SIGALRM, late)
    signal.alarm(_SECONDS)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException as error:
        said.write(f"Traceback: {error!r}")
        code = 99
    finally:
        signal.alarm(0)
    return code, said.getvalue()


def judged(code: int, said: str, here: Path) -> Iterator[str]:
    """Yield what is wrong with how a command ended, or with what it left."""
    if code not in CODES:
        yield f"exit code {code}: {said[-1500:]}"
    elif "Traceback" in said or "internal error" in said:
        yield f"a traceback: {said[-1500:]}"
    elif code and not said.strip():
        yield f"exit code {code} without a word"
    elif len(said) > 20_000:
        yield f"{len(said)} characters: {said[:300]}"
    if (here / "escaped").exists():
        yield "it ran code"
    for path in [*here.glob("out/**/*"), *here.glob("*.yaml"), *here.glob("*.html")]:
        if path.name != "set.yaml" and path.is_file() and (problem := half_written(path)):
            yield f"{path.name} is half written: {problem}"
