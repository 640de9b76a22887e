"""What commands write: nothing that is anybody's own is ever in its way."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from s4former.config import Ledgers, UserError, claim
from s4former.config import outputs as outputs_module
from s4former.config.outputs import LEDGER, same_on_disk
from time_limit import within


def write(path: Path, text: str = "new", **options: bool) -> None:
    claim([(path, "a text")], "text", instead="go away", **options).write_text(path, text)


def test_a_file_is_written_once_and_again_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write(path, "first")
    write(path, "second")
    assert path.read_text() == "second"
    assert sorted(os.listdir(path.parent)) == [LEDGER, "a.txt"]
    assert Ledgers().wrote(path)
    path.write_text("edited")
    with pytest.raises(UserError, match=r"a\.txt has been changed since s4former wrote it\ngo away"):
        write(path)
    write(path, "third", edited=True)
    assert path.read_text() == "third"


def test_a_copy_is_known_by_its_content_and_an_edit_of_the_same_size_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write(path, "12345")
    os.utime(path, (1, 1))
    assert Ledgers().wrote(path)
    path.write_text("12354")
    assert not Ledgers().wrote(path)
    path.unlink()
    path.symlink_to(tmp_path / "b.txt")
    (tmp_path / "b.txt").write_text("12345")
    assert not Ledgers().wrote(path)


def test_another_kind_of_output_is_not_replaced(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    with pytest.raises(UserError, match=r"a\.txt is there already, and is no page"):
        claim([(tmp_path / "a.txt", "it")], "page", instead="", edited=True)


def test_a_broken_ledger_makes_no_file_ours(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    for broken in ("", "{", "[1]\n", '{"name": ["a.txt"]}\n', "\x00\xff"):
        (tmp_path / LEDGER).write_text(broken)
        with pytest.raises(UserError, match="is there already"):
            write(tmp_path / "a.txt")


@pytest.mark.parametrize("make", ["text", "hard", "soft", "dangling", "folder"])
def test_whatever_stands_in_the_way_stays(tmp_path: Path, make: str) -> None:
    own, path = tmp_path / "own.txt", tmp_path / "out" / "a.txt"
    own.write_text("own")
    path.parent.mkdir()
    if make == "text":
        path.write_text("own")
    elif make == "hard":
        path.hardlink_to(own)
    elif make == "folder":
        path.mkdir()
    else:
        path.symlink_to(own if make == "soft" else tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"out/a\.txt is (there already|a folder)"):
        write(path)
    assert own.read_text() == "own"
    assert os.listdir(path.parent) == ["a.txt"]


def test_an_input_is_no_output_by_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.txt"
    write(path, "ours, and read this time")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path / "hard").mkdir()
    (tmp_path / "hard" / "b.txt").hardlink_to(path)
    monkeypatch.chdir(tmp_path / "hard")
    for name in (
        path,
        "../in/a.txt",
        "../link/a.txt",
        "../hard/../in/a.txt",
        "b.txt",
        tmp_path / "hard/b.txt",
    ):
        with pytest.raises(UserError, match="is one of the files that are read"):
            claim([(Path(name), "it")], "text", [path], instead="")


def test_two_outputs_in_one_place_are_told_with_what_they_are_of(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    pairs = [(tmp_path / "a.png", "one"), (tmp_path / "link" / "x" / ".." / "a.png", "two")]
    with pytest.raises(UserError, match=r"a\.png would be written for one and for two"):
        claim(pairs, "picture", instead="")
    with pytest.raises(UserError, match=r"a\.png would be a file and a folder"):
        claim([(tmp_path / "a.png", "one"), (tmp_path / "a.png" / "b.png", "two")], "picture", instead="")


def test_a_file_where_a_folder_is_wanted_and_names_that_no_disk_takes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("own")
    with pytest.raises(UserError, match=r"file is a file, and the folder \S+file/x is wanted"):
        write(tmp_path / "file" / "x" / "a.txt")
    with pytest.raises(UserError, match="too long"):
        write(tmp_path / ("a" * 300))
    write(tmp_path / ("a" * 251 + ".txt"))


def test_names_that_differ_in_case_alone_are_two_files_only_where_the_disk_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accents = (unicodedata.normalize(form, "caf\u00e9.png") for form in ("NFC", "NFD"))
    for first, second in (("A.png", "a.png"), ("B/x.png", "b/x.png"), accents):
        pairs = [(tmp_path / first, first), (tmp_path / second, second)]
        assert not same_on_disk(tmp_path / first, tmp_path / second), "this disk tells case apart"
        claim(pairs, "picture", instead="")
        with monkeypatch.context() as disk:
            disk.setattr(outputs_module.os.path, "lexists", lambda path: True)
            assert same_on_disk(tmp_path / first, tmp_path / second)
            with pytest.raises(UserError, match="are one file on this disk"):
                claim(pairs, "picture", instead="")
    assert os.listdir(tmp_path) == []


def test_many_problems_are_counted(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.txt").write_text("own")
    pairs = [(tmp_path / f"{number}.txt", "it") for number in range(9)]
    with pytest.raises(UserError, match=r"(?s)0\.txt is.*1\.txt is.*2\.txt is.*and 6 more\ntype this"):
        claim(pairs, "text", instead="type this")


def test_only_what_was_claimed_is_written(tmp_path: Path) -> None:
    outputs = claim([(tmp_path / "a.txt", "it")], "text", instead="")
    with pytest.raises(RuntimeError, match="not claimed"):
        outputs.write_text(tmp_path / "b.txt", "other")


def test_a_line_that_a_crash_has_cut_costs_no_other_file(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    ledger = tmp_path / LEDGER
    ledger.write_bytes(ledger.read_bytes()[:-20])
    write(tmp_path / "b.txt")
    write(tmp_path / "b.txt", "newer")
    assert (tmp_path / "b.txt").read_text() == "newer"


@pytest.mark.parametrize("make", ["link", "dangling", "hard link", "pipe", "folder"])
def test_nothing_is_written_where_the_ledger_is_another_file(tmp_path: Path, make: str) -> None:
    own, ledger = tmp_path / "own.txt", tmp_path / "out" / LEDGER
    own.write_text("my notes\n")
    ledger.parent.mkdir()
    if make == "hard link":
        ledger.hardlink_to(own)
    elif make == "pipe":
        os.mkfifo(ledger)
    elif make == "folder":
        ledger.mkdir()
    else:
        ledger.symlink_to(own if make == "link" else tmp_path / "nowhere")
    with (
        within(10),
        pytest.raises(UserError, match=r"nothing was written:\n.*s4former-outputs.*take it away"),
    ):
        write(ledger.parent / "a.txt")
    assert own.read_text() == "my notes\n"
    assert os.listdir(ledger.parent) == [LEDGER]
    assert sorted(os.listdir(tmp_path)) == ["out", "own.txt"]


def test_a_ledger_that_became_a_link_is_not_written_through(tmp_path: Path) -> None:
    own, path = tmp_path / "own.txt", tmp_path / "out" / "a.txt"
    own.write_text("my notes\n")
    outputs = claim([(path, "a text")], "text", instead="go away")
    path.parent.mkdir()
    (path.parent / LEDGER).symlink_to(own)
    with pytest.raises(UserError, match="is a link"):
        outputs.write_text(path, "new")
    assert own.read_text() == "my notes\n"
    assert os.listdir(path.parent) == [LEDGER]


def test_a_ledger_of_brackets_makes_no_file_ours(tmp_path: Path) -> None:
    write(tmp_path / "a.txt")
    (tmp_path / LEDGER).write_text("[" * 200_000 + "]" * 200_000 + "\n")
    with pytest.raises(UserError, match="is there already"):
        write(tmp_path / "a.txt")


def test_a_text_that_no_file_can_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.txt cannot be written.*udcff.*photos/.*rename it"):
        write(tmp_path / "a.txt", "photos/\udcff.png")
    assert os.listdir(tmp_path) == []
