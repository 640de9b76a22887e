"""Checkpoints, journals and what people see: the parts around the loop, one by one."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from s4former.config import NumericError, UserError
from s4former.curation import open_source
from s4former.data import Classes
from s4former.engine import Checkpoints, Run, progress_for, read_lines
from s4former.engine.callbacks import Callback
from s4former.engine.device import describe
from s4former.engine.journal import append_line, forget_after
from s4former.engine.meter import Meter
from s4former.engine.panels import Panel, shown_ids
from s4former.engine.progress import PlainProgress, RichProgress
from s4former.engine.state import why_no_state
from s4former.inference import device as devices
from s4former.inference import resolve_device, resolve_precision
from tiny_run import make_data, tiny_run


def test_the_newest_two_states_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.load("cpu") is None
    assert checkpoints.newest_step() is None
    for step in (1, 2, 3, 3):
        checkpoints.save(
            step, {"step": step, "weights": torch.full((3,), float(step)), "scores": {"a": None}}
        )
    assert sorted(path.name for path in checkpoints.folder.glob("*.pt")) == [
        "step_00000002.pt",
        "step_00000003.pt",
    ]
    state = checkpoints.load("cpu")
    assert state is not None
    assert (state["step"], state["weights"].tolist(), state["scores"]) == (3, [3.0] * 3, {"a": None})


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_a_damaged_state_gives_way_to_the_one_before(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.save(step, {"step": step})
    for survivors, file in ((1, "step_00000002.pt"), (0, "step_00000001.pt")):
        path = checkpoints.folder / file
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        if damage == "remove":
            path.unlink()
        else:
            path.write_bytes(content if damage == "flip" else content[:-1])
        with caplog.at_level(logging.WARNING):
            if survivors:
                assert checkpoints.load("cpu") == {"step": 1}
                assert file in caplog.text
            else:
                with pytest.raises(UserError, match="no complete checkpoint is left"):
                    checkpoints.load("cpu")


def test_a_crash_while_saving_leaves_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"step": 1})

    def crash(state: object, file: Any) -> None:
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", crash)
    with pytest.raises(UserError, match=r"No space.*after step 1 is kept.*resume=True"):
        checkpoints.save(2, {"step": 2})
    assert checkpoints.load("cpu") == {"step": 1}


def test_a_full_disk_is_no_traceback(tmp_path: Path) -> None:
    """Torch's own word for it is a RuntimeError about positions in a file."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(UserError, match=r"cannot save the state after step 1.*No state.*Make room"):
            Checkpoints(tmp_path).save(1, {"weights": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((tmp_path / "checkpoint").iterdir())


INDEX = '[{{"file": {}, "step": 2, "size": 1, "sha256": "0"}}]'


@pytest.mark.parametrize(
    "damage",
    [
        *("", "[{", "{}", '[{"file": 1}]', INDEX.format("null"), INDEX.format('"../step_1.pt"'), "\xff"),
        INDEX.format('"step_2.pt", "others": [{"file": "/step_1.pt", "size": 1, "sha256": "0"}]'),
    ],
)
def test_without_its_index_the_newest_whole_state_is_found(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.save(step, {"step": step, "weights": torch.ones(1000)})
    (checkpoints.folder / "index.json").write_text(damage, encoding="latin1")
    assert checkpoints.load("cpu")["step"] == 2  # type: ignore[index]
    assert "index.json is damaged" in caplog.text
    newest = checkpoints.folder / "step_00000002.pt"
    content = bytearray(newest.read_bytes())
    content[content.index(bytes(torch.ones(9).numpy())) + 5] ^= 1
    newest.write_bytes(content)
    assert checkpoints.load("cpu")["step"] == 1  # type: ignore[index]
    (checkpoints.folder / "step_00000001.pt").unlink()
    with pytest.raises(UserError, match=r"no complete checkpoint.*another out="):
        checkpoints.load("cpu")


def test_what_replaces_a_damaged_state_does_not_push_out_the_whole_one(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (4, 6):
        checkpoints.save(step, {"step": step})
    (checkpoints.folder / "step_00000006.pt").write_bytes(b"")
    checkpoints.save(5, {"step": 5})
    (checkpoints.folder / "step_00000005.pt").write_bytes(b"")
    assert checkpoints.load("cpu") == {"step": 4}


def test_a_state_with_infinite_weights_is_not_saved(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"method": {"weight": torch.ones(3)}})
    with pytest.raises(
        NumericError, match=r"after step 2.*method.weight.*after step 1 is kept.*optimizer.lr"
    ):
        checkpoints.save(2, {"method": {"weight": torch.tensor([1, float("inf")])}})
    assert checkpoints.newest_step() == 1


def test_a_state_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"step": 1, "code": Path("x")})
    with pytest.raises(UserError, match=r"step_00000001\.pt holds more than tensors.*run code"):
        checkpoints.load("cpu")


def seal(folder: Path) -> None:
    """Let the index hold the sum of what is in the file of the only state."""
    file, index = folder / "step_00000001.pt", folder / "index.json"
    entry = {"size": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    index.write_text(json.dumps([json.loads(index.read_text())[0] | entry]))


@pytest.mark.parametrize(
    "content",
    [
        [1],
        {},
        torch.ones(2),
        {"method": 7, "optimizer": [], "step": "x"},
        {"state": {"step": 1}, "method": {}, "optimizer": {}, "meter": {}},
        {"state": {"step": "x"}, "method": {}, "optimizer": {"state": {}, "param_groups": []}, "meter": {}},
    ],
    ids=lambda content: type(content).__name__,
)
def test_what_is_no_state_is_told_from_one(
    tmp_path: Path, content: Any, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {})
    torch.save(content, checkpoints.folder / "step_00000001.pt")
    seal(checkpoints.folder)
    with caplog.at_level(logging.WARNING), pytest.raises(UserError, match="no complete checkpoint is left"):
        checkpoints.load("cpu", problem=why_no_state)
    assert "step_00000001.pt holds no saved state" in caplog.text


def test_a_state_that_unpacks_without_end_is_not_read(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"step": 1})
    file = checkpoints.folder / "step_00000001.pt"
    with ZipFile(file, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", bytes(2**28 + 1))
    seal(checkpoints.folder)
    with pytest.raises(UserError, match=r"step_00000001\.pt can't be read: its .* would unpack to"):
        checkpoints.load("cpu")


def test_a_line_holds_means_since_the_last_and_the_rates_of_its_step() -> None:
    meter = Meter()
    for value in (1.0, 3.0):
        meter.add({"loss": torch.tensor(value)}, images=4)
    first = meter.line(2, {"head": 0.2})
    meter.add({"loss": torch.tensor(5.0)}, images=4)
    lines = first, meter.line(3, {"head": 0.3})
    assert [(line["step"], line["loss"], line["lr/head"]) for line in lines] == [(2, 2.0, 0.2), (3, 5.0, 0.3)]
    assert all(line["images_per_second"] > 0 for line in lines)


def test_a_resumed_meter_gives_the_same_line() -> None:
    first, resumed = Meter(), Meter()
    first.add({"loss": torch.tensor(0.1)})
    resumed.load_state_dict(first.state_dict())
    lines = []
    for meter in (first, resumed):
        for step in (2, 3):
            meter.add({"loss": torch.tensor(0.7 * step), "late": torch.tensor(step)})
        lines.append(meter.line(3, {}))
    assert (lines[0]["loss"], lines[0]["late"]) == (lines[1]["loss"], lines[1]["late"])
    assert lines[0]["late"] == 2.5


def test_time_away_from_training_is_not_training_speed() -> None:
    import time

    meter = Meter()
    with meter.paused():
        time.sleep(0.2)
    meter.add({}, images=1)
    line = meter.line(1, {})
    assert line["images_per_second"] > 1 / 0.2
    assert line["seconds"] >= 0.2


def test_waiting_for_data_is_a_share_of_training_time() -> None:
    import time

    def slow() -> Iterator[int]:
        for number in range(3):
            time.sleep(0.05)
            yield number

    meter = Meter()
    for _ in meter.timed(slow()):
        time.sleep(0.05)
        meter.add({})
    assert 0.2 < meter.line(3, {})["data_wait"] < 0.8
    time.sleep(0.05)
    assert meter.line(4, {})["data_wait"] == 0


def test_numbers_that_are_none_are_null_not_nan() -> None:
    meter = Meter()
    meter.add({"loss": torch.tensor(float("nan"))})
    assert meter.line(1, {})["loss"] is None


def test_lines_beyond_a_step_and_broken_ends_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    for step in (1, 2, 3):
        append_line(path, {"step": step})
    with path.open("a") as file:
        file.write('{"step": 4, "lo')
    assert [line["step"] for line in read_lines(path)] == [1, 2, 3]
    forget_after(path, 2)
    append_line(path, {"step": 3})
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n{"step": 3}\n'


LINE = {
    "step": 5,
    "loss": 1.5,
    "loss/supervised": None,
    "pseudo/confident": 0.25,
    "images_per_second": 8.0,
    "seconds": 10.0,
}
SCORE = {"step": 5, "network": "teacher", "part": "val", "images": 2, "miou": 0.5}


def test_plain_lines_name_losses_speed_share_and_time_left() -> None:
    console = Console(file=io.StringIO(), width=40)
    progress = progress_for(console)
    assert type(progress) is PlainProgress
    with progress:
        progress.on_start(0, 20)
        progress.on_log(LINE)
        progress.on_score([SCORE, SCORE | {"network": "student", "miou": None}])
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "step 5/20  loss 1.500  confident 25%  supervised not finite  8.0 images/s  0:30 left",
        "step 5  mIoU on val (2 images): teacher 50.00, student -",
    ]


def test_the_time_left_of_a_resumed_run_is_that_of_its_own_speed() -> None:
    console = Console(file=io.StringIO(), width=40)
    with progress_for(console) as progress:
        progress.on_start(5, 20)
        for step, seconds in ((10, 100.0), (15, 110.0)):
            progress.on_log(LINE | {"step": step, "seconds": seconds})
    last = console.file.getvalue().splitlines()[-1]  # type: ignore[attr-defined]
    assert last.endswith("0:10 left")


def test_of_several_processes_only_the_first_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    monkeypatch.setenv("RANK", "1")
    assert type(progress_for(console)) is Callback
    monkeypatch.setenv("RANK", "0")
    with progress_for(console) as progress:
        assert isinstance(progress, RichProgress)


def test_a_terminal_gets_a_bar() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=60, color_system=None)
    progress = progress_for(console)
    assert isinstance(progress, RichProgress)
    with progress:
        progress.on_start(2, 20)
        progress.on_evaluate(2)
        progress.on_image()
        progress.on_score([SCORE])
        progress.on_step(5)
        progress.on_log(LINE)
        progress.bars.refresh()
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("5/20", "loss 1.500", "confident 25%", "8.0 images/s", "teacher 50.00"):
        assert part in shown


