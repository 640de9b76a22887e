"""Runs stopped by signals, and with one of two processes killed under ``torchrun --max-restarts``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from resuming import differences

from processes import environment
from tiny_run import make_data, tiny_run
from trials import Trials

_WORKER = """
import os, signal
import s4former.methods.s4former as method
from s4former.__main__ import main

true_step = method.S4Former.after_update

def step_or_die(self, step):
    first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if first and os.environ["RANK"] == os.environ["DIES"] and step == int(os.environ["AT"]):
        os.kill(os.getpid(), signal.SIGKILL)
    true_step(self, step)

method.S4Former.after_update = step_or_die
main()
"""


def kill_under_torchrun(root: Path, step: int, rank: int, trials: Trials) -> dict[str, Any]:
    """Kill a process at a step; return how it ended, and the tensors that differ from an undisturbed run."""
    data = make_data(root / "data", train=6, val=3)
    changes = {"steps": 8, "save_every": 2, "model.head": "setr_pup", "model.head.channels": 8}
    run = tiny_run(data, changes)
    (root / "run.yaml").write_text(yaml.safe_dump(run.model_dump(mode="json")))
    (root / "worker.py").write_text(_WORKER)
    train = ["train", str(root / "run.yaml"), "--out"]
    straight = trials.call("trials:run_command", [*train, str(root / "straight")], processes=2)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    killed = subprocess.run(
        [*launcher, "--max-restarts=1", str(root / "worker.py"), *train, str(root / "killed")],
        env=environment(DIES=str(rank), AT=str(step)),
        capture_output=True,
        text=True,
        check=False,
    )
    codes = {
        "straight": next((end.code for end in straight if end.code), 0),
        "killed": killed.returncode,
    }
    differ = (
        [straight[0].err, killed.stderr]
        if any(codes.values())
        else differences(root / "straight", root / "killed")
    )
    return {
        "killed": f"process {rank} in step {step + 1}",
        "codes": codes,
        "resumed": f"resuming after step {step // 2 * 2}" in killed.stderr,
        "differ": differ,
    }


def stop_by_signals(root: Path, name: str, times: int, trials: Trials) -> dict[str, Any]:
    """Send a signal to a run in its second step, once or twice; return its exit code and what is saved."""
    data = make_data(root / f"data{name}{times}", train=6, val=3)
    folder = root / f"run{name}{times}"
    (ended,) = trials.call("restarting:signalled", str(data), str(folder), name, times)
    states = sorted(file.stem for file in (folder / "checkpoint").glob("step_*.pt"))
    return {"signal": name, "times": times, "code": ended.code, "states": states, "said": ended.err[-200:]}


def signalled(data: str, folder: str, name: str, times: int) -> None:
    """Train, and get signals when the third step is done."""
    import signal

    from s4former.cli.main import guarded
    from s4former.engine import train
    from s4former.engine.callbacks import Callback

    class Signals(Callback):
        def on_step(self, step: int) -> None:
            for _ in range(times if step == 3 else 0):
                os.kill(os.getpid(), getattr(signal, name))

    run = tiny_run(Path(data), {"evaluate_every": 0})
    guarded(lambda: train(run, Path(folder), progress=Signals()))
