"""The scripts in ``tools/`` as people call them, through ``sh``, with two gloo processes."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from processes import environment, free_port
from tiny_run import make_data, tiny_run
from trials import server

TOOLS = Path(__file__).resolve().parents[2] / "tools"
SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)]
SCRIPTS = ["dist_train.sh", "dist_test.sh", "slurm_train.sh", "python.sh"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny data set and ``a run.yaml``, whose name has a space."""
    root = tmp_path_factory.mktemp("tools")
    four = {"data.labeled_batch_size": 4, "data.unlabeled_batch_size": 4}
    run = tiny_run(make_data(root / "data", train=6, val=3), four)
    (root / "a run.yaml").write_text(yaml.safe_dump(run.model_dump(mode="json")))
    return root


def start(place: Path, script: str, *arguments: object, **variables: str) -> subprocess.Popen[str]:
    path = [str(Path(sys.executable).parent), variables.pop("PATH", "/usr/bin:/bin")]
    return subprocess.Popen(
        ["sh", str(TOOLS / script), *map(str, arguments)],
        cwd=place,
        env=environment(PATH=":".join(path), COLUMNS="120", **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(place: Path, script: str, *arguments: object, **variables: str) -> tuple[int, str, str]:
    process = start(place, script, *arguments, **variables)
    try:
        out, err = process.communicate(timeout=250)
    finally:
        process.kill()
    return process.returncode, out, err


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_plain_sh(shell: str, script: str) -> None:
    command = [shell, "sh"] if shell == "busybox" else [shell]
    subprocess.run([*command, "-n", str(TOOLS / script)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_stopped_run_of_two_processes_goes_on_and_is_scored(place: Path) -> None:
    options = ["--seed", "1999", "--work-dir", "work dir", "--auto-resume", "--cfg-options"]
    options += ["data.samples_per_gpu=2", "evaluation.interval=0", "save_every=1"]
    process = start(place, "dist_train.sh", "a run.yaml", 2, *options, "runner.max_iters=100000")
    deadline = time.monotonic() + 200
    while not (place / "work dir" / "checkpoint" / "index.json").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 75, err
    assert "2 GPUs were asked for and no GPU is here: running 2 processes on the CPU (gloo)" in err
    assert err.count("stopped after step") == 1
    assert "Traceback" not in err
    (newest, *_) = json.loads((place / "work dir" / "checkpoint" / "index.json").read_text())
    record = json.loads((place / "work dir" / "run.json").read_text())
    assert record["run"]["data"]["labeled_batch_size"] == 4
    record["run"]["steps"] = newest["step"] + 1  # or it would never end
    (place / "work dir" / "run.json").write_text(json.dumps(record))

    # What the script starts, twice, without the seconds that two new Pythons take.
    words = ["a run.yaml", "--launcher", "pytorch", "--gpus", "2", *options]
    words.append(f"runner.max_iters={newest['step'] + 1}")
    first, second = server().call("trials:run_command", words, "tools/train.py", place=place, processes=2)
    assert (first.code, second.code) == (0, 0), first.err
    assert f"resuming after step {newest['step']}" in first.err
    assert len(re.findall(r"mean\b(?!,)", first.out)) == 1  # one table, whatever its other rows

    code, out, err = run(
        place, "dist_test.sh", "a run.yaml", "work dir", 2, "--eval", "mIoU", "--out", "masks"
    )
    assert code == 0, err
    assert out.count("teacher, val: 3 images") == 1
    assert len(list((place / "masks").glob("*.png"))) == 3


@pytest.mark.slow
def test_a_problem_in_the_data_keeps_its_exit_code_and_its_one_message(place: Path) -> None:
    code, _, err = run(
        place, "dist_train.sh", "a run.yaml", 2, "--cfg-options", "data.root=nowhere", PORT=str(free_port())
    )
    assert code == 3, err
    assert err.count("nowhere") == 1
    assert "Traceback" not in err


def test_mistakes_end_before_anything_is_started(place: Path) -> None:
    code, _, err = run(place, "dist_train.sh", "a run.yaml")
    assert (code, "usage: sh tools/dist_train.sh CONFIG GPUS" in err) == (2, True)
    code, _, err = run(place, "dist_test.sh", "a run.yaml", "work")
    assert (code, "usage: sh tools/dist_test.sh CONFIG CHECKPOINT GPUS" in err) == (2, True)
    code, _, err = run(place, "dist_train.sh", "a run.yaml", "two")
    assert (code, "number of GPUs" in err) == (1, True)


@pytest.mark.slow
def test_a_port_that_is_taken_is_named(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        code, _, err = run(place, "dist_train.sh", "a run.yaml", 2, PORT=port)
    assert code == 1, err
    assert f"port: {port}" in err
    assert "set PORT to a free one" in err
    assert "Traceback" not in err


def test_slurm_gets_mmsegmentations_call(place: Path, tmp_path: Path) -> None:
    fake = tmp_path / "srun"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    arguments = ["gpu", "a job", "a run.yaml", "--seed", 1, "--cfg-options", "a.b=c d"]
    code, out, err = run(place, "slurm_train.sh", *arguments, PATH=path, GPUS="2", SRUN_ARGS="-w x --time=1")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[:2] == ["-p", "gpu"]
    assert {"--job-name=a job", "--ntasks=2", "--ntasks-per-node=2", "--gres=gpu:2", "-w", "--time=1"} <= {
        *lines
    }
    assert lines[-7:] == ["a run.yaml", "--launcher", "slurm", "--seed", "1", "--cfg-options", "a.b=c d"]


def test_scripts_find_the_repositorys_environment_without_a_python_in_path(tmp_path: Path) -> None:
    """Also where the folder of the scripts is a link, or a Python of another kind comes first."""
    repository, elsewhere = tmp_path / "the repository", tmp_path / "elsewhere"
    for folder in (repository / ".venv" / "bin", elsewhere, tmp_path / "bin"):
        folder.mkdir(parents=True)
    shutil.copytree(TOOLS, repository / "tools")
    (elsewhere / "tools").symlink_to(repository / "tools")
    own = repository / ".venv" / "bin" / "python"
    own.write_text('#!/bin/sh\necho "$0 $*"\n')
    others = tmp_path / "bin" / "python"
    others.write_text('#!/bin/sh\n[ "$2" = "import s4former" ]\n')  # a checkout in its way, not what it needs
    for file in (own, others):
        file.chmod(0o755)
    for place in (repository, elsewhere):
        done = subprocess.run(
            ["sh", "tools/dist_train.sh", "a config.py", "2", "--seed", "1"],
            cwd=place,
            env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith(
            f"{own} -m s4former.compat.launch 2 tools/train.py a config.py --launcher"
        )


def test_without_the_package_the_scripts_say_how_to_get_it(tmp_path: Path) -> None:
    shutil.copytree(TOOLS, tmp_path / "tools")
    for name in ("python", "python3"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["sh", "tools/dist_train.sh", "c.py", "2"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "make setup" in done.stderr
    for tool in ("train.py", "test.py"):
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(TOOLS / tool)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "make setup" in done.stderr
        assert "Traceback" not in done.stderr
