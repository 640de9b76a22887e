"""Train vision transformers for semantic segmentation from many images and few masks.

>>> import s4former
>>> outcome = s4former.train("demo", ["steps=40"], out="runs/first")  # doctest: +SKIP
>>> s4former.load("runs/first").predict("image.jpg").mask  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.engine.run import Run
    from s4former.engine.writer import Outcome
    from s4former.inference.predict import Model
    from s4former.inference.prediction import Prediction
else:
    __getattr__ = lazily(__name__, __file__)

__version__ = "0.1.0"
__all__ = ["Model", "Outcome", "Prediction", "Run", "__version__", "load", "train"]


def __dir__() -> list[str]:
    return __all__


def train(
    config: str | Path | Run,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    *,
    out: str | Path,
    seed: int | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Outcome:
    """Train a run and return where it is and how it scored.

    Args:
        config: A recipe's name, a ``.py`` or ``.yaml`` file, or a `Run`. A run that is resumed is read from
            its folder; the config is the one it was started from.
        overrides: ``["data.crop_size=224"]`` or ``{"data.crop_size": 224}``.
        out: The run folder: new or empty, unless the run is resumed.
        seed: Short for the override ``seed``.
        resume: Go on with the run in ``out``, if there is one.
        progress: Show progress on stderr.

    Raises:
        s4former.config.errors.S4FormerError: If it cannot be done; the message says what to do instead.
    """
    from s4former.engine.start import start
    from s4former.recipes import load_run, plan_run

    planned = plan_run(config, overrides, Path(out) if resume else None)
    run = planned.run if seed is None else load_run(planned.run, {"seed": seed})[0]
    given, source = planned.config, planned.source
    return start(
        run, Path(out), resume=resume, progress=progress, notes=planned.notes, config=given, source=source
    )


def load(path: str | Path, device: str = "auto", precision: str | None = None) -> Model:
    """Load a trained model from a run folder, a model folder, a model file or the Hugging Face hub.

    Args:
        path: Where it is, or ``hf:user/name[@revision]``, of which no code is run. A run folder stands for
            the network after its last step.
        device: Where to compute; ``auto`` is the first CUDA device, else the CPU.
        precision: ``float32`` or ``bfloat16``; none: what training would take on this device.

    Raises:
        s4former.config.errors.UserError: If there is no model there.
    """
    from s4former.inference.predict import Model

    return Model.load(path, device, precision)
