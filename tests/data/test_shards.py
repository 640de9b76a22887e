"""Unlabeled images in tar shards: the same as in a folder, nothing let in, and no memory that grows."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import signal
import tarfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

from folders import make_folder, write_image
from s4former.augment import Views
from s4former.config import DataError, Interrupted, S4FormerError, StorageError, UserError
from s4former.curation import check_source, quick_check
from s4former.curation.shards import index_shards, make_shards
from s4former.data import DataConfig, ShardImages, Source, TrainBatches, batch_iterator, open_source
from s4former.data.sources import shards as shards_module
from s4former.data.sources.shard_index import INDEX
from s4former.data.sources.shards import open_shards
from s4former.engine import read_lines, train
from s4former.engine.callbacks import Callback
from s4former.types import DrawKey
from time_limit import within
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow

LONG = pytest.mark.skipif("S4FORMER_LONG" not in os.environ, reason="takes minutes; set S4FORMER_LONG=1")
VIEWS = Views(strong=("photometric", "photometric"))
CROPS = {"crop_size": 32, "labeled_batch_size": 1, "unlabeled_batch_size": 2}


def batches(source: Source, config: DataConfig) -> TrainBatches:
    return TrainBatches(config, source, VIEWS, 0)


def packed(root: Path, largest: int = 20_000) -> DataConfig:
    """Pack the training images of a folder, labeled ones among them, into several shards."""
    assert len(make_shards(root / "images/train", root / "shards", largest)) > 1
    return DataConfig(root=str(root), unlabeled_shards=("shards",), **CROPS)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_batches_are_those_of_the_folder(tmp_path: Path, workers: int) -> None:
    make_folder(tmp_path, unlabeled=6)
    write_image(tmp_path / "images/train/deep/er/é ü.v2.png", 7)
    sharded, plain = packed(tmp_path), DataConfig(root=str(tmp_path), **CROPS)
    source, folder = open_source(sharded), open_source(plain)
    assert isinstance(source.unlabeled, ShardImages)
    assert [id.split("/", 1)[1] for id in source.unlabeled] == [
        id.removeprefix("images/train/") for id in folder.unlabeled
    ]
    assert source.fingerprint() == open_source(sharded).fingerprint() != folder.fingerprint()
    for start in (0, 5):  # as a resumed run does
        both = [
            list(batch_iterator(batches(found, config), start, 9, workers))
            for found, config in ((source, sharded), (folder, plain))
        ]
        for ours, theirs in zip(*both, strict=True):
            assert torch.equal(ours.unlabeled.weak, theirs.unlabeled.weak)
            assert all(map(torch.equal, ours.unlabeled.strong, theirs.unlabeled.strong))


class StopAt(Callback):
    def on_step(self, step: int) -> None:
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)


def test_losses_and_a_resumed_run_are_those_of_the_folder(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", train=6)
    make_shards(data / "images/train", data / "shards", 10_000)
    sharded = tiny_run(data, {"data.unlabeled_shards": "shards"})
    train(tiny_run(data), tmp_path / "folder")
    with pytest.raises(Interrupted):
        train(sharded, tmp_path / "sharded", progress=StopAt())
    train(sharded, tmp_path / "sharded", resume=True)
    losses = [
        [line["loss"] for line in read_lines(tmp_path / name / "journal.jsonl")]
        for name in ("folder", "sharded")
    ]
    assert losses[0] == losses[1]


def test_a_dataset_yaml_names_shards(tmp_path: Path) -> None:
    make_folder(tmp_path)
    packed(tmp_path)
    text = (
        "names: [ground, red, blue]\nlabeled: {images: images/train, masks: masks/train}\n"
        "unlabeled: {shards: shards/train-*.tar, image_prefix: u}\n"
        "val: {images: images/val, masks: masks/val}\n"
    )
    (tmp_path / "dataset.yaml").write_text(text)
    config = DataConfig(source="dataset", root=str(tmp_path))
    source = open_source(config)
    assert [id.rsplit("/", 1)[1] for id in source.unlabeled] == ["u00", "u01", "u02", "u03", "u04"]
    check = check_source(source, config)
    assert quick_check(source, config)
    assert any("5 unlabeled images are in shards" in finding.message for finding in check.findings)
    (tmp_path / "dataset.yaml").write_text(text.replace("{shards", "{images: images/train, shards"))
    with pytest.raises(DataError, match="shards and images"):
        open_source(config)
    (tmp_path / "dataset.yaml").write_text(text)
    with pytest.raises(DataError, match="unlabeled_split names files"):
        open_source(config.model_copy(update={"unlabeled_shards": ("shards",), "unlabeled_split": "l.txt"}))


def test_a_check_opens_what_is_in_shards_once(tmp_path: Path) -> None:
    make_folder(tmp_path, unlabeled=6)
    (tmp_path / "images/train/broken.png").write_bytes(b"no image")
    config = packed(tmp_path)
    found = check_source(open_source(config), config)
    assert found.splits["unlabeled"].images == 7
    assert len(found.splits["unlabeled"].usable) == 6
    bad = [finding for finding in found.findings if finding.kind == "unreadable_image"]
    assert [(one.severity, one.count) for one in bad] == [("warning", 1)]
    assert "broken.png" in bad[0].examples[0]
    assert str(tmp_path / "shards") in bad[0].message  # not the file that it was unpacked to
    again = check_source(open_source(config), config)
    assert (again.fresh, again.findings) == (1, found.findings)  # what cannot be read is tried again

    shard = next((tmp_path / "shards").glob("*.tar"))  # bytes change, and the index does not
    with tarfile.open(shard) as file:
        start = next(member.offset_data for member in file if "/u" in f"/{member.name}")
    with shard.open("r+b") as file:
        file.seek(start + 60)
        file.write(bytes(20))
    damaged = check_source(open_source(config), config)
    assert [one.count for one in damaged.findings if one.kind == "unreadable_image"] == [2]

    for place in (tmp_path / "shards").iterdir():
        place.unlink()
    for number in range(7):
        (tmp_path / f"images/train/u{number:02}.png").write_bytes(b"no image either")
    config = packed(tmp_path, 200)
    with pytest.raises(DataError, match="unlabeled images cannot be read"):
        quick_check(open_source(config), config)


def test_images_in_shards_are_called_by_where_they_lie(tmp_path: Path) -> None:
    make_folder(tmp_path)
    config = packed(tmp_path)
    files = batches(open_source(config), config).files(0)
    assert [".tar" in file for file in files] == [False, True, True]


def test_an_address_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path)
    (tmp_path / "images/train/broken.png").write_bytes(b"no image")
    packed(tmp_path)
    fsspec.filesystem("memory").put(str(tmp_path / "shards"), "/named/shards", recursive=True)
    config = DataConfig(root=str(tmp_path), unlabeled_shards=("memory://named/shards",), **CROPS)
    source = open_source(config)
    assert all(file.startswith("memory:///named/") for file in batches(source, config).files(0)[1:])
    check = check_source(source, config)
    (bad,) = [finding for finding in check.findings if finding.kind == "unreadable_image"]
    assert "memory:///named/shards/" in bad.message
    assert bad.examples[0].startswith("memory:///named/shards/")
    monkeypatch.chdir(tmp_path / "images")
    assert check_source(source, config).fresh == 1  # what was seen is known from any working folder
    fsspec.filesystem("memory").rm("/named", recursive=True)


class Tagged(MemoryFileSystem):
    """A store whose key of a file is its address, and which tags contents, as web servers do."""

    protocol = "tagged"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("tagged://", "memory://")))

    def ukey(self, path: str) -> str:
        return path

    def info(self, path: str, **named: object) -> dict[str, object]:
        facts = super().info(path, **named)
        tag = hashlib.md5(self.cat_file(path)).hexdigest() if facts["type"] == "file" else None
        return {key: facts[key] for key in ("name", "size", "type")} | {"ETag": tag}


def test_a_shard_that_is_replaced_on_a_server_is_looked_at_again(tmp_path: Path) -> None:
    make_folder(tmp_path)
    packed(tmp_path)
    fsspec.register_implementation("tagged", Tagged, clobber=True)
    server = fsspec.filesystem("tagged")
    server.put(str(tmp_path / "shards"), "/replaced/shards", recursive=True)
    config = DataConfig(root=str(tmp_path), unlabeled_shards=("tagged://replaced/shards",), **CROPS)
    check_source(open_source(config), config)
    assert check_source(open_source(config), config).fresh == 0
    shard = server.glob("/replaced/shards/*.tar")[-1]
    damaged = bytearray(server.cat_file(shard))
    damaged[600:700] = bytes(100)  # in the first image; the shard is as long as before
    server.pipe_file(shard, bytes(damaged))
    again = check_source(open_source(config), config)
    assert again.fresh > 0
    assert "unreadable_image" in [finding.kind for finding in again.findings]
    server.rm("/replaced", recursive=True)


def test_only_copies_of_held_out_images_are_left_out(tmp_path: Path) -> None:
    make_folder(tmp_path, unlabeled=1)
    other = write_image(tmp_path / "images/train/v00.png", 5)  # called like one of val
    make_shards(tmp_path / "images", tmp_path / "shards", 10**6)
    source = open_source(DataConfig(root=str(tmp_path), unlabeled_shards=("shards",)))
    assert [*source.unlabeled] == ["images-000000/train/u00", "images-000000/train/v00"]
    assert np.array_equal(source.read_image(source.unlabeled[1], "unlabeled"), other)


def test_webdataset_shards_of_others_need_an_index(tmp_path: Path) -> None:
    pixels = write_image(tmp_path / "a.png", 1)
    for shard in ("one", "two"):
        with tarfile.open(tmp_path / f"{shard}.tar", "w") as file:
            file.add(tmp_path / "a.png", "./000.png")
            for name in ("000.json", "000.cls", "README"):
                file.addfile(tarfile.TarInfo(name))
    with pytest.raises(DataError, match="s4former shards index"):
        open_shards([str(tmp_path)], "shards")
    assert [images for _, images in index_shards([str(tmp_path)])] == [1, 1]
    assert index_shards([str(tmp_path)]) == []
    found = open_shards([str(tmp_path), str(tmp_path / "one.tar")], "shards")
    assert [*found] == ["one/000", "two/000"]
    assert np.array_equal(found.read("two/000", 3, None), pixels)


def test_shards_are_read_through_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path)
    local = open_source(packed(tmp_path))
    remote = fsspec.filesystem("memory")
    remote.put(str(tmp_path / "shards"), "/bucket/shards", recursive=True)
    config = DataConfig(root=str(tmp_path), unlabeled_shards=("memory://bucket/shards",))
    source = open_source(config)
    assert [*source.unlabeled] == [*local.unlabeled]
    assert source.fingerprint() == local.fingerprint()
    id = source.unlabeled[0]
    assert np.array_equal(source.read_image(id, "unlabeled"), local.read_image(id, "unlabeled"))

    failures = [TimeoutError("no answer")] * 2
    answer = type(remote).cat_file

    def cat_file(*given: object, **named: object) -> object:
        if failures:
            raise failures.pop()
        return answer(*given, **named)

    monkeypatch.setattr(type(remote), "cat_file", cat_file)
    monkeypatch.setattr(shards_module, "_WAITS", (0.0, 0.0))
    assert source.read_image(id, "unlabeled").shape == (40, 48, 3)
    failures += [TimeoutError("no answer")] * 3
    with pytest.raises(StorageError, match="no answer"):  # and no other image takes its place
        batches(source, config).batch(0)
    remote.rm("/bucket", recursive=True)
    with pytest.raises(StorageError, match="memory:///bucket"):
        source.read_image(id, "unlabeled")
    with pytest.raises(UserError, match="nonsense"):
        open_shards(["nonsense://bucket"], "shards")


def test_a_damaged_image_is_replaced_and_named(tmp_path: Path) -> None:
    make_folder(tmp_path)
    write_image(tmp_path / "images/train/z.bmp", 9)  # a format that does not notice
    config = packed(tmp_path, 40_000)
    source = open_source(config)
    shard = max(tmp_path.glob("shards/*.tar"))
    with tarfile.open(shard) as file:
        place = file.getmember("z.bmp").offset_data + 1000
    content = bytearray(shard.read_bytes())
    content[place] ^= 1
    shard.write_bytes(content)
    drawn = batches(source, config)
    for step in range(6):
        drawn.batch(step)
    assert drawn.bad_unlabeled.keys() == {f"{shard.stem}/z"}
    assert f"{shard}/z.bmp: its bytes" in drawn.bad_unlabeled[f"{shard.stem}/z"]


def member(name: str, **what: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in what.items():
        setattr(info, key, value)
    return info


PNG = io.BytesIO()
Image.new("RGB", (4, 4)).save(PNG, "PNG")
BAD = {
    "absolute": (member("/etc/passwd.png"), "leads out"),
    "up": (member("a/../../b.png"), "leads out"),
    "windows": (member("..\\b.png"), "leads out"),
    "drive": (member("C:b.png"), "leads out"),
    "line feed": (member("a\nb.png"), "cannot be printed"),
    "symbolic link": (
        member("a.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "a link to '/etc/passwd'",
    ),
    "hard link": (member("a.png", type=tarfile.LNKTYPE, linkname="../x"), "a link to"),
    "device": (member("a.png", type=tarfile.CHRTYPE), "device"),
    "pipe": (member("a.png", type=tarfile.FIFOTYPE), "device or pipe"),
    "huge": (member("a.png", size=2**40), "bytes"),
    "twice": (member("good.jpg"), "two images good"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_no_shard_may_hold_is_refused(tmp_path: Path, kind: str) -> None:
    info, words = BAD[kind]
    with (tmp_path / "x.tar").open("wb") as out, tarfile.open(fileobj=out, mode="w") as shard:
        for one in (member("good.png", size=len(PNG.getvalue())), info):
            out.write(one.tobuf())
            if one.isreg() and one.size < 2**20:
                out.write(PNG.getvalue().ljust(512, b"\0")[: 512 * bool(one.size)])
            shard.offset = out.tell()
    with pytest.raises(DataError, match=words):
        index_shards([str(tmp_path)])
    assert not (tmp_path / f"x.tar{INDEX}").exists()


@pytest.mark.parametrize(
    "harm",
    [
        lambda text: b"",
        lambda text: text[:-20],
        lambda text: text.replace(b"512 ", b"-512 ", 1),
        lambda text: text.replace(b"512 ", b"99999999999999999999 ", 1),
        lambda text: text.replace(b"512 ", b"88888 ", 1),
        lambda text: text.replace(b"a00", b"../", 1),
        lambda text: text.replace(b"/1 ", b"/2 ", 1),
        lambda text: text.replace(b"a00", b"\xff\xff\xff", 1),
        lambda text: b"\x80\x04." * 10,
    ],
)
def test_a_damaged_or_hostile_index_is_refused(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    make_folder(tmp_path)
    config = packed(tmp_path)
    index = tmp_path / f"shards/train-000000.tar{INDEX}"
    index.write_bytes(harm(index.read_bytes()))
    with pytest.raises(DataError, match=r"train-000000\.tar"):
        open_source(config)


def test_damaged_and_packed_tar_files_are_refused(tmp_path: Path) -> None:
    make_folder(tmp_path)
    packed(tmp_path)
    shard = tmp_path / "shards/train-000000.tar"
    shard.write_bytes(shard.read_bytes()[:-3000])
    with pytest.raises(DataError, match="shards index"):  # the index says how long it was
        open_shards([str(shard)], "shards")
    for name, content in (("cut", shard.read_bytes()[:2000]), ("noise", os.urandom(4000)), ("empty", b"")):
        (tmp_path / f"{name}.tar").write_bytes(content)
        with pytest.raises(DataError, match=rf"{name}\.tar"):
            index_shards([str(tmp_path / f"{name}.tar")])
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as file:
        file.add(tmp_path / "images")
    with pytest.raises(DataError, match=r"packed\.tar"):
        index_shards([str(tmp_path / "packed.tar")])


def test_nothing_of_the_users_is_written_over(tmp_path: Path) -> None:
    make_folder(tmp_path)
    packed(tmp_path)
    packed(tmp_path)  # its own are made anew
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    (tmp_path / "shards/other.tar").write_text("mine")
    with pytest.raises(UserError, match="other shards"):
        packed(tmp_path)
    (tmp_path / "shards/other.tar").unlink()
    for name in ("train-000001.tar", f"train-000001.tar{INDEX}"):
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / name).write_text("mine")
        with pytest.raises(UserError, match="nothing was written"):
            make_shards(tmp_path / "images/train", tmp_path / "mine", 20_000)
        assert [path.read_text() for path in (tmp_path / "mine").iterdir()] == ["mine"]
        (tmp_path / "mine" / name).unlink()
    assert {path: path.read_bytes() for path in before} == before
    (tmp_path / "void").mkdir()
    for place, words in (("void", "no image"), ("nowhere", "no folder")):
        with pytest.raises(DataError, match=words):
            make_shards(tmp_path / place, tmp_path / "new", 10**6)


def many_images(root: Path, count: int) -> DataConfig:
    make_folder(root)
    (root / "shards").mkdir()
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "BMP")
    for number in range(count // 500):
        with tarfile.open(root / f"shards/many-{number:06}.tar", "w") as shard:
            for image in range(500):
                content.seek(0)
                info = member(f"a/folder/{image:06}.bmp", size=len(content.getvalue()))
                shard.addfile(info, content)
    assert sum(images for _, images in index_shards([str(root / "shards")])) == count
    return DataConfig(root=str(root), unlabeled_shards=("shards",), cache_images=0, **CROPS)


@pytest.mark.parametrize(
    ("count", "read"),
    [(2_000, 1_000), pytest.param(200_000, 20_000, marks=[LONG, pytest.mark.timeout(1800)])],
)
def test_memory_is_flat(tmp_path: Path, count: int, read: int) -> None:
    config = many_images(tmp_path, count)
    source = open_source(config)
    assert len(source.unlabeled) == count
    drawn = batches(source, config)

    def resident_after(steps: range) -> int:
        for step in steps:
            for index in drawn.unlabeled:
                drawn.unlabeled_image(DrawKey(0, step), index, {})
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    part = read // 10  # steps of two images
    sizes = [resident_after(range(number * part, (number + 1) * part)) for number in range(5)]
    # What is kept of each image read would show in every part; buffers grow once.
    grown = min(after - before for before, after in pairwise(sizes))
    assert grown < 100 * 2 * part


@pytest.mark.parametrize("name", ["a\nb.png", "\udcff.png", "a\\b.png"])
def test_a_name_that_no_shard_may_hold_is_refused_before_the_first_byte(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / "photos/plain.png", 1)
    os.rename(tmp_path / "photos/plain.png", tmp_path / "photos" / name)
    with pytest.raises(DataError, match=r"1 of 1 images have names that are not packed.*rename"):
        make_shards(tmp_path / "photos", tmp_path / "packed", 10**6)
    assert not (tmp_path / "packed").exists()


@pytest.mark.parametrize("make", ["pipe", "device"])
def test_only_regular_files_are_packed(tmp_path: Path, make: str) -> None:
    write_image(tmp_path / "photos/plain.png", 1)
    if make == "pipe":
        os.mkfifo(tmp_path / "photos/x.png")
    else:
        (tmp_path / "photos/x.png").symlink_to("/dev/zero")
    with within(10), pytest.raises(DataError, match=rf"photos/x\.png: it is a (named )?{make}"):
        make_shards(tmp_path / "photos", tmp_path / "packed", 10**6)
    assert not (tmp_path / "packed").exists()
    os.mkfifo(tmp_path / "pipe.tar")
    with within(10), pytest.raises(S4FormerError):
        index_shards([str(tmp_path / "pipe.tar")])
