"""What a run has come to: all that is saved, and all that it needs to go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from s4former.config.errors import UserError
from s4former.config.validation import first_mistake
from s4former.engine.meter import Meter
from s4former.engine.rows import as_held
from s4former.methods import Method

Lines = dict[str, dict[str, Any]]
"""The lines of one evaluation for ``scores.jsonl``, by network."""


class _Best(BaseModel):
    model_config = ConfigDict(strict=True)

    step: NonNegativeInt
    miou: float


class _State(BaseModel):
    model_config = ConfigDict(strict=True)

    step: NonNegativeInt
    scored_step: NonNegativeInt = 0
    last: Lines = {}
    best: _Best | None = None


class _Optimizer(BaseModel):
    state: dict[int, dict[str, Any]]
    param_groups: list[dict[str, Any]]


class _Meter(BaseModel):
    seconds: float
    pending: dict[str, list[float]]
    counts: Any


class _Saved(BaseModel):
    state: _State
    method: dict[str, Any]
    optimizer: _Optimizer
    meter: _Meter


def why_no_state(saved: Any) -> str | None:
    """Return what is wrong with the outer shape of a saved state, or of a process's part; None: nothing."""
    try:
        _Saved.model_validate(saved)
    except ValidationError as error:
        return first_mistake(error)
    return None


@dataclass
class TrainState:
    """Where a run stands.

    Attributes:
        step: Updates of the weights so far.
        scored_step: The step that was scored last; 0: none.
        last: The scores of that step, by network.
        best: The scores of the deployed network at its best step.
    """

    step: int = 0
    scored_step: int = 0
    last: Lines = field(default_factory=dict)
    best: dict[str, Any] | None = None

    def due(self, steps: int, every: int) -> bool:
        """Return whether what comes every so many of ``steps`` steps, and after the last one, is due now."""
        return self.step == steps or (every > 0 and self.step > 0 and self.step % every == 0)

    def record(self, lines: Lines, deployed: str) -> bool:
        """Take the scores of this step; return whether they are the best of the deployed network."""
        self.scored_step, self.last = self.step, lines
        own = lines[deployed]
        better = own["miou"] is not None and (self.best is None or own["miou"] > self.best["miou"])
        if better:
            self.best = own
        return better


@dataclass(frozen=True)
class Training:
    """What a step changes."""

    state: TrainState
    method: Method
    optimizer: torch.optim.Optimizer
    meter: Meter

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers, texts, lists and dicts from which it goes on exactly.

        Sharded tensors are left as they are: `Checkpoints` has each process save its rows.
        """
        return {
            "state": asdict(self.state),
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "meter": self.meter.state_dict(),
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from there, whole tensors or `Rows`, in as many processes as there are now.

        Raises:
            UserError: If its tensors are not those of this network and optimizer.
        """
        try:
            self._load(saved)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(
                "the saved state is not of this run, or was damaged before it was saved: its tensors do not "
                f"fit ({' '.join(str(error).split())[:300]}); start another run"
            ) from error

    def _load(self, saved: Mapping[str, Any]) -> None:
        tensors, optimizer = self.method.state_dict(), saved["optimizer"]
        self.method.load_state_dict(
            {
                name: as_held(value, tensors[name]) if name in tensors else value
                for name, value in saved["method"].items()
            }
        )
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        state = {
            number: {name: as_held(value, parameters[number]) for name, value in memory.items()}
            for number, memory in optimizer["state"].items()
        }
        self.optimizer.load_state_dict({**optimizer, "state": state})
        self.meter.load_state_dict(saved["meter"])
        vars(self.state).update(saved["state"])
