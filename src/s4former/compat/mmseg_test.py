"""``tools/test.py``: mmsegmentation's options for scoring, over the same engine as ``s4former val``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from s4former.cli.main import guarded
from s4former.cli.train import config_name
from s4former.compat.mmseg_train import add_shared_options, launcher_environment, own_gpu, processes
from s4former.config.errors import UserError

if TYPE_CHECKING:
    from s4former.engine.run import Run

AUG_TEST_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


def main() -> None:
    """Run ``tools/test.py``."""
    guarded(lambda: test(sys.argv[1:]))


def test(arguments: Sequence[str]) -> None:
    """Score as a command line says."""
    from rich.console import Console

    from s4former.cli.val import print_scores
    from s4former.config.outputs import claim
    from s4former.config.record import json_text
    from s4former.engine.progress import is_main_process, progress_for
    from s4former.engine.tables import tell
    from s4former.engine.validation import Validation, validate_with_config
    from s4former.inference.overlay import require_opacity
    from s4former.inference.pictures import picture_writer

    options = parser().parse_args(arguments)
    os.environ.update(launcher_environment(options.launcher, options.local_rank, os.environ))
    run, notes = read_run(options)
    require_opacity(options.opacity)
    scores, masks = output_places(options)
    outputs = (
        None if scores is None else claim([(scores, "the scores")], "scores", instead="name another file")
    )
    overlays: Path | None = options.show_dir
    if options.show and not overlays:
        overlays = Path("work_dirs") / config_name(options.config) / "show"
        notes.append(f"--show opens no windows here: the pictures are in {overlays}")

    with progress_for(Console(stderr=True)) as progress:
        for note in notes:
            progress.on_message(note)
        results = validate_with_config(
            options.checkpoint,
            run.model,
            Validation(data=run.data, evaluate=run.evaluate, device=run.device, precision=run.precision),
            progress,
            picture_writer(masks, overlays, run.evaluate.part, options.opacity, run.data.display_channels),
        )
    if is_main_process():
        if scores is not None and outputs is not None:
            records = {name: result.record() for name, result in results.items()}
            outputs.write_text(scores, json_text(records))
        console = Console()
        for name, result in results.items():
            print_scores(result.record(), console, name)
        for what, place in (("scores", scores), ("masks", masks), ("overlays", overlays)):
            if place is not None:
                tell(console, f"{what}: {place}")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = argparse.ArgumentParser(prog="tools/test.py", description="Score a segmentation model.")
    add = options.add_argument
    add("config", help="a .py or .yaml file, or the name of a recipe: data, protocol, network")
    add(
        "checkpoint",
        type=Path,
        help="run folder, model folder or model file; or a .pth in the S4Former authors' layout, of which "
        "student and teacher are both scored",
    )
    add("--eval", nargs="+", choices=["mIoU"], help="without effect: it is always printed")
    add("--aug-test", action="store_true", help="average the probabilities of six scales, mirrored and not")
    add("--out", type=Path, help="FILE.json for the scores, or a folder for a PNG of class indices an image")
    add("--format-only", action="store_true", help="only makes sure that --out is a folder")
    add("--show-dir", type=Path, help="folder for images with their classes painted over them")
    add("--show", action="store_true", help="as --show-dir work_dirs/CONFIG/show")
    add("--opacity", type=float, default=0.5, help="of the painted classes, from 0 to 1")
    add("--work-dir", type=Path, help="write the scores to scores.json in this folder")
    add("--gpu-id", type=int, help="number of the GPU, for one process")
    for flag in ("--gpu-collect", "--tmpdir", "--eval-options", "--gpus"):
        add(flag, nargs="*", help="without effect")
    add_shared_options(options)
    return options


def read_run(options: argparse.Namespace) -> tuple[Run, list[str]]:
    """Return the run whose data, protocol and network are meant, and notes.

    The protocol of one of our own models is its own, whatever the config says; options change it.

    Raises:
        UserError: If there is no model, the config cannot be had, or options do not fit it.
    """
    from s4former.compat.mmseg_options import translate
    from s4former.inference import wording
    from s4former.inference.card import is_model_folder, model_folder, read_card
    from s4former.recipes import load_run

    run, _ = load_run(options.config)
    changes, notes = translate(run, options.cfg_options, processes())
    if options.aug_test:
        changes |= {"evaluate.scales": AUG_TEST_SCALES, "evaluate.flip": True}
    changes |= own_gpu(options.gpu_id)
    if is_model_folder(options.checkpoint):
        protocol = read_card(model_folder(options.checkpoint)).evaluate.model_dump(mode="json")
        protocol["part"] = run.evaluate.part
        configured = run.evaluate.resolved(run.data.crop).model_dump(mode="json")
        found = wording.differences(protocol, configured, "the config")
        changes = {f"evaluate.{name}": value for name, value in protocol.items()} | changes
        if found:
            told = f"scored as the run was: {', '.join(found)}"
            notes = [f"{told}; --cfg-options evaluate.FIELD=VALUE changes that", *notes]
    run, implied = load_run(options.config, changes)
    return run, [*notes, *implied]


def output_places(options: argparse.Namespace) -> tuple[Path | None, Path | None]:
    """Return the file for the scores and the folder for masks, None where there is none.

    Raises:
        UserError: If ``--out`` is neither.
    """
    out: Path | None = options.out
    scores = None if options.work_dir is None else options.work_dir / "scores.json"
    if out is not None and out.suffix == ".json" and not options.format_only:
        return out, None
    if out is not None and out.suffix and not out.is_dir():
        raise UserError(f"--out {out}: expected FILE.json for the scores, or a folder for PNGs of classes")
    if out is None and options.format_only:
        raise UserError("--format-only needs --out FOLDER")
    return scores, out


if __name__ == "__main__":
    main()
