"""Making tensors fit a backbone where that is sound, and saying which backbone they would fit where not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import timm
import torch
from timm.layers.patch_embed import PatchEmbed
from timm.models import adapt_input_conv
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor
from torch.nn import functional as F

from s4former.config.errors import UserError
from s4former.models.backbones import Backbone
from s4former.models.backbones.configs.base import PositionInterpolation
from s4former.models.backbones.configs.mit import MiTConfig
from s4former.models.backbones.mit import MiTBackbone
from s4former.models.backbones.timm import TimmBackbone
from s4former.models.unfilled import shapes_only
from s4former.ops.resize import resize_position_embedding

Grid = tuple[int, int]

# Tensors around a backbone: classifiers, pooling, what masked or self-supervised training left behind.
_NOT_BACKBONE = re.compile(
    r"^(head|head_dist|classifier|pre_logits|attn_pool|pooler|mask_token|dino_head|ibot_head|decoder(_\w+)?|MAPHead_0)(\.|$)"
)
# Words that timm's names have for the width of a token.
_SIZE_WORDS = {
    192: "tiny",
    384: "small",
    512: "medium",
    768: "base",
    1024: "large",
    1152: "so400m",
    1280: "huge",
    1408: "giant",
    1536: "giant",
    1664: "gigantic",
}


@dataclass(frozen=True)
class ViTSizes:
    """What can be told of a plain ViT from its tensors, by timm's names."""

    width: int
    patch: int
    blocks: int
    registers: int
    layer_scale: bool

    def __str__(self) -> str:
        parts = [f"width {self.width}", f"patches of {self.patch} pixels", f"{self.blocks} blocks"]
        parts += [f"{self.registers} registers"] * bool(self.registers)
        return ", ".join([*parts, *["layer scale"] * self.layer_scale])


def vit_sizes(tensors: Mapping[str, Tensor]) -> ViTSizes | None:
    """Return the sizes of a plain ViT, or None if it has no patch embedding to tell them."""
    embedding = tensors.get("patch_embed.proj.weight")
    if embedding is None or embedding.ndim != 4:
        return None
    numbers = [int(match[1]) for key in tensors if (match := re.match(r"blocks\.(\d+)\.", key))]
    return ViTSizes(
        width=embedding.shape[0],
        patch=embedding.shape[-1],
        blocks=max(numbers, default=-1) + 1,
        registers=tensors["reg_token"].shape[1] if "reg_token" in _prefix_tokens(tensors)[0] else 0,
        layer_scale="blocks.0.ls1.gamma" in tensors,
    )


def has_no_place(key: str, backbone: Backbone) -> bool:
    """Whether a whole network may have this tensor and our trunk of it does not."""
    if isinstance(backbone, MiTBackbone):
        stage = re.match(r"(?:patch_embed|block|norm)([1-4])\.", key)
        return stage is not None and int(stage[1]) > backbone.depth
    block = re.match(r"blocks\.(\d+)\.", key)
    if block:
        return int(block[1]) >= backbone.depth
    return key.startswith("norm.") or outside_of_vit(key)


def outside_of_vit(key: str) -> bool:
    """Whether a tensor by timm's name belongs to what surrounds a plain ViT, such as its classifier."""
    return _NOT_BACKBONE.match(key) is not None


