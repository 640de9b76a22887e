"""What methods are put together from; each part is one file and a small config in `configs/parts.py`."""

from s4former.methods.configs.parts import (
    ClassMixConfig,
    CutMixConfig,
    EMATeacherConfig,
    PASAConfig,
    PatchShuffleConfig,
    PseudoLabelConfig,
    RankingConfig,
    ScheduledTeacherConfig,
    StrongViewsConfig,
    UnlabeledScheduleConfig,
    ViTPartsConfig,
)
from s4former.methods.configs.perturbation import PERTURBATIONS, PerturbationConfig, PerturbationField
from s4former.methods.parts.class_mix import ClassMix
from s4former.methods.parts.confident_pixels import ConfidentPixels
from s4former.methods.parts.cutmix import CutMix
from s4former.methods.parts.diagnosis import Diagnosis, diagnosing, diagnosis, shares
from s4former.methods.parts.ema_teacher import EMATeacher
from s4former.methods.parts.pasa import PASA
from s4former.methods.parts.patch_shuffle import PatchShuffle
from s4former.methods.parts.perturbation import Perturbation, Perturbations, perturbed
from s4former.methods.parts.pseudo_labels import labels_by, view_of
from s4former.methods.parts.strong_views import StrongViews
from s4former.methods.parts.view import View
from s4former.methods.parts.vit_parts import unlabeled_losses, vit_perturbations

__all__ = [
    "PASA",
    "PERTURBATIONS",
    "ClassMix",
    "ClassMixConfig",
    "ConfidentPixels",
    "CutMix",
    "CutMixConfig",
    "Diagnosis",
    "EMATeacher",
    "EMATeacherConfig",
    "PASAConfig",
    "PatchShuffle",
    "PatchShuffleConfig",
    "Perturbation",
    "PerturbationConfig",
    "PerturbationField",
    "Perturbations",
    "PseudoLabelConfig",
    "RankingConfig",
    "ScheduledTeacherConfig",
    "StrongViews",
    "StrongViewsConfig",
    "UnlabeledScheduleConfig",
    "ViTPartsConfig",
    "View",
    "diagnosing",
    "diagnosis",
    "labels_by",
    "perturbed",
    "shares",
    "unlabeled_losses",
    "view_of",
    "vit_perturbations",
]
