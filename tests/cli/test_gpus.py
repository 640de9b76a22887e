"""``s4former train --gpus N``: what it starts, exit codes, and the Slurm script of the page."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from command_line import CommandLine
from processes import environment
from s4former.config import UserError
from s4former.engine import budget, launch
from s4former.engine.launch import affordable, meeting_point
from tiny_run import make_data, tiny_run

PAGE = Path(__file__).resolve().parents[2] / "docs/scale.md"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    four = {"data.labeled_batch_size": 4, "data.unlabeled_batch_size": 4, "evaluate_every": 0}
    run = tiny_run(make_data(tmp_path / "data", train=6, val=3), four)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run.model_dump(mode="json")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ctrl_c_stops_both_and_one_process_goes_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train = ["train", "run.yaml", "--out", "out", "save_every=1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "s4former", *train, "steps=100000", "--gpus", "2"],
        env=environment(COLUMNS="200"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 200
    while not (place / "out/checkpoint/index.json").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=100)
    assert process.returncode == 75, err
    assert "2 processes" in err
    assert err.count("stopped after step") == 1
    assert re.search(r"s4former train run\.yaml .*--gpus 2 --resume", err)
    assert "Traceback" not in err
    newest = json.loads((place / "out/checkpoint/index.json").read_text())[0]["step"]
    record = json.loads((place / "out/run.json").read_text())
    record["run"]["steps"] = newest + 1  # or it would never end
    (place / "out/run.json").write_text(json.dumps(record))
    shell = CommandLine(monkeypatch, capsys, 200)
    assert shell(*train, f"steps={newest + 1}", "--resume") == 0, shell.err
    assert f"resuming after step {newest}" in shell.err


def test_what_is_started(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(launch, "_torchrun", lambda arguments: started.append(arguments) or 4)
    shell = CommandLine(monkeypatch, capsys, 200)
    words = ("train", "run.yaml", "--out", "out", "--gpus")
    assert shell(*words, 2) == 4  # the exit code of the processes is its own
    assert started[-1][-8:] == ["-m", "s4former", *map(str, words), "2"]
    assert "--nproc-per-node=2" in started[-1]
    assert not shell.err  # device=cpu asks for processes on the CPU
    assert shell(*words, 8) == 4
    assert "--nproc-per-node=4" in started[-1]
    assert "4 and 4 images do not divide by 8" in shell.err
    assert shell(*words, 4, "accumulate=2") == 4
    assert "--nproc-per-node=2" in started[-1]
    monkeypatch.setattr(budget, "_measured", lambda run, *_: 10**12 / run.accumulate)
    assert shell(*words, 2, "--memory", "1000GB") == 4
    assert started[-1][-3] == "accumulate=2"
    assert "accumulate=2 model.recompute_activations=none data.cache_images=512: takes" in shell.err
    assert shell(*words, 8, "--memory", "2000GB") == 4  # fitted as four processes, as so many start
    assert "--nproc-per-node=4" in started[-1]
    count = len(started)
    assert shell(*words, 2, "data.root=nowhere") == 3
    assert shell(*words, 0) == 2
    monkeypatch.setenv("NODE_RANK", "7")
    monkeypatch.setenv("NNODES", "2")
    assert shell(*words, 2) == 1
    assert "NODE_RANK=7" in shell.err
    assert len(started) == count


def test_a_process_of_torchrun_fits_nothing_and_says_so(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    shell = CommandLine(monkeypatch, capsys, 300)
    assert shell("train", "run.yaml", "--out", "out", "--memory", "8GB") == 1
    assert "`s4former train ... --gpus N --memory 8GB` without torchrun" in shell.err
    assert not Path("out").exists()


def test_processes_meet_where_the_environment_says() -> None:
    assert meeting_point({}) == ["--standalone", "--local-addr=127.0.0.1"]
    assert meeting_point({"PORT": "1234"}) == [
        "--nnodes=1",
        "--node-rank=0",
        "--master-addr=127.0.0.1",
        "--master-port=1234",
    ]
    cluster = {"NNODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1"}
    assert meeting_point(cluster) == [
        "--nnodes=2",
        "--node-rank=1",
        "--master-addr=10.0.0.1",
        "--master-port=29500",
    ]


@pytest.mark.parametrize(
    "wrong", [{"PORT": "abc"}, {"PORT": "99999"}, {"NNODES": "0"}, {"NNODES": "2", "NODE_RANK": "2"}]
)
def test_numbers_that_processes_cannot_meet_by(wrong: dict[str, str]) -> None:
    name, text = list(wrong.items())[-1]
    with pytest.raises(UserError, match=f"{name}={text}: expected a number from"):
        meeting_point(wrong)


@pytest.mark.parametrize(
    ("asked", "gpus", "batches", "expected"),
    [
        (2, 0, (8, 8), 2),
        (8, 0, (4, 8), 4),
        (3, 0, (8, 8), 2),
        (8, 3, (8, 8), 2),
        (4, 2, (), 2),
        (5, 0, (7, 7), 1),
    ],
)
def test_with_too_few_gpus_there_are_as_many_processes_as_batches_divide_by(
    asked: int, gpus: int, batches: tuple[int, ...], expected: int
) -> None:
    assert affordable(asked, gpus, batches) == expected


@pytest.mark.parametrize("code", [0, 3, 75])
def test_the_slurm_script_queues_a_stopped_job_again(tmp_path: Path, code: int) -> None:
    script = re.search(r"<!-- file: train\.slurm -->\n```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert script
    (tmp_path / "train.slurm").write_text(script[1])
    fakes = {
        "srun": 'while [ "$1" != bash ]; do shift; done; SLURM_NODEID=1 exec "$@"',
        "scontrol": 'if [ "$1" = show ]; then echo first; echo second; else echo "$@" >> told; fi',
        "s4former": f'echo "$NNODES $NODE_RANK $MASTER_ADDR $PORT $@" >> told; exit {code}',
    }
    for name, text in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    slurm = {"SLURM_NNODES": "2", "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_ID": "17"}
    done = subprocess.run(
        ["bash", "train.slurm"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", **slurm},
        check=False,
    )
    assert done.returncode == code
    train, *rest = (tmp_path / "told").read_text().splitlines()
    assert train.startswith("2 1 first 29500 train voc.classic_92.s4former --gpus 4")
    assert train.endswith("--resume")
    assert rest == (["requeue 17"] if code == 75 else [])
