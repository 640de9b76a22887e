"""mmsegmentation's config keys in our words: what ``--cfg-options`` of ``tools/`` takes besides our own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from s4former.config.errors import UserError
from s4former.config.override import field_paths, parse_override
from s4former.config.validation import nearest, variants_of
from s4former.config.yaml_text import parse_yaml

if TYPE_CHECKING:
    from s4former.engine.run import Run


@dataclass(frozen=True)
class Old:
    """What became of an old key.

    Attributes:
        fields: Our fields that take its value, apart by spaces; none: it changes nothing here.
        about: What to know of it, for the note and the documentation.
        only: Its one value that is known here; None: any.
        per_process: Whether it counts for one process, and our fields for all of them together.
    """

    fields: str = ""
    about: str = ""
    only: Any = None
    per_process: bool = False


_GLOBAL = "batch sizes are global here"
_STEPS = "everything counts in steps"
OLD_KEYS: dict[str, Old] = {
    "data.samples_per_gpu": Old(
        "data.labeled_batch_size data.unlabeled_batch_size",
        f"{_GLOBAL}, labeled and unlabeled images counted apart; the S4Former release counted both together, "
        "so its 8 is 4 here",
        per_process=True,
    ),
    "data.samples_per_gpu_sup": Old("data.labeled_batch_size", _GLOBAL, per_process=True),
    "data.samples_per_gpu_unsup": Old("data.unlabeled_batch_size", _GLOBAL, per_process=True),
    "data.workers_per_gpu": Old("data.num_workers", "for each process, as before"),
    "data_root": Old("data.root"),
    "data.train.data_root": Old("data.root"),
    "data.train.split": Old("data.labeled_split"),
    "data.val.split": Old("data.val_split"),
    "data.test.split": Old("data.test_split"),
    "crop_size": Old("data.crop_size"),
    "runner.max_iters": Old("steps"),
    "total_iters": Old("steps"),
    "runner.type": Old("", "runs count steps", "IterBasedRunner"),
    "optimizer.type": Old("optimizer.name"),
    "optimizer.paramwise_cfg.custom_keys.head.lr_mult": Old("optimizer.head_lr_factor"),
    "optimizer_config.grad_clip.max_norm": Old("optimizer.max_grad_norm"),
    "lr_config.policy": Old("", "poly is the only one", "poly"),
    "lr_config.power": Old("optimizer.power"),
    "lr_config.min_lr": Old("optimizer.min_lr"),
    "lr_config.warmup": Old("", "linear is the only one", "linear"),
    "lr_config.warmup_iters": Old("optimizer.warmup_steps"),
    "lr_config.warmup_ratio": Old("", "warm-up starts near 0"),
    "lr_config.by_epoch": Old("", _STEPS, False),
    "evaluation.interval": Old("evaluate_every"),
    "evaluation.metric": Old("", "every score is written", "mIoU"),
    "evaluation.pre_eval": Old("", "always so"),
    "evaluation.save_best": Old("", "model_best is always kept"),
    "checkpoint_config.interval": Old("save_every"),
    "checkpoint_config.by_epoch": Old("", _STEPS, False),
    "checkpoint_config.max_keep_ckpts": Old("", "the newest two states are kept"),
    "log_config.interval": Old("log_every"),
    "model.backbone.init_cfg.checkpoint": Old("model.pretrained"),
    "model.init_cfg.checkpoint": Old("model.pretrained"),
    "model.backbone.drop_path_rate": Old("model.backbone.drop_path"),
    "model.decode_head.channels": Old("model.head.channels"),
    "model.decode_head.num_convs": Old("model.head.num_convs"),
    "model.unsup_weight": Old("method.unlabeled_weight"),
    "model.unsup_confidence": Old("method.confidence_threshold"),
    "model.test_cfg.mode": Old("evaluate.mode"),
    "model.test_cfg.crop_size": Old("evaluate.crop_size"),
    "model.test_cfg.stride": Old("evaluate.stride"),
    "cudnn_benchmark": Old("", "chosen by the package"),
    "dist_params.backend": Old("", "nccl on GPUs, gloo on CPUs"),
    "find_unused_parameters": Old("", "not needed"),
    "log_level": Old("", "there is one"),
    "workflow": Old("", "training, with scores every evaluate_every steps"),
}
"""Old keys; what is in neither this table nor a run's fields is an error."""

INSTEAD = {
    "work_dir": "use --work-dir",
    "resume_from": "use --resume-from or --auto-resume",
    "runner.max_epochs": "runs count steps: set steps",
    "model.decode_head.num_classes": "the data set says which classes there are",
    "num_classes": "the data set says which classes there are",
    "fp16.loss_scale": "set precision=bfloat16, which needs no scaling",
}


def translate(run: Run, options: Iterable[str], processes: int) -> tuple[dict[str, Any], list[str]]:
    """Return overrides of a run for ``--cfg-options``, and a note for each old key among them.

    Args:
        run: The run to be changed: its own fields go through as they are.
        options: ``a.b=c`` texts, values as mmcv or YAML write them.
        processes: Number of processes that were asked for.

    Raises:
        UserError: If a key is neither a field nor a known old key, or a value cannot be had here.
    """
    own = set(field_paths(run))
    changes: dict[str, Any] = {}
    notes = []
    for option in options:
        path, _ = parse_override(option)
        key, value = ".".join(path), _value(option.partition("=")[2])
        old = OLD_KEYS.get(key)
        if key in own or (old is None and _is_group(key, run, own)):
            changes[key] = value
            continue
        if old is None:
            hint = INSTEAD.get(key) or nearest(key, own | OLD_KEYS.keys(), fallback=type(run).model_fields)
            raise UserError(f"--cfg-options {key}: there is no such field here; {hint}")
        notes.append(_apply(key, old, value, processes, changes))
    return changes, notes


def _apply(key: str, old: Old, value: Any, processes: int, changes: dict[str, Any]) -> str:
    """Add to ``changes`` what an old key means, and return a sentence on it."""
    if old.only not in (None, value):
        raise UserError(f"--cfg-options {key}: only {old.only} is known here, got {value}; {old.about}")
    if old.per_process:
        if not isinstance(value, int):
            raise UserError(f"--cfg-options {key}={value}: expected a number of images")
        value *= processes
    about = f" ({old.about})" if old.about else ""
    if not old.fields:
        return f"{key} changes nothing here{about}"
    if old.fields == "optimizer.name":
        value = str(value).lower()
    fields = old.fields.split()
    changes |= dict.fromkeys(fields, value)
    return f"{key} is {' '.join(f'{field}={value}' for field in fields)}{about}"


def _is_group(key: str, run: Run, own: set[str]) -> bool:
    """Whether a key is a group of our fields, or inside one that may have other fields than it has now."""
    return key.partition(".")[0] in variants_of(type(run)) or any(
        field.startswith(f"{key}.") or (key.startswith(f"{field}.") and attrgetter(field)(run) is None)
        for field in own
    )


def _value(text: str) -> Any:
    """Read a value as mmcv does where YAML would not: ``None``, ``(1, 2)``, ``1,2``, and these in quotes."""
    text = re.sub(r"""^(["'])(None|[(\[].*[)\]])\1$""", r"\2", text.strip())
    if text == "None":
        return None
    if re.fullmatch(r"\(.*\)", text):
        text = f"[{text[1:-1]}]"
    elif "," in text and text[0] not in "[{\"'":
        text = f"[{text}]"
    return parse_yaml(text, text)
