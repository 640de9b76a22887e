"""Settings of all tests: shapes and types of the package's functions are checked while they run."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import settings

# Compiled files are kept, whatever the environment says: some hundred processes would compile all again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The process that hands out tests (`pytest -n 2`) runs none: it does without what takes seconds to import.
_HANDS_OUT = any(option == "-n" and count != "0" for option, count in pairwise(sys.argv))
if not _HANDS_OUT or "PYTEST_XDIST_WORKER" in os.environ:
    # What a hooked module is the first to import is compiled as if it were hooked too: large ones come first.
    import beartype  # noqa: F401
    import timm  # noqa: F401
    import torch
    import typer  # noqa: F401

    import checked

    # Before anything imports the package, so that each of its functions checks its annotations.
    checked.install()

    # One thread: sums then have one order, and losses can be compared to the bit.
    torch.set_num_threads(1)

# What `bootstrap.py` says of itself is not what tests start: they type `s4former`.
os.environ.pop("S4FORMER_PROGRAM", None)

# A shell ignores Ctrl-C for what it starts in the background, and so would all that tests start from there.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Files need not outlive a loss of power here; tests of failing disks do it in processes of their own.
os.fsync = lambda fd: None

# A busy machine is no failure: examples are judged by what they say, not by how long they take.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_runtest_setup() -> None:
    """Check the first calls of each function in each test."""
    checked.begin_test()


def pytest_collection_finish() -> None:
    """Leave what was imported, most of what there is, out of later garbage collections, and have fewer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(autouse=True)
def modules_of_temporary_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget modules that a test imported from a temporary folder, so that none finds another's."""
    before = set(sys.modules)
    yield
    temporary = str(tmp_path_factory.getbasetemp())
    for name in sys.modules.keys() - before:
        module = sys.modules[name]
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        if any(str(place).startswith(temporary) for place in places):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def no_curves(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the curves at the end of a run, which take as long as some tiny runs, where no test asks."""
    if not request.node.get_closest_marker("curves"):
        monkeypatch.setattr("s4former.engine.curves.draw_curves", lambda folder: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of most slow tests, so that at the end no long one keeps others waiting."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])
