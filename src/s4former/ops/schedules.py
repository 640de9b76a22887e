"""Numbers that follow the step."""

from __future__ import annotations


def poly(step: int, steps: int, base: float, floor: float, power: float = 0.9) -> float:
    """Fall from ``base`` at step 0 to ``floor`` at ``steps`` along a power of what is left, and stay there.

    Source:
        The poly policy of mmcv (golden ``schedule``), where ``floor`` is ``min_lr``.
    """
    if steps < 1:
        raise ValueError(f"a schedule needs at least 1 step, got {steps}")
    left = max(0.0, 1 - step / steps)
    return float((base - floor) * left**power + floor)


def ramp(step: int, ramp_steps: int) -> float:
    """Rise linearly from 0 at step 0 to 1 at ``ramp_steps``; always 1 if that is 0."""
    if ramp_steps <= 0:
        return 1.0
    return min(1.0, max(0.0, step / ramp_steps))
