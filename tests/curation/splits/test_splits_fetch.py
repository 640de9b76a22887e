"""Published lists: those that ship, and from a publisher right ones, changed ones, unknown ones."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopback import Site, serve
from s4former.config import DataError
from s4former.curation.splits import fetch
from s4former.curation.splits.fetch import fetch_splits, unverified
from s4former.data import PUBLISHERS, read_split, split_lines
from s4former.data.published_lists import PublishedList, Publisher, checksum

pytestmark = pytest.mark.slow

_PUBLISHED = Path(__file__).resolve().parents[4] / "shared" / "splits"
LABELED, UNLABELED = b"2007_000032\n2007_000039", b"2007_000063\n2007_000068\n2007_000121\n"


def publisher(*, known: bool = True) -> Publisher:
    sums = [checksum(text.decode().split()) if known else None for text in (LABELED, UNLABELED)]
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
    assert "names other images" in problems[0]
    assert not (tmp_path / "VOCdevkit/VOC2012/datasplits/l.txt").exists()


def test_a_list_of_the_user_is_left_alone_and_named(site: Site, tmp_path: Path) -> None:
    mine = tmp_path / "VOCdevkit/VOC2012/datasplits/l.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("my\nown\n")
    _, problems = fetch_splits(publisher(), tmp_path, f"{site.address}/copy")
    assert "names other images than the published data/l.txt" in problems[0]
    assert mine.read_text() == "my\nown\n"
    mine.write_bytes(b"\n".join(reversed(LABELED.split())))  # the same split, written down otherwise
    assert not fetch_splits(publisher(), tmp_path, f"{site.address}/copy")[1]


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
    assert "--from ADDRESS" in problems[0]
    assert "--archives" not in problems[0]


def published(name: str) -> Path:
    folder = _PUBLISHED / name
    if not folder.is_dir():
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"{folder} is missing", pytrace=False)
        pytest.skip(f"{folder} is missing")
    return folder


def test_the_lists_of_the_release_come_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "download", None)
    fetched, problems = fetch_splits(PUBLISHERS["s4former"], tmp_path)
    assert (len(fetched), problems) == (23, [])
    assert not unverified(fetched)
    for split in (662, 1323, 2646, 5291):
        lists = tmp_path / "VOCdevkit/VOC2012/datasplits/voc_split_CPS"
        labeled, others = (
            {entry.image for entry in read_split(lists / f"{split}_train_{kind}.txt")}
            for kind in ("supervised", "unsupervised")
        )
        assert not labeled & others
        assert len(labeled | others) == 10_582


def test_the_lists_of_the_release_are_those_that_it_has(tmp_path: Path) -> None:
    """Line by line, but for the order of five lists and for one that the release has twice by mistake."""
    folder = published("s4former")
    fetch_splits(PUBLISHERS["s4former"], tmp_path)
    seen, reordered, other = 0, [], []
    for one in PUBLISHERS["s4former"].lists:
        ours = (tmp_path / one.target).read_bytes()
        theirs = (folder / one.source.partition("datasplits/")[2]).read_bytes()
        if sorted(ours.split()) != sorted(theirs.split()):
            other.append(Path(one.target).name)
        elif ours != theirs:
            reordered.append(Path(one.target).name)
        seen += 1
    assert other == ["5291_train_unsupervised.txt"]
    assert reordered == [f"{n}_train_unsupervised.txt" for n in (92, 183, 366, 732, 1464)]
    assert seen == len(list(folder.rglob("*.txt")))


def test_a_checkout_and_a_wheel_have_the_lists() -> None:
    """Where the release's README has them, and where an installed package looks."""
    root = Path(__file__).resolve().parents[3]
    project = tomllib.loads((root / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert {Path(one.target).parent for one in PUBLISHERS["s4former"].lists} == {
        Path(source).relative_to("data") for source in included
    }
    for source, target in included.items():
        assert target == f"s4former/curation/splits/shipped/{Path(source).relative_to('data')}"
        tracked = [path for path in (root / source).iterdir() if "_supervised" in path.name]
        assert (
            len(tracked) == {"voc_split_U2PL": 5, "voc_split_CPS": 4, "city_splits_CPS": 2}[Path(source).name]
        )


def test_the_table_fits_the_published_files() -> None:
    """Checksums and numbers of images of every list of UniMatch V2 that lies beside the repository."""
    folder = published("unimatch_v2")
    seen = 0
    for one in PUBLISHERS["unimatch_v2"].lists:
        path = folder / one.source.removeprefix("splits/")
        if path.exists():
            assert checksum(split_lines(path)) == one.sha256
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


@pytest.mark.parametrize("root", ["data", "/sets"])
def test_a_missing_published_list_names_what_brings_it(
    tmp_path: Path, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for target, name in (
        ("VOCdevkit/VOC2012/datasplits/voc_split_U2PL/92_train_unsupervised.txt", "s4former"),
        ("ade/ADEChallengeData2016/datasplits/unimatch_v2/1_64/labeled.txt", "unimatch_v2"),
    ):
        with pytest.raises(DataError, match=rf"type `s4former splits fetch {name} --root {root}`"):
            read_split(Path(root) / target)
    with pytest.raises(DataError, match=r"mine.txt: \[Errno 2\][^;]*$"):
        read_split(Path("mine.txt"))


def test_lists_go_where_the_recipes_look() -> None:
    targets = {one.target for each in PUBLISHERS.values() for one in each.lists}
    assert "VOCdevkit/VOC2012/datasplits/voc_split_U2PL/92_train_supervised.txt" in targets
    assert "cityscapes/datasplits/city_splits_CPS/372_train_unsupervised.txt" in targets
    assert "cityscapes/datasplits/unimatch/1_4/labeled.txt" in targets
    assert "coco/datasplits/unimatch/1_512/unlabeled.txt" in targets
    assert "ade/ADEChallengeData2016/datasplits/unimatch_v2/1_64/labeled.txt" in targets
