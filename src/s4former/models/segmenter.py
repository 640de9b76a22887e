"""The network that methods train: a vision transformer, a head, and auxiliary heads."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from s4former.config.errors import UserError, ValueMistake
from s4former.models.backbones import ViTBackbone, create_vit
from s4former.models.config import CustomMiT, CustomViT, ModelConfig
from s4former.models.heads.linear import LinearHead
from s4former.models.heads.segformer import SEGFORMER_HEADS, SegFormerConvHead, SegFormerHead
from s4former.models.heads.setr_pup import SETRPUPHead
from s4former.models.mit import MiTBackbone
from s4former.models.recompute import recomputed
from s4former.models.weights import load_pretrained
from s4former.ops.resize import resize_bilinear
from s4former.types import Features, Images, Logits, Segmenter

__all__ = [
    "CustomMiT",
    "CustomViT",
    "ModelConfig",
    "ViTSegmenter",
    "build_segmenter",
    "rebuild_segmenter",
]


class ViTSegmenter(Segmenter):
    """A vision transformer, plain or hierarchical, with a segmentation head.

    Attributes:
        config: What the network is; with it and a state dict, `rebuild_segmenter` makes it anew.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ModelConfig, num_classes: int) -> None:
        """Build the network with random weights from torch's global generator.

        Args:
            config: What to build; ``config.pretrained`` is left to `build_segmenter`.
            num_classes: Number of classes, at least 2.

        Raises:
            UserError: If the backbone has no such blocks or isn't one.
        """
        super().__init__()
        if num_classes < 2:
            raise UserError(f"a segmentation needs at least 2 classes (background counts), got {num_classes}")
        self.config = config
        self.num_classes = num_classes
        self.backbone = create_backbone(config)
        taps = _indices("taps", config.taps, self.backbone)
        auxiliary_taps = _indices("auxiliary_taps", config.auxiliary_taps, self.backbone)
        looked_at = tuple(sorted({*taps, *auxiliary_taps}))
        self.backbone.keep_taps(looked_at)
        if config.frozen_blocks > self.backbone.num_blocks:
            raise UserError(
                f"model.frozen_blocks={config.frozen_blocks} is more than the {self.backbone.num_blocks} "
                "blocks up to the last tap; give at most that"
            )
        self.patch_size = self.backbone.patch_size
        self.num_prefix_tokens = self.backbone.num_prefix_tokens
        self._head_inputs = tuple(looked_at.index(tap) for tap in taps)
        self._auxiliary_inputs = tuple(looked_at.index(tap) for tap in auxiliary_taps)

        widths = [self.backbone.widths[index] for index in self._head_inputs]
        self.head: SETRPUPHead | LinearHead | SegFormerHead | SegFormerConvHead
        if config.head == "setr_pup":
            self.head = SETRPUPHead(widths[0], config.head_channels, num_classes, config.head_convs)
        elif config.head in SEGFORMER_HEADS:
            self.head = SEGFORMER_HEADS[config.head](widths, config.head_channels, num_classes)
        else:
            self.head = LinearHead(widths[0], len(taps), num_classes)
        self.auxiliary_heads = nn.ModuleList(
            SETRPUPHead(
                self.backbone.widths[index],
                config.head_channels,
                num_classes,
                config.auxiliary_convs,
                scale=4,
            )
            for index in self._auxiliary_inputs
        )
        # The config holds these numbers; a second copy in the state dict could only disagree with it.
        self.register_buffer("mean", torch.tensor(config.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(-1, 1, 1), persistent=False)

    def encode(self, images: Images, attention_bias: Float[Tensor, "b n n"] | None = None) -> Features:
        """Turn images into feature grids, one a block or stage that a head looks at, from early to late.

        Raises:
            ValueError: If the images have other channels than the network or a side that is not a multiple
                of the patch size, or the bias does not fit.
        """
        count, (height, width) = images.shape[1], images.shape[-2:]
        if count != self.config.channels:
            raise ValueMistake(
                f"the network is made for images of {self.config.channels} channels, got {count}; set "
                "model.channels and data.channels to the same number"
            )
        if height % self.patch_size or width % self.patch_size:
            near = self._nearest_size(height, width)
            raise ValueMistake(
                f"sides of images must be multiples of the backbone's patch of {self.patch_size} pixels, got "
                f"{height} x {width}; set data.crop_size to {list(near)}, or call the segmenter itself, "
                "which takes any size"
            )
        return self.backbone((images - self.mean) / self.std, attention_bias)  # type: ignore[no-any-return]

    def decode(self, features: Features, size: tuple[int, int]) -> Logits:
        """Turn feature grids into logits of ``size`` (height, width)."""
        grids = tuple(features[index] for index in self._head_inputs)
        if isinstance(self.head, SETRPUPHead):
            (grid,) = grids
            return self._pass(self.head, grid, size)
        return self._pass(self.head, grids, size)

    def decode_auxiliary(self, features: Features, size: tuple[int, int]) -> tuple[Logits, ...]:
        """Logits of each auxiliary head; an empty tuple if there is none."""
        pairs = zip(self.auxiliary_heads, self._auxiliary_inputs, strict=True)
        return tuple(self._pass(head, features[index], size) for head, index in pairs)

    def _pass(self, head: nn.Module, grids: Tensor | Features, size: tuple[int, int]) -> Logits:
        if self.config.recompute_activations != "none" and torch.is_grad_enabled():
            return recomputed(head, grids, size)
        logits: Logits = head(grids, size)
        return logits

    def forward(self, images: Images) -> Logits:
        """Logits at image size, for images of any size.

        Sides that don't divide into patches are resized to the nearest that do; logits go straight from the
        head's grid to the size of ``images``.
        """
        height, width = images.shape[-2:]
        features = self.encode(resize_bilinear(images, self._nearest_size(height, width)))
        return self.decode(features, (height, width))

    def _nearest_size(self, height: int, width: int) -> tuple[int, int]:
        patch = self.patch_size
        return max(1, round(height / patch)) * patch, max(1, round(width / patch)) * patch

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the trained parameters of ``backbone`` and ``head`` (auxiliary heads included)."""
        heads = [*self.head.parameters(), *self.auxiliary_heads.parameters()]
        groups = {"backbone": list(self.backbone.parameters()), "head": heads}
        return {name: [p for p in group if p.requires_grad] for name, group in groups.items()}

    def drop_auxiliary_heads(self) -> None:
        """Leave out the auxiliary heads, which only training uses, and blocks that only they look at."""
        taps = [self.backbone.taps[index] for index in self._head_inputs]
        self.backbone.keep_taps(tuple(sorted(set(taps))))
        self._head_inputs = tuple(self.backbone.taps.index(tap) for tap in taps)
        self.auxiliary_heads = nn.ModuleList()
        self._auxiliary_inputs = ()
        frozen = min(self.config.frozen_blocks, self.backbone.num_blocks)
        self.config = self.config.model_copy(update={"auxiliary_taps": (), "frozen_blocks": frozen})


def create_backbone(config: ModelConfig) -> ViTBackbone | MiTBackbone:
    """Return the backbone that a config names, with random weights and all of its blocks or stages tapped.

    Raises:
        UserError: If there is none of that name.
    """
    recompute = config.recompute_activations == "all"
    if config.mit is not None:
        return MiTBackbone(
            config.mit,
            channels=config.channels,
            drop_path=config.drop_path,
            frozen_blocks=config.frozen_blocks,
            checkpoint_blocks=recompute,
            biased_stages=config.biased_stages,
        )
    vit = create_vit(
        config.backbone,
        config.custom,
        config.image_size,
        channels=config.channels,
        drop_path=config.drop_path,
    )
    return ViTBackbone(
        vit,
        tuple(range(len(vit.blocks))),
        norm_taps=config.norm_taps,
        frozen_blocks=config.frozen_blocks,
        checkpoint_blocks=recompute,
        position_interpolation=config.position_interpolation,
    )


def build_segmenter(config: ModelConfig, num_classes: int, seed: int) -> ViTSegmenter:
    """Build a network to train: random weights named by ``seed``, then the pretrained backbone's, if any.

    The same arguments give the same weights; torch's global generators are left as they were.

    Raises:
        UserError: If the config asks for blocks, a backbone or weights that don't exist or don't fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        segmenter = ViTSegmenter(config, num_classes)
    load_pretrained(segmenter.backbone, config)
    return segmenter


def rebuild_segmenter(config: ModelConfig, num_classes: int, state: Mapping[str, Tensor]) -> ViTSegmenter:
    """Build a trained network from its config and state dict, in eval; ``config.pretrained`` plays no part.

    Raises:
        UserError: If the state dict is not that of such a network.
    """
    with torch.random.fork_rng(devices=[]):
        segmenter = ViTSegmenter(config, num_classes)
    try:
        segmenter.load_state_dict(dict(state))
    except RuntimeError as error:
        raise UserError(f"these weights are not those of the network in the config: {error}") from None
    return segmenter.eval()


def _indices(field: str, taps: tuple[int, ...], backbone: ViTBackbone | MiTBackbone) -> tuple[int, ...]:
    """Count all taps from 0."""
    depth = backbone.depth
    if any(not -depth <= tap < depth for tap in taps):
        parts = "stages" if isinstance(backbone, MiTBackbone) else "blocks"
        raise UserError(
            f"model.{field}={list(taps)} names {parts} that the backbone doesn't have: it has {depth}, "
            f"0 to {depth - 1}, or -{depth} to -1 from the end"
        )
    return tuple(tap % depth for tap in taps)