def fit_channels(tensors: dict[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Adapt a patch embedding made for three channels to those of the backbone, in place, by timm's rule."""
    for key in ("patch_embed.proj.weight", "patch_embed1.proj.weight"):
        if key in tensors and key in wanted and tensors[key].ndim == 4:
            given, channels = tensors[key].shape[1], wanted[key].shape[1]
            if given == 3 != channels:
                tensors[key] = adapt_input_conv(channels, tensors[key])


def fit_positions(
    tensors: dict[str, Tensor], backbone: TimmBackbone, mode: PositionInterpolation, origin: str
) -> Grid | None:
    """Bring the position embedding in ``tensors`` into the backbone's form, in place, without a loss.

    Code bases differ in which prefix tokens have a position of their own. Where the backbone has none for
    them, their positions are added to the tokens; where it has one and the file none, it is zero. Either way
    blocks see what they would see at home. Patches get the backbone's grid.

    Returns:
        The patch grid before it was resized, None if it fitted.

    Raises:
        UserError: If the number of positions makes no grid.
    """
    if "pos_embed" not in tensors:
        return None
    embed, known_grid = _token_positions(tensors["pos_embed"], backbone.embed_dim, origin)
    names, counts = _prefix_tokens(tensors)
    if known_grid:
        prefix, grid = 0, known_grid
    else:
        prefix, grid = _read_grid(embed, (sum(counts), *counts[:1], 0), backbone, origin)
    positions = F.pad(embed[:, :prefix], (0, 0, 0, sum(counts) - prefix))
    if backbone.num_prefix_positions == 0:
        for name, part in zip(names, torch.split(positions, counts, dim=1), strict=True):
            tensors[name] = tensors[name] + part
    wanted = backbone.num_prefix_positions
    positions = F.pad(positions, (0, 0, 0, max(0, wanted - sum(counts))))[:, :wanted]
    whole = torch.cat([positions, embed[:, prefix:]], dim=1)
    tensors["pos_embed"] = resize_position_embedding(whole, grid, backbone.grid, wanted, mode=mode)
    return None if grid == backbone.grid else grid


def _token_positions(embed: Tensor, width: int, origin: str) -> tuple[Tensor, Grid | None]:
    """Return a position embedding as "1 n d", and its grid if its shape tells."""
    shape = tuple(embed.shape)
    if embed.ndim == 4 and shape[0] == 1 and shape[-1] == width:
        return embed.flatten(1, 2), (shape[1], shape[2])
    if embed.ndim == 4 and shape[:2] == (1, width):
        return embed.flatten(2).transpose(1, 2), (shape[2], shape[3])
    if embed.ndim == 3 and shape[0] == 1 and shape[-1] == width:
        return embed, None
    if embed.ndim == 3 and shape[-1] == width:
        return embed.flatten(0, 1)[None], (shape[0], shape[1])
    if embed.ndim == 2 and shape[-1] == width:
        return embed[None], None
    raise UserError(
        f"{origin} has a position embedding (pos_embed) of shape {shape}; expected 1 x tokens x {width}, "
        f"tokens x {width}, or 1 x rows x columns x {width}. Check model.backbone"
    )


def _prefix_tokens(tensors: Mapping[str, Tensor]) -> tuple[list[str], list[int]]:
    """Return the names of the tokens before the patches, and how many each one stands for."""
    names = [name for name in ("cls_token", "reg_token") if name in tensors and tensors[name].ndim == 3]
    return names, [tensors[name].shape[1] for name in names]


def _read_grid(
    embed: Tensor, prefixes: tuple[int, ...], backbone: TimmBackbone, origin: str
) -> tuple[int, Grid]:
    """Tell the positions of prefix tokens from those of patches; only their sum is written in a file."""
    rows, cols = backbone.grid
    total = embed.shape[1]
    for prefix in prefixes:
        if total - prefix == rows * cols:
            return prefix, backbone.grid
    for prefix in prefixes:
        side = math.isqrt(max(0, total - prefix))  # pretraining is on squares
        if side * side == total - prefix > 0:
            return prefix, (side, side)
    raise UserError(
        f"{origin} has a position embedding of {total} tokens, which is neither the backbone's {rows} x "
        f"{cols} grid nor a square one, with {' or '.join(map(str, dict.fromkeys(prefixes)))} prefix tokens; "
        f"check model.backbone{_oblong(total - prefixes[0], backbone.patch_size)}"
    )


def _oblong(patches: int, side: int) -> str:
    """Say what to type if the positions are those of images that are not square."""
    grids = [
        (rows, patches // rows) for rows in range(2, math.isqrt(max(0, patches)) + 1) if patches % rows == 0
    ]
    if not grids:
        return ""
    sizes = " or ".join(f"[{rows * side},{cols * side}]" for rows, cols in reversed(grids[-3:]))
    return (
        f", or, if it was trained on oblong images, type their height and width as "
        f"model.backbone.image_size={sizes}"
    )


def native_grid(tensors: Mapping[str, Tensor]) -> Grid | None:
    """Return the patch grid that a plain ViT's positions were made for, None if they don't tell."""
    sizes, embed = vit_sizes(tensors), tensors.get("pos_embed")
    if sizes is None or embed is None:
        return None
    try:
        positions, grid = _token_positions(embed, sizes.width, "")
    except UserError:
        return None
    _, counts = _prefix_tokens(tensors)
    for prefix in () if grid else (sum(counts), *counts[:1], 0):
        side = math.isqrt(max(0, positions.shape[1] - prefix))
        if side and side * side == positions.shape[1] - prefix:
            return side, side
    return grid


def fitting_vits(tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return timm's plain ViTs that have just these tensors, whatever their grid; the likeliest first."""
    sizes = vit_sizes(tensors)
    if sizes is None or sizes.width not in _SIZE_WORDS:
        return ()
    given = _shapes(tensors)
    grid = native_grid(tensors)
    fitting: dict[str, bool] = {}
    for name in timm.list_models(f"*_{_SIZE_WORDS[sizes.width]}_*patch{sizes.patch}*"):
        with shapes_only():
            model = timm.create_model(name, num_classes=0)
        patches = model.patch_embed
        if type(model) is not VisionTransformer or type(patches) is not PatchEmbed:
            continue
        if _shapes(model.state_dict()) == given:
            fitting[name] = patches.grid_size == grid
    return tuple(sorted(fitting, key=lambda name: (not fitting[name], len(name), name)))


def fitting_mits(tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return the MiT, ``mit_b0`` to ``mit_b5``, that has just these tensors by the official names."""
    given = {key: tuple(value.shape) for key, value in tensors.items()}
    fitting = []
    for name in MiTConfig.published:
        with shapes_only():
            wanted = {
                key: tuple(value.shape) for key, value in MiTConfig(name=name).build(3).state_dict().items()
            }
        if wanted == given:
            fitting.append(name)
    return tuple(fitting)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Shapes of what makes a plain ViT what it is: no grid, no final norm, no classifier."""
    return {
        key: tuple(value.shape)
        for key, value in tensors.items()
        if key != "pos_embed" and not key.startswith(("norm.", "fc_norm.")) and not outside_of_vit(key)
    }
