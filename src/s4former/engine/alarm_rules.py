"""When a run says that unlabeled images teach it little: what is seen, what it means, and what to type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from s4former.engine.alarms_config import AlarmsConfig
from s4former.engine.run import Run
from s4former.inference.config import FEW_IMAGES

Line = Mapping[str, Any]
_FEW = 0.01  # below this share of confident pixels, what is confident is no sample of anything
_SMALL_WEIGHT = 0.1  # of the unlabeled losses: more likely the reason than views that are too easy
_MOST = 0.5  # a class with less than this share of the pseudo-labels leaves room for others


@dataclass(frozen=True)
class Rule:
    """One alarm.

    Attributes:
        name: What it is called in ``alarms.jsonl``.
        means: What it means, in a sentence.
        advice: Returns what to type for a run.
    """

    name: str
    means: str
    advice: Callable[[Run], Sequence[str]]


def _off(run: Run, name: str) -> bool:
    """Return whether a run's method has a field that is switched off."""
    fields = run.method.model_dump()
    return name in fields and not fields[name]


def _lower_threshold(run: Run) -> list[str]:
    threshold = run.method.model_dump().get("confidence_threshold", 0)
    lower = round(max(0.5, threshold - 0.15), 2)
    return [
        *([f"method.confidence_threshold={lower:g}"] if threshold > lower else []),
        *(["method.class_share=0.6"] if _off(run, "class_share") else []),
        *([f"method.unlabeled_start_step={run.steps // 2}"] if _off(run, "unlabeled_start_step") else []),
    ]


def _by_class(run: Run) -> list[str]:
    return [
        *(["method.class_share=0.6"] if _off(run, "class_share") else []),
        *(["method.class_balance=0.5"] if _off(run, "class_balance") else ["method.class_balance=1"]),
    ]


def _stronger_views(run: Run) -> list[str]:
    fields = run.method.model_dump()
    strong = fields["views"].get("strong", ())
    colors = strong and run.data.channels == 3 and all(policy["name"] != "jitter" for policy in strong)
    return [
        *(["method.cutmix_probability=1"] if fields.get("cutmix_probability", 1) < 1 else []),
        *([f"method.views.strong=[{','.join(['jitter'] * len(strong))}]"] if colors else []),
        *(["method.perturb=[channel_dropout]"] if _off(run, "perturb") else []),
    ]


def _more_to_learn(run: Run) -> list[str]:
    small = run.method.model_dump().get("unlabeled_weight", 1) < _SMALL_WEIGHT
    return ["method.unlabeled_weight=1"] if small else _stronger_views(run)


def _quicker_teacher(run: Run) -> list[str]:
    decay = run.method.model_dump().get("ema_decay", 0)
    return [
        *([f"method.ema_decay={0.99 if decay > 0.99 else 0.9}"] if decay > 0.9 else []),
        *(["method.ema_warmup_steps=99"] if _off(run, "ema_warmup_steps") else []),
    ]


NO_CONFIDENT_PIXEL = Rule(
    "no_confident_pixel",
    "every pseudo-label is dropped, so unlabeled images teach nothing and the run is a supervised one",
    _lower_threshold,
)
ONE_CLASS = Rule(
    "one_class_swallows",
    "pseudo-labels pull the network toward that class, and others shrink",
    _by_class,
)
TEACHER_BELOW = Rule(
    "teacher_below_student",
    "labels come from the worse network, and it is the one that is deployed: it follows too slowly",
    _quicker_teacher,
)
TINY_LOSS = Rule(
    "unlabeled_loss_tiny",
    "unlabeled images hardly move the student: it knows already what it is to learn, mostly because strong "
    "views are as easy as weak ones, or method.unlabeled_weight is small",
    _more_to_learn,
)
RULES = {rule.name: rule for rule in (NO_CONFIDENT_PIXEL, ONE_CLASS, TEACHER_BELOW, TINY_LOSS)}
"""All alarms by name."""


def wrong_line(
    line: Line, labels: Mapping[str, float], config: AlarmsConfig, run: Run
) -> dict[str, str | None]:
    """Return what is wrong with a line of the journal by the rule's name; None: nothing; no entry: unknown.

    Args:
        line: The line.
        labels: Each class's share among the labels so far.
        config: What is wrong.
        run: The run.
    """
    confident = line.get("pseudo/confident")
    if confident is None:
        return {}
    none = confident < config.least_confident
    text = f"{confident:.2%} of the unlabeled pixels are confident"
    found = {NO_CONFIDENT_PIXEL.name: text if none else None}
    if confident < _FEW:
        return found
    shares = {label: line.get(f"pseudo/share/{label}") for label in labels}
    kept = {label: share for label, share in shares.items() if share is not None}
    if kept:
        found[ONE_CLASS.name] = _swallowing(kept, labels, config.class_odds)
    supervised, rises = line.get("loss/supervised"), run.method.model_dump().get("unlabeled_ramp_steps", 0)
    if supervised and line["step"] - run.log_every >= run.method.least_steps - 1 + rises:
        names = [name for name in line if name.startswith("loss/") and name != "loss/supervised"]
        share = sum(line[name] or 0 for name in names) / supervised
        text = f"the unlabeled losses are {share:.2%} of the labeled one"
        found[TINY_LOSS.name] = text if share < config.least_loss else None
    return found


def _swallowing(kept: Mapping[str, float], labels: Mapping[str, float], odds: float) -> str | None:
    """Return which class has too many of the pseudo-labels, None if none has."""
    label = max(kept, key=lambda each: kept[each])
    share, usual = kept[label], labels[label]
    if share < _MOST or share * (1 - usual) < odds * usual * (1 - share):
        return None
    return f"{share:.0%} of the pseudo-labels are {label}, which {usual:.0%} of the labeled pixels are"


def wrong_scores(lines: Sequence[Line], config: AlarmsConfig) -> str | None:
    """Return what is wrong with the scores of one evaluation, None if nothing is."""
    by_name = {line["network"]: line for line in lines if line["miou"] is not None}
    if not {"teacher", "student"} <= by_name.keys():
        return None
    teacher, student = by_name["teacher"], by_name["student"]
    if teacher["miou"] >= student["miou"] - config.teacher_margin:
        return None
    images = f"{teacher['images']} {teacher['part']} image{'' if teacher['images'] == 1 else 's'}"
    few = " (few, so this may be chance)" if teacher["images"] < FEW_IMAGES else ""
    return (
        f"on {images}{few} the teacher scores {100 * teacher['miou']:.1f} mIoU, the student "
        f"{100 * student['miou']:.1f}"
    )
