"""mmsegmentation's command lines: options, config keys, and checkpoints of the authors' layout."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from authors_names import to_authors
from command_line import CommandLine
from s4former.compat import mmseg_test, mmseg_train
from s4former.compat.mmseg_options import OLD_KEYS, translate
from s4former.compat.mmseg_train import launcher_environment
from s4former.config import UserError
from s4former.config.override import field_paths, override
from s4former.engine import read_lines, train
from s4former.models import build_segmenter, from_authors
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow

SETR = {
    "model.head": "setr_pup",
    "model.head.channels": 8,
    "model.head.num_convs": 2,
    "model.head.out_indices": [1],
    "model.auxiliary_heads": [{"name": "setr_pup", "channels": 8, "num_convs": 2, "out_indices": [0]}],
}


class Tools(CommandLine):
    """Runs a tool as its script would."""

    def __call__(self, main: Callable[[], None], *arguments: object) -> int:
        return self.run(main, "tool", *arguments)


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Tools:
    monkeypatch.chdir(tmp_path)
    return Tools(monkeypatch, capsys)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YAML file of a tiny SETR-PUP on a tiny data set."""
    root = tmp_path_factory.mktemp("mmseg")
    run = tiny_run(make_data(root / "data"), SETR)
    path = root / "tiny.yaml"
    path.write_text(yaml.safe_dump(run.model_dump(mode="json")))
    return path


@pytest.fixture(scope="module")
def finished(config: Path) -> Path:
    """A run folder."""
    data = config.parent / "data"
    train(tiny_run(data, SETR | {"steps": 2}), config.parent / "finished")
    return config.parent / "finished"


@pytest.fixture(scope="module")
def authors(config: Path) -> Path:
    """A checkpoint as mmcv writes it: a student with auxiliary heads, and a teacher that differs."""
    run = tiny_run(config.parent / "data", SETR)
    student, teacher = (build_segmenter(run.model, 3, seed) for seed in (1, 2))
    state = {to_authors(name): value for name, value in student.state_dict().items()}
    assert all(from_authors(key) in student.state_dict() for key in state)
    for name, value in teacher.state_dict().items():
        if not name.startswith("auxiliary_heads."):
            theirs = to_authors(name)
            state[re.sub(r"^(backbone|decode_head)\.", r"\1_ema.", theirs)] = value
    path = config.parent / "iter_80000.pth"
    torch.save({"meta": {"epoch": 1, "iter": 80000}, "state_dict": state}, path)
    return path


def test_train_takes_the_old_options(tools: Tools, config: Path, tmp_path: Path) -> None:
    options = ["--cfg-options", "runner.max_iters=2", "data.samples_per_gpu=3", "evaluation.interval=1"]
    assert tools(mmseg_train.main, config, "--seed", 7, *options) == 0
    run = json.loads((tmp_path / "work_dirs" / "tiny" / "run.json").read_text())["run"]
    assert (run["steps"], run["seed"], run["evaluate_every"]) == (2, 7, 1)
    assert (run["data"]["labeled_batch_size"], run["data"]["unlabeled_batch_size"]) == (3, 3)
    assert "runner.max_iters is steps=2" in tools.err
    assert "teacher (deployed)" in tools.out


def test_a_run_is_resumed_in_its_folder_alone(tools: Tools, config: Path, tmp_path: Path) -> None:
    short = ["--cfg-options", "steps=2"]
    assert tools(mmseg_train.main, config, "--work-dir", "run", *short) == 0
    assert tools(mmseg_train.main, config, "--work-dir", "run", *short) == 1
    assert f"{config} --work-dir run --cfg-options steps=2 --auto-resume` to go on" in tools.err
    assert "another --work-dir" in tools.err
    assert "--work-dir" in tools.err
    for way in (["--work-dir", "run", "--auto-resume"], ["--resume-from", "run"]):
        assert tools(mmseg_train.main, config, *way, *short) == 0
        assert "resuming after step 2 of 2" in tools.err
    state = Path("run") / "checkpoint" / "step_00000002.pt"
    assert tools(mmseg_train.main, config, "--resume-from", state, *short) == 0
    assert tools(mmseg_train.main, config, "--resume-from", state.with_name("step_00000001.pt"), *short) == 1
    assert "newest state, step 2" in tools.err
    assert tools(mmseg_train.main, config, "--resume-from", "run", "--work-dir", "other", *short) == 1
    assert "drop it" in tools.err
    assert tools(mmseg_train.main, config, "--resume-from", config, *short) == 1
    assert "--load-from" in tools.err


