"""Models as files that run elsewhere: traced, written, and compared with what they were made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.inference.export.files import (
        Format,
        metadata,
        read_logits,
        require_packages,
        traced,
        write_file,
    )
    from s4former.inference.export.verify import Agreement, Example, compare, textures
else:
    __getattr__ = lazily(__name__, __file__)

__all__ = [
    "Agreement",
    "Example",
    "Format",
    "compare",
    "metadata",
    "read_logits",
    "require_packages",
    "textures",
    "traced",
    "write_file",
]
