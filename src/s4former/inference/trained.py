"""Whole trained networks, from our folders or from checkpoints in the S4Former authors' layout."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from s4former.config.errors import UserError
from s4former.inference.card import is_model_folder, model_folder
from s4former.inference.predict import Model
from s4former.models import ModelConfig, faster_on_cpu, load_checkpoint, segmenter_from_state
from s4former.models.colors import colors_beside, require_colors
from s4former.models.keys import Network
from s4former.models.lora import is_lora
from s4former.models.weight_files import require_finite
from s4former.models.weight_places import find_weights
from s4former.types import Segmenter

_AUXILIARY = "auxiliary_heads."


def load_networks(path: Path, model: ModelConfig, num_classes: int) -> dict[str, Segmenter]:
    """Return the networks that a path holds, by name, without auxiliary heads: the deployed one comes last.

    Args:
        path: A run folder, a model folder or a model file; or the authors' checkpoint, whose student and
            teacher are both returned; or a folder of Hugging Face's.
        model: The architecture of a checkpoint, which does not know its own; our models bring theirs.
        num_classes: Number of classes of a checkpoint.

    Raises:
        UserError: If nothing is there, or not what the config says.
        NumericError: If a tensor holds a NaN or an infinity.
    """
    if is_model_folder(path):
        own = Model.load(path, "cpu")
        return {own.card.network: own.network}
    networks: dict[str, Segmenter] = {}
    _require_same_colors(model, path)
    for name, state in _checkpoint(path).items():
        networks[name] = segmenter_from_state(model, num_classes, state, f"the {name} of {path}")
        networks[name].drop_auxiliary_heads()
        faster_on_cpu(networks[name])
    return networks


def init_weights_from(student: Segmenter, config: ModelConfig, path: Path) -> None:
    """Load a trained network into a student, heads included; auxiliary heads only if they are there.

    Changes of low rank start from none, as those of a trained network are merged into its weights.

    Of the authors' checkpoints it is the student, which is what goes on learning.

    Raises:
        UserError: If nothing is there, or it is another network than the student.
        NumericError: If a tensor holds a NaN or an infinity.
    """
    if is_model_folder(path):
        state = Model.load(path, "cpu").network.state_dict()
    else:
        state = next(iter(_checkpoint(path).values()))
    wanted = student.state_dict()
    ours_alone = [key for key in wanted if key.startswith(_AUXILIARY) or is_lora(key)]
    missing = [key for key in wanted if key not in state and key not in ours_alone]
    wrong = [key for key, value in state.items() if key not in wanted or wanted[key].shape != value.shape]
    if missing or wrong:
        raise UserError(
            f"{path} is not a network like the one in the config: {len(missing)} tensors are missing "
            f"({', '.join(missing[:3]) or 'none'}) and {len(wrong)} have no place or another shape "
            f"({', '.join(wrong[:3]) or 'none'}). To take its backbone alone, type model.pretrained={path} "
            "in place of load_from"
        )
    require_finite(state, str(path))
    _require_same_colors(config, path)
    student.load_state_dict(dict(state), strict=False)


def _require_same_colors(config: ModelConfig, path: Path) -> None:
    """Refuse weights that were trained with other color statistics than the config's, if anything says so."""
    colors = colors_beside(find_weights(path).files[0]) if path.exists() else None
    if colors is not None:
        require_colors(config, colors, f"the weights in {path}")


def _checkpoint(path: Path) -> dict[Network, dict[str, Tensor]]:
    """Return the networks of a checkpoint, which is none of our folders, in our names."""
    if not path.exists():
        here = [
            str(folder) for folder in (path.parent, path.parent.parent) if (folder / "run.json").is_file()
        ]
        hint = f"; a run is given by its folder, {here[0]}" if here else ""
        raise UserError(f"there is no {path}; expected a run folder, a model folder or a checkpoint{hint}")
    if path.parent.name == "checkpoint" and (path.parent / "index.json").is_file():
        model_folder(path.parent.parent)  # says so if the run has no model yet
        raise UserError(f"{path} is a state to resume from; give the run's folder, {path.parent.parent}")
    return load_checkpoint(path)
