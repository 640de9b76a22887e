"""What a trained network is used for: predicting, and evaluating on images with masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.inference.config import LEAST_IMAGES, EvaluateConfig
    from s4former.inference.device import resolve_device, resolve_precision
    from s4former.inference.inputs import find_images
    from s4former.inference.logits import in_eval, logit_row_chunks
    from s4former.inference.predict import Model
    from s4former.inference.prediction import Prediction
    from s4former.inference.scoring import Evaluation, Pictures, evaluate, protocol_record
    from s4former.inference.trained import init_weights_from, load_networks
else:
    __getattr__ = lazily(__name__, __file__)

# fmt: off
__all__ = [
    "LEAST_IMAGES", "EvaluateConfig", "Evaluation", "Model", "Pictures", "Prediction", "evaluate",
    "find_images", "in_eval", "init_weights_from", "load_networks", "logit_row_chunks", "protocol_record",
    "resolve_device", "resolve_precision",
]
# fmt: on
