"""The layers of a MiT."""

from __future__ import annotations

import math

from einops import rearrange
from jaxtyping import Float
from timm.layers.drop import DropPath
from torch import Tensor, nn
from torch.nn import functional as F

from s4former.types import FactoredBias

Grid = tuple[int, int]
Tokens = Float[Tensor, "b n d"]

# Side of an embedded patch and pixels (of the grid before) between two of them, by stage.
_PATCHES, _STRIDES = (7, 3, 3, 3), (4, 2, 2, 2)


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
