"""The three commands of the authors' README on a miniature VOC: one to the letter, with two gloo processes.

The other two differ in their config: they go the same way in this process, as ``--gpus 2`` on one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mini_voc import UNLABELED, VAL, make_mini_voc
from processes import environment
from s4former.compat import mmseg_test, mmseg_train

ROOT = Path(__file__).resolve().parents[2]
SETR = "configs/setr/setr_deit-base_pup_bs_8_512x512_80k_pascal_1over16_split_classic_"
COMMANDS = {
    "sup": f"sh ./tools/dist_train.sh {SETR}sup.py 2 --seed 1999",
    "MT": f"sh ./tools/dist_train.sh {SETR}semi_beta_1_th_0.95_MT.py 2 --seed 1999",
    "ours": f"sh ./tools/dist_train.sh {SETR}semi_beta_1_th_0.95_MT_w_ours.py 2 --seed 1999",
}
# A tiny ViT of timm, crops of 4 x 4 patches with blocks of 2 x 2, few steps: all else is as published.
SMALLER = (
    "model.backbone=vit_tiny_patch16_224 model.pretrained=none model.backbone.image_size=[64,64] "
    "model.head.channels=16 data.crop_size=64 data.short_side=96 data.num_workers=0 evaluate.short_side=64"
)
SHUFFLE = "method.shuffle_block=2 method.confidence_threshold=0.06"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder as users have it: the repository's scripts and configs beside ``data``."""
    place = tmp_path_factory.mktemp("repository")
    for name in ("tools", "configs"):
        (place / name).symlink_to(ROOT / name)
    make_mini_voc(place / "data")
    return place


def sh(place: Path, command: str, options: str = "") -> tuple[str, str]:
    """Run a command line as people type it and return what it printed; it must succeed."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["sh", "-c", f"{command} {options}"],
        cwd=place,
        env=environment(PATH=path, COLUMNS="120"),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def work_dir(command: str) -> str:
    """Return where mmsegmentation's users look for the results of a config."""
    return f"work_dirs/{Path(command.split()[2]).stem}"


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_published_command_trains_and_is_scored(
    repository: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command, options = COMMANDS[name], f"--cfg-options steps=2 {SMALLER}"
    options += "" if name == "sup" else f" {SHUFFLE if name == 'ours' else SHUFFLE.split()[1]}"
    if name == "ours":
        out, err = sh(repository, command, options)
        assert "running 2 processes on the CPU (gloo)" in err
    else:
        monkeypatch.chdir(repository)
        _, _, config, gpus, *rest = f"{command} {options}".split()
        mmseg_train.train([config, "--gpus", gpus, *rest])
        out = capsys.readouterr().out
    assert "mean" in out
    folder = repository / work_dir(command)
    record = json.loads((folder / "run.json").read_text())["run"]
    assert (record["seed"], record["steps"]) == (1999, 2)
    assert record["data"]["labeled_batch_size"] == 8
    journal = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    wanted = {"sup": set(), "MT": {"loss/consistency"}, "ours": {"loss/pasa", "loss/mixed", "loss/ncr"}}[name]
    assert {"loss", "loss/supervised", *wanted} <= journal[-1].keys()
    assert all(journal[-1][loss] > 0 for loss in wanted)
    assert len((folder / "splits" / "unlabeled.txt").read_text().split()) == UNLABELED
    if name != "ours":
        return

    monkeypatch.chdir(repository)  # two processes score in test_tools.py
    mmseg_test.test(
        [command.split()[2], work_dir(command), "--gpus", "2", "--eval", "mIoU", *options.split()]
    )
    out = capsys.readouterr().out
    assert f"{VAL} images" in out
    assert "aeroplane" in out
