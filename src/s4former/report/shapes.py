"""What a report reads of the files of a run folder, which may be damaged or of another program."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _Named(_Part):
    name: str
    views: dict[str, Any] = {}


class _Network(_Part):
    backbone: _Named
    head: _Named
    pretrained: str


class _Batches(_Part):
    root: str
    source: str
    labeled_batch_size: int
    unlabeled_batch_size: int
    crop_size: int | list[int]


class _Optimizer(_Part):
    name: str
    lr: float


class _Run(_Part):
    method: _Named
    model: _Network
    data: _Batches
    optimizer: _Optimizer
    steps: int
    seed: int
    device: str
    precision: str


class _Classes(_Part):
    names: list[str]
    colors: list[list[int]]


class _Data(_Part):
    classes: _Classes
    labeled: int
    unlabeled: int
    val: int


class RunShape(_Part):
    """``run.json``."""

    run: _Run
    data: _Data
    hardware: dict[str, Any]
    versions: dict[str, str]
    command: list[str]
    working_directory: str
    started: str
    resumed: list[Any]
    commit: str | None = None


class LineShape(_Part):
    """A line of ``journal.jsonl``."""

    step: int
    seconds: float


class ScoreShape(_Part):
    """A line of ``scores.jsonl``."""

    step: int
    network: str
    deployed: bool
    part: str
    images: int
    miou: float | None
    iou: dict[str, float | None]
    protocol: dict[str, Any]


class ResultShape(_Part):
    """``result.json``; empty as long as the run goes on."""

    seconds: float | None = None
    fall_back: dict[str, Any] | None = None
