"""Losses, scores and pictures for MLflow: in files of the run folder, or where its tracking address says."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from s4former.config.errors import UserError
from s4former.config.record import read_json, write_text
from s4former.engine.callbacks.base import Callback, CallbackConfig, Line, flat, numbers, panel_path

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_FILES = "MLFLOW_ALLOW_FILE_STORE"
_LONGEST = 6000
_NOT_IN_NAMES = re.compile(r"[^\w\-. ]")


class MlflowConfig(CallbackConfig):
    """Shown by ``mlflow ui --backend-store-uri RUN_FOLDER/mlruns``; ``pip install 's4former[mlflow]'``."""

    name: Literal["mlflow"] = "mlflow"
    """The callback."""
    tracking_uri: str | None = None
    """A folder, as ``runs/mlruns`` for several runs side by side, or a server's address. None: what the
    environment variable ``MLFLOW_TRACKING_URI`` says, and without it the run folder's ``mlruns/``."""
    experiment: str = "s4former"
    """The experiment that the run belongs to."""

    def build(self, folder: Path) -> Callback:
        """Return what writes there.

        Raises:
            UserError: If MLflow is not installed, or cannot write there.
        """
        address = self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or str(folder / "mlruns")
        if "://" not in address:
            os.environ.setdefault(_FILES, "true")  # MLflow has no better store without a database
            address = Path(address).resolve().as_uri()
        if importlib.util.find_spec("mlflow") is None:
            raise UserError(
                "callbacks=[mlflow] needs MLflow, which is not installed; type `pip install "
                "'s4former[mlflow]'`, or leave the field out: journal.jsonl holds the same numbers"
            )
        if not address.startswith(folder.resolve().as_uri()):
            _client(address)  # what is wrong with it is said before there is a run folder
        return Mlflow(partial(_client, address), self.experiment, folder)


def _client(address: str) -> MlflowClient:
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        return MlflowClient(address)
    except MlflowException as error:
        raise UserError(
            f"MLflow cannot write to {address}: {error}. Give a folder, as in "
            "callbacks=[{name: mlflow, tracking_uri: runs/mlruns}]; databases take the whole package: "
            "`pip install mlflow`"
        ) from None


class Mlflow(Callback):
    """Writes each number of the journal, the scores, the run's fields, and the panels."""

    def __init__(self, open_client: Callable[[], MlflowClient], experiment: str, folder: Path) -> None:
        self._open_client, self._experiment, self._folder = open_client, experiment, folder
        self._run_id, self._left = "", 0

    def on_start(self, step: int, steps: int) -> None:
        """Open a run, or go on with the one that ``mlflow_run.txt`` names: that of a run that is resumed."""
        self._client = client = self._open_client()
        self._left, mark = steps - step, self._folder / "mlflow_run.txt"
        if mark.is_file():
            self._run_id = mark.read_text(encoding="utf-8").strip()
            client.update_run(self._run_id, "RUNNING")
            return
        found = client.get_experiment_by_name(self._experiment)
        experiment = found.experiment_id if found else client.create_experiment(self._experiment)
        self._run_id = client.create_run(experiment, run_name=self._folder.name).info.run_id
        for name, value in flat(read_json(self._folder / "run.json")["run"]).items():
            client.log_param(self._run_id, name, str(value)[:_LONGEST])
        write_text(mark, self._run_id + "\n")

    def on_step(self, step: int) -> None:
        """Count."""
        self._left -= 1

    def on_log(self, line: Line) -> None:
        """Write all numbers but the step."""
        for name, value in numbers(line).items():  # in its files a name cannot be a folder, too: loss/mixed
            name = _NOT_IN_NAMES.sub("_", name.replace("/", "."))
            self._client.log_metric(self._run_id, name, value, step=line["step"])

    def on_score(self, lines: Sequence[Line]) -> None:
        """Write the mean IoU of each network, the IoU of each class, and the panel."""
        for line in lines:
            self.on_log(line)
        if (panel := panel_path(self._folder, lines[0]["step"])).is_file():
            self._client.log_artifact(self._run_id, str(panel), "panels")

    def close(self) -> None:
        """Say how it ended."""
        if self._run_id:
            self._client.set_terminated(self._run_id, "FINISHED" if self._left <= 0 else "KILLED")
