"""MiT, the hierarchical encoder of SegFormer: four stages, each on a coarser grid and with wider tokens."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from timm.layers.drop import DropPath
from torch import Tensor, nn
from torch.nn import functional as F

from s4former.models.backbones.base import Backbone, require_bias, score_bias
from s4former.models.backbones.configs.mit import MiTConfig
from s4former.types import AttentionBias, FactoredBias, Features, Images

Grid = tuple[int, int]
Tokens = Float[Tensor, "b n d"]
# Side of an embedded patch and pixels (of the grid before) between two of them, by stage.
_PATCHES, _STRIDES = (7, 3, 3, 3), (4, 2, 2, 2)
STAGES = (0, 1, 2, 3)
"""The stages of a MiT, whose grids have one cell for 4, 8, 16 and 32 pixels."""
# Cells per side that a stage's keys and values are pooled from: all stages have keys on the same grid.
_REDUCTIONS = (8, 4, 2, 1)


class PatchEmbedding(nn.Module):
    """A strided convolution whose patches overlap, and a norm."""

    def __init__(self, channels: int, width: int, stage: int) -> None:
        super().__init__()
        patch = _PATCHES[stage]
        self.proj = nn.Conv2d(channels, width, patch, _STRIDES[stage], padding=patch // 2)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Float[Tensor, "b c h w"]) -> tuple[Tokens, Grid]:
        """Return one token a patch, row by row, and the rows and columns of their grid."""
        x = self.proj(x)
        return self.norm(as_tokens(x)), (x.shape[-2], x.shape[-1])


class Block(nn.Module):
    """Attention and a hidden layer, each added to what came in."""

    def __init__(self, width: int, num_heads: int, mlp_ratio: int, reduction: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, num_heads, reduction)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MixMLP(width, width * mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(
        self, x: Tokens, grid: Grid, bias: Float[Tensor, "b 1 n k"] | FactoredBias | None = None
    ) -> Tokens:
        """Return tokens of the same grid."""
        x = x + self.drop_path(self.attn(self.norm1(x), grid, bias))
        out: Tensor = x + self.drop_path(self.mlp(self.norm2(x), grid))
        return out


class Attention(nn.Module):
    """Multi-head attention to keys and values that one token speaks for ``reduction`` x ``reduction`` of."""

    def __init__(self, width: int, num_heads: int, reduction: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.sr = nn.Conv2d(width, width, reduction, reduction) if reduction > 1 else None
        self.norm = nn.LayerNorm(width) if reduction > 1 else None

    def forward(
        self, x: Tokens, grid: Grid, bias: Float[Tensor, "b 1 n k"] | FactoredBias | None = None
    ) -> Tokens:
        """Return what each token gathers; the bias is added to the scaled scores of all heads."""
        seen = x
        if self.sr is not None and self.norm is not None:
            seen = self.norm(as_tokens(self.sr(as_grid(x, grid))))
        query = rearrange(self.q(x), "b n (m d) -> b m n d", m=self.num_heads)
        key, value = rearrange(self.kv(seen), "b k (two m d) -> two b m k d", two=2, m=self.num_heads)
        gathered = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)  # type: ignore[arg-type]
        out: Tensor = self.proj(rearrange(gathered, "b m n d -> b n (m d)"))
        return out


class MixMLP(nn.Module):
    """A hidden layer that sees its neighbors: where position comes from."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.dwconv = DepthwiseConv(hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tokens, grid: Grid) -> Tokens:
        """Return tokens of the same grid."""
        out: Tensor = self.fc2(F.gelu(self.dwconv(self.fc1(x), grid)))
        return out