def test_val_images_that_cannot_be_left_out_are_noted() -> None:
    command = mmseg_train.read_command(mmseg_train.parser().parse_args(["demo", "--no-validate"]))
    assert command.planned.run.evaluate_every == 0
    assert "data.source=scenes has val images of its own" in command.notes[0]


def test_no_validate_scores_nothing(tools: Tools, config: Path) -> None:
    assert tools(mmseg_train.main, config, "--no-validate", "--cfg-options", "steps=1") == 0
    assert "not scored" in tools.out
    assert not Path("work_dirs/tiny/scores.jsonl").exists()


@pytest.mark.parametrize("kind", ["own", "authors"])
def test_load_from_starts_from_the_whole_network(
    tools: Tools, config: Path, finished: Path, authors: Path, kind: str
) -> None:
    start = finished if kind == "own" else authors
    losses = {}
    for name, options in (("fresh", []), ("loaded", ["--load-from", start])):
        arguments = ["--work-dir", name, *options, "--cfg-options", "steps=1", "log_every=1"]
        assert tools(mmseg_train.main, config, *arguments) == 0
        losses[name] = read_lines(Path(name) / "journal.jsonl")[0]["loss/supervised"]
    assert losses["fresh"] != losses["loaded"]
    assert json.loads(Path("loaded/run.json").read_text())["run"]["load_from"] == str(start)


def test_load_from_another_network_says_what_to_do(tools: Tools, config: Path, finished: Path) -> None:
    wide = ["--cfg-options", "steps=1", "model.head.channels=16"]
    assert tools(mmseg_train.main, config, "--load-from", finished, *wide) == 1
    assert f"model.pretrained={finished}" in "".join(tools.err.split("\n"))


def test_test_scores_a_run_and_writes_masks_overlays_and_scores(
    tools: Tools, config: Path, finished: Path
) -> None:
    places = ["--out", "masks", "--show-dir", "show", "--work-dir", "scores"]
    assert tools(mmseg_test.main, config, finished, "--eval", "mIoU", *places) == 0
    assert "teacher, val: 2 images" in tools.out
    (score,) = json.loads(Path("scores/scores.json").read_text()).values()
    trained = json.loads((finished / "result.json").read_text())["last"]["teacher"]
    assert score["miou"] == pytest.approx(trained["miou"])
    mask = Image.open("masks/val0.png")
    assert mask.mode == "P"
    assert np.array(mask).max() < 3
    assert Image.open("show/val1.png").size == (48, 40)


def test_test_scores_a_run_as_it_was_scored_and_tells_what_differs(
    tools: Tools, config: Path, tmp_path: Path
) -> None:
    windows = {"steps": 2, "evaluate.mode": "slide", "evaluate.stride": 16}
    train(tiny_run(config.parent / "data", SETR | windows), tmp_path / "slid")
    assert tools(mmseg_test.main, config, "slid", "--out", "as_run.json") == 0
    assert "evaluate.mode=slide (the config: whole)" in tools.err
    assert "not scored as during training" not in tools.err
    assert "windows of 32 x 32, stride 16 x 16" in tools.out
    trained = json.loads(Path("slid/result.json").read_text())["last"]["teacher"]
    score = json.loads(Path("as_run.json").read_text())["teacher"]
    assert (score["miou"], score["protocol"]) == (trained["miou"], trained["protocol"])

    whole = ["--cfg-options", "evaluate.mode=whole"]
    assert tools(mmseg_test.main, config, "slid", "--out", "whole.json", *whole) == 0
    assert "evaluate.mode=whole (then: slide)" in tools.err
    score = json.loads(Path("whole.json").read_text())["teacher"]
    assert score["protocol"]["mode"] == "whole"
    assert score["miou"] != trained["miou"]


