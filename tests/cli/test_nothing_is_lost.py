"""No command writes over a file that the package did not write, whichever it is and whatever it writes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer.main
from PIL import Image

from command_line import CommandLine
from every_verb import WRITES, make_photos, make_world, sums
from s4former.cli.main import app
from s4former.compat import mmseg_test, mmseg_train

pytestmark = [pytest.mark.slow, pytest.mark.curves]  # what a run draws could be in the way too

READS = {
    "val": "val run",
    "recipes": "recipes",
    "models": "models",
    "methods": "methods",
    "backbones": "backbones vit_tiny_patch16_224",
    "doctor": "doctor",
    "config explain": "config explain steps",
    "config show": "config show run.yaml",
    "shards index": "shards index shards",  # which has one
    "splits check": "splits check data/labeled.txt",
}
CASES = [(name, place) for name, (_, places) in WRITES.items() for place in places]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("outputs")
    make_world(root)
    return root


@pytest.fixture
def world(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to work in."""
    shutil.copytree(original, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    return tmp_path / "world"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def call(shell: CommandLine, name: str, words: str) -> int:
    tools = {"tools/train.py": mmseg_train.main, "tools/test.py": mmseg_test.main}
    tool = tools.get(name.partition(",")[0])
    return shell.run(tool, name, *words.split()) if tool else shell(*words.split())


def commands() -> Iterator[str]:
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            yield from (f"{name} {each}" for each in command.commands)
        else:
            yield name


def test_every_command_is_tried_here() -> None:
    tried = {name.partition(",")[0].removesuffix(" again") for name in WRITES} | set(READS)
    elsewhere = {"app"}  # serves a page, and writes into a temporary folder alone: test_app.py
    assert tried | elsewhere == {*commands(), "tools/train.py", "tools/test.py"}


@pytest.mark.parametrize(("name", "place"), CASES)
def test_a_file_in_the_way_ends_a_command_before_its_first_byte(
    shell: CommandLine, world: Path, name: str, place: str
) -> None:
    words = WRITES[name][0]
    own, _, instead_of = place.partition("=")
    if instead_of:
        words = words.replace(instead_of, own)
    elif not Path(own).exists():
        Path(own).parent.mkdir(parents=True, exist_ok=True)
        Path(own).write_text("somebody's own")
    before = sums(world)
    code = call(shell, name, words)
    assert code == (3 if name == "splits fetch" else 1), shell.err
    assert any(part in shell.err for part in Path(own).parts)
    after = sums(world)
    if name == "splits fetch":  # the other lists have nothing in their way
        after = {path: after[path] for path in before}
    assert after == before


@pytest.mark.parametrize("name", READS)
def test_other_commands_write_nothing(shell: CommandLine, world: Path, name: str) -> None:
    before = sums(world)
    assert shell(*READS[name].split()) == 0, shell.err
    assert sums(world) == before


@pytest.mark.parametrize(
    "name", ["predict", "check", "init again", "convert", "splits make", "tools/test.py"]
)
def test_what_a_command_wrote_it_writes_again(shell: CommandLine, world: Path, name: str) -> None:
    words, places = WRITES[name]
    for _ in range(2):
        assert call(shell, name, words) == 0, shell.err
        assert all(Path(place).is_file() for place in places if "=" not in place)


@pytest.mark.parametrize("way", ["by name", "inside", "link", "..", "hard links", "masks", "test.py"])
def test_fifty_photographs_stay_as_they_are(shell: CommandLine, world: Path, way: str) -> None:
    make_photos(world / "same", 50)
    shutil.copytree(world / "same", world / "masks")
    (world / "link").symlink_to(world / "same")
    (world / "hard").mkdir()
    for photo in (world / "same").iterdir():
        os.link(photo, world / "hard" / photo.name)
    before = sums(world)
    said: dict[str, Callable[[], int]] = {
        "by name": lambda: shell("predict", "run", "same", "--out", "same"),
        "inside": lambda: shell("predict", world / "run", ".", "--out", "."),
        "link": lambda: shell("predict", "run", "same", "--out", "link"),
        "..": lambda: shell("predict", "run", *(world / "same").iterdir(), "--out", "same/../same"),
        "hard links": lambda: shell("predict", "run", "same/*.png", "--out", "hard"),
        "masks": lambda: shell("predict", "run", "same", "--out", "masks"),
        "test.py": lambda: shell.run(
            mmseg_test.main, "test.py", "run.yaml", "run", "--out", "data/images/val", "--show-dir", "masks"
        ),
    }
    if way == "inside":
        os.chdir(world / "same")
    assert said[way]() == 1
    assert "nothing was written" in shell.err
    assert ("and 47 more" in shell.err) == (way != "test.py")
    assert sums(world) == before


def test_outputs_among_the_images_are_never_inputs(shell: CommandLine, world: Path) -> None:
    for _ in range(3):
        assert shell("predict", "run", "photos", "--out", "photos/out") == 0
        assert "3 of 3 images" in shell.out
    assert "passed over 7 pictures" in shell.err
    assert len(list(Path("photos").rglob("*.png"))) == 3 + 7
    shutil.copytree("photos/out", "elsewhere")  # its ledger goes with it
    assert shell("predict", "run", "elsewhere", "--out", "again") == 1
    assert "but what s4former wrote itself" in shell.err
    assert shell("predict", "run", *Path("photos/out").glob("*.png"), "photos/p0.png", "--out", "again") == 0
    assert "1 of 1 images" in shell.out
    Image.open("photos/p1.png").save("photos/out/p0.png")  # a prediction gives way to a photograph
    assert shell("predict", "run", "photos/out", "--out", "again") == 0
    assert "1 of 1 images" in shell.out


def test_hidden_and_run_folders_hold_no_photographs(shell: CommandLine, world: Path) -> None:
    shutil.move("run", "photos/run")
    make_photos(Path("photos/.cache"), 2)
    assert list(Path("photos/run/panels").glob("*.png"))
    assert shell("predict", "photos/run", "photos", "--out", "out") == 0
    assert "3 of 3 images" in shell.out
    assert shell("predict", "photos/run", "photos/run", "--out", "out") == 1
    assert "there is no such image" in shell.err


def test_two_images_that_would_be_one_picture_are_named(shell: CommandLine, world: Path) -> None:
    shutil.copy("photos/p0.png", "photos/p1_overlay.png")
    assert shell("predict", "run", "photos", "--out", "out") == 1
    assert "out/p1_overlay.png would be written for photos/p1.png and for photos/p1_overlay.png" in shell.err
    Path("photos/p1_overlay.png").unlink()
    Image.open("photos/p2.png").save("photos/p2.jpg")
    assert shell("predict", "run", "photos", "--out", "out") == 1
    assert "out/p2.png would be written for photos/p2.jpg and for photos/p2.png" in shell.err
    Path("photos/p2.jpg").unlink()
    shutil.copytree("photos", "more")
    assert shell("predict", "run", "photos", "more", "--out", "out") == 1
    assert "out/p0.png would be written for photos/p0.png and for more/p0.png" in shell.err
    assert not Path("out").exists()


def test_masks_and_overlays_need_a_folder_each(shell: CommandLine, world: Path) -> None:
    words = ["run.yaml", "run", "--out", "x", "--show-dir", "x"]
    assert shell.run(mmseg_test.main, "test.py", *words) == 1
    assert "x/val0.png would be written for the mask of val0 and for the overlay of val0" in shell.err


def test_a_run_goes_nowhere_where_another_programs_run_is(shell: CommandLine, world: Path) -> None:
    Path("other").mkdir()
    Path("other/run.json").write_text('{"run": 7}')
    for more in ([], ["--resume"]):
        assert shell("train", "run.yaml", "--out", "other", *more) == 1
        assert "other" in shell.err
    assert Path("other/run.json").read_text() == '{"run": 7}'
