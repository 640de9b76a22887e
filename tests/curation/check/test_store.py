"""What is known of files is remembered until they change."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s4former.curation import ImageFacts
from s4former.curation.check.facts import MaskFacts
from s4former.curation.check.store import FactsStore
from s4former.data.sources.mask_files import Reading


def write(path: Path, seed: int, size: int = 8) -> Path:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)).save(path)
    return path


class Reader:
    """Looks at images and writes down which."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def __call__(self, file: Path) -> ImageFacts:
        self.opened.append(file.name)
        return ImageFacts.of(file, 3, None)


def look(store: Path, files: list[Path], settings: object = None) -> tuple[dict[Path, ImageFacts], list[str]]:
    reader = Reader()
    facts = FactsStore(store, ImageFacts, settings, files[0].parent).look(files, reader, "opening")
    return facts, sorted(reader.opened)


def test_only_files_that_changed_are_opened_again(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{number}.png", number) for number in range(4)]
    store = tmp_path / "cache/images.jsonl"
    first, opened = look(store, files)
    assert opened == ["0.png", "1.png", "2.png", "3.png"]
    assert list(first) == files
    again, opened = look(store, files)
    assert (again, opened) == (first, [])
    write(files[1], 9)
    os.utime(files[2], ns=(1, 1))
    changed, opened = look(store, files)
    assert opened == ["1.png", "2.png"]
    assert changed[files[1]].digest != first[files[1]].digest
    assert changed[files[2]] == first[files[2]]


def test_other_settings_look_again(tmp_path: Path) -> None:
    files = [write(tmp_path / "0.png", 0)]
    look(tmp_path / "store", files, (3, None))
    assert look(tmp_path / "store", files, (3, None))[1] == []
    assert look(tmp_path / "store", files, (3, (0, 9)))[1] == ["0.png"]


def test_a_folder_that_moved_is_known(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    write(tmp_path / "old/0.png", 0)
    look(tmp_path / "old/.s4former/images.jsonl", [tmp_path / "old/0.png"])
    (tmp_path / "old").rename(tmp_path / "new")
    assert look(tmp_path / "new/.s4former/images.jsonl", [tmp_path / "new/0.png"])[1] == []


@pytest.mark.parametrize("content", ["", "{}", "no json\n", '{"facts": "1 None"}\n["a"]\n'])
def test_a_broken_store_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    files = [write(tmp_path / "0.png", 0)]
    (tmp_path / "store").write_text(content)
    assert look(tmp_path / "store", files)[1] == ["0.png"]
    assert look(tmp_path / "store", files)[1] == []


def test_a_store_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    files = [write(tmp_path / "0.png", 0)]
    (tmp_path / "file").write_text("in the way")
    facts, _ = look(tmp_path / "file/store", files)
    assert facts[files[0]].error is None


def test_what_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "0.png"
    facts, _ = look(tmp_path / "store", [file])
    assert "no such file" in str(facts[file].error)
    facts, opened = look(tmp_path / "store", [file])
    assert opened == ["0.png"]


def test_an_interrupted_look_is_not_lost(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{number:03}.png", number) for number in range(300)]

    def stop_late(file: Path) -> ImageFacts:
        if file.name == "299.png":
            raise KeyboardInterrupt
        return ImageFacts.of(file, 3, None)

    with pytest.raises(KeyboardInterrupt):
        FactsStore(tmp_path / "store", ImageFacts, None, tmp_path).look(files, stop_late, "opening")
    _, opened = look(tmp_path / "store", files)
    assert 1 <= len(opened) < 100


def test_progress_is_told(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{number}.png", number) for number in range(3)]
    heard: list[tuple[str, int, int | None]] = []
    store = FactsStore(tmp_path / "store", ImageFacts, None, tmp_path)
    store.look(files, Reader(), "opening", lambda *said: heard.append(said))
    assert heard == [("opening", 1, 3), ("opening", 2, 3), ("opening", 3, 3)]


def test_facts_of_masks_survive_the_store(tmp_path: Path) -> None:
    colors = np.zeros((4, 4, 3), np.uint8)
    colors[:2] = 200, 30, 40
    Image.fromarray(colors).save(tmp_path / "color.png")
    Image.fromarray(np.eye(4, dtype=np.uint16) * 1000).save(tmp_path / "deep.png")
    files = [tmp_path / "color.png", tmp_path / "deep.png"]
    fresh = FactsStore(tmp_path / "store", MaskFacts, True, tmp_path).look(
        files, partial(MaskFacts.of, reading=Reading(colors=True)), ""
    )
    stored = FactsStore(tmp_path / "store", MaskFacts, True, tmp_path)
    assert stored.look(files, partial(MaskFacts.of, reading=Reading(colors=True)), "") == fresh
    assert stored.fresh == 0
    assert fresh[files[0]].counts == (((0, 0, 0), 8), ((200, 30, 40), 8))
    assert fresh[files[1]].counts == ((0, 12), (1000, 4))
