"""A run that runs out of memory says what is saved and how to need less."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from s4former.config import Interrupted, OutOfMemory
from s4former.data import TrainBatches
from s4former.data.crops import CroppedBatch
from s4former.engine import lack_of_memory, train
from s4former.engine.callbacks import Callback
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data")


class StopAt2(Callback):
    def on_step(self, step: int) -> None:
        if step == 2:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("end", ["memory", "killed"])
def test_a_run_that_fails_for_memory_goes_on_with_less(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, end: str
) -> None:
    run = tiny_run(data, {"data.num_workers": workers, "save_every": 0})
    with pytest.raises(Interrupted):
        train(run, tmp_path / "run", progress=StopAt2())
    crops, parent = TrainBatches.crops, os.getpid()

    def fail_at_4(self: TrainBatches, step: int) -> tuple[CroppedBatch, dict[str, str]]:
        if step == 4 and end == "killed" and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        if step == 4:
            raise MemoryError
        return crops(self, step)

    monkeypatch.setattr(TrainBatches, "crops", fail_at_4)
    with pytest.raises(OutOfMemory, match=r"after step 2 is kept.*resume=True.*cache_images=128") as failure:
        train(run, tmp_path / "run", resume=True)
    assert "Traceback" not in str(failure.value)
    assert ("data.num_workers=0" in str(failure.value)) == (workers > 0)

    monkeypatch.setattr(TrainBatches, "crops", crops)
    less = {"data.num_workers": 0, "data.cache_images": 128, "save_every": 0}
    assert train(tiny_run(data, less), tmp_path / "run", resume=True).steps == 6


def test_what_ran_out_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as cpu:
        torch.empty(2**60, dtype=torch.uint8)
    with pytest.raises(MemoryError) as array:
        np.empty(2**60, np.uint8)
    for error in (cpu.value, array.value, OSError(errno.ENOMEM, "Cannot allocate memory")):
        assert lack_of_memory(error) == "there is not enough memory"
    assert lack_of_memory(torch.OutOfMemoryError("CUDA out of memory.\nmore")) is not None
    for other in (ValueError("shared memory"), OSError(errno.ENOENT, "no file"), RuntimeError("shapes")):
        assert lack_of_memory(other) is None
