"""Vision transformers of timm by their names: whatever class they are, if their attention takes a mask."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

import timm
from einops import rearrange
from timm.layers.patch_embed import PatchEmbed
from torch import Tensor, nn
from torch.func import functional_call

from s4former.config.errors import UserError
from s4former.models.backbones.base import Backbone, require_bias, score_bias
from s4former.models.backbones.configs.base import ViTOptions
from s4former.models.backbones.configs.timm import TimmConfig
from s4former.models.unfilled import shapes_only
from s4former.ops.resize import resize_position_embedding, same_size
from s4former.types import AttentionBias, Features, Images


class _BetweenBlocks(nn.Module):
    """A model of timm whose call gives what is between its blocks, as `functional_call` needs it."""

    def __init__(self, vit: Any) -> None:
        super().__init__()
        self.vit = vit

    def forward(self, images: Images, **options: Any) -> list[Tensor]:
        """Return the tokens after the blocks that the options name."""
        tokens: list[Tensor] = self.vit.forward_intermediates(images, **options)
        return tokens


class TimmBackbone(Backbone):
    """The trunk of a ViT of timm up to the last block that a head uses.

    Attributes:
        grid: Rows and columns of patches that the position embedding is kept for.
        embed_dim: Width of a token.
        num_prefix_positions: Prefix tokens that have a position of their own. Some families add the position
            to patches only, and their embedding is shorter by the prefix.
        rotary: Whether positions are (also) rotary.
    """

    takes_factored_bias = True
    vit: Any
    between_blocks: _BetweenBlocks

    def __init__(self, vit: Any, options: ViTOptions) -> None:
        """Take over a model of timm.

        Args:
            vit: Has ``forward_intermediates`` with ``attn_mask``.
            options: How it is used.
        """
        super().__init__()
        # Parameters and modules are the model's, by the names that it has for them: the two share their
        # registries, and the model itself is kept where no registry finds it.
        for registry in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            object.__setattr__(self, registry, getattr(vit, registry))
        self.__dict__["vit"] = vit
        self.__dict__["between_blocks"] = _BetweenBlocks(vit)
        self.grid: tuple[int, int] = tuple(vit.patch_embed.grid_size)
        self.patch_size: int = vit.patch_embed.patch_size[0]
        self.embed_dim: int = vit.embed_dim
        self.num_prefix_tokens: int = vit.num_prefix_tokens
        self.num_prefix_positions: int = 0 if vit.no_embed_class else vit.num_prefix_tokens
        self.rotary = getattr(vit, "rope", None) is not None
        self.final_norm = bool(options.final_norm)
        self.position_interpolation = options.position_interpolation
        vit.patch_embed.strict_img_size = False
        self.keep(tuple(range(len(vit.blocks))))

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.vit.blocks)

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of a token, for each grid."""
        return (self.embed_dim,) * len(self.out_indices)

    @property
    def trunk(self) -> list[nn.Module]:
        """The blocks."""
        return list(self.vit.blocks)

    def keep(self, out_indices: tuple[int, ...]) -> None:
        """Look at these blocks; those after the last one are dropped, and a final norm that no head uses."""
        self.vit.prune_intermediate_layers(list(out_indices), prune_norm=not self.final_norm)
        self.out_indices = out_indices

    def fit_positions(self, grid: tuple[int, int]) -> None:
        """Resize learned positions to so many rows and columns of patches."""
        if not self.rotary:
            self.vit.pos_embed, self.grid = nn.Parameter(self._positions(grid).detach()), grid

    def freeze(self, count: int) -> None:
        """Take so many first blocks and the embeddings out of training; a final norm stays in it."""
        super().freeze(count)
        if self.final_norm:
            self.vit.norm.requires_grad_(True)

    def forward(self, images: Images, attention_bias: AttentionBias | None = None) -> Features:
        """Return the patch tokens after each of ``out_indices`` as a "b d gh gw" grid.

        Args:
            images: Normalized images whose sides are multiples of the patch size.
            attention_bias: Added to the attention scores [query, key] of all heads and blocks, prefix tokens
                first.

        Raises:
            ValueError: If the bias does not fit the number of images and tokens.

        Source:
            timm's ``forward_intermediates``. **We differ:** learned positions are resized as the S4Former
            release does (`resize_position_embedding`).
        """
        rows, cols = (side // self.patch_size for side in images.shape[-2:])
        bias = None
        if attention_bias is not None:
            require_bias(attention_bias, len(images), self.num_prefix_tokens + rows * cols)
            bias = score_bias(attention_bias, images)
        options = {
            "indices": list(self.out_indices),
            "norm": self.final_norm,
            "stop_early": True,
            "intermediates_only": True,
            "output_fmt": "NLC",
            "attn_mask": bias,
        }
        if self.rotary or same_size((rows, cols), self.grid):
            tokens = self.between_blocks(images, **options)
        else:
            # Of the model, not of this module: a second call of that would be one more pass to its hooks.
            fitted = {"vit.pos_embed": self._positions((rows, cols))}
            tokens = functional_call(self.between_blocks, fitted, images, options, tie_weights=False)
        # Views: patches lie row by row with their channels last, as the heads' convolutions like them.
        return tuple(rearrange(each, "b (r s) d -> b d r s", r=rows) for each in tokens)

    def _positions(self, grid: tuple[int, int]) -> Tensor:
        return resize_position_embedding(
            self.vit.pos_embed, self.grid, grid, self.num_prefix_positions, mode=self.position_interpolation
        )


def create(config: TimmConfig, channels: int) -> TimmBackbone:
    """Return a backbone of timm with random weights."""
    whole = outline(config.name)
    # Without pooling the final norm is always called `norm`.
    options: dict[str, Any] = {
        "num_classes": 0,
        "in_chans": channels,
        "drop_path_rate": config.drop_path,
        "global_pool": "",
    }
    if config.image_size is not None:
        options["img_size"] = config.image_size
    if getattr(whole, "rope", None) is not None:
        options["dynamic_img_size"] = True
    return TimmBackbone(timm.create_model(config.name, **options), config)


def outline(name: str, **sizes: Any) -> Any:
    """Return a model of timm without memory for its weights.

    Args:
        name: Its name.
        **sizes: What is to be other than the name says, as ``depth``.

    Raises:
        UserError: If there is none, or it is no stack of blocks on patches whose attention takes a mask.
    """
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=4, cutoff=0.4)
        hint = f"; the nearest names are {', '.join(near)}" if near else ""
        own = "; a file of your own is named by its import path, and its folder is on PYTHONPATH"
        raise UserError(f"timm has no model named {name!r} (model.backbone){hint or own}")
    with shapes_only():
        model = timm.create_model(name, pretrained=False, **sizes)
    passes: Any = getattr(model, "forward_intermediates", None)
    masked = passes is not None and "attn_mask" in inspect.signature(passes).parameters
    positions = any(getattr(model, kind, None) is not None for kind in ("pos_embed", "rope"))
    if not (masked and positions and type(getattr(model, "patch_embed", None)) is PatchEmbed):
        raise UserError(
            f"{name!r} (model.backbone) is not a plain vision transformer but a {type(model).__name__}; "
            "choose one of equal blocks on patches, as vit_small_patch14_dinov2, vit_small_patch16_dinov3 or "
            "deit_base_patch16_224"
        )
    return model
