"""Torch's own files, read by its restricted reader only: whatever is in them, nothing of it runs."""

from __future__ import annotations

import re
import shlex
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

_KEEP_TENSORS = (
    "import pickle, sys, torch, types; "
    "put = lambda s, d: s.update(d) if isinstance(d, dict) else None; skip = lambda s, *a, **k: None; "
    "S = type('S', (dict,), dict(__init__=skip, __setstate__=put, __hash__=object.__hash__, append=skip, "
    "extend=skip, add=skip)); "
    "mine = ('torch', 'torch._utils', 'torch._tensor', 'collections'); "
    "U = type('U', (pickle.Unpickler,), dict(find_class=lambda s, m, n: "
    "pickle.Unpickler.find_class(s, m, n) if m in mine else S)); "
    "P = types.SimpleNamespace(__name__='P', Unpickler=U, load=lambda f, **k: U(f, **k).load()); "
    "seen = set(); new = lambda v: not (id(v) in seen or seen.add(id(v))); "
    "keep = lambda d: {k: v.data if isinstance(v, torch.Tensor) else keep(v) for k, v in d.items() "
    "if type(k) is str and (isinstance(v, torch.Tensor) or isinstance(v, dict) and new(v))}; "
    "c = torch.load(sys.argv[1], map_location='cpu', weights_only=False, pickle_module=P); "
    "c = c if isinstance(c, dict) else {f'item{i}': v for i, v in enumerate(c)}; "
    "torch.save(keep(c), sys.argv[2])"
)
"""A program that people run themselves, once they trust a file, wherever there is a torch: it keeps tensors
and dictionaries of tensors. Classes that are not torch's become empty ones, so they need not be installed."""


def load_pickled(path: Path) -> Any:
    """Return what a file of ``torch.save`` holds, if that is tensors, containers, texts and numbers."""
    with torch.serialization.safe_globals(_NUMBERS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch warns of ends in one of our messages
        return torch.load(path, map_location="cpu", weights_only=True)


def why_refused(path: Path, error: Exception) -> str | None:
    """Say what torch's restricted reader refused and how to get at the tensors; None: it refused nothing."""
    if "TorchScript" in str(error):
        return (
            f"{path} is a program (TorchScript), and reading it could run code. If you trust whoever made "
            f'it, write its tensors to a new file with `python -c "import sys, torch; '
            f"torch.save(torch.jit.load(sys.argv[1], 'cpu').state_dict(), sys.argv[2])\" {_names(path)}` and "
            "give that"
        )
    code = re.search(r"GLOBAL ([\w.]*\w)", str(error)) or re.search(
        r"(?:reduce for unrecognized \w+ |but got )<?(?:\w+ )*'?([\w.]+)", str(error)
    )
    if code is None:
        return None
    return (
        f"{path} can't be read: beside tensors it holds a Python object, {code[1]}, and reading that could "
        "run code. If you trust whoever made it, write its tensors to a new file and give that:\n"
        f'python -c "{_KEEP_TENSORS}" {_names(path)}'
    )


def _names(path: Path) -> str:
    """Return the file and a new one beside it, as a shell reads them."""
    number, new = 2, path.with_name(f"{path.stem}_plain.pth")
    while new.exists():
        number, new = number + 1, path.with_name(f"{path.stem}_plain_{number}.pth")
    return shlex.join((str(path), str(new)))


class _NumberType:
    """Stands for NumPy's dtype in a file, as its code, such as ``f8``; NumPy itself is not asked."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1] if state[1] in ("<", ">") else "<"


class _Array:
    """Stands for an array beside the tensors, as a palette; its values are left alone."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def _number(kind: _NumberType, data: bytes | str = b"") -> bool | int | float | None:
    """Return a plain number for one of NumPy's, None for what is no number."""
    if not re.fullmatch(r"b1|[iu][1248]|f[248]", str(kind.code)):
        return None
    raw = data.encode("latin1") if isinstance(data, str) else data
    value: bool | int | float = np.frombuffer(raw, kind.order + kind.code, count=1)[0].item()
    return value


_NUMBERS: list[Any] = [
    (_NumberType, "numpy.dtype"),
    (_number, "numpy.core.multiarray.scalar"),
    (_number, "numpy._core.multiarray.scalar"),
    (_Array, "numpy.ndarray"),
    (_Array, "numpy.core.multiarray._reconstruct"),
    (_Array, "numpy._core.multiarray._reconstruct"),
]
