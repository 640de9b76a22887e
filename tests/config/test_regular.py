"""Files that are none: read by no reader of texts, and named."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from s4former.config import DataError, UserError, config_file, read_json, read_lines, regular
from s4former.curation.annotations.reading import load_json, load_xml
from s4former.data import read_split
from s4former.data.classes import read_classes
from s4former.data.dataset_yaml import read_dataset_file
from time_limit import within

READERS: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
    "text": (regular.read_text, OSError),
    "json": (read_json, OSError),
    "diary": (read_lines, OSError),
    "config": (config_file, UserError),
    "classes": (read_classes, DataError),
    "dataset": (read_dataset_file, DataError),
    "split": (read_split, DataError),
    "annotations": (load_json, DataError),
    "xml": (load_xml, DataError),
}


@pytest.mark.parametrize("name", READERS)
def test_no_reader_waits_for_a_pipe_or_reads_a_device(tmp_path: Path, name: str) -> None:
    read, kind = READERS[name]
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for file, what in (("pipe", "a named pipe"), ("zero", "a device")):
        with within(10), pytest.raises(kind, match=f"it is {what}, and a regular file was expected"):
            read(tmp_path / file)


def test_links_to_files_are_read_and_links_to_nothing_say_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "broken").symlink_to("nothing")
    assert regular.read_text(tmp_path / "link") == "content"
    with pytest.raises(FileNotFoundError):
        regular.read_text(tmp_path / "broken")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(os.path.relpath(tmp_path / "socket"))
        assert "a socket" in str(regular.not_regular(tmp_path / "socket"))


def test_brackets_without_an_end_are_no_classes(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text("[" * 200_000 + "]" * 200_000)
    with pytest.raises(DataError, match="cannot read the classes file"):
        read_classes(tmp_path / "classes.json")


def test_lines_are_added_after_what_a_crash_has_cut(tmp_path: Path) -> None:
    for content in ("", "one\n", "one"):
        (tmp_path / "file").write_text(content)
        regular.append(tmp_path / "file", b"two")
        assert (tmp_path / "file").read_text().split() == [*content.split(), "two"]
    assert issubclass(regular.IrregularFileError, OSError)
