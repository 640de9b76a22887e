"""The network that methods train: a backbone, a head, and auxiliary heads."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from s4former.config.errors import UserError
from s4former.models.backbones import Backbone
from s4former.models.config import LoRAConfig, ModelConfig
from s4former.models.heads import HeadConfig
from s4former.models.lora import add_lora, lora_parameters, merged
from s4former.models.recompute import recomputed
from s4former.models.unfilled import shapes_only
from s4former.models.weights import load_pretrained
from s4former.ops.resize import resize_bilinear
from s4former.types import AttentionBias, FactoredBias, Features, Images, Logits, Segmenter


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
        backbone = config.backbone.with_final_norm() if config.head.wants_final_norm else config.backbone
        self.backbone = backbone.build(config.channels)
        seen = _indices("head", config.head, self.backbone)
        seen_by_others = [
            _indices(f"auxiliary_heads.{number}", head, self.backbone)
            for number, head in enumerate(config.auxiliary_heads)
        ]
        self.backbone.keep(tuple(sorted({*seen, *(index for one in seen_by_others for index in one)})))
        blocks = len(self.backbone.trunk)
        if config.frozen_blocks == "all":
            self.backbone.requires_grad_(False)
        elif config.frozen_blocks > blocks:
            raise UserError(
                f"model.frozen_blocks={config.frozen_blocks} is more than the {blocks} blocks up to the last "
                "one that a head looks at; give at most that, or `all`"
            )
        else:
            self.backbone.freeze(config.frozen_blocks)
        if config.recompute_activations == "all":
            self.backbone.recompute()
        self.patch_size = self.backbone.patch_size
        self.num_prefix_tokens = self.backbone.num_prefix_tokens
        self._inputs = self._places(seen)
        self._auxiliary_inputs = tuple(map(self._places, seen_by_others))

        self.head = config.head.build(self._widths(self._inputs), num_classes)
        self.auxiliary_heads = nn.ModuleList(
            head.build(self._widths(places), num_classes)
            for head, places in zip(config.auxiliary_heads, self._auxiliary_inputs, strict=True)
        )
        # The config holds these numbers; a second copy in the state dict could only disagree with it.
        self.register_buffer("mean", torch.tensor(config.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(-1, 1, 1), persistent=False)

    def _places(self, indices: tuple[int, ...]) -> tuple[int, ...]:
        """Return where the outputs of these blocks lie among those of the backbone."""
        return tuple(self.backbone.out_indices.index(index) for index in indices)

    def _widths(self, places: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(self.backbone.widths[place] for place in places)

    def encode(self, images: Images, attention_bias: AttentionBias | None = None) -> Features:
        """Turn images into feature grids, one a block or stage that a head looks at, from early to late.

        Raises:
            ValueError: If the images have other channels than the network or a side that is not a multiple
                of the patch size, or the bias does not fit.
        """
        count, (height, width) = images.shape[1], images.shape[-2:]
        if count != self.config.channels:
            raise ValueError(
                f"the network is made for images of {self.config.channels} channels, got {count}; set "
                "model.channels and data.channels to the same number"
            )
        if height % self.patch_size or width % self.patch_size:
            near = self._nearest_size(height, width)
            raise ValueError(
                f"sides of images must be multiples of the backbone's patch of {self.patch_size} pixels, got "
                f"{height} x {width}; set data.crop_size to {list(near)}, or call the segmenter itself, "
                "which takes any size"
            )
        if isinstance(attention_bias, FactoredBias) and not self.backbone.takes_factored_bias:
            attention_bias = attention_bias.matrix()
        return self.backbone((images - self.mean) / self.std, attention_bias)  # type: ignore[no-any-return]

    def decode(self, features: Features, size: tuple[int, int]) -> Logits:
        """Turn feature grids into logits of ``size`` (height, width)."""
        return self._pass(self.head, features, self._inputs, size)

    def decode_auxiliary(self, features: Features, size: tuple[int, int]) -> tuple[Logits, ...]:
        """Logits of each auxiliary head; an empty tuple if there is none."""
        pairs = zip(self.auxiliary_heads, self._auxiliary_inputs, strict=True)
        return tuple(self._pass(head, features, places, size) for head, places in pairs)

    def _pass(
        self, head: nn.Module, features: Features, places: tuple[int, ...], size: tuple[int, int]
    ) -> Logits:
        grids = tuple(features[place] for place in places)
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

    def fit_positions(self, size: tuple[int, int]) -> None:
        """Resize position embeddings, if there are any, to images of a height and width once and for all."""
        self.backbone.fit_positions((size[0] // self.patch_size, size[1] // self.patch_size))

    def add_lora(self) -> None:
        """Let the backbone learn changes of low rank in place of its own weights, if the config says so.

        Raises:
            UserError: If no block is left to learn.
        """
        frozen = self.config.frozen_blocks
        if self.config.lora.rank:
            try:
                blocks = len(self.backbone.trunk) if frozen == "all" else frozen
                add_lora(self.backbone, self.config.lora, blocks)
            except ValueError as error:
                raise UserError(str(error)) from None

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the trained parameters of ``backbone``, ``head`` (auxiliary ones included) and ``lora``."""
        heads = [*self.head.parameters(), *self.auxiliary_heads.parameters()]
        groups = {"backbone": list(self.backbone.parameters()), "head": heads}
        if changes := lora_parameters(self.backbone):
            groups |= {"backbone": [], "lora": changes}
        return {name: [p for p in group if p.requires_grad] for name, group in groups.items()}

    def backbone_layers(self) -> list[list[nn.Parameter]]:
        """Return the backbone's parameters by layers, see `Backbone.layers`."""
        return self.backbone.layers()

    def units(self) -> list[nn.Module]:
        """Return the backbone's blocks, the backbone around them, and each head."""
        return [*self.backbone.trunk, self.backbone, self.head, *self.auxiliary_heads]

    def drop_auxiliary_heads(self) -> None:
        """Drop the auxiliary heads, which only training uses, and blocks that only they look at."""
        seen = tuple(self.backbone.out_indices[place] for place in self._inputs)
        self.backbone.keep(tuple(sorted(set(seen))))
        self._inputs = self._places(seen)
        self.auxiliary_heads, self._auxiliary_inputs = nn.ModuleList(), ()
        frozen = self.config.frozen_blocks
        if frozen != "all":
            frozen = min(frozen, len(self.backbone.trunk))
        self.config = self.config.model_copy(update={"auxiliary_heads": (), "frozen_blocks": frozen})

    def for_inference(self) -> tuple[ModelConfig, dict[str, Tensor]]:
        """Return the config and the tensors of the network without what only training uses."""
        only_training = {
            "pretrained": "none",
            "pretrained_part": None,
            "auxiliary_heads": (),
            "frozen_blocks": 0,
            "recompute_activations": "none",
            "lora": LoRAConfig(),
        }
        config = self.config.model_copy(update=only_training)
        with shapes_only():
            needed = ViTSegmenter(config, self.num_classes).state_dict().keys()
        state = merged(self, self.state_dict())
        return config, {name: state[name] for name in needed}


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
        torch.default_generator.manual_seed(seed)
        segmenter.add_lora()
    return segmenter


def rebuild_segmenter(config: ModelConfig, num_classes: int, state: Mapping[str, Tensor]) -> ViTSegmenter:
    """Build a trained network from its config and state dict, in eval; ``config.pretrained`` plays no part.

    Raises:
        UserError: If there is no such network, or the state dict is not that of one.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            segmenter = ViTSegmenter(config, num_classes)
    except UserError:
        raise
    except (RuntimeError, TypeError, ValueError, OverflowError, MemoryError) as error:  # sizes without bounds
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"the network in the config cannot be built: {why}") from None
    try:
        segmenter.load_state_dict(dict(state))
    except RuntimeError as error:
        raise UserError(f"these weights are not those of the network in the config: {error}") from None
    return segmenter.eval()


def _indices(field: str, head: HeadConfig, backbone: Backbone) -> tuple[int, ...]:
    try:
        return head.indices(backbone.depth)
    except ValueError as error:
        raise UserError(f"model.{field}.{error}") from None
