"""The command ``s4former``, and how errors become messages and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

import s4former
from s4former.cli.check import check
from s4former.cli.config import app as config_app
from s4former.cli.convert import convert
from s4former.cli.demo import demo
from s4former.cli.init import init
from s4former.cli.models import models
from s4former.cli.predict import predict
from s4former.cli.prepare import prepare
from s4former.cli.recipes import recipes
from s4former.cli.screen import say
from s4former.cli.splits import app as splits_app
from s4former.cli.train import train
from s4former.cli.val import val
from s4former.config.errors import Interrupted, S4FormerError

app = typer.Typer(
    name="s4former",
    help=(
        "Train vision transformers for semantic segmentation from [bold]many images and few masks[/bold].\n\n"
        "Exit codes: 0 fine, 1 a mistake in what was asked, 2 usage, 3 a problem in the data, "
        "4 numbers stopped being finite, 75 interrupted but resumable."
    ),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> bool:
    if asked:
        typer.echo(s4former.__version__)
        raise typer.Exit
    return asked


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command()(demo)
app.command()(init)
app.command()(check)
app.command()(train)
app.command()(val)
app.command()(predict)
app.command()(recipes)
app.command()(models)
app.command()(convert)
app.command()(prepare)
app.add_typer(splits_app, name="splits")
app.add_typer(config_app, name="config")


def main() -> None:
    """Run the command line."""
    guarded(app)


def guarded(command: Callable[[], object]) -> None:
    """Run a command; a known error is one message and its exit code, a defect keeps its traceback."""
    # Read when torch is loaded. Threads that wait for each other keep cores busy by default: where other
    # programs compute too, a step can then take a hundred times as long (benchmarks/busy.py).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        command()
    except Interrupted as error:  # as asked, so no error
        _complain(str(error), head="")
        sys.exit(error.exit_code)
    except S4FormerError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # before or after training, which saves its state and says so itself
        _complain("stopped", head="")
        sys.exit(130)
    except OSError as error:
        _complain(str(error))
        sys.exit(1)
    except ValueError as error:
        if not _is_ours(error):
            raise
        _complain(str(error))
        sys.exit(1)
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":
            raise
        _complain(
            f"the device is out of memory ({str(error).splitlines()[0]}); try a smaller data.crop_size, "
            "smaller batch sizes, or model.recompute_activations=all",
            alone=True,
        )
        sys.exit(1)


def _is_ours(error: ValueError) -> bool:
    """Whether the package itself refused a value and says what to type; a library would not."""
    frames = traceback.extract_tb(error.__traceback__)
    return Path(frames[-1].filename).is_relative_to(Path(s4former.__file__).parent)


def _complain(message: str, alone: bool = False, head: str = "error: ") -> None:
    """Print an error; processes that train together share most, so the first on each machine tells those."""
    if not alone and os.environ.get("LOCAL_RANK", "0") != "0":
        return
    say(Console(stderr=True, highlight=False), Text(head, "bold red"), message)
