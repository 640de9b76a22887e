"""SegFormer as ``transformers`` has it, to compare with."""

from __future__ import annotations

import torch
from torch import nn
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from s4former.models import MiTConfig


def random_segformer(
    sizes: MiTConfig, channels: int = 8, num_classes: int = 3
) -> SegformerForSemanticSegmentation:
    """The network with fresh weights, small ones."""
    config = SegformerConfig(
        depths=list(sizes.blocks),
        hidden_sizes=list(sizes.widths),
        num_attention_heads=list(sizes.num_heads),
        mlp_ratios=[sizes.mlp_ratio] * 4,
        decoder_hidden_size=channels,
        num_labels=num_classes,
    )
    return SegformerForSemanticSegmentation(config).eval()


def awake_segformer(sizes: MiTConfig, channels: int, num_classes: int) -> SegformerForSemanticSegmentation:
    """The network with random norms and statistics, and the epsilons of the authors."""
    torch.manual_seed(1)
    made = random_segformer(sizes, channels, num_classes)
    for name, parameter in made.named_parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, mean=float("norm" in name and name.endswith("weight")), std=0.3)
    made.decode_head.batch_norm.running_mean.normal_()
    made.decode_head.batch_norm.running_var.uniform_(0.5, 2)
    # The authors give the norms of blocks and stages another epsilon than the rest; transformers doesn't.
    for name, part in made.segformer.named_modules():
        if isinstance(part, nn.LayerNorm) and ("layernorm_" in name or name.count(".") == 2):
            part.eps = 1e-6
    return made
