"""Supervised training as data; its module is in `methods/supervised.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from s4former.methods.configs.base import MethodConfig

if TYPE_CHECKING:
    from s4former.methods.supervised import Supervised
    from s4former.types import Segmenter


class SupervisedConfig(MethodConfig):
    """Cross entropy on the labeled images."""

    name: Literal["supervised"] = "supervised"
    """The method: this file's name."""

    def build(self, student: Segmenter) -> Supervised:
        """Return the method that trains ``student``."""
        from s4former.methods.supervised import Supervised

        return Supervised(self, student)
