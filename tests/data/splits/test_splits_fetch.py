"""Getting published lists from a publisher: right ones, changed ones, ones whose checksum is not known."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopback import Site, serve
from s4former.data.splits.fetch import fetch_splits, unverified
from s4former.data.splits.lists import read_split
from s4former.data.splits.published import PUBLISHERS, PublishedList, Publisher

_PUBLISHED = Path(__file__).resolve().parents[4] / "shared" / "splits"
LABELED, UNLABELED = b"2007_000032\n2007_000039", b"2007_000063\n2007_000068\n2007_000121\n"


def publisher(*, known: bool = True) -> Publisher:
    sums = [hashlib.sha256(text).hexdigest() if known else None for text in (LABELED, UNLABELED)]
    return Publisher(
        "http://127.0.0.1:1/never",
        (
            PublishedList("data/l.txt", "VOCdevkit/VOC2012/datasplits/l.txt", 2, sums[0]),
            PublishedList("data/u.txt", "VOCdevkit/VOC2012/datasplits/u.txt", 3, sums[1]),
        ),
    )


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as served:
        served.files = {"copy/data/l.txt": LABELED, "copy/data/u.txt": UNLABELED}
        yield served


def test_lists_are_fetched_once(site: Site, tmp_path: Path) -> None:
    fetched, problems = fetch_splits(publisher(), tmp_path, f"{site.address}/copy/")
    assert not problems
    assert [one.new for one in fetched] == [True, True]
    assert not unverified(fetched)
    path = tmp_path / "VOCdevkit/VOC2012/datasplits/l.txt"
    assert path.read_bytes() == LABELED
    fetched, problems = fetch_splits(publisher(), tmp_path, f"{site.address}/copy")
    assert (problems, [one.new for one in fetched], len(site.asked)) == ([], [False, False], 2)


def test_a_changed_list_is_not_taken(site: Site, tmp_path: Path) -> None:
    site.files["copy/data/l.txt"] = b"2007_000032\n2007_000040"
    fetched, problems = fetch_splits(publisher(), tmp_path, f"{site.address}/copy")
    assert [one.path.name for one in fetched] == ["u.txt"]
    assert "has the checksum" in problems[0]
    assert not (tmp_path / "VOCdevkit/VOC2012/datasplits/l.txt").exists()


def test_a_list_of_the_user_is_left_alone_and_named(site: Site, tmp_path: Path) -> None:
    mine = tmp_path / "VOCdevkit/VOC2012/datasplits/l.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("my own\n")
    _, problems = fetch_splits(publisher(), tmp_path, f"{site.address}/copy")
    assert "is not the published data/l.txt" in problems[0]
    assert mine.read_text() == "my own\n"


def test_without_a_known_checksum_the_number_of_images_counts(site: Site, tmp_path: Path) -> None:
    fetched, problems = fetch_splits(publisher(known=False), tmp_path / "a", f"{site.address}/copy")
    assert (len(unverified(fetched)), problems) == (2, [])
    site.files["copy/data/l.txt"] = b"only_one\n"
    fetched, problems = fetch_splits(publisher(known=False), tmp_path / "b", f"{site.address}/copy")
    assert "names 1 images; the published data/l.txt names 2" in problems[0]
    assert not (tmp_path / "b/VOCdevkit/VOC2012/datasplits/l.txt").exists()


def test_a_list_that_is_gone_does_not_stop_the_others(site: Site, tmp_path: Path) -> None:
    del site.files["copy/data/l.txt"]
    fetched, problems = fetch_splits(publisher(), tmp_path, f"{site.address}/copy", pause=0.001)
    assert [one.path.name for one in fetched] == ["u.txt"]
    assert "404" in problems[0]


@pytest.mark.parametrize("name", ["s4former", "unimatch_v2"])
def test_the_table_fits_the_published_files(name: str) -> None:
    """Checksums and numbers of images of every list that lies beside the repository."""
    folder = _PUBLISHED / name
    if not folder.is_dir():
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"{folder} is missing", pytrace=False)
        pytest.skip(f"{folder} is missing")
    seen = 0
    for one in PUBLISHERS[name].lists:
        below = one.source.partition("datasplits/")[2] or one.source.removeprefix("splits/")
        path = folder / below
        if path.exists():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == one.sha256
            assert len(read_split(path)) == one.images
            seen += 1
        else:
            assert one.sha256 is None
    assert seen == len(list(folder.rglob("*.txt")))


def test_labeled_and_unlabeled_add_up() -> None:
    whole = {"VOCdevkit/VOC2012": 10_582, "cityscapes": 2_975, "coco": 118_287, "ade": 20_210}
    checked = 0
    for name in ("unimatch", "unimatch_v2"):
        counts = {one.target: one.images for one in PUBLISHERS[name].lists}
        for target, images in counts.items():
            if target.endswith("/labeled.txt"):
                rest = counts[target.replace("/labeled", "/unlabeled")]
                assert images + rest == next(whole[home] for home in whole if target.startswith(home))
                checked += 1
    assert checked == 20 + 20
    assert len({one.target for each in PUBLISHERS.values() for one in each.lists}) == 23 + 43 + 44


def test_lists_go_where_the_recipes_look() -> None:
    targets = {one.target for each in PUBLISHERS.values() for one in each.lists}
    assert "VOCdevkit/VOC2012/datasplits/voc_split_U2PL/92_train_supervised.txt" in targets
    assert "cityscapes/datasplits/city_splits_CPS/372_train_unsupervised.txt" in targets
    assert "cityscapes/datasplits/unimatch/1_4/labeled.txt" in targets
    assert "coco/datasplits/unimatch/1_512/unlabeled.txt" in targets
    assert "ade/ADEChallengeData2016/datasplits/unimatch_v2/1_64/labeled.txt" in targets
