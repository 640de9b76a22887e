"""Starting a run for a person: what is missing is said before torch is imported, and progress is shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from s4former.curation.sources import open_source
from s4former.engine.callbacks import Callback
from s4former.engine.progress import progress_for
from s4former.engine.run import Run

if TYPE_CHECKING:
    from s4former.data.sources import Source
    from s4former.engine.writer import Outcome


def start(
    run: Run,
    folder: Path,
    *,
    resume: bool = False,
    progress: bool = True,
    notes: Sequence[str] = (),
    config: str | None = None,
    source: Source | None = None,
) -> Outcome:
    """Train a run, as `s4former.engine.loop.train` does.

    Args:
        run: What to train.
        folder: The run folder.
        resume: Go on with the run in ``folder``, if any.
        progress: Show progress on stderr.
        notes: What to say first.
        config: The recipe's name or the file that the run was read from.
        source: Its data, if they are open already.
    """
    if source is None and run.data.source != "scenes":
        source = open_source(run.data)
    from s4former.engine import loop

    with progress_for(Console(stderr=True)) if progress else Callback() as shown:
        for note in notes:
            shown.on_message(note)
        return loop.train(run, folder, resume, shown, config, source)
