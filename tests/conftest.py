"""Settings of all tests: shapes and types of the package's functions are checked while they run."""

from __future__ import annotations

import os
import signal

import torch
from hypothesis import settings
from jaxtyping import install_import_hook

# Before anything imports the package, so that each of its functions checks its annotations.
install_import_hook("s4former", "checked.typecheck")

# What `bootstrap.py` says of itself is not what tests start: they type `s4former`.
os.environ.pop("S4FORMER_PROGRAM", None)

# A shell ignores Ctrl-C for what it starts in the background, and so would all that tests start from there.
signal.signal(signal.SIGINT, signal.default_int_handler)

# One thread: sums then have one order, and losses can be compared to the bit.
torch.set_num_threads(1)

# A busy machine is no failure: examples are judged by what they say, not by how long they take.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
