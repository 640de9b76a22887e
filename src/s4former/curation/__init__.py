"""Looks after data sets: checks them, describes them, and makes masks of annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.curation.check import Check, check_source, quick_check
    from s4former.curation.check.facts import ImageFacts
    from s4former.curation.sources import open_source
else:
    __getattr__ = lazily(__name__, __file__)

__all__ = ["Check", "ImageFacts", "check_source", "open_source", "quick_check"]
