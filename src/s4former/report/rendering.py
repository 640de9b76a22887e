"""Pages of the templates: one file each, no scripts, nothing from elsewhere, every name escaped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from s4former.inference.wording import percent

if TYPE_CHECKING:
    import jinja2

_DASHES = ("none", "5 2", "1.5 1.5", "7 2 1.5 2")
"""Curves are told apart by these as well as by color."""


def render(template: str, content: Mapping[str, Any]) -> str:
    """Return a template of this room, filled in."""
    return _templates().get_template(template).render(content)


@cache
def _templates() -> jinja2.Environment:
    """Return what reads templates, each once in a process: that takes longer than to fill it in."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("s4former.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"percent": percent, "points": points}
    environment.globals["dash"] = lambda curve: _DASHES[curve % len(_DASHES)]
    return environment


def points(fraction: float) -> str:
    """Return a difference of two scores in points, with its sign."""
    return f"{100 * fraction:+.1f}".replace("-", "\N{MINUS SIGN}")
