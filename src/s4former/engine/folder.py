"""The run folder: entering it, refusing to mix two runs in it, and what stands in it from the start."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from s4former.config import changed_fields
from s4former.config.errors import UserError
from s4former.config.invocation import invocation
from s4former.config.outputs import folder_problem
from s4former.config.record import is_temporary, now, read_json, run_record, write_json, write_text
from s4former.config.trust import named_by
from s4former.config.validation import validated
from s4former.data.config import DataConfig
from s4former.data.sources import Source
from s4former.engine.device import describe
from s4former.engine.run import Run

MODELS = ("model", "model_best", "model_before", "model_last")
"""Model folders of a run."""
_LISTED = ("labeled", "unlabeled", "val")
FREE_TO_CHANGE = frozenset(
    {"evaluate_every", "save_every", "log_every", "device", "precision", "threads", "deterministic"}
    | {
        "callbacks",
        "parallel",
        "alarms",
        "diagnose_every",
        "diagnose_truth",
        "data.num_workers",
        "data.cache_images",
        "data.views_on_device",
        "data.root",
    }
)
"""Fields in which a resumed run may differ: they say where and how it computes, not what."""


def earlier_run(folder: Path, resume: bool, asked: Run | None = None) -> dict[str, Any] | None:
    """Return the (dumped) run that stands in a folder and is to be resumed, None if the folder is new.

    Args:
        folder: The run folder.
        resume: Whether to go on with a run in it.
        asked: The run that is to be trained, to tell whether going on would be refused.

    Raises:
        UserError: If the folder holds a run that is not to be resumed, or something else.
    """
    problem = folder_problem(Path(os.path.realpath(folder)))
    if problem:
        raise UserError(f"{problem}; choose another {invocation().out}")
    if (folder / "run.json").exists():
        record = _record(folder)
        if resume or _restarted(record):
            run: dict[str, Any] = record["run"]
            return run
        if _never_started(folder):
            return None  # it failed before it had anything to lose: a mistake in its config, most likely
        if asked and (changes := _refused(folder, asked, record["run"])):
            raise UserError(
                f"{folder} holds a run already, and not this one: {changes}; choose another "
                f"{invocation().out}, or go on with that one by the command that started it"
            )
        raise UserError(
            f"{folder} holds a run already; {invocation().resume} to go on with it, or choose another "
            f"{invocation().out}"
        )
    if folder.exists() and any(not is_temporary(path) for path in folder.iterdir()):
        raise UserError(f"{folder} exists and is no run folder; choose a new one with {invocation().out}")
    return None


def _refused(folder: Path, run: Run, before: dict[str, Any]) -> str:
    """Return in what a run differs from the one in a folder, as far as that can be told."""
    try:
        return differences(folder, run.resolved(before))
    except UserError:
        return ""


def started_run(folder: Path, config: str, asked: Iterable[str] = ()) -> Run | None:
    """Return the run that stands in a folder, to go on with; None if nothing says which config it is from.

    Args:
        folder: The run folder.
        config: The recipe's name or the file that the run is to be from.
        asked: Modules outside of the package that the run may name, as whoever goes on with it names them.

    Raises:
        UserError: If it is from another one, does not fit this version, or is made of code of others.
    """
    record = _record(folder)
    before, place = record.get("config"), Path(str(record.get("working_directory", "")))
    if before is None:
        return None
    # The same text is the same config, wherever the folder is by now.
    if before != config and (place / before).resolve() != Path(config).resolve():
        raise UserError(
            f"{folder} was started from {before}, not from {config}; name {before} to go on with it, or "
            f"choose another {invocation().out}"
        )
    with named_by(folder / "run.json", asked):
        run = validated(Run, record["run"], f"the run in {folder / 'run.json'} does not fit this version")
    return run.model_copy(update={"data": run.data.found_from(place)})


def _never_started(folder: Path) -> bool:
    """Whether a folder holds what `enter` writes, and nothing else."""
    names = {path.name for path in folder.iterdir()}
    lists = {path.name for path in (folder / "splits").glob("*")}
    alone = names <= {"run.json", "splits"} and lists <= {f"{split}.txt" for split in _LISTED}
    return alone and bool(_record(folder))


def _restarted(record: dict[str, Any]) -> bool:
    """Whether this process takes the place of one that died in the same run (``torchrun --max-restarts``)."""
    began = [record.get("launch"), *(entry.get("launch") for entry in record["resumed"])]
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0 and _launch() in began


def _launch() -> str | None:
    """Return what a process and those that take its place have in common, None if nobody restarts it."""
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    return None if name is None else f"{name} by process {os.getppid()} of {platform.node()}"


def _is_record(content: Any) -> bool:
    parts = {"run": dict, "data": dict, "resumed": list}
    return isinstance(content, dict) and all(
        isinstance(content.get(part), kind) for part, kind in parts.items()
    )


def enter(
    folder: Path, run: Run, source: Source, before: dict[str, Any] | None, config: str | None = None
) -> None:
    """Write ``splits/`` and ``run.json`` into a new run folder, or note in it that the run is resumed."""
    if before is None:
        data, devices = describe_data(source), describe(run.device)
        record = run_record(run.model_dump(mode="json"), data, devices, config) | {"launch": _launch()}
    else:
        record = _record(folder)
        again = {"time": now(), "command": list(sys.argv), "hardware": describe(run.device)}
        record["resumed"].append({**again, "launch": _launch()})
    write_json(folder / "run.json", record)  # first: a folder with this is known as a run, whatever happens
    for split in _LISTED:
        ids = getattr(source, split)
        write_text(folder / "splits" / f"{split}.txt", "".join(f"{id}\n" for id in ids))


def check_same(folder: Path, run: Run, source: Source) -> None:
    """Make sure that a run to resume is the one in the folder, on the same data.

    Raises:
        UserError: If not; the message names what differs.
    """
    changes = differences(folder, run)
    if changes:
        raise UserError(
            f"{folder} holds another run: {changes}. Resume it with the values it started with, or start a "
            f"new run with another {invocation().out}; load_from={folder} lets that one start from these "
            "weights"
        )
    fingerprint = _record(folder)["data"].get("fingerprint")
    if fingerprint is None:
        raise UserError(
            f"{folder / 'run.json'} does not say which data the run is of (data.fingerprint is missing), so "
            f"it cannot be resumed; start a new run with another {invocation().out}"
        )
    if fingerprint != source.fingerprint():
        raise UserError(
            f"the data set has changed since {folder} was started (its fingerprint differs), so it cannot be "
            f"resumed; start a new run with another {invocation().out}"
        )


def differences(folder: Path, run: Run) -> str:
    """Return the fields that decide the outcome and differ from the run in a folder, as text."""
    with named_by(folder / "run.json"):
        before = _in_todays_fields(_record(folder)["run"])
    changes = changed_fields(before, run.model_dump(mode="json"))
    decisive = [
        (path, values)
        for path, values in changes.items()
        if not FREE_TO_CHANGE & {path, path.partition(".")[0]}
    ]
    return "; ".join(f"{path} was {old}, now {new}" for path, (old, new) in decisive[:5])


def data_of(model: Path) -> tuple[DataConfig, Path] | None:
    """Return the data that a model was trained on, and the folder that its relative root starts from.

    It is told by the run folder around a model folder; None if there is none, as for a model that was shared.
    """
    if model.name not in MODELS or not (model.parent / "run.json").is_file():
        return None
    record = _record(model.parent)
    data = validated(
        DataConfig, record["run"].get("data"), f"the data in {model.parent / 'run.json'} does not fit"
    )
    return data, Path(str(record.get("working_directory", "")))


def _record(folder: Path) -> dict[str, Any]:
    """Return the content of ``run.json``."""
    try:
        record: dict[str, Any] = read_json(folder / "run.json")
    except ValueError as error:
        raise UserError(
            f"{folder / 'run.json'} is damaged ({error}); a run cannot be resumed without what it says, so "
            f"start a new one with another {invocation().out}"
        ) from None
    if not _is_record(record):
        raise UserError(
            f"{folder / 'run.json'} is none of a run of s4former; choose another {invocation().out}"
        )
    return record


def _in_todays_fields(before: dict[str, Any]) -> dict[str, Any]:
    """Return a dumped run with the defaults of fields that came later, if it still makes a run."""
    try:
        return Run.model_validate(before).model_dump(mode="json")
    except ValidationError:  # of fields that are gone; the comparison names them
        return before


def describe_data(source: Source) -> dict[str, Any]:
    """Return what ``run.json`` says of the data."""
    classes = source.classes
    return {
        "fingerprint": source.fingerprint(),
        "labeled": len(source.labeled),
        "unlabeled": len(source.unlabeled),
        "val": len(source.val),
        "test": len(source.test),
        "classes": {"names": classes.names, "colors": classes.colors, "ignore": classes.ignore},
    }
