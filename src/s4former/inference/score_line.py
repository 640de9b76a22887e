"""What a line of ``scores.jsonl`` says of one evaluation; files that hold one may be damaged."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_Pair = Annotated[list[int], Field(min_length=2, max_length=2)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _Protocol(_Part):
    mode: str
    short_side: int | None
    crop_size: int | _Pair | None
    stride: int | _Pair | None
    scales: list[float]
    flip: bool
    precision: str


class _Mean(_Part):
    miou: float | None


class _Interval(_Part):
    low: _Mean
    high: _Mean


class ScoreLine(_Part):
    """What `wording` and pages read of such a line; it may say more."""

    step: int
    network: str
    deployed: bool
    part: str
    images: int
    miou: float | None
    macc: float | None
    aacc: float | None
    iou: dict[str, float | None]
    acc: dict[str, float | None]
    protocol: _Protocol
    miou_present: float | None = None
    counted_absent: list[str] = []
    interval: _Interval | None = None
    remarks: list[str] = []
