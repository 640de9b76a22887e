"""Arguments that several verbs take, and what a shell completes of them (`s4former --install-completion`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def complete_recipe(incomplete: str) -> list[str]:
    """Return the recipes that begin so; none: the shell offers files."""
    from s4former.recipes import recipe_names

    return [name for name in recipe_names() if name.startswith(incomplete)]


def complete_method(incomplete: str) -> list[str]:
    """Return the methods that begin so."""
    from s4former.methods import method_names

    return [name for name in method_names() if name.startswith(incomplete)]


RunConfig = Annotated[
    str,
    typer.Argument(
        help="A recipe (demo, camvid), a dataset.yaml, or a run as .yaml or .py.",
        autocompletion=complete_recipe,
    ),
]
TrainedModel = Annotated[Path, typer.Argument(help="A run folder, a model folder or a model file.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...")]


def require_device(device: str) -> None:
    """Make sure that there is such a device, before torch is loaded and anything else is done.

    Raises:
        UserError: If not.
    """
    from s4former.config.errors import UserError
    from s4former.inference.device import resolve_device

    try:
        resolve_device(device)
    except UserError as error:
        raise UserError(str(error).replace("device=", "--device ")) from None
