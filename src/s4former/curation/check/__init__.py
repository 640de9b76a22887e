"""Looks at every file of a data set before training: what is wrong, and how to mend it."""

from __future__ import annotations

from s4former.curation.check.findings import Check, Finding, PartSummary, Severity
from s4former.curation.check.quick import require_sound
from s4former.curation.check.survey import check_source

__all__ = ["Check", "Finding", "PartSummary", "Severity", "check_source", "require_sound"]