def test_a_panel_has_titles_and_a_legend_of_what_is_seen(tmp_path: Path) -> None:
    classes = Classes(("sky", "sea", "hay"), ((10, 20, 30), (200, 0, 0), (0, 200, 0)))
    panel = Panel(classes, ("image", "truth", "teacher"), width=80)
    for id, value in (("a", 0), ("b", 1)):
        panel.add(id, np.full((40, 160, 3), 77, np.uint8), np.full((40, 160), value), np.full((40, 160), 255))
    panel.save(tmp_path / "p" / "panel.png", ["b", "a"])
    picture = np.array(Image.open(tmp_path / "p" / "panel.png"))
    assert (picture[:20] != 255).any(), "titles"
    assert picture[20:60, 84].tolist() == [[200, 0, 0]] * 20 + [[255] * 3] * 4 + [[10, 20, 30]] * 16
    assert picture[30, 168].tolist() == [224] * 3, "unknown"
    legend = {tuple(color) for color in picture[68:].reshape(-1, 3).tolist()}
    assert {(10, 20, 30), (200, 0, 0), (224, 224, 224)} <= legend
    assert (0, 200, 0) not in legend
    Panel(classes, ("image",)).save(tmp_path / "none.png", [])
    assert not (tmp_path / "none.png").exists()


