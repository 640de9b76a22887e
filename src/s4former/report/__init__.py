"""Pages and pictures of runs, and the page of a check of data; never imports the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.report.figures import colorize, learning_curves, panel
    from s4former.report.page import check_page
    from s4former.report.runs import make_report
    from s4former.report.sheets import contact_sheet, sheet
else:
    __getattr__ = lazily(__name__, __file__)

__all__ = ["check_page", "colorize", "contact_sheet", "learning_curves", "make_report", "panel", "sheet"]
