"""What every backbone can do, and plain vision transformers of timm as stacks of blocks that can do it."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from typing import Any, Literal

import timm
import torch
from einops import rearrange
from jaxtyping import Float
from timm.layers.patch_embed import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from s4former.config.errors import UserError
from s4former.models.config import CustomViT
from s4former.models.fast_linear import fast_linear, use_fast_linears
from s4former.ops.resize import resize_position_embedding
from s4former.types import Features, Images


class Backbone(nn.Module, ABC):
    """Turns images into feature grids: after some of its blocks, or stages of blocks.

    Attributes:
        taps: Indices of the blocks or stages whose outputs `forward` returns, ascending.
        patch_size: Sides of images must be multiples of it; an attention bias speaks of patches of this size.
        num_prefix_tokens: Class and register tokens that precede the patches in an attention bias.
    """

    taps: tuple[int, ...]
    patch_size: int
    num_prefix_tokens: int

    @property
    @abstractmethod
    def depth(self) -> int:
        """Number of blocks or stages that can be tapped."""

    @property
    @abstractmethod
    def num_blocks(self) -> int:
        """Number of blocks that can be frozen: those up to the last tap."""

    @property
    @abstractmethod
    def widths(self) -> tuple[int, ...]:
        """Channels of each feature grid that `forward` returns."""

    @abstractmethod
    def keep_taps(self, taps: tuple[int, ...]) -> None:
        """Look only at ``taps``, ascending; what comes after the last one is dropped."""

    @abstractmethod
    def forward(self, images: Images, attention_bias: Float[Tensor, "b n n"] | None = None) -> Features:
        """Return one "b d gh gw" grid a tap."""


class ViTBackbone(Backbone):
    """The trunk of a ViT up to the last block that somebody looks at.

    Parameters carry timm's names, so timm's weights fit as they are.

    Attributes:
        taps: Indices of the blocks whose outputs `forward` returns, ascending.
        grid: Rows and columns of patches that the position embedding is kept for.
    """

    def __init__(
        self,
        vit: VisionTransformer,
        taps: tuple[int, ...],
        norm_taps: bool = False,
        frozen_blocks: int = 0,
        checkpoint_blocks: bool = False,
        position_interpolation: Literal["bilinear", "bicubic"] = "bilinear",
    ) -> None:
        """Take over the parts of ``vit``; blocks after the last tap are dropped.

        Args:
            vit: A plain ViT.
            taps: Block indices, ascending, each below the depth of ``vit``.
            norm_taps: Apply the final norm to each tap; it is dropped otherwise.
            frozen_blocks: If above 0, embeddings and so many blocks get no gradient.
            checkpoint_blocks: Recompute trained blocks in the backward pass.
            position_interpolation: How the position embedding is resized.
        """
        super().__init__()
        self.taps = taps
        self.grid: tuple[int, int] = tuple(vit.patch_embed.grid_size)
        self.patch_size: int = vit.patch_embed.patch_size[0]
        self.embed_dim: int = vit.embed_dim
        self.num_prefix_tokens: int = vit.num_prefix_tokens
        # Some families add the position to patches only, and their embedding is shorter by the prefix.
        self.num_prefix_positions: int = 0 if vit.no_embed_class else vit.num_prefix_tokens
        self.position_interpolation = position_interpolation
        self.checkpoint_blocks = checkpoint_blocks
        self.frozen_blocks = frozen_blocks

        assert vit.pos_embed is not None
        self.cls_token, self.reg_token, self.pos_embed = vit.cls_token, vit.reg_token, vit.pos_embed
        self.patch_embed, self.norm_pre = vit.patch_embed, vit.norm_pre
        self.blocks = nn.ModuleList(vit.blocks[: taps[-1] + 1])
        self.norm = vit.norm if norm_taps else None
        use_fast_linears(self)
        self._freeze()

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def num_blocks(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of a token, for each tap."""
        return (self.embed_dim,) * len(self.taps)

    def keep_taps(self, taps: tuple[int, ...]) -> None:
        """Look at fewer blocks; those that nobody needs any more are dropped."""
        self.taps = taps
        self.blocks = self.blocks[: taps[-1] + 1]

    def _freeze(self) -> None:
        if not self.frozen_blocks:
            return
        trained = {id(p) for block in self.blocks[self.frozen_blocks :] for p in block.parameters()}
        if self.norm is not None:
            trained |= {id(p) for p in self.norm.parameters()}
        for parameter in self.parameters():
            parameter.requires_grad_(id(parameter) in trained)

    def forward(self, images: Images, attention_bias: Float[Tensor, "b n n"] | None = None) -> Features:
        """Return the patch tokens after each tapped block as a "b d gh gw" grid.

        Args:
            images: Normalized images whose sides are multiples of the patch size.
            attention_bias: Added to the attention scores [query, key] of all heads and blocks, prefix tokens
                first.

        Raises:
            ValueError: If the bias does not fit the number of images and tokens.
        """
        grid = (images.shape[-2] // self.patch_size, images.shape[-1] // self.patch_size)
        train = torch.is_grad_enabled()
        with torch.set_grad_enabled(train and not self.frozen_blocks):
            tokens = self._embed(images, grid)
        bias = None
        if attention_bias is not None:
            require_bias(attention_bias, len(images), tokens.shape[1])
            bias = score_bias(attention_bias, tokens)

        features = []
        for index, block in enumerate(self.blocks):
            with torch.set_grad_enabled(train and index >= self.frozen_blocks):
                if self.checkpoint_blocks and torch.is_grad_enabled():
                    tokens = checkpoint(block, tokens, bias, use_reentrant=False)
                else:
                    tokens = block(tokens, attn_mask=bias)
            if index in self.taps:
                features.append(self._as_grid(tokens, grid))
        return tuple(features)

    def _embed(self, images: Tensor, grid: tuple[int, int]) -> Tensor:
        patches = self.patch_embed.norm(self._project(images))
        position = resize_position_embedding(
            self.pos_embed, self.grid, grid, self.num_prefix_positions, mode=self.position_interpolation
        )
        prefix = [
            token.expand(len(images), -1, -1)
            for token in (self.cls_token, self.reg_token)
            if token is not None
        ]
        if self.num_prefix_positions:
            tokens = torch.cat([*prefix, patches], dim=1) + position
        else:
            tokens = torch.cat([*prefix, patches + position], dim=1)
        normed: Tensor = self.norm_pre(tokens)
        return normed

    def _project(self, images: Tensor) -> Tensor:
        """Project each patch: the convolution of the patch embedding, whose patches don't overlap."""
        side, convolution = self.patch_size, self.patch_embed.proj
        pixels = rearrange(images, "b c (r p) (s q) -> b (r s) (c p q)", p=side, q=side)
        return fast_linear(pixels, convolution.weight.flatten(1), convolution.bias)

    def _as_grid(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        normed: Tensor = tokens if self.norm is None else self.norm(tokens)
        # A view: patches lie row by row with their channels last, as the heads' convolutions like them.
        return rearrange(normed[:, self.num_prefix_tokens :], "b (r s) d -> b d r s", r=grid[0])


def require_bias(bias: Tensor, count: int, length: int) -> None:
    """Raise ValueError unless ``bias`` is one of ``count`` images with ``length`` tokens each."""
    if tuple(bias.shape) != (count, length, length):
        raise ValueError(
            f"attention_bias must be images x tokens x tokens = {count} x {length} x {length}, prefix tokens "
            f"included, got {' x '.join(map(str, bias.shape))}"
        )


def score_bias(bias: Float[Tensor, "b q k"], tokens: Float[Tensor, "b q d"]) -> Float[Tensor, "b 1 q k"]:
    """Shape the bias for fused attention: one for all heads, in the type of the queries, rows aligned."""
    device = tokens.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tokens.dtype
    # Fused kernels on GPUs want rows to start at multiples of 16, and would copy the bias in every block.
    length = bias.shape[-1]
    aligned = F.pad(bias.detach().to(dtype), (0, -length % 16))[..., :length]
    return aligned[:, None]


def create_vit(
    name: str,
    custom: CustomViT | None = None,
    image_size: tuple[int, int] | None = None,
    channels: int = 3,
    drop_path: float = 0.0,
) -> VisionTransformer:
    """Return a plain ViT without its classifier, by its timm name or, for ``vit``, of custom sizes.

    Args:
        name: A timm model, with or without the tag of its weights.
        custom: Sizes of a ``vit``.
        image_size: Height and width that the position embedding is made for; None is the native size.
        channels: Channels of an image.
        drop_path: Probability of skipping a branch of the last block; it rises evenly from 0.

    Raises:
        UserError: If timm has no model of that name, or it is not a plain ViT.
    """
    if custom is not None:
        return VisionTransformer(
            img_size=custom.image_size,
            patch_size=custom.patch_size,
            embed_dim=custom.embed_dim,
            depth=custom.depth,
            num_heads=custom.num_heads,
            mlp_ratio=custom.mlp_ratio,
            reg_tokens=custom.num_registers,
            in_chans=channels,
            drop_path_rate=drop_path,
            num_classes=0,
            global_pool="",
        )
    _require_plain_vit(name)
    options: dict[str, Any] = {} if image_size is None else {"img_size": image_size}
    # Without pooling the final norm is always called `norm`.
    options |= {"in_chans": channels, "drop_path_rate": drop_path, "global_pool": ""}
    vit: VisionTransformer = timm.create_model(name, num_classes=0, **options)  # type: ignore[assignment]
    return vit


def _require_plain_vit(name: str) -> None:
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=4, cutoff=0.4)
        hint = f"; the nearest names are {', '.join(near)}" if near else ""
        raise UserError(f"timm has no model named {name!r} (model.backbone){hint}")
    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False)
    plain = type(model) is VisionTransformer and type(model.patch_embed) is PatchEmbed
    if not plain or model.pos_embed is None:
        raise UserError(
            f"{name!r} (model.backbone) is not a plain vision transformer but a {type(model).__name__}; "
            "choose one with patches, learned positions and equal blocks, as vit_small_patch14_dinov2 or "
            "deit_base_patch16_224"
        )