def test_test_scores_student_and_teacher_of_the_authors(tools: Tools, config: Path, authors: Path) -> None:
    assert tools(mmseg_test.main, config, authors, "--out", "scores.json") == 0
    scores = json.loads(Path("scores.json").read_text())
    assert list(scores) == ["student", "teacher"]
    assert scores["student"]["miou"] != scores["teacher"]["miou"]


def test_aug_test_is_six_scales_and_their_mirror_images(tools: Tools, config: Path, finished: Path) -> None:
    assert tools(mmseg_test.main, config, finished, "--aug-test", "--out", "a.json") == 0
    protocol = json.loads(Path("a.json").read_text())["teacher"]["protocol"]
    assert protocol["scales"] == [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    assert protocol["flip"] is True


@pytest.mark.parametrize(
    ("tool", "arguments", "code", "words"),
    [
        ("train", ["nowhere.py"], 1, "nowhere.py"),
        ("train", ["CONFIG", "--cfg-options", "data.samples_per_gp=2"], 1, "data.samples_per_gpu"),
        ("train", ["CONFIG", "--cfg-options", "optimizer.lrr=2"], 1, "optimizer.lr"),
        ("train", ["CONFIG", "--cfg-options", "model.backbone.drop_path=2"], 1, "model.backbone.drop_path"),
        ("train", ["CONFIG", "--cfg-options", "runner.type=EpochBasedRunner"], 1, "only IterBasedRunner"),
        ("train", ["CONFIG", "--cfg-options", "work_dir=x"], 1, "use --work-dir"),
        ("train", ["CONFIG", "--launcher", "pytorch"], 1, "tools/dist_train.sh"),
        ("train", ["CONFIG", "--launcher", "slurm"], 1, "SLURM_PROCID"),
        ("train", ["CONFIG", "--load-from", "nowhere.pth"], 1, "nowhere.pth"),
        ("train", ["CONFIG", "--frobnicate"], 2, "--frobnicate"),
        ("train", ["CONFIG", "--resume-from", "FINISHED/latest.pth"], 1, "a run goes on from its folder"),
        ("test", ["CONFIG", "FINISHED", "--opacity", "2"], 1, "from 0 to 1; got 2"),
        ("test", ["CONFIG", "FINISHED", "--opacity", "nan"], 1, "from 0 to 1; got nan"),
        ("test", ["CONFIG", "nowhere.pth"], 1, "nowhere.pth"),
        ("test", ["CONFIG", "FINISHED/latest.pth"], 1, "a run is given by its folder"),
        ("test", ["CONFIG", "FINISHED/checkpoint/step_00000002.pt"], 1, "a state to resume from"),
        ("test", ["CONFIG", "FINISHED", "--out", "results.pkl"], 1, "FILE.json"),
        (
            "test",
            ["CONFIG", "AUTHORS", "--cfg-options", "model.head.channels=16"],
            1,
            "is not of the network in the config",
        ),
    ],
)
def test_mistakes_say_what_to_type(
    tools: Tools,
    config: Path,
    finished: Path,
    authors: Path,
    tool: str,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    places = {"CONFIG": config, "FINISHED": finished, "AUTHORS": authors}
    for name, place in places.items():
        arguments = [argument.replace(name, str(place)) for argument in arguments]
    main = mmseg_train.main if tool == "train" else mmseg_test.main
    assert tools(main, *arguments) == code
    assert words in " ".join(tools.err.split())
    assert "Traceback" not in tools.err


_EXAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "data.samples_per_gpu": ("4", {"data.labeled_batch_size": 8, "data.unlabeled_batch_size": 8}),
    "data.samples_per_gpu_sup": ("1", {"data.labeled_batch_size": 2}),
    "data.samples_per_gpu_unsup": ("3", {"data.unlabeled_batch_size": 6}),
    "crop_size": ("(512,512)", {"data.crop_size": [512, 512]}),
    "model.test_cfg.stride": ("341,341", {"evaluate.stride": [341, 341]}),
    "optimizer.type": ("SGD", {"optimizer.name": "sgd"}),
    "runner.type": ("IterBasedRunner", {}),
    "lr_config.policy": ("poly", {}),
    "lr_config.warmup": ("linear", {}),
    "lr_config.by_epoch": ("False", {}),
    "checkpoint_config.by_epoch": ("False", {}),
    "evaluation.metric": ("mIoU", {}),
    "model.init_cfg.checkpoint": ("None", {"model.pretrained": None}),
    "model.test_cfg.mode": ("slide", {"evaluate.mode": "slide"}),
}


@pytest.mark.parametrize("key", OLD_KEYS)
def test_every_old_key_is_translated_and_noted(key: str) -> None:
    run = tiny_run(Path("data"), {"model.head": "setr_pup"})  # the published head
    text, expected = _EXAMPLES.get(key, ("2", dict.fromkeys(OLD_KEYS[key].fields.split(), 2)))
    changes, (note,) = translate(run, [f"{key}={text}"], processes=2)
    assert changes == expected
    assert set(changes) <= set(field_paths(run))
    assert note.startswith(key)
    assert all(field in note for field in changes)


def test_own_fields_go_through_and_later_options_win() -> None:
    run = tiny_run(Path("data"))
    options = ["optimizer.lr=0.5", "data.samples_per_gpu=1", "data.labeled_batch_size=6", "method=supervised"]
    changes, notes = translate(run, options, processes=2)
    changed, _ = override(run, changes)
    assert changed.optimizer.lr == 0.5
    assert (changed.data.labeled_batch_size, changed.data.unlabeled_batch_size) == (6, 2)
    assert changed.method.name == "supervised"
    assert len(notes) == 1


def test_fields_of_another_method_go_with_its_name() -> None:
    run = tiny_run(Path("data"), {"method.name": "supervised"})
    options = ["method=s4former", "method.pasa_weight=3", "method.shuffle_block=2"]
    changed, _ = override(run, translate(run, options, processes=1)[0])
    assert changed.method.model_dump()["pasa_weight"] == 3


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("data.crop_size=(64, 32)", "data.crop_size", (64, 32)),
        ("data.crop_size=[64,32]", "data.crop_size", (64, 32)),
        ("data.crop_size=64,32", "data.crop_size", (64, 32)),
        ("data.crop_size='(64,32)'", "data.crop_size", (64, 32)),
        ('data.crop_size="[64,32]"', "data.crop_size", (64, 32)),
        ("model.pretrained=None", "model.pretrained", "none"),
        ("model.backbone.init_cfg.checkpoint='None'", "model.pretrained", "none"),
        ("model.pretrained='a,b.pth'", "model.pretrained", "a,b.pth"),
        ("deterministic=True", "deterministic", True),
        ("optimizer.lr=1e-3", "optimizer.lr", 1e-3),
    ],
)
def test_values_are_read_as_mmcv_reads_them(text: str, field: str, expected: Any) -> None:
    run = tiny_run(Path("data"))
    changed, _ = override(run, translate(run, [text], processes=1)[0])
    assert attrgetter(field)(changed) == expected


