"""The page on what a run says of its pseudo-labels names all of it, with today's numbers."""

from __future__ import annotations

import torch
from pages import ROOT, tables

from s4former.engine.alarm_rules import RULES
from s4former.engine.alarms_config import AlarmsConfig
from s4former.methods.parts import Diagnosis, shares

PAGE = ROOT / "docs" / "why.md"


def test_every_scalar_is_in_the_table() -> None:
    counts = Diagnosis(1, torch.device("cpu")).counts + 1
    said = " ".join(row[0] for row in tables(PAGE, "What is counted")[0])
    for name in shares(counts.tolist(), ("CLASS",)):
        assert f"`{name}`" in said


def test_every_alarm_is_in_the_table_with_its_numbers() -> None:
    (rows,) = tables(PAGE, "Alarms")
    assert [row[0].strip("`") for row in rows] == list(RULES)
    config = AlarmsConfig()
    for row, number in zip(
        rows,
        (
            f"{config.least_confident:.1%}",
            {8: "eight times"}[round(config.class_odds)],
            f"{100 * config.teacher_margin:g} points",
            f"{config.least_loss:.0%}",
        ),
        strict=True,
    ):
        assert number.replace("%", " %") in row[1]
    for name in AlarmsConfig.model_fields:
        assert f"alarms.{name}" in PAGE.read_text()
