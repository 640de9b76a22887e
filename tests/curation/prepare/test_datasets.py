"""Preparing each data set from archives of its true structure: what lies where, and what the masks hold."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import miniatures
from loopback import Site, serve
from miniatures import SIZE, VOC_AUG, VOC_VAL
from s4former.config import DataError, UserError
from s4former.curation import open_source
from s4former.curation.prepare import DATASETS, carry_out, plan, verify
from s4former.curation.prepare import ade20k as ade20k_module
from s4former.curation.prepare import coco as coco_module
from s4former.curation.prepare import voc as voc_module
from s4former.curation.prepare.ade20k import shift_ids
from s4former.curation.prepare.camvid import void_to_ignore
from s4former.curation.prepare.cityscapes import LABEL_IDS, to_train_ids
from s4former.curation.prepare.coco import draw_instances
from s4former.curation.prepare.steps import Archive
from s4former.curation.prepare.voc import read_sbd
from s4former.data import KNOWN

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools on NumPy 2

MAKERS: dict[str, Callable[[Path], list[Path]]] = {
    "voc": miniatures.voc_archives,
    "cityscapes": miniatures.cityscapes_archives,
    "coco": miniatures.coco_archives,
    "ade20k": miniatures.ade20k_archives,
    "camvid": miniatures.camvid_archives,
}
COUNTS = {
    "voc": (4, 2, 0),
    "cityscapes": (4, 2, 0),
    "coco": (3, 1, 0),
    "ade20k": (4, 2, 0),
    "camvid": (3, 2, 2),
}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the archives of all data sets."""
    folder = tmp_path_factory.mktemp("archives")
    for make in MAKERS.values():
        make(folder)
    return folder


def prepare(name: str, root: Path, archives: Path | None) -> Path:
    """Prepare a data set and return its folder."""
    dataset = DATASETS[name]()
    carry_out(plan(dataset, root, archives), root)
    return root / dataset.folder


