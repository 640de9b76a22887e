"""``s4former app``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from s4former.cli.arguments import Device


def app(
    model: Annotated[
        Path, typer.Argument(help="A run folder, a model folder, a model file or hf:user/name.")
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0: all who can reach this machine may use it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860,
    device: Device = "auto",
) -> None:
    """Show a model in the browser: upload pictures, look at their classes, download them.

    Nothing is sent anywhere, and what is uploaded is deleted when the page ends (Ctrl-C).
    """
    import signal

    from s4former.config.errors import UserError
    from s4former.inference.card import model_folder, model_name

    if not find_spec("gradio"):
        raise UserError(
            "`s4former app` needs gradio, which is not installed; type `pip install 's4former[app]'`"
        )
    folder = model_folder(model)

    from s4former.inference import Model
    from s4former.report.app import serve

    # So that whoever ends it otherwise than by Ctrl-C leaves no files behind either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    name = str(model) if str(model).startswith("hf:") else model_name(folder)
    serve(
        Model.load(folder, device), name, host, port, lambda at: typer.echo(f"{name}: {at} (Ctrl-C ends it)")
    )
