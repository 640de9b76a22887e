"""Settings of all tests: shapes and types of the package's functions are checked while they run."""

from __future__ import annotations

import torch
from jaxtyping import install_import_hook

# Before anything imports the package, so that each of its functions checks its annotations.
install_import_hook("s4former", "checked.typecheck")

# One thread: sums then have one order, and losses can be compared to the bit.
torch.set_num_threads(1)
