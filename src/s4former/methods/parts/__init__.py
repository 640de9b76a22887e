"""What methods are put together from; each part stands in one file with a small config of its own."""

from s4former.methods.parts.cutmix import CutMix, CutMixConfig
from s4former.methods.parts.ema_teacher import EMATeacher, EMATeacherConfig
from s4former.methods.parts.pasa import PASA, PASAConfig
from s4former.methods.parts.patch_shuffle import PatchShuffle, PatchShuffleConfig
from s4former.methods.parts.perturbation import Perturbation, Perturbations, perturbed
from s4former.methods.parts.perturbations import (
    PERTURBATIONS,
    PerturbationConfig,
    PerturbationField,
)
from s4former.methods.parts.pseudo_labels import PseudoLabelConfig, labeling, view_of
from s4former.methods.parts.ranking import RankingConfig
from s4former.methods.parts.schedule import UnlabeledScheduleConfig
from s4former.methods.parts.view import View
from s4former.methods.parts.vit_parts import ViTPartsConfig, unlabeled_losses, vit_perturbations

__all__ = [
    "PASA",
    "PERTURBATIONS",
    "CutMix",
    "CutMixConfig",
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
    "UnlabeledScheduleConfig",
    "ViTPartsConfig",
    "View",
    "labeling",
    "perturbed",
    "unlabeled_losses",
    "view_of",
    "vit_perturbations",
]
