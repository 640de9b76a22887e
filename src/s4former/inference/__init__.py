"""What a trained network is used for: predicting, and evaluating on images with masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.inference.config import EvaluateConfig
    from s4former.inference.predict import Model, Prediction
    from s4former.inference.scoring import Evaluation, evaluate
else:
    __getattr__ = lazily(
        __name__,
        {"config": "EvaluateConfig", "scoring": "Evaluation evaluate", "predict": "Model Prediction"},
    )

__all__ = ["EvaluateConfig", "Evaluation", "Model", "Prediction", "evaluate"]
