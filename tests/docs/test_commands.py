"""Every command and every Python block of the pages for users, run in their order (see ``shell``)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import typer
import yaml
from pages import PAGES, ROOT, Block, blocks, commands
from places import furnish, make_cells
from shell import Shell, check_words, command_of, split

from s4former.cli.main import app
from s4former.data import DatasetFile

_PAGES = (
    "migrate_from_mmsegmentation",
    "your_own_data",
    "discover",
    "doctor",
    "write_a_method",
    "export",
    "share",
    "app",
    "predict",
    "report",
    "label",
    "watch",
    "reliability",
    "scale",
)
FOR_USERS = [
    path
    for path in PAGES
    if path == ROOT / "README.md"
    or path.parent == ROOT / "docs/en"
    or (path.parent == ROOT / "docs" and path.stem in _PAGES)
]
_REMARK = re.compile(r"(not run|file): (.+)")


def remark(block: Block) -> tuple[str, str]:
    """Return what is to be done with a block, ``run``, ``not run`` or ``file``, and why not or which file."""
    if not block.remark:
        return "run", ""
    match = _REMARK.fullmatch(block.remark)
    assert match, f"line {block.line}: expected <!-- not run: REASON --> or <!-- file: NAME -->"
    if match[1] == "not run":
        assert len(match[2]) >= 10, f"line {block.line}: {match[2]!r} is no reason"
    return match[1], match[2]


@pytest.mark.slow
@pytest.mark.parametrize("page", FOR_USERS, ids=lambda page: page.name)
def test_commands_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    furnish(tmp_path)
    if page.name == "dataset_prepare.md":  # it brings VOC itself, and nothing is unpacked over another one
        shutil.rmtree(tmp_path / "data" / "VOCdevkit")
    shell = Shell(monkeypatch, capsys)
    for block in blocks(page):
        action, name = remark(block)
        if action == "file":
            (tmp_path / name).write_text(block.text)
        elif action == "run" and block.language == "python":
            shell.run_python(block.text)
        elif action == "run" and block.language == "sh":
            for number, line in commands(block):
                code = shell.run(line)
                assert code == 0, f"{page.name}:{number}: {line}\n{shell.output}"


@pytest.mark.parametrize("page", FOR_USERS, ids=lambda page: page.name)
def test_commands_that_are_not_run_would_be_understood(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    for block in blocks(page):
        if block.language == "sh" and remark(block)[0] == "not run":
            for _, line in commands(block):
                check_words(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_are_of_a_kind_that_is_tested(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= {"sh", "python", "yaml", ""}


def test_init_says_what_the_page_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_cells(tmp_path)
    shell = Shell(monkeypatch, capsys)
    assert shell.run("s4former init photos --masks masks") == 0
    quoted = next(block for block in blocks(ROOT / "docs/your_own_data.md") if block.text.startswith("found"))
    for line in quoted.text.splitlines():
        assert " ".join(line.split()) in shell.output


def test_fragments_of_dataset_files_are_understood() -> None:
    """The YAML of ``your_own_data.md``, put into a file that lacks what the fragment leaves out."""
    base = {"names": ["a", "b"], "labeled": {"images": "photos", "masks": "masks"}}
    found = [block for block in blocks(ROOT / "docs/your_own_data.md") if block.language == "yaml"]
    assert found
    for block in found:
        _ = DatasetFile.model_validate(base | yaml.safe_load(block.text)).classes


def test_readme_names_every_verb() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    missing = [verb for verb in verbs if f"s4former {verb}" not in readme]
    assert not missing
    for verb, command in verbs.items():
        for name in getattr(command, "commands", ()):
            assert re.search(rf"s4former {verb} +[a-z|]*\b{name}\b", readme), f"{verb} {name}"


def test_the_rules_of_the_shell() -> None:
    assert split("A=1 s4former train x a.b=c --out 'a b'  # said") == (
        {"A": "1"},
        ["s4former", "train", "x", "a.b=c", "--out", "a b"],
    )
    with pytest.raises(AssertionError, match="no rule how to run"):
        command_of(["rm", "-r", "x"])
    with pytest.raises(SystemExit):
        check_words("python tools/train.py demo --sead 1")
    with pytest.raises(AssertionError, match="knows no trian"):
        check_words("s4former trian demo")
