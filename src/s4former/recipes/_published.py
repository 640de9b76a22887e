"""What the recipes of published data sets share: two networks with their optimizers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from s4former.curation.prepare import DATASETS
from s4former.engine.run import OptimizerConfig, Run
from s4former.inference.config import EvaluateConfig
from s4former.methods.configs.s4former import S4FormerConfig
from s4former.models import ModelConfig
from s4former.models.heads.configs.segformer_conv import SegFormerConvConfig
from s4former.models.presets import segformer, setr
from s4former.recipes.derived import shuffle_block

Network = Literal["setr", "segformer"]
_BATCHES = {"labeled_batch_size": 8, "unlabeled_batch_size": 8, "num_workers": 4}


def published_run(
    dataset: str,
    lists: str,
    network: Network,
    *,
    crop: int,
    evaluate: Mapping[str, Any],
    steps: int,
    evaluate_every: int = 1150,
) -> Run:
    """Return the S4Former run with the released network and optimizer: 8 + 8 crops a step.

    Args:
        dataset: What `s4former prepare` calls the data set, which it brings into its layout.
        lists: Both lists of a split, below the data set's ``datasplits``, as ``1_4/{un}labeled.txt``:
            ``{un}`` stands where the name of the unlabeled list has ``un``.
        network: Which one; its position embedding fits the crop.
        crop: Side of the training crop.
        evaluate: The protocol, fields of `EvaluateConfig`; images are trained on at its ``short_side``.
        steps: Steps of the whole run.
        evaluate_every: Steps between two scores: those of the released schedules of 80,000 steps.

    Source: the released configs ``setr_deit-base_pup_bs_8_512x512_80k_*`` and ``segformer_mit-b4_bs_8_*``.
    **We differ:** see `S4FormerConfig`; the weak view keeps its colors.
    """
    model = _model(network, crop)
    files = {f"{un}labeled_split": f"datasplits/{lists.format(un=un)}" for un in ("", "un")}
    data = DATASETS[dataset]().config(
        Path("data"),
        classes=dataset,
        crop_size=crop,
        short_side=evaluate.get("short_side"),
        **files,
        **_BATCHES,
    )
    return Run(
        steps=steps,
        evaluate_every=evaluate_every,
        save_every=evaluate_every,
        log_every=50,
        data=data,
        model=model,
        method=S4FormerConfig(shuffle_block=shuffle_block(model)),
        optimizer=_optimizer(network),
        evaluate=EvaluateConfig.model_validate(dict(evaluate)),
    )


def _model(network: Network, crop: int) -> ModelConfig:
    if network == "setr":
        return setr("deit_base_patch16_224", crop)
    return segformer(4).model_copy(update={"head": SegFormerConvConfig()})


def _optimizer(network: Network) -> OptimizerConfig:
    if network == "setr":
        return OptimizerConfig(name="sgd", lr=1e-3, head_lr_factor=10, min_lr=1e-4)
    return OptimizerConfig(
        name="adamw", lr=6e-5, head_lr_factor=10, weight_decay=0.01, power=1.0, warmup_steps=1500
    )
