"""The command line as people use it: commands, messages, exit codes."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import s4former
import s4former.report
from command_line import CommandLine
from s4former.cli import demo as demo_module
from s4former.cli.main import guarded
from s4former.cli.train import _run_name
from s4former.config import Interrupted, write_atomically
from s4former.inference import Model, jobs
from s4former.inference.config import Options
from s4former.inference.found import Found, ToPredict
from s4former.methods import config_class
from s4former.ops import blocks_for
from s4former.recipes import load_run
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YAML file of a tiny run on a tiny data set."""
    root = tmp_path_factory.mktemp("cli")
    run = tiny_run(make_data(root / "data"))
    path = root / "tiny.yaml"
    path.write_text(yaml.safe_dump(run.model_dump(mode="json")))
    return path


@pytest.fixture(scope="module")
def run_folder(config: Path) -> Path:
    """A finished run."""
    folder = config.parent / "finished"
    s4former.train(config, ["steps=2"], out=folder, progress=False)
    return folder


def test_train_prints_scores_and_what_to_type_next(shell: CommandLine, config: Path, tmp_path: Path) -> None:
    assert shell("train", config, "steps=2", "--out", tmp_path / "run", "--seed", 5) == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["run"]["seed"] == 5
    for part in (
        "square",
        "student",
        "teacher (deployed)",
        "chosen on val",
        str(tmp_path / "run"),
        "s4former predict",
    ):
        assert part in shell.out
    assert "step 2/2" in shell.err
    assert "mIoU on val (2 images)" in shell.err
    assert f"report: {tmp_path / 'run' / 'report.html'}" in shell.out
    assert (tmp_path / "run" / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_a_page_that_cannot_be_made_fails_no_run(
    shell: CommandLine, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise RuntimeError("no ink")

    monkeypatch.setattr(s4former.report, "make_report", fail, raising=False)
    assert shell("train", config, "steps=1", "method=supervised", "--out", tmp_path / "run") == 0
    assert "report: none (no ink); `s4former report" in shell.out


def test_the_method_can_be_swapped_and_the_run_gets_a_telling_folder(
    shell: CommandLine, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shell("train", config, "steps=1", "method.name=supervised") == 0
    assert "method.name=supervised has no" in shell.err
    assert (tmp_path / "runs" / "tiny_supervised_seed0" / "model" / "model.json").is_file()


@pytest.mark.parametrize("part", ["train", "val"])
def test_masks_without_a_known_pixel_stop_a_run_before_it_has_a_folder(
    shell: CommandLine, tmp_path: Path, part: str
) -> None:
    data = make_data(tmp_path / "data")
    for mask in (data / "masks" / part).iterdir():
        Image.fromarray(np.full((40, 48), 255, np.uint8)).save(mask)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(tiny_run(data, {"steps": 1}).model_dump(mode="json")))
    assert shell("train", tmp_path / "c.yaml", "--out", tmp_path / "run") == 3
    assert "masks are ignored as a whole" in shell.err
    assert not (tmp_path / "run").exists()
    assert shell("check", tmp_path / "c.yaml") == 3
    assert "masks are ignored as a whole" in shell.out


def test_the_same_folder_twice_is_refused_and_resume_is_not(
    shell: CommandLine, config: Path, run_folder: Path
) -> None:
    assert shell("train", config, "steps=2", "--out", run_folder) == 1
    assert "--resume" in shell.err
    assert shell("train", config, "steps=2", "--out", run_folder, "--resume") == 0
    assert "resuming after step 2 of 2" in shell.err


def test_val_scores_as_table_and_as_json(shell: CommandLine, run_folder: Path) -> None:
    assert shell("val", run_folder) == 0
    assert "square" in shell.out
    assert shell("val", run_folder / "model", "evaluate.mode=slide", "--json") == 0
    record = json.loads(shell.out)
    assert record["protocol"]["mode"] == "slide"
    assert record["images"] == 2


def test_val_tells_all_bad_masks_of_the_scored_part_at_once(
    shell: CommandLine, run_folder: Path, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data", val=3)
    (data / "masks/train/train0.png").write_bytes(b"not scored")
    (data / "masks/val/val0.png").write_bytes(b"")
    Image.fromarray(np.full((40, 48), 7, np.uint8)).save(data / "masks/val/val2.png")
    assert shell("val", run_folder, f"data.root={data}") == 3
    assert "2 mistakes in the data:" in shell.err
    assert "val0.png" in shell.err
    assert "masks/val/val2.png (7: " in shell.err
    assert "s4former check" in shell.err


def test_predict_writes_pictures_of_original_size(
    shell: CommandLine, config: Path, run_folder: Path, tmp_path: Path
) -> None:
    images = config.parent / "data" / "images" / "val"
    assert shell("predict", run_folder, images, "--out", tmp_path / "out", "--confidence") == 0
    assert "2 of 2 images" in shell.out
    names = [f"val{index}{kind}.png" for index in (0, 1) for kind in ("", "_confidence", "_overlay")]
    names.append("_legend.png")
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == sorted(names)
    assert np.array(Image.open(tmp_path / "out" / "val0.png")).shape == (40, 48)


def test_a_broken_image_does_not_stop_the_others(
    shell: CommandLine, config: Path, run_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    good = config.parent / "data" / "images" / "val" / "val1.png"
    assert shell("predict", run_folder, tmp_path / "broken.png", good, "--out", tmp_path / "out") == 3
    assert "1 of 2 images" in shell.out
    assert "broken.png" in shell.err
    assert (tmp_path / "out" / "val1.png").is_file()


def test_config_show_prints_what_train_reads(shell: CommandLine, config: Path, tmp_path: Path) -> None:
    assert shell("config", "show", config, "steps=9", "threads=auto", "optimizer.lr=1e-4") == 0
    (tmp_path / "shown.yaml").write_text(shell.out)
    assert "auto" not in shell.out
    run, _ = load_run(tmp_path / "shown.yaml")
    assert (run.steps, run.optimizer.lr) == (9, 1e-4)
    assert run == load_run(config, ["steps=9", "optimizer.lr=1e-4", f"threads={run.threads}"])[0].resolved()


def test_demo_hands_its_folder_over(
    shell: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Path, object]] = []
    monkeypatch.setattr("s4former.recipes._demo.run_demo", lambda *given: asked.append(given))
    assert shell("demo", "--out", tmp_path / "demo") == 0
    assert asked == [(tmp_path / "demo", None)]
    assert demo_module.__doc__


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "camvit"], 1, "did you mean camvid"),
        (["train", "CONFIG", "data.crop=3"], 1, "did you mean data.crop_size"),
        (["train", "CONFIG", "steps=0"], 1, "steps: got 0; expected greater than 0"),
        (["train", "CONFIG", "device=cuda:77"], 1, "type device=cpu"),
        (["train", "CONFIG", "device=meta"], 1, "type device=auto"),
        (["train", "CONFIG", f"seed={2**63}"], 1, "seed: got"),
        (["train", "CONFIG", "--out", "CONFIG"], 1, "is a file, and the folder"),
        (["train", "CONFIG", "data.root=nowhere"], 3, "nowhere"),
        (["train", "CONFIG", "data.crop_size=40"], 1, "PatchShuffle"),
        (["train", "CONFIG", "data.crop_size=30", "method=supervised"], 1, "set data.crop_size to"),
        (["train", "CONFIG", "model.pretrained=no_weights.pth"], 1, "no_weights.pth"),
        (["val", "nowhere"], 1, "there is no nowhere"),
        (["predict", "nowhere", "a.png", "--out", "x"], 1, "a.png"),
        (["predict", "nowhere", "a.png", "--out", "CONFIG"], 2, "is a file"),
        (["predict", "nowhere", "CONFIG", "--out", "x", "--device", "cuda:77"], 1, "type --device cpu"),
        (["predict", "nowhere", "CONFIG", "--out", "x", "--device", "gpu"], 1, "type --device auto"),
        (["demo", "--out", "CONFIG"], 2, "is a file"),
        (["train"], 2, "Missing argument"),
        (["train", "CONFIG", "--steps", "3"], 2, "No such option"),
        (["fly"], 2, "No such command"),
    ],
)
def test_mistakes_are_one_message_and_an_exit_code(
    shell: CommandLine,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shell(*[str(config) if argument == "CONFIG" else argument for argument in arguments]) == code
    assert words in " ".join(shell.err.split())
    assert "Traceback" not in shell.err


def test_a_loss_that_is_not_finite_is_exit_code_4(shell: CommandLine, config: Path, tmp_path: Path) -> None:
    huge = [
        "optimizer.name=sgd",
        "optimizer.lr=1e30",
        "optimizer.max_grad_norm=0",
        "--out",
        str(tmp_path / "run"),
    ]
    assert shell("train", config, *huge) == 4
    assert re.search(r"step \d: .*(nan|inf).*optimizer\.lr=5e\+29", shell.err, re.DOTALL)


def test_help_and_version(shell: CommandLine) -> None:
    assert shell("--help") == 0
    for verb in ("demo", "train", "val", "predict", "config"):
        assert verb in shell.out
    assert shell("train", "--help") == 0
    assert "--resume" in shell.out
    assert shell("--version") == 0
    assert shell.out.startswith(f"{s4former.__version__} (torch 2.")


def test_a_signal_leaves_a_run_that_resumes_as_its_message_says(config: Path, tmp_path: Path) -> None:
    """With exit code 75 and the advice typed literally, into a folder with a space in its name."""
    folder = tmp_path / "my run"
    command: list[str] | str = [
        *(sys.executable, "-m", "s4former", "train", str(config)),
        *("steps=100000", "evaluate_every=0", "--out", str(folder)),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    for call in range(2):
        process = subprocess.Popen(
            f"exec {command}" if call else command,
            shell=call > 0,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        heard = ""
        while "step " not in heard.replace("after step ", "").replace("100000 steps", ""):
            assert process.poll() is None, heard
            heard += process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 75, err
        assert "Traceback" not in err
        assert "error" not in err, "it was asked to"
        index = json.loads((folder / "checkpoint" / "index.json").read_text())
        assert f"stopped after step {index[0]['step']} of 100000" in err
        assert ("resuming after step" in heard) == (call > 0)
        command = re.findall(r"`(.* --resume)`", err)[0]


def ended(command: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the exit code of a command, and what it said."""
    with pytest.raises(SystemExit) as stop:
        guarded(command)
    return int(stop.value.code or 0), capsys.readouterr().err


def raising(error: BaseException) -> Callable[[], object]:
    def command() -> None:
        raise error

    return command


def test_ctrl_c_outside_of_training_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(KeyboardInterrupt()), capsys) == (130, "stopped\n")


def test_a_stopped_run_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(Interrupted("stopped after step 3")), capsys) == (75, "stopped after step 3\n")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("advice?"),
        KeyError("x"),
        TypeError(),
        RuntimeError("shapes"),
        OSError("no number"),
        AssertionError(),
    ],
)
def test_what_is_no_error_of_ours_is_a_defect_with_a_report(
    error: Exception, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, said = ended(raising(error), capsys)
    (report,) = tmp_path.iterdir()
    assert code == 70
    assert said.startswith(f"internal error: {type(error).__name__}: {error}\n")
    assert f"report it with the file {report}" in said
    assert "Traceback" not in said
    assert "raise error\n" in report.read_text()


def test_a_value_error_of_our_own_code_is_no_advice(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ended(lambda: blocks_for(10, 10, 3, 2), capsys)  # a mistake that has its class
    assert (code, said.startswith("error: PatchShuffle cuts images")) == (1, True)
    code, said = ended(lambda: config_class("no method"), capsys)  # it should have been caught
    assert (code, said.startswith("internal error: ValueError")) == (70, True)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 5 GiB"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 5 GiB\nmore"),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 5 bytes"
        ),
    ],
)
def test_too_little_memory_says_what_takes_less(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ended(raising(error), capsys)
    assert code == 1
    assert "memory" in said
    assert "data.crop_size" in said
    assert "Traceback" not in said


def test_the_system_is_quoted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, said = ended(lambda: (tmp_path / "x").read_text(), capsys)
    assert (code, said) == (1, f"error: No such file or directory: {tmp_path / 'x'}\n")


def test_one_image_that_is_too_large_does_not_stop_the_others(
    shell: CommandLine, config: Path, run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = jobs.look

    def starving(model: Model, images: Sequence[ToPredict], options: Options) -> list[Found]:
        if any(image.stem == "val0" for image in images):
            raise MemoryError("Unable to allocate 5 GiB")
        return look(model, images, options)

    monkeypatch.setattr(jobs, "look", starving)
    images = config.parent / "data" / "images" / "val"
    assert shell("predict", run_folder, images, "--out", tmp_path / "out") == 3
    assert "1 of 2 images" in shell.out
    assert "val0.png: there is not enough memory for an image of its size" in shell.err


def test_a_model_that_was_shared_tells_of_no_path_and_works_anywhere(
    shell: CommandLine, config: Path, run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = config.parent.resolve()
    for name in ("model", "model_best"):
        for file in (run_folder / name).iterdir():
            content = file.read_bytes()
            for secret in (place, place / "data", Path.home(), Path.cwd(), config.parent.name, "images/val"):
                assert str(secret).encode() not in content, (file, secret)
    moved = tmp_path / "moved"
    shutil.copytree(run_folder / "model", moved)
    monkeypatch.chdir(tmp_path)
    image = place / "data/images/val/val0.png"
    assert shell("predict", "moved", image, "--out", "out") == 0
    assert shell("val", "moved") == 1
    assert "data.root=DIR" in shell.err
    assert shell("val", run_folder, "--json") == 0
    expected = json.loads(shell.out) | {"seconds": 0}
    for data in (f"data.root={place / 'data'}", str(config)):
        assert shell("val", "moved", data, "--json") == 0
        assert json.loads(shell.out) | {"seconds": 0} == expected


def test_a_run_is_scored_from_another_folder_once_it_is_told_where_its_data_is(
    shell: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    make_data(Path("data"))
    run = tiny_run(Path("data"), {"steps": 1, "evaluate_every": 0})
    Path("run.yaml").write_text(yaml.safe_dump(run.model_dump(mode="json")))
    assert shell("train", "run.yaml", "--out", "run") == 0
    monkeypatch.chdir(tmp_path / "away")
    assert shell("val", "../home/run") == 3
    said = re.search(r"data\.root=(\S+)$", shell.err.strip())
    assert said
    assert Path(said[1]) == tmp_path / "home" / "data"
    assert shell("val", "../home/run", said[0]) == 0
    assert shell("val", "../home/run", "data.root=nowhere") == 3
    assert "another folder" not in shell.err


@pytest.mark.parametrize(
    ("config", "method", "name"),
    [
        ("voc.classic_92.s4former", "s4former", "voc.classic_92_s4former"),
        ("voc.classic_92.mean_teacher", "mean_teacher", "voc.classic_92_mean_teacher"),
        ("voc.classic_92.mean_teacher_cutmix", "mean_teacher", "voc.classic_92_mean_teacher_cutmix"),
        ("camvid", "s4former", "camvid_s4former"),
        ("camvid.long", "s4former", "camvid.long_s4former"),
        ("here/dataset.yaml", "s4former", "dataset_s4former"),
        ("s4former.yaml", "s4former", "s4former_s4former"),
    ],
)
def test_runs_of_different_configs_go_to_different_folders(config: str, method: str, name: str) -> None:
    assert _run_name(config, method) == name


def test_sigterm_outside_of_training_cleans_up_as_ctrl_c_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def killed(file: Path) -> None:
        file.write_text("half")
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as stop:
        guarded(lambda: write_atomically(tmp_path / "a.txt", killed))
    assert stop.value.code == 130
    assert "stopped" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(("number", "remedy"), [(errno.ENOSPC, "make room"), (errno.EFBIG, "ulimit -f")])
def test_a_full_disk_names_the_file_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int, remedy: str
) -> None:
    def full(file: Path) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(SystemExit) as stop:
        guarded(lambda: write_atomically(tmp_path / "a.txt", full))
    said = " ".join(capsys.readouterr().err.split())
    assert stop.value.code == 1
    assert os.strerror(number) in said
    assert "a.txt" in said
    assert remedy in said


def test_a_working_folder_that_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    os.chdir("gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(SystemExit) as stop:
        guarded(Path.cwd)
    assert stop.value.code == 1
    assert "the folder that this was typed in is gone" in " ".join(capsys.readouterr().err.split())
