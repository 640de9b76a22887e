"""Models of other people, from the Hugging Face hub: two files are fetched and read, and no code is run."""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from s4former.config.errors import UserError
from s4former.config.record import read_json

_logger = logging.getLogger(__name__)
_REFERENCE = re.compile(r"hf:/{0,2}([\w.-]+/[\w.-]+)(?:@(\S+))?")
_PATIENCE = 6.0
"""Seconds that the hub may take to answer at all; its own client would try for most of a minute."""


def is_reference(path: Path) -> bool:
    """Whether a model is named by its place on the hub, as ``hf:user/name``."""
    return str(path).startswith("hf:")


def fetched(path: Path, card: str, weights: str) -> Path:
    """Return the folder of the hub's cache that holds a model, downloaded unless it is there and up to date.

    Without a network it is the one in the cache.

    Args:
        path: ``hf:user/name`` or ``hf:user/name@revision``: a branch, a tag or a commit.
        card: The file that says what the model is; fetched and looked at first.
        weights: The file with its weights.

    Raises:
        UserError: If it cannot be had, or is a model that only its author's code can build.
    """
    match = _REFERENCE.fullmatch(str(path))
    if not match:
        raise UserError(f"{path} names no model of the hub; expected hf:user/name or hf:user/name@revision")
    repository, revision = match.groups()
    described = _file(repository, card, revision)
    _require_no_code(described, repository)
    # The commit of the first file: another may be pushed between the two.
    return _file(repository, weights, described.parent.name).parent


def _file(repository: str, name: str, revision: str | None) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        get_hf_file_metadata(hf_hub_url(repository, name, revision=revision), timeout=_PATIENCE)
        return Path(hf_hub_download(repository, name, revision=revision))
    except (RepositoryNotFoundError, GatedRepoError, HFValidationError):
        problem = (
            "is not on the hub, or not open to you: look at its name; for a private one, `hf auth login`"
        )
    except RevisionNotFoundError:
        problem = f"has no revision {revision!r}; expected a branch, a tag or a commit"
    except Exception as error:  # the hub's clients fail in many ways, none of which we can mend
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            problem = f"has no {name}, so it is no model of s4former: those are made by model.push_to_hub"
        else:
            cached = try_to_load_from_cache(repository, name, revision=revision)
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            if isinstance(cached, str):
                _logger.warning(
                    f"the hub cannot be reached ({why}): hf:{repository} as it was fetched before"
                )
                return Path(cached)
            problem = f"is not in the hub's cache, and the hub cannot be reached ({why})"
    raise UserError(f"hf:{repository} {problem}") from None


def _require_no_code(card: Path, repository: str) -> None:
    """Refuse a network with parts that are import paths: a config is loaded by importing them."""
    try:
        content: Any = read_json(card)
    except (ValueError, RecursionError):
        raise UserError(f"the {card.name} of hf:{repository} is not JSON") from None
    for name in _strings(content.get("architecture") if isinstance(content, dict) else None):
        package, dot, _ = name.partition(".")
        if dot and package.isidentifier() and importlib.util.find_spec(package):
            raise UserError(
                f"hf:{repository} is built by code that does not come with s4former, {name}; models from the "
                "hub run no code: if you trust whoever wrote it, download it into a folder and load that, "
                "with its code named in S4FORMER_TRUST"
            )


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)
