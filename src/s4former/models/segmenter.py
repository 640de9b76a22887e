"""The network that methods train: a plain ViT, a head, and auxiliary heads."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from s4former.config.errors import UserError
from s4former.models.backbones import ViTBackbone, create_vit
from s4former.models.config import CustomViT, ModelConfig
from s4former.models.heads.linear import LinearHead
from s4former.models.heads.setr_pup import SETRPUPHead
from s4former.models.recompute import recomputed
from s4former.models.weights import load_backbone_weights, load_hub_weights
from s4former.ops.resize import resize_bilinear
from s4former.types import Features, Images, Logits, Segmenter

__all__ = ["CustomViT", "ModelConfig", "ViTSegmenter", "build_segmenter", "rebuild_segmenter"]


class ViTSegmenter(Segmenter):
    """A plain ViT with a segmentation head.

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
        vit = create_vit(config.backbone, config.custom, config.image_size)
        taps = _block_indices("taps", config.taps, len(vit.blocks))
        auxiliary_taps = _block_indices("auxiliary_taps", config.auxiliary_taps, len(vit.blocks))
        looked_at = tuple(sorted({*taps, *auxiliary_taps}))
        if config.frozen_blocks > looked_at[-1] + 1:
            raise UserError(
                f"model.frozen_blocks={config.frozen_blocks} is more than the {looked_at[-1] + 1} blocks up "
                "to the last tap; give at most that"
            )

        self.config = config
        self.num_classes = num_classes
        self.backbone = ViTBackbone(
            vit,
            looked_at,
            norm_taps=config.norm_taps,
            frozen_blocks=config.frozen_blocks,
            checkpoint_blocks=config.recompute_activations == "all",
            position_interpolation=config.position_interpolation,
        )
        self.patch_size = self.backbone.patch_size
        self.num_prefix_tokens = self.backbone.num_prefix_tokens
        self._head_inputs = tuple(looked_at.index(tap) for tap in taps)
        self._auxiliary_inputs = tuple(looked_at.index(tap) for tap in auxiliary_taps)

        width = self.backbone.embed_dim
        self.head: SETRPUPHead | LinearHead
        if config.head == "setr_pup":
            self.head = SETRPUPHead(width, config.head_channels, num_classes, config.head_convs)
        else:
            self.head = LinearHead(width, len(taps), num_classes)
        self.auxiliary_heads = nn.ModuleList(
            SETRPUPHead(width, config.head_channels, num_classes, config.auxiliary_convs, scale=4)
            for _ in auxiliary_taps
        )
        # The config holds these numbers; a second copy in the state dict could only disagree with it.
        self.register_buffer("mean", torch.tensor(config.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(3, 1, 1), persistent=False)

    def encode(self, images: Images, attention_bias: Float[Tensor, "b n n"] | None = None) -> Features:
        """Turn images into feature grids, one a block that a head looks at, from early to late.

        Raises:
            ValueError: If a side of the images is not a multiple of the patch size, or the bias does not fit.
        """
        height, width = images.shape[-2:]
        if height % self.patch_size or width % self.patch_size:
            near = self._nearest_size(height, width)
            raise ValueError(
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
        frozen = min(self.config.frozen_blocks, len(self.backbone.blocks))
        self.config = self.config.model_copy(update={"auxiliary_taps": (), "frozen_blocks": frozen})


def build_segmenter(config: ModelConfig, num_classes: int, seed: int) -> ViTSegmenter:
    """Build a network to train: random weights named by ``seed``, then the pretrained backbone's, if any.

    The same arguments give the same weights; torch's global generators are left as they were.

    Raises:
        UserError: If the config asks for blocks, a backbone or weights that don't exist or don't fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        segmenter = ViTSegmenter(config, num_classes)
    if config.pretrained == "hub":
        load_hub_weights(segmenter.backbone, config)
    elif config.pretrained != "none":
        load_backbone_weights(
            segmenter.backbone,
            config.pretrained,
            strict=config.strict_weights,
            position_interpolation=config.position_interpolation,
        )
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


def _block_indices(field: str, taps: tuple[int, ...], depth: int) -> tuple[int, ...]:
    """Count all taps from 0."""
    if any(not -depth <= tap < depth for tap in taps):
        raise UserError(
            f"model.{field}={list(taps)} names blocks that the backbone doesn't have: it has {depth}, "
            f"0 to {depth - 1}, or -{depth} to -1 from the end"
        )
    return tuple(tap % depth for tap in taps)
