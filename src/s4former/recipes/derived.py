"""What a recipe derives from other fields follows them when they are overridden, unless it is set itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s4former.config.base import Config
from s4former.config.override import override

if TYPE_CHECKING:
    from s4former.data.sources import Source
    from s4former.data.sources.folder import FolderSource
    from s4former.engine.run import Run
    from s4former.models import ModelConfig

_MISSING = object()


@dataclass(frozen=True)
class Derived:
    """A field, or a group of them, that a recipe derives.

    Attributes:
        field: Its dotted path.
        sources: What it is derived from.
        value: Its value in a run; none: it was chosen for the recipe's own sources and stays, which is said.
        meanwhile: Its value while others are overridden, where its own might not go with theirs, as a start
            after the last of fewer steps; none: its own. It then follows even if what holds it is replaced.
    """

    field: str
    sources: tuple[str, ...]
    value: Callable[[Run], Any] | None
    meanwhile: Any = None

    def waits(self, run: Run, given: Iterable[str]) -> bool:
        """Return whether it has another value while others are overridden."""
        itself = any(f"{path}.".startswith(f"{self.field}.") for path in given)
        return self.meanwhile is not None and not itself and _get(run, self.field) is not _MISSING


@dataclass(frozen=True)
class Decision:
    """What was decided and why; it goes unsaid where somebody else decided.

    Attributes:
        text: A sentence.
        field: The field that it is about; none: it is a fact.
        given: Another field that it depends on: once that is overridden, it goes unsaid, too.
    """

    text: str
    field: str | None = None
    given: str | None = None


def chosen(field: str, value: Any, reason: str, given: str | None = None) -> Decision:
    """Return the decision for a value of a field."""
    return Decision(f"{field}={value}: {reason}", field, given)


@dataclass(frozen=True)
class Plan:
    """A run, what was decided for it, what follows when fields are overridden, and its data if opened."""

    run: Run
    decisions: Sequence[Decision] = ()
    derived: Sequence[Derived] = ()
    source: FolderSource | None = None


@dataclass(frozen=True)
class PlannedRun:
    """A run that is ready to start.

    Attributes:
        run: The run, overrides applied.
        notes: What was decided, and what overrides implied.
        config: What it was read from; none: it was given as an object.
        source: Its data, if they were opened to plan it.
    """

    run: Run
    notes: Sequence[str] = ()
    config: str | None = None
    source: Source | None = None


def settle(run: Run, derived: Iterable[Derived]) -> Run:
    """Return a recipe's run with its derived fields as they are defined."""
    for each in derived:
        if each.value and _get(run, each.field) is not _MISSING:
            run = _set(run, each.field, each.value(run))
    return run


def loosened(run: Run, derived: Iterable[Derived], given: Sequence[str]) -> Run:
    """Return a recipe's run with what waits for the overrides of ``given`` paths at its value meanwhile."""
    for each in derived:
        if each.waits(run, given):
            run = _set(run, each.field, each.meanwhile)
    return run


def follow(
    run: Run, before: Run, derived: Iterable[Derived], given: Sequence[str]
) -> tuple[Run, dict[str, str]]:
    """Return an overridden run with what follows from the overrides, and a note for each field concerned.

    Args:
        run: The overridden run.
        before: The recipe's own.
        derived: What the recipe derives, in the order of their dependence.
        given: The paths that were overridden.
    """
    notes = {}
    for each in derived:
        old = _get(run, each.field)
        moved = [source for source in each.sources if _get(run, source) != _get(before, source)]
        waited = each.waits(run, given) and old == each.meanwhile
        if old is _MISSING or (not waited and (not moved or concerns(each.field, given))):
            continue
        reason = ", ".join(f"{source}={_shown(_get(run, source))}" for source in moved)
        if each.value is None and old is None:
            continue
        if each.value is None:
            notes[each.field] = (
                f"{each.field}={_shown(old)} stays, though it was chosen for "
                f"{', '.join(f'{source}={_shown(_get(before, source))}' for source in moved)}; set it too if "
                "it should follow"
            )
            continue
        new = each.value(run)
        if new != old:
            run = _set(run, each.field, new)
        if moved and (waited or new != old):
            notes[each.field] = f"{each.field}={_shown(new)}: follows {reason}"
    return run, notes


def concerns(field: str | None, changed: Iterable[str]) -> bool:
    """Return whether one of the changed paths is a field, is inside of it or holds it."""
    return field is not None and any(
        f"{path}.".startswith(f"{field}.") or f"{field}.".startswith(f"{path}.") for path in changed
    )


def _get(run: Run, field: str) -> Any:
    value: Any = run
    for name in field.split("."):
        value = getattr(value, name, _MISSING)
    return value


def _set(run: Run, field: str, value: Any) -> Run:
    return override(run, {field: value.model_dump() if hasattr(value, "model_dump") else value})[0]


def _shown(value: Any) -> str:
    """Write a value as it is typed; a config by its name, and in a list by what it changes as well."""
    if value is None:
        return "null"
    if isinstance(value, tuple):
        return f"[{','.join(map(_changed, value))}]"
    return str(getattr(value, "name", value)).replace(" ", "")


def _changed(value: Any) -> str:
    """Write an item of a list; a config by its name and what differs from its defaults."""
    if not isinstance(value, Config):
        return _shown(value)
    own = value.model_dump(exclude={"name"}, exclude_defaults=True)
    changed = ", ".join(f"{key}={_shown(given)}" for key, given in own.items())
    return f"{_shown(value)} with {changed}" if changed else _shown(value)


def shuffle_block(model: ModelConfig) -> int:
    """Return a PatchShuffle block of 128 pixels: 8 patches as published, 4 of a SegFormer's last stage."""
    return 128 // (32 if model.backbone.name.startswith("mit") else 16)


PUBLISHED = (
    Derived("evaluate.short_side", ("data.short_side",), lambda run: run.data.short_side),
    Derived("method.shuffle_block", ("model.backbone.name",), lambda run: shuffle_block(run.model)),
    Derived("model.backbone.image_size", ("data.crop_size",), None),
    Derived("optimizer", ("model.backbone.name",), None),
)
"""What follows from other fields in all recipes of published data sets, and what does not."""
