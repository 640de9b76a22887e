"""The command ``s4former``, and how errors become messages and exit codes."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

import s4former
from s4former.cli.app import app as show_app
from s4former.cli.check import check
from s4former.cli.compare import compare
from s4former.cli.config import app as config_app
from s4former.cli.convert import convert
from s4former.cli.demo import demo
from s4former.cli.doctor import doctor
from s4former.cli.export import export
from s4former.cli.init import init
from s4former.cli.label import label
from s4former.cli.listing import backbones, methods, models, recipes
from s4former.cli.predict import predict
from s4former.cli.prepare import prepare
from s4former.cli.report import report
from s4former.cli.screen import say
from s4former.cli.shards import app as shards_app
from s4former.cli.splits import app as splits_app
from s4former.cli.train import train
from s4former.cli.val import val
from s4former.config.errors import Interrupted, S4FormerError, UserError
from s4former.config.record import versions

_DEFECT, _STOPPED = 70, 130
_REMEDIES = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in what the disk grants you",
    errno.EFBIG: "allow larger files (ulimit -f unlimited)",
}

app = typer.Typer(
    name="s4former",
    help=(
        "Train vision transformers for semantic segmentation from [bold]many images and few masks[/bold].\n\n"
        "Exit codes: 0 fine, 1 a mistake in what was asked, 2 usage, 3 a problem in the data, "
        "4 numbers stopped being finite, 70 a defect of s4former, 75 interrupted but resumable, 130 stopped."
    ),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> bool:
    if asked:
        found = versions()
        typer.echo(f"{s4former.__version__} (torch {found['torch']}, Python {found['python']})")
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
app.command()(compare)
app.command()(report)
app.command()(predict)
app.command()(export)
app.command("app")(show_app)
app.command()(label)
app.command()(recipes)
app.command()(models)
app.command()(backbones)
app.command()(methods)
app.command()(doctor)
app.command()(convert)
app.command()(prepare)
app.add_typer(splits_app, name="splits")
app.add_typer(shards_app, name="shards")
app.add_typer(config_app, name="config")


def main() -> None:
    """Run the command line."""
    guarded(app)


def guarded(command: Callable[[], object]) -> None:
    """Run a command; a known error is one message and its exit code, any other is our defect and says so."""
    # Read when torch is loaded. Threads that wait for each other keep cores busy by default: where other
    # programs compute too, a step can then take a hundred times as long (benchmarks/busy.py).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with _ended_as_by_a_key():
            command()
    except Interrupted as stop:  # as asked, so no error
        _tell(str(stop))
        sys.exit(stop.exit_code)
    except S4FormerError as error:
        _tell(str(error), "error: ")
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, SystemExit) as end:  # typer turns the former into the latter
        # Before or after training, which saves its state and says so itself.
        if isinstance(end, SystemExit) and end.code != _STOPPED:
            raise
        _tell("stopped")
        sys.exit(_STOPPED)
    except Exception as error:
        _outside(error)


@contextmanager
def _ended_as_by_a_key() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does, so that it leaves no temporary file.

    Of processes that compute together each may wait for another one, and hear nothing: they are left alone.
    """
    process = os.getpid()

    def heard(number: int, frame: FrameType | None) -> None:
        if os.getpid() == process:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)  # a process that was forked from this one
        os.kill(os.getpid(), number)

    alone = "WORLD_SIZE" not in os.environ and threading.current_thread() is threading.main_thread()
    if not alone or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _outside(error: Exception) -> NoReturn:
    """End because of an error that is none of ours: of the machine, or of the package itself."""
    if isinstance(error, (MemoryError, RuntimeError, OSError)):
        from s4former.engine.memory import lack_of_memory

        lack = lack_of_memory(error)
        if lack:
            less = "a smaller data.crop_size, smaller batch sizes or model.recompute_activations=all"
            _tell(f"{lack}; training takes less with {less}", "error: ", alone=True)
            sys.exit(UserError.exit_code)
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        _tell(f"{error.strerror}{where}{_remedy(error)}", "error: ")
        sys.exit(UserError.exit_code)
    report = "".join(traceback.format_exception(error))
    with NamedTemporaryFile("w", prefix="s4former-", suffix=".txt", encoding="utf-8", delete=False) as file:
        json.dump({"command": sys.argv, **versions()}, file, indent=2)
        file.write(f"\n\n{report}")
    _tell(
        f"{type(error).__name__}: {error}\nThis is a defect of s4former, and not a mistake of yours; please "
        f"report it with the file {file.name}, which says where it happened",
        "internal error: ",
        alone=True,
    )
    sys.exit(_DEFECT)


def _remedy(error: OSError) -> str:
    """Return what to do about an error of the machine, after a semicolon; nothing where its words say it."""
    if error.filename is None and error.errno == errno.ENOENT:
        try:
            os.getcwd()
        except OSError:
            return "; the folder that this was typed in is gone: type cd with one that is there, and again"
    remedy = _REMEDIES.get(error.errno or 0)
    return f"; {remedy}, and type the same again" if remedy else ""


def _tell(message: str, head: str = "", alone: bool = False) -> None:
    """Print a message; processes that train together share most, so the first on each machine tells those."""
    if not alone and os.environ.get("LOCAL_RANK", "0") != "0":
        return
    say(Console(stderr=True, highlight=False), Text(head, "bold red"), message)
