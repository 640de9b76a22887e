"""Archives: what is unpacked, what is refused, and that a damaged one leaves only whole files."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from miniatures import tar, zipped
from s4former.config import DataError, UserError
from s4former.curation.prepare.archives import unpack

NOISE = {f"set/{name}.bin": np.random.default_rng(seed).bytes(6000) for seed, name in enumerate("abcde")}


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a zip or tar archive, by the ending of the path."""
    return (zipped if path.suffix == ".zip" else tar)(path, files)


def wanted(name: str) -> str | None:
    return f"out/{name.removeprefix('set/')}" if name.startswith("set/") and name.endswith(".bin") else None


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
def test_wanted_files_are_unpacked_once(tmp_path: Path, kind: str) -> None:
    archive = pack(tmp_path / f"a.{kind}", {**NOISE, "set/readme.txt": b"hello", "other/x.bin": b"x"})
    seen: list[tuple[str, int, int | None]] = []
    assert unpack(archive, tmp_path / "data", wanted, lambda *event: seen.append(event)) == 5
    assert content(tmp_path / "data") == {
        name.replace("set/", "out/"): noise for name, noise in NOISE.items()
    }
    assert seen[-1][0] == f"unpacking a.{kind}"
    (tmp_path / "data/out/b.bin").unlink()
    (tmp_path / "data/out/c.bin").write_bytes(b"somebody's own")
    before = content(tmp_path / "data")
    with pytest.raises(UserError, match=r"c\.bin.*nothing is written over"):
        unpack(archive, tmp_path / "data", wanted)
    assert content(tmp_path / "data") == before
    (tmp_path / "data/out/c.bin").unlink()
    assert unpack(archive, tmp_path / "data", wanted) == 2
    assert content(tmp_path / "data")["out/c.bin"] == NOISE["set/c.bin"]


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 0.7])
def test_truncated(tmp_path: Path, kind: str, share: float) -> None:
    archive = pack(tmp_path / f"a.{kind}", NOISE)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match="truncated or damaged"):
        unpack(archive, tmp_path / "data", wanted)
    for name, found in content(tmp_path / "data").items():
        assert found == NOISE[name.replace("out/", "set/")]


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_the_last_byte_is_missing(tmp_path: Path, kind: str) -> None:
    archive = pack(tmp_path / f"a.{kind}", NOISE)
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(DataError, match="truncated or damaged"):
        unpack(archive, tmp_path / "data", wanted)


def test_a_tar_cut_between_two_files(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.tar", NOISE)
    archive.write_bytes(archive.read_bytes()[: 2 * (512 + 6144)])
    with tarfile.open(archive) as opened:
        assert len(opened.getnames()) == 2  # Python takes it for a whole archive
    with pytest.raises(DataError, match="its end is missing"):
        unpack(archive, tmp_path / "data", wanted)


def test_damaged_inside(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", NOISE)
    bits = bytearray(archive.read_bytes())
    bits[8000] ^= 1
    archive.write_bytes(bits)
    with pytest.raises(DataError, match=r"damaged .*CRC"):
        unpack(archive, tmp_path / "data", wanted)
    assert set(content(tmp_path / "data")) == {"out/a.bin"}


def test_something_else_under_that_name(tmp_path: Path) -> None:
    for name in ("a.zip", "a.tar", "a.tgz"):
        (tmp_path / name).write_bytes(b"<html>please log in</html>" * 100)
        with pytest.raises(DataError, match="truncated or damaged"):
            unpack(tmp_path / name, tmp_path / "data", wanted)


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
@pytest.mark.parametrize(
    "name", ["../out.bin", "set/../../out.bin", "/etc/out.bin", "set\\..\\..\\x", "C:/x.bin"]
)
def test_paths_that_lead_out(tmp_path: Path, kind: str, name: str) -> None:
    archive = pack(tmp_path / f"a.{kind}", {name: b"x"})
    with pytest.raises(DataError, match="leads out of the folder"):
        unpack(archive, tmp_path / "data", lambda _: None)
    with pytest.raises(DataError, match="leads out of the folder"):
        unpack(archive, tmp_path / "data", lambda name: name)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [f"a.{kind}"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("set/a.bin")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(DataError, match=r"set/a\.bin is a link"):
        unpack(tmp_path / "a.tar", tmp_path / "data", wanted)


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("set/a.bin")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match=r"set/a\.bin is a link"):
        unpack(tmp_path / "a.zip", tmp_path / "data", wanted)


def test_a_link_that_the_user_made_is_followed(tmp_path: Path) -> None:
    (tmp_path / "large_disk").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/out").symlink_to(tmp_path / "large_disk")
    assert unpack(pack(tmp_path / "a.zip", NOISE), tmp_path / "data", wanted) == 5
    assert len(list((tmp_path / "large_disk").iterdir())) == 5
