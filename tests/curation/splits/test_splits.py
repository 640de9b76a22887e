"""Split lists in the formats in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from s4former.config import DataError
from s4former.data import first_few, read_split
from s4former.data.split_lists import Entry, write_split


def read(tmp_path: Path, text: str) -> tuple[Entry, ...]:
    (tmp_path / "split.txt").write_text(text, encoding="utf-8")
    return read_split(tmp_path / "split.txt")


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("2007_000032", Entry("2007_000032")),
        ("jena/jena_000032_000019", Entry("jena/jena_000032_000019")),
        ("frame.0001", Entry("frame.0001")),
        ("scan 3.JPG", Entry("scan 3")),
        ("day one\\scan.tif", Entry("day one/scan")),
        ("JPEGImages/a.jpg SegmentationClass/a.png", Entry("JPEGImages/a", "SegmentationClass/a")),
        ("my scan.jpg\tmy mask.png", Entry("my scan", "my mask")),
        ("/JPEGImages/a.jpg /Masks/a.png", Entry("JPEGImages/a", "Masks/a")),
        ("./train/a.png ", Entry("train/a")),
        ("../data/x/../a.png", Entry("data/a")),
        ('"a b.jpg", "c d.png"', Entry("a b", "c d")),
        ("'a b.jpg'", Entry("a b")),
        ("a.jpg,m/a.png", Entry("a", "m/a")),
        ("it's.png", Entry("it's")),
        ("cafe\u0301.png", Entry("caf\u00e9")),
    ],
)
def test_lines(tmp_path: Path, line: str, entry: Entry) -> None:
    assert read(tmp_path, f"\ufeff{line}\r\n\n") == (entry,)


def test_utf_16_as_windows_writes_it(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_bytes("a.png\r\nb.png\r\n".encode("utf-16"))
    assert read_split(tmp_path / "l.txt") == (Entry("a"), Entry("b"))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_split(tmp_path / "new/labeled.txt", ["b", "a b", "x/y.z"])
    assert [entry.image for entry in read_split(tmp_path / "new/labeled.txt")] == ["b", "a b", "x/y.z"]


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        read(tmp_path, "\n \n")
    with pytest.raises(DataError, match=r"names a, b more than once"):
        read(tmp_path, "a\nb\nb\na\n")
    with pytest.raises(DataError, match=r"cannot read the split list .*none\.txt"):
        read_split(tmp_path / "none.txt")


def test_first_few() -> None:
    assert first_few(["a", "b"], 2) == "a, b"
    assert first_few(["a", "b", "c"], 2) == "a, b and 1 more"
