"""Which steps are diagnosed, and with which truth."""

from __future__ import annotations

import torch

from s4former.data.hidden_masks import HiddenMasks
from s4former.data.loader import TrainBatches
from s4former.engine.run import Run
from s4former.methods.parts import Diagnosis


class Diagnoses:
    """Makes the diagnosis of every so many steps; see `methods.parts.diagnosis` for what is counted.

    Args:
        run: The run.
        batches: Its batches.
        device: Where it trains.

    Raises:
        UserError: If the truth that is asked for is not there.
        DataError: If its folder is not.
    """

    def __init__(self, run: Run, batches: TrainBatches, device: torch.device) -> None:
        self._batches, self._device = batches, device
        self._every = run.diagnose_every if batches.unlabeled else 0
        self._masks = HiddenMasks(batches.source, run.diagnose_truth) if run.diagnose_truth else None

    def of(self, step: int) -> Diagnosis | None:
        """Return what is to count in a step, None if nothing is.

        Raises:
            DataError: If the truth is asked for and a mask of it is bad.
        """
        if not self._every or step % self._every:
            return None
        source = self._batches.source
        known = self._masks if self._batches.unlabeled_of(step) else None
        truth = known.at(self._batches, step).to(self._device) if known else None
        return Diagnosis(len(source.classes), self._device, truth)