def test_shown_images_are_spread_over_the_set_and_its_classes(tmp_path: Path) -> None:
    source = open_source(tiny_run(make_data(tmp_path, val=12)).data)
    ids = shown_ids(source, "val", rows=3)
    assert [source.val.index(id) // 4 for id in ids] == [0, 1, 2]
    assert {label for id in ids for label in np.unique(source.read_mask(id, "val"))} == {0, 1, 2, 255}
    assert len(shown_ids(source, "val", rows=99)) == 12


def test_a_run_survives_json_and_resolves_every_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny_run(Path("data"), {"threads": "auto", "device": "auto", "evaluate.mode": "slide"})
    assert Run.model_validate_json(run.model_dump_json()) == run
    resolved = run.resolved()
    assert "auto" not in resolved.model_dump_json()
    assert resolved.evaluate.crop_size == (32, 32)
    assert resolved.resolved() == resolved
    monkeypatch.setattr(devices, "cpu_has_bfloat16", lambda: True)
    before = resolved.model_dump(mode="json") | {"device": "cpu", "precision": "bfloat16", "threads": 7}
    again = run.resolved(before)
    assert (again.precision, again.threads) == ("bfloat16", 7)
    assert tiny_run(Path("data")).resolved(before).threads == 1, "what was said stays said"


@pytest.mark.parametrize(("field", "value"), [("precision", {"of": 1}), ("threads", -1), ("device", None)])
def test_what_auto_meant_has_to_be_sound(field: str, value: object) -> None:
    run = tiny_run(Path("data"))
    before = run.resolved().model_dump(mode="json") | {field: value}
    with pytest.raises(UserError, match=field):
        run.resolved(before)


def test_devices_that_are_not_there_say_what_to_type() -> None:
    with pytest.raises(UserError, match="type device=auto, cpu, cuda"):
        resolve_device("gpu0")
    with pytest.raises(UserError, match="type device=cpu"):
        resolve_device("cuda:77")
    assert resolve_device("cpu") == "cpu"
    assert resolve_precision("auto", "cpu") == "float32"
    with pytest.raises(UserError, match="type precision=auto, float32 or bfloat16"):
        resolve_precision("fp16", "cpu")
    assert describe("cpu") == {"device": "cpu", "threads": torch.get_num_threads()}


@pytest.mark.parametrize(
    ("flags", "meant"),
    [
        ("fma avx2 avx512f avx512_bf16 amx_tile", "bfloat16"),
        ("fp asimd bf16 i8mm", "bfloat16"),
        ("fma avx2 avx512f", "float32"),
        (None, "float32"),
    ],
)
def test_a_cpu_without_products_of_bfloat16_computes_in_float32(
    flags: str | None,
    meant: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = tmp_path / "cpuinfo"
    if flags is not None:
        told.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr(devices, "_CPU_INFO", told)
    devices._say_that_it_is_float32.cache_clear()
    for _ in range(2):
        assert resolve_precision("bfloat16", "cpu") == meant
    assert resolve_precision("bfloat16", "cuda") == "bfloat16"
    assert caplog.text.count("this CPU has no products of bfloat16") == (meant == "float32")


def test_no_line_is_added_to_what_a_link_leads_to(tmp_path: Path) -> None:
    theirs, path = tmp_path / "theirs.txt", tmp_path / "journal.jsonl"
    theirs.write_text("mine\n")
    path.symlink_to(theirs)
    with pytest.raises(UserError, match=r"journal.jsonl is a link, and .*; take it away"):
        append_line(path, {"step": 1})
    assert theirs.read_text() == "mine\n"


def test_saving_deletes_the_states_of_the_run_and_nothing_else(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    own = ("step_mine.pt", "step_00000001_mine.pt", "step_1.pt", "step_00000099.pt", "notes.txt")
    checkpoints.folder.mkdir()
    for name in own:
        (checkpoints.folder / name).write_bytes(b"somebody's own")
    torch.save(
        {"state": {"step": 7}}, checkpoints.folder / "step_00000098.pt"
    )  # of another step than it says
    for step in (1, 2, 3):
        checkpoints.save(step, {"state": {"step": step}})
        shutil.copy(
            checkpoints.folder / f"step_{step:08d}.pt", checkpoints.folder / f"step_{step:08d}_kept.pt"
        )
    left = {path.name for path in checkpoints.folder.iterdir()}
    kept = {f"step_{step:08d}_kept.pt" for step in (1, 2, 3)}
    assert left == {*own, *kept, "index.json", "step_00000098.pt", "step_00000002.pt", "step_00000003.pt"}
    assert all((checkpoints.folder / name).read_bytes() == b"somebody's own" for name in own)


def test_what_a_killed_process_left_unlisted_is_deleted_with_the_next_state(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"state": {"step": 1}})
    for name in ("step_00000004.pt", "step_00000003-00001-of-00002.pt"):
        torch.save({"state": {"step": int(name[5:13])}}, checkpoints.folder / name)
    checkpoints.save(2, {"state": {"step": 2}})
    left = sorted(path.name for path in checkpoints.folder.glob("*.pt"))
    assert left == ["step_00000001.pt", "step_00000002.pt"]
