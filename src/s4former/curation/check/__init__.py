"""Looks at every file of a data set before training: what is wrong, and how to mend it."""

from __future__ import annotations

from s4former.curation.check.findings import Check, Finding, Severity, SplitSummary
from s4former.curation.check.quick import quick_check
from s4former.curation.check.survey import check_source

__all__ = ["Check", "Finding", "Severity", "SplitSummary", "check_source", "quick_check"]
