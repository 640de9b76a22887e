"""``s4former predict MODEL.onnx IMAGES``: needs numpy, pillow and onnxruntime, so no typer and no rich."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from s4former.config.errors import DataError, S4FormerError
from s4former.config.invocation import as_typed


def is_asked_for(words: Sequence[str]) -> bool:
    """Whether words typed after ``s4former`` are for this command."""
    return words[:1] == ["predict"] and any(word.lower().endswith(".onnx") for word in words)


def main(words: Sequence[str]) -> int:
    """Run the command and return its exit code; messages go to stderr."""
    options = _parser().parse_args(words[1:])
    try:
        _predict(options.model, options.images, options.out, options.confidence, options.threads)
    except S4FormerError as error:
        print(f"error: {as_typed(str(error))}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "s4former predict",
        description="Segment images with an exported model, without torch: NAME.png holds class indices "
        "(with a palette), NAME_overlay.png is for the eye. Both have the size of the image.",
        epilog="All other options of `s4former predict` need a run or model folder.",
    )
    parser.add_argument("model", type=Path, help="A file that `s4former export` wrote.")
    parser.add_argument("images", nargs="+", help="Files, folders (searched through) and globs.")
    parser.add_argument("--out", type=Path, required=True, help="Folder for the pictures.")
    parser.add_argument(
        "--confidence", action="store_true", help="Also write how sure the model is, as a gray picture."
    )
    parser.add_argument("--threads", type=int, default=0, help="How many compute; 0: one a core.")
    return parser


def _predict(model: Path, images: Sequence[str], out: Path, confidence: bool, threads: int) -> None:
    _annotate_without_jaxtyping()
    from s4former.config.outputs import claim
    from s4former.inference import overlay
    from s4former.inference.inputs import find_images
    from s4former.inference.onnx_model import OnnxModel, read_rgb

    found = find_images(images)
    kinds = ("", "_overlay", "_confidence") if confidence else ("", "_overlay")
    outputs = claim(
        ((out / f"{stem}{kind}.png", str(image)) for stem, image in found.images for kind in kinds),
        "picture",
        inputs=[model, *(image for _, image in found.images)],
        instead="type another --out, a folder of its own; images that share a name need one each",
    )
    loaded, failures, start = OnnxModel.load(model, threads), [], time.perf_counter()
    for done, (stem, path) in enumerate(found.images, 1):
        try:
            image = read_rgb(path)
        except DataError as error:
            failures.append(str(error))
            continue
        mask, sure = loaded.predict(image)
        pictures = [
            overlay.index_picture(mask, loaded.colors),
            overlay.overlay_picture(image, mask, loaded.colors, 0.5, (0, 1, 2)),
            overlay.gray_picture(sure),
        ]
        for kind, picture in zip(kinds, pictures, strict=False):
            outputs.write(out / f"{stem}{kind}.png", partial(overlay.write_png, picture))
        if sys.stderr.isatty():
            rate = done / (time.perf_counter() - start)
            print(f"\r{done} of {len(found.images)} images, {rate:.1f} images/s", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(f"{len(found.images) - len(failures)} of {len(found.images)} images: {out}")
    failures += found.unreadable
    if failures:
        raise DataError("\n".join(["some images could not be read:", *failures]))


def _annotate_without_jaxtyping() -> None:
    """Let modules that name shapes be imported where jaxtyping, which only names them, is not installed."""
    if importlib.util.find_spec("jaxtyping") is None:
        stand_in: Any = ModuleType("jaxtyping")
        anything = {"__class_getitem__": classmethod(lambda cls, shape: Any)}
        stand_in.__getattr__ = lambda name: type(name, (), anything)
        sys.modules["jaxtyping"] = stand_in
