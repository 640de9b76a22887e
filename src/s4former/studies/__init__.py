"""Several runs and their statistics: methods compared under one protocol, paired by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.studies.asked import job_of, make_study, references
    from s4former.studies.comparison import compare, describe
    from s4former.studies.lists import SPLITS
    from s4former.studies.plan import Study
else:
    __getattr__ = lazily(__name__, __file__)

__all__ = ["SPLITS", "Study", "compare", "describe", "job_of", "make_study", "references"]