class DepthwiseConv(nn.Module):
    """A 3 x 3 convolution of each channel by itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 3, padding=1, groups=width)

    def forward(self, x: Tokens, grid: Grid) -> Tokens:
        """Return tokens of the same grid."""
        return as_tokens(self.dwconv(as_grid(x, grid)))


def as_grid(tokens: Tokens, grid: Grid) -> Float[Tensor, "b d gh gw"]:
    """Lay tokens out as a grid; a view, in which channels lie last."""
    return rearrange(tokens, "b (r s) d -> b d r s", r=grid[0])


def as_tokens(grid: Float[Tensor, "b d gh gw"]) -> Tokens:
    """Read a grid row by row; a view."""
    return grid.flatten(2).transpose(1, 2)


def initialize(module: nn.Module) -> None:
    """Draw first weights as the authors do."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        outputs = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / outputs))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class MiTBackbone(Backbone):
    """The encoder of SegFormer up to the last stage that a head uses.

    Parameters carry the official names, so the authors' weights fit as they are.

    Attention is cheap because keys and values are pooled: each stage, whatever its own grid, has one key for
    32 x 32 pixels. Position is not embedded but seen by the convolutions that pad with zeros.

    An attention bias names queries and keys on that grid of 32 pixels. It is added in ``biased_stages``
    alone, by default in the last, where each query is such a patch itself. In an earlier stage all queries in
    a patch share its row. ``docs/decisions/0009-pasa-in-a-hierarchy.md`` says why.

    Source:
        Xie et al., NeurIPS 2021 (SegFormer). Features equal those of ``transformers`` to 1e-5 once its norms
        have the official epsilons: 1e-6 for blocks and stages, 1e-5 for embeddings and pooled keys. **We
        differ:** sides of images must be multiples of 32.
    """

    patch_size = 32
    takes_factored_bias = True

    def __init__(self, config: MiTConfig, channels: int = 3) -> None:
        """Build an encoder with random weights, which returns the outputs of all stages.

        Args:
            config: Sizes.
            channels: Channels of an image.
        """
        super().__init__()
        self.embed_dims = config.widths
        self.biased_stages = config.biased_stages
        rates = iter(torch.linspace(0, config.drop_path, sum(config.blocks), device="cpu").tolist())
        for stage, width in enumerate(config.widths):
            name = stage + 1
            self.add_module(f"patch_embed{name}", PatchEmbedding(channels, width, stage))
            blocks = [
                Block(width, config.num_heads[stage], config.mlp_ratio, _REDUCTIONS[stage], next(rates))
                for _ in range(config.blocks[stage])
            ]
            self.add_module(f"block{name}", nn.ModuleList(blocks))
            self.add_module(f"norm{name}", nn.LayerNorm(width, eps=1e-6))
            channels = width
        self.apply(initialize)
        self.out_indices = STAGES

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each feature grid that `forward` returns."""
        return tuple(self.embed_dims[stage] for stage in self.out_indices)

    @property
    def depth(self) -> int:
        """Number of stages."""
        return self.out_indices[-1] + 1

    @property
    def trunk(self) -> list[nn.Module]:
        """The blocks of all stages."""
        return [block for _, _, blocks, _ in self._stages() for block in blocks]

    def keep(self, out_indices: tuple[int, ...]) -> None:
        """Return the outputs of these stages, ascending; those after the last one are dropped."""
        for stage in STAGES[out_indices[-1] + 1 : self.depth]:
            for part in ("patch_embed", "block", "norm"):
                delattr(self, f"{part}{stage + 1}")
        self.out_indices = out_indices

    def freeze(self, count: int) -> None:
        """Take so many first blocks, counted through all stages, and all that comes before them out."""
        before = 0
        for _, embedding, blocks, norm in self._stages():
            for part in (embedding, *blocks, norm):
                if before < count:
                    part.requires_grad_(False)
                before += isinstance(part, Block)

    def _stages(self) -> Iterator[tuple[int, PatchEmbedding, list[Block], nn.LayerNorm]]:
        for stage in range(self.depth):
            name = stage + 1
            yield (
                stage,
                getattr(self, f"patch_embed{name}"),
                list(getattr(self, f"block{name}")),
                getattr(self, f"norm{name}"),
            )

    def forward(self, images: Images, attention_bias: AttentionBias | None = None) -> Features:
        """Return the normalized output of each stage in ``out_indices`` as a "b d gh gw" grid.

        Args:
            images: Normalized images whose sides are multiples of 32.
            attention_bias: Added to the attention scores [query, key] of all heads in ``biased_stages``;
                tokens are patches of 32 pixels, row by row.
        """
        rows, cols = (side // self.patch_size for side in images.shape[-2:])
        if attention_bias is not None:
            require_bias(attention_bias, len(images), rows * cols)
            self._require_biased_stage()
        x, features = images, []
        for stage, embedding, blocks, norm in self._stages():
            tokens, grid = embedding(x)
            bias = None
            if attention_bias is not None and stage in self.biased_stages:
                bias = score_bias(_rows_of_queries(attention_bias, (rows, cols), grid), tokens)
            for block in blocks:
                tokens = block(tokens, grid, bias)
            x = as_grid(norm(tokens), grid)
            if stage in self.out_indices:
                features.append(x)
        return tuple(features)

    def _require_biased_stage(self) -> None:
        last = self.out_indices[-1]
        if min(self.biased_stages, default=last + 1) > last:
            raise ValueError(
                f"no stage takes the attention bias: model.backbone.biased_stages={list(self.biased_stages)} "
                f"come after the last stage that the head sees; set model.backbone.biased_stages=[{last}]"
            )


def _rows_of_queries(bias: AttentionBias, coarse: Grid, fine: Grid) -> Float[Tensor, "b q n"] | FactoredBias:
    """Give each cell of a stage's grid the row of the coarse patch that it lies in."""
    times = fine[0] // coarse[0]

    def own(rows: Tensor) -> Tensor:
        if times == 1:
            return rows
        return repeat(rows, "b (r s) n -> b (r y s x) n", r=coarse[0], y=times, x=times)

    return replace(bias, queries=own(bias.queries)) if isinstance(bias, FactoredBias) else own(bias)