def mask(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def tree(root: Path) -> dict[str, int]:
    return {
        str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("name", DATASETS)
def test_what_was_prepared_opens_and_is_not_done_again(name: str, tmp_path: Path, archives: Path) -> None:
    dataset = DATASETS[name]()
    folder = prepare(name, tmp_path, archives)
    source = open_source(dataset.config(tmp_path))
    assert (len(source.labeled), len(source.val), len(source.test)) == COUNTS[name]
    assert source.classes == KNOWN[name]
    assert json.loads((folder / "classes.json").read_text())["names"] == list(KNOWN[name].names)
    result = verify(dataset.config(tmp_path), dataset.images)
    assert result.masks_read == sum(COUNTS[name])
    assert result.pixels.sum() == sum(COUNTS[name]) * SIZE[0] * SIZE[1]
    assert [found for found, _ in result.counts.values()] == [count for count in COUNTS[name] if count]
    assert any("the published data set has" in difference for difference in result.differences)
    assert {image.shape[:2] for _, image, _ in result.samples} == {SIZE}
    assert not list(tmp_path.rglob("*.tmp"))
    before = tree(tmp_path)
    prepare(name, tmp_path, archives)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", DATASETS)
def test_a_plan_changes_nothing(name: str, tmp_path: Path, archives: Path) -> None:
    dataset = DATASETS[name]()
    actions = {planned.action for planned in plan(dataset, tmp_path)}
    assert actions == ({"get", "make"} if name == "cityscapes" else {"download", "make"})
    assert {planned.action for planned in plan(dataset, tmp_path, archives)} == {"unpack", "make"}
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="there is no folder"):
        plan(dataset, tmp_path, tmp_path / "none")


def test_voc(tmp_path: Path, archives: Path) -> None:
    folder = prepare("voc", tmp_path, archives)
    lists = folder / "ImageSets/Segmentation"
    assert (lists / "train_aug.txt").read_text().split() == list(VOC_AUG)
    assert sorted(path.stem for path in (folder / "SegmentationClassAug").iterdir()) == list(VOC_AUG)
    aug, own = folder / "SegmentationClassAug", folder / "SegmentationClass"
    for id in ("2007_000032", "2007_000039"):  # VOC's mask goes before SBD's
        assert (aug / f"{id}.png").read_bytes() == (own / f"{id}.png").read_bytes()
    sbd = read_sbd(folder.parent / "VOCaug/dataset/cls/2008_000002.mat")
    assert np.array_equal(mask(aug / "2008_000002.png"), sbd)
    assert np.array_equal(sbd, miniatures.labels(101, 21))
    assert not (folder / "Annotations").exists()


def test_voc_with_masks_from_elsewhere_needs_no_sbd(
    tmp_path: Path, archives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voc_module, "_NUM_AUG", 4)
    aug = tmp_path / "VOCdevkit/VOC2012/SegmentationClassAug"
    aug.mkdir(parents=True)
    for seed, id in enumerate((*VOC_AUG, *VOC_VAL)):  # the common folder of 12,031 masks has those of val too
        Image.fromarray(miniatures.labels(seed, 21)).save(aug / f"{id}.png")
    before = tree(aug)
    only_voc = tmp_path / "archives"
    only_voc.mkdir()
    (only_voc / "VOCtrainval_11-May-2012.tar").symlink_to(archives / "VOCtrainval_11-May-2012.tar")
    lists = tmp_path / "VOCdevkit/VOC2012/ImageSets/Segmentation"
    steps = [step for step in plan(DATASETS["voc"](), tmp_path, only_voc) if "SBD" not in step.step.title]
    carry_out(steps, tmp_path)
    assert (lists / "train_aug.txt").read_text().split() == list(VOC_AUG)
    assert tree(aug) == before
    titles = {step.step.title: step.action for step in plan(DATASETS["voc"](), tmp_path)}
    assert titles["masks of SBD"] == "nothing"


def test_cityscapes(tmp_path: Path, archives: Path) -> None:
    folder = prepare("cityscapes", tmp_path, archives)
    stem = "gtFine/train/jena/jena_000000_000019_gtFine"
    given, made = mask(folder / f"{stem}_labelIds.png"), mask(folder / f"{stem}_labelTrainIds.png")
    for label in range(34):
        expected = LABEL_IDS.index(label) if label in LABEL_IDS else 255
        assert set(made[given == label].tolist()) == {expected}
    assert not list((folder / "gtFine/test").rglob("*TrainIds*"))
    assert (folder / f"{stem}_polygons.json").exists()
    assert (folder / "leftImg8bit/test/bonn/bonn_000000_000019_leftImg8bit.png").exists()


def test_cityscapes_needs_a_login(tmp_path: Path, archives: Path) -> None:
    with pytest.raises(UserError) as error:
        prepare("cityscapes", tmp_path, None)
    for words in (
        "leftImg8bit_trainvaltest.zip (11.6 GB) and gtFine_trainvaltest.zip (253 MB)",
        "--archives",
    ):
        assert words in str(error.value)
    (tmp_path / "half").mkdir()
    (tmp_path / "half/gtFine_trainvaltest.zip").symlink_to(archives / "gtFine_trainvaltest.zip")
    with pytest.raises(UserError, match=r"^leftImg8bit_trainvaltest.zip \(11.6 GB\) can only be had"):
        prepare("cityscapes", tmp_path, tmp_path / "half")
    assert not (tmp_path / "cityscapes").exists()


def test_label_ids_agree_with_torchvision() -> None:
    from torchvision.datasets import Cityscapes

    scored = sorted(
        (one for one in Cityscapes.classes if 0 <= one.train_id < 255), key=lambda one: one.train_id
    )
    assert tuple(one.id for one in scored) == LABEL_IDS
    assert tuple(one.name for one in scored) == KNOWN["cityscapes"].names
    assert tuple(one.color for one in scored) == KNOWN["cityscapes"].colors


def test_coco(tmp_path: Path, archives: Path) -> None:
    folder = prepare("coco", tmp_path, archives)
    drawn = mask(folder / "masks/train2017/000000000009.png")
    expected = np.zeros(SIZE, np.uint8)
    expected[:, SIZE[1] // 2 :] = 17  # category 18 is the 17th: 12 is none
    expected[:8, :8] = 1
    expected[:4, :4] = 80
    assert np.array_equal(drawn, expected)
    assert KNOWN["coco"].names[17] == "dog"
    assert set(mask(folder / "masks/train2017/000000000030.png").ravel().tolist()) == {0}
    assert not list((folder / "annotations").glob("captions*"))


def test_coco_draws_nothing_twice(tmp_path: Path, archives: Path) -> None:
    folder = prepare("coco", tmp_path, archives)
    mine = folder / "masks/train2017/000000000025.png"
    Image.fromarray(np.full(SIZE, 7, np.uint8)).save(mine)
    prepare("coco", tmp_path, archives)
    assert set(mask(mine).ravel().tolist()) == {7}


def test_compressed_runs_are_drawn_too() -> None:
    from pycocotools import mask as runs

    inside = np.zeros(SIZE, np.uint8, order="F")
    inside[3:7, 2:9] = 1
    annotation = {"segmentation": runs.encode(inside), "area": 28, "category_id": 5}
    assert np.array_equal(draw_instances([annotation], *SIZE, classes={5: 9}), inside * 9)


def test_ade20k(tmp_path: Path, archives: Path) -> None:
    folder = prepare("ade20k", tmp_path, archives)
    given = mask(folder / "annotations/training/ADE_train_00000001.png")
    made = mask(folder / "masks/training/ADE_train_00000001.png")
    assert set(made[given == 0].tolist()) == {255}
    assert np.array_equal(made[given > 0], given[given > 0] - 1)
    with pytest.raises(DataError, match="is it shifted already"):
        shift_ids(np.array([[255, 0]], np.uint8), "a.png")


def test_camvid(tmp_path: Path, archives: Path) -> None:
    folder = prepare("camvid", tmp_path, archives)
    given, made = mask(folder / "annotations/test/test_1.png"), mask(folder / "masks/test/test_1.png")
    assert set(made[given == 11].tolist()) == {255}
    assert np.array_equal(made[given < 11], given[given < 11])
    with pytest.raises(DataError, match="values of CamVid are 0 to 11"):
        void_to_ignore(np.array([[12]], np.uint8), "a.png")


def test_unknown_label_ids() -> None:
    assert to_train_ids(np.array([[255]], np.uint8), "a.png").tolist() == [[255]]
    with pytest.raises(DataError, match=r"a\.png holds 34; label ids of Cityscapes are 0 to 33"):
        to_train_ids(np.array([[7, 34]], np.uint8), "a.png")


def test_a_damaged_mat_file(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(miniatures.mat(miniatures.labels(0, 21))[:300])
    with pytest.raises(DataError, match=r"cannot read .*a\.mat"):
        read_sbd(tmp_path / "a.mat")


def test_masks_that_do_not_fit_are_found(tmp_path: Path, archives: Path) -> None:
    folder, dataset = prepare("ade20k", tmp_path, archives), DATASETS["ade20k"]()
    made = folder / "masks/validation/ADE_val_00000002.png"
    Image.fromarray(np.full(SIZE, 200, np.uint8)).save(made)
    with pytest.raises(DataError, match=r"1 of 6 masks cannot be used:(.|\n)*ADE_val_00000002\.png"):
        verify(dataset.config(tmp_path), dataset.images)
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(made)
    with pytest.raises(DataError, match="5 x 5"):
        verify(dataset.config(tmp_path), dataset.images)
    made.unlink()
    with pytest.raises(DataError, match="ADE_val_00000002"):
        verify(dataset.config(tmp_path), dataset.images)


@pytest.fixture
def site(archives: Path) -> Iterator[Site]:
    """The archives on a server."""
    with serve() as served:
        served.files = {path.name: path.read_bytes() for path in archives.iterdir()}
        yield served


def on(site: Site, archive: Archive) -> Archive:
    """Return an archive as the test's server has it."""
    checksum = f"md5:{hashlib.md5(site.files[archive.name]).hexdigest()}"
    return dataclasses.replace(archive, url=f"{site.address}/{archive.name}", checksum=checksum)


def test_voc_from_the_web(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    both = voc_module._archives()
    assert [archive.name for archive in both] == ["VOCtrainval_11-May-2012.tar", "benchmark.tgz"]
    assert all(archive.url and archive.url.startswith("https://") for archive in both)
    monkeypatch.setattr(voc_module, "_archives", lambda: tuple(on(site, archive) for archive in both))
    site.break_after = [3000]
    prepare("voc", tmp_path, None)
    assert len(open_source(DATASETS["voc"]().config(tmp_path)).labeled) == 4
    asked = [name for name, _ in site.asked]
    assert asked == ["VOCtrainval_11-May-2012.tar"] * 2 + ["benchmark.tgz"]
    prepare("voc", tmp_path, None)  # the archives are kept
    assert len(site.asked) == 3


def test_coco_and_ade20k_from_the_web(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {part: on(site, archive) for part, archive in coco_module._ARCHIVES.items()}
    monkeypatch.setattr(coco_module, "_ARCHIVES", parts)
    monkeypatch.setattr(coco_module, "_ANNOTATIONS", on(site, coco_module._ANNOTATIONS))
    monkeypatch.setattr(ade20k_module, "_ARCHIVE", on(site, ade20k_module._ARCHIVE))
    for name in ("coco", "ade20k"):
        prepare(name, tmp_path, None)
        assert len(open_source(DATASETS[name]().config(tmp_path)).labeled) == COUNTS[name][0]


def test_a_wrong_archive_is_refused(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    right = on(site, ade20k_module._ARCHIVE)
    monkeypatch.setattr(ade20k_module, "_ARCHIVE", right)
    site.files[right.name] = site.files[right.name][:-100]
    with pytest.raises(DataError, match="has the checksum"):
        prepare("ade20k", tmp_path, None)
    assert not (tmp_path / "ade").exists()


def test_a_truncated_archive_is_named_and_what_it_gave_is_whole(tmp_path: Path, archives: Path) -> None:
    (tmp_path / "mine").mkdir()
    whole = (archives / "VOCtrainval_11-May-2012.tar").read_bytes()
    (tmp_path / "mine/VOCtrainval_11-May-2012.tar").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "mine/benchmark.tgz").symlink_to(archives / "benchmark.tgz")
    with pytest.raises(DataError, match=r"mine/VOCtrainval_11-May-2012\.tar is truncated"):
        prepare("voc", tmp_path, tmp_path / "mine")
    prepare("voc", tmp_path, archives)
    assert len(open_source(DATASETS["voc"]().config(tmp_path)).labeled) == 4
