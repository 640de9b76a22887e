"""Files that are whole or absent, and what a run says of its origin."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from stat import S_ISDIR

import pytest

from s4former.config import read_json, versions, write_atomically, write_json
from s4former.config.record import commit_of, run_record


@pytest.mark.parametrize("synced", [True, False])
def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path, synced: bool) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail, synced=synced)
    assert read_json(path) == {"x": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("synced", [True, False])
def test_a_file_is_on_the_disk_before_it_takes_a_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: bool
) -> None:
    path, replace, seen = tmp_path / "a.txt", os.replace, []

    def noted(source: Path, target: Path) -> None:
        seen.append("named")
        replace(source, target)

    monkeypatch.setattr(
        os, "fsync", lambda fd: seen.append("folder" if S_ISDIR(os.fstat(fd).st_mode) else "file")
    )
    monkeypatch.setattr(os, "replace", noted)
    write_atomically(path, lambda temporary: temporary.write_text("whole"), synced=synced)
    assert seen == (["file", "named", "folder"] if synced else ["named"])
    assert path.read_text() == "whole"


def test_nan_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_commit_names_the_checkout_its_changes_and_nothing_else(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e@e"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    package = tmp_path / "package"
    package.mkdir()
    assert commit_of(package) is None
    git("init")
    (package / "a.py").write_text("1")
    assert commit_of(package) is None, "a package that the repository does not track is not of that commit"
    git("add", ".")
    git("commit", "-m", "first")
    head = git("rev-parse", "HEAD")
    assert commit_of(package) == head
    (package / "a.py").write_text("2")
    assert commit_of(package) == f"{head}+changes"


def test_a_record_is_json_and_says_with_what_it_ran() -> None:
    record = json.loads(json.dumps(run_record({"steps": 1}, {"fingerprint": "f"}, {"device": "cpu"})))
    assert record["run"] == {"steps": 1}
    assert record["hardware"]["device"] == "cpu"
    assert record["hardware"]["cores"] >= 1
    assert record["versions"] == versions()
    assert record["versions"]["torch"][0].isdigit()


@pytest.mark.parametrize("text", ['{"a": NaN}', "[-Infinity]", '["\\ud800"]'])
def test_what_could_not_be_written_again_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"is no number|half a character"):
        read_json(tmp_path / "run.json")


def test_letters_of_two_surrogates_are_read(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('["\\ud83d\\ude00"]')
    assert read_json(tmp_path / "run.json") == ["\U0001f600"]
