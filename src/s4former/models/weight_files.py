"""Reading files of tensors in either format that people have, without ever running what is in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from s4former.config.errors import UserError

# Under which name training code files the weights; of a student and its teacher, the teacher is kept.
_WRAPPERS = ("state_dict", "model", "teacher")


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors in a weight file, from under ``state_dict``, ``model`` or ``teacher`` if there.

    The content says what format it has, whatever the file is called.

    Raises:
        UserError: If there is no such file, it can't be read, or it holds no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no weight file {path}")
    content = _read(path)
    while isinstance(content, Mapping):
        wrapper = next((name for name in _WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if wrapper is None:
            break
        content = content[wrapper]
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds a {type(content).__name__}; expected tensors by name")
    state = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise UserError(
            f"{path} holds no tensors; it has {', '.join(map(str, list(content)[:5])) or 'nothing'}"
        )
    return state


def _read(path: Path) -> Any:
    start = _start(path)
    is_safetensors = start[8:9] == b"{"  # behind the length of its header
    try:
        if is_safetensors:
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's readers stumble over foreign bytes in more ways than they document
        raise UserError(_why_unreadable(path, start, is_safetensors, error)) from error


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def _why_unreadable(path: Path, start: bytes, is_safetensors: bool, error: Exception) -> str:
    if start.startswith(b"version https://git-lfs"):
        return f"{path} can't be read: it is not the file but git's note where it lies; type `git lfs pull`"
    if start.lstrip()[:1] == b"<":
        return f"{path} can't be read: it is a web page, not a weight file; download it anew"
    code = re.search(r"GLOBAL ([\w.]*\w)", str(error))
    if code:
        return (
            f"{path} can't be read: beside tensors it holds a Python object, {code[1]}, and reading that "
            "could run code. If you trust whoever made it, write its tensors to a new file with "
            f"`python -c \"import torch; c = torch.load('{path}', weights_only=False); "
            "torch.save(c.get('state_dict', c), 'plain.pth')\"` and give that"
        )
    return (
        f"{path} can't be read as {'safetensors' if is_safetensors else 'a torch file'} of plain tensors "
        f"({first_line(error)}); a cut-off download is a common cause"
    )


def first_line(error: Exception) -> str:
    """Return the kind of an error and the first line of what it says."""
    text = str(error).strip()
    paragraphs = text.split("\n\n")
    if "weights_only" in text and len(paragraphs) > 2:
        # Around its reason torch advises to read it all the same.
        text = paragraphs[-2].strip()
    lines = text.splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"
