"""Downloads: whole, broken off and continued, refused, with a wrong checksum."""

from __future__ import annotations

import hashlib
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopback import Site, serve
from s4former.config import DataError, UserError
from s4former.curation.download import download, require_space

CONTENT = bytes(range(256)) * 40
CHECKSUM = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as served:
        served.files["set.zip"] = CONTENT
        yield served


def fetch(site: Site, folder: Path, checksum: str | None = CHECKSUM, name: str = "set.zip") -> bytes:
    return download(f"{site.address}/{name}", folder / "new/set.zip", checksum, pause=0.001).read_bytes()


def test_a_file_is_fetched_once(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    url, path = f"{site.address}/set.zip", tmp_path / "set.zip"
    download(url, path, f"sha256:{hashlib.sha256(CONTENT).hexdigest()}", lambda *event: seen.append(event))
    assert path.read_bytes() == CONTENT
    whole = (len(CONTENT), len(CONTENT))
    assert seen[-2:] == [("downloading set.zip", *whole), ("checking set.zip", *whole)]
    download(url, path, CHECKSUM)
    assert len(site.asked) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["set.zip"]


def test_a_broken_download_goes_on_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.break_after = [1000, 500, 0]
    assert fetch(site, tmp_path) == CONTENT
    assert [wanted for _, wanted in site.asked] == [None, "bytes=1000-", "bytes=1500-", "bytes=1500-"]


def test_a_part_from_an_earlier_run_is_used(site: Site, tmp_path: Path) -> None:
    site.break_after = [4000, 0, 0, 0, 0, 0]
    with pytest.raises(DataError, match=r"closed too early.*goes on with what came so far"):
        fetch(site, tmp_path)
    assert (tmp_path / "new/set.zip.part").stat().st_size == 4000
    site.asked.clear()
    assert fetch(site, tmp_path) == CONTENT
    assert site.asked == [("set.zip", "bytes=4000-")]


def test_a_server_without_ranges_sends_everything_again(site: Site, tmp_path: Path) -> None:
    site.ranges, site.break_after = False, [1000]
    assert fetch(site, tmp_path) == CONTENT


def test_a_part_that_is_whole(site: Site, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/set.zip.part").write_bytes(CONTENT)
    assert fetch(site, tmp_path) == CONTENT


@pytest.mark.parametrize("part", [b"something else", CONTENT + b"too long", bytes(len(CONTENT))])
def test_a_part_of_something_else_is_given_up(site: Site, tmp_path: Path, part: bytes) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/set.zip.part").write_bytes(part)
    assert fetch(site, tmp_path) == CONTENT


def test_a_wrong_checksum_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.files["set.zip"] = b"an error page"
    with pytest.raises(DataError, match=rf"expected {CHECKSUM}.*--archives DIR"):
        fetch(site, tmp_path)
    assert list((tmp_path / "new").iterdir()) == []


def test_what_is_not_there_is_not_asked_for_again(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="404 Not Found"):
        fetch(site, tmp_path, name="moved.zip")
    assert len(site.asked) == 1


def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.statuses = [503, 429]
    assert fetch(site, tmp_path) == CONTENT
    site.statuses = [500] * 9
    with pytest.raises(DataError, match="500"):
        download(f"{site.address}/set.zip", tmp_path / "other.zip", pause=0.001)


def test_no_server_at_all(tmp_path: Path) -> None:
    with serve() as gone:
        pass
    with pytest.raises(DataError, match=r"cannot download http://127.*--archives DIR"):
        download(f"{gone.address}/set.zip", tmp_path / "set.zip", pause=0.001)


def test_only_web_addresses(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="https://"):
        download((tmp_path / "x").as_uri(), tmp_path / "set.zip")


def test_a_full_disk_is_seen_before(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**30, 2**30 - 2**20, 2**20))
    with pytest.raises(UserError, match=r"0\.0 GB are free; make space"):
        fetch(site, tmp_path)
    with pytest.raises(UserError, match=r"5\.0 GB are needed"):
        require_space(tmp_path / "not/yet/there", 5 * 10**9)