def test_launchers_are_translated_to_torchruns_variables() -> None:
    slurm = {
        "SLURM_PROCID": "3",
        "SLURM_NTASKS": "8",
        "SLURM_LOCALID": "1",
        "SLURM_NODELIST": "gpu[07-09,12]",
    }
    expected = {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}
    met = expected | {"MASTER_ADDR": "gpu07", "MASTER_PORT": "29500"}
    assert launcher_environment("slurm", None, slurm) == met
    named = slurm | {"MASTER_ADDR": "10.0.0.1", "PORT": "1234"}
    met = expected | {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "1234"}
    assert launcher_environment("slurm", None, named) == met
    plain = slurm | {"SLURM_NODELIST": "alpha,beta"}
    assert launcher_environment("slurm", None, plain)["MASTER_ADDR"] == "alpha"
    mpi = {f"OMPI_COMM_WORLD_{name}": "1" for name in ("RANK", "LOCAL_RANK")} | {"OMPI_COMM_WORLD_SIZE": "2"}
    with pytest.raises(UserError, match="MASTER_ADDR"):
        launcher_environment("mpi", None, mpi)
    assert launcher_environment("mpi", None, mpi | {"MASTER_ADDR": "a"})["RANK"] == "1"
    assert launcher_environment("none", 1, {}) == {"LOCAL_RANK": "1"}
    assert launcher_environment("pytorch", 1, {"RANK": "0", "LOCAL_RANK": "0"}) == {}
