"""The blocks of backbones through torch.compile."""

from __future__ import annotations

import importlib.util
import os
import shutil

from torch import nn

from s4former.config.errors import UserError
from s4former.models.backbones import Backbone

_COMPILERS = ("g++", "clang++", "cl")


def compile_blocks(network: nn.Module, device: str) -> None:
    """Let torch.compile make the kernels of each backbone's blocks, in place, at their first pass.

    Blocks are alike, so one compilation serves them all; parameters and what is saved stay as they are. Heads
    stay out of it: on a CPU their convolutions meet a map before it is enlarged, which a compiler would undo.

    Raises:
        UserError: If the machine lacks what torch.compile needs on such a device.
    """
    wanted = os.environ.get("CXX")
    if not any(map(shutil.which, [wanted] if wanted else _COMPILERS)):
        raise UserError(
            f"compile=true needs a C++ compiler, and there is none named {wanted or 'g++ or clang++'}; "
            "install one (as `apt install g++`), name it in the environment variable CXX, or leave "
            "compile=false"
        )
    if device.startswith("cuda") and importlib.util.find_spec("triton") is None:
        raise UserError(
            f"compile=true needs triton on device={device}, and it is not installed; type "
            "pip install triton, or leave compile=false"
        )
    for module in network.modules():
        if isinstance(module, Backbone):
            for block in module.trunk:
                block.compile()
