"""Passes of networks that are sharded: each takes all processes, though they have different images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from s4former import collectives
from s4former.types import Images, Segmenter

_Request = tuple[int, int, bool]
"""Number of a network, channels of its images, and whether its products are rounded to bfloat16.

The smallest of all is done next; who needs nothing asks for a number beyond all networks.
"""


@contextmanager
def passes_in_lockstep(networks: Mapping[str, Segmenter]) -> Iterator[None]:
    """Let processes call sharded networks as often as each likes, in any order.

    Before a pass they agree on the network; who does not need it passes a blank image of one patch. A process
    that is done, or fails between two passes, passes blank images until all are done. One that fails within a
    pass raises alone, as the others wait for the rest of that pass and for nothing else.
    """
    sharded = [network for network in networks.values() if collectives.any_sharded(network.parameters())]
    if not sharded:
        yield
        return
    turns = _Turns(sharded)
    try:
        with turns.until_all_are_done():
            yield
    except Exception as error:
        if turns.passing:
            collectives.mark_unshared(error)
        raise
    finally:
        turns.remove()


class _Turns:
    def __init__(self, networks: list[Segmenter]) -> None:
        self._networks = networks
        self.passing = False
        self._hooks = [
            hook
            for number, network in enumerate(networks)
            for hook in (
                network.register_forward_pre_hook(partial(self._before, number)),
                network.register_forward_hook(self._after),
            )
        ]

    def _before(self, number: int, network: nn.Module, images: tuple[Images, ...]) -> None:
        """Pass blank images until the processes are about to pass this network."""
        device = images[0].device.type
        mine = number, images[0].shape[1], torch.is_autocast_enabled(device)
        while not self._is_turn_of(mine):
            pass
        self.passing = True

    def _after(self, *_: Any) -> None:
        self.passing = False

    def _is_turn_of(self, mine: _Request) -> bool:
        """Return whether the next pass is the one asked for; if not, take part in it."""
        chosen = min(collectives.gathered(mine))
        if chosen[0] == mine[0]:
            return True
        number, channels, rounded = chosen
        network = self._networks[number]
        side, device = network.patch_size, next(network.parameters()).device
        self.passing = True
        with torch.autocast(device.type, torch.bfloat16, enabled=rounded):
            network.forward(torch.zeros(1, channels, side, side, device=device))
        self.passing = False
        return False

    @contextmanager
    def until_all_are_done(self) -> Iterator[None]:
        """Take part at the end until nobody asks any more; not after a pass that broke."""
        try:
            yield
        except Exception:
            self._take_part()
            raise
        self._take_part()

    def _take_part(self) -> None:
        nothing = len(self._networks), 0, False
        while not self.passing and not self._is_turn_of(nothing):
            pass

    def remove(self) -> None:
        """Let the networks be called as before."""
        for hook in self._hooks:
            hook.remove()
