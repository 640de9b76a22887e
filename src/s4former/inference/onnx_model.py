"""An exported model in use; needs numpy, pillow and onnxruntime, and no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PilImage
from PIL import ImageOps

from s4former.config.errors import DataError, UserError
from s4former.inference.onnx_check import check_onnx
from s4former.inference.onnx_metadata import TOLD, pair, read_told

Size = tuple[int, int]
FORMAT = "1"
"""Version of the metadata that `s4former export` writes."""
_MAX_PATCHES = 2**16  # in one piece, as in `inference.logits`


@dataclass(frozen=True)
class OnnxModel:
    """A model of one ``.onnx`` file that `s4former export` wrote.

    Attributes:
        session: onnxruntime's session.
        names: Class names by index.
        colors: RGB colors by index.
        size: Height and width that the file takes; none: any multiples of ``patch``.
        patch: What sides of images are multiples of.
        evaluate: The protocol by which the model was scored: ``mode``, ``short_side``, ``crop_size``,
            ``stride``.
    """

    session: Any
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    size: Size | None
    patch: int
    evaluate: dict[str, Any]

    @classmethod
    def load(cls, path: str | Path, threads: int = 0) -> OnnxModel:
        """Load a file; operators of others and tensors outside of its folder are refused.

        Args:
            path: The file.
            threads: How many compute; 0: one a core.

        Raises:
            UserError: If it is not there, no such file, or onnxruntime is missing.
        """
        session = open_session(Path(path), threads)
        told = session.get_modelmeta().custom_metadata_map
        if told.get("s4former_format") != FORMAT:
            raise UserError(
                f"{path} does not tell its classes and sizes to this version of s4former; give a file "
                "that `s4former export` wrote"
            )
        names, colors, given, evaluate = (read_told(path, told, name) for name in TOLD)
        if given["channels"] != 3 or given["value_range"]:
            raise UserError(
                f"{path} takes images of {given['channels']} channels or of other than 8 bits; without torch "
                "only RGB files of 8 bits are read, so give the run or model folder to `s4former predict`"
            )
        if len(names) != len(colors) or not _gives(session, len(names)):
            raise UserError(
                f"{path} tells of {len(names)} classes and {len(colors)} colors, and its network is of "
                "others; give a file that `s4former export` wrote"
            )
        evaluate |= {name: pair(evaluate.get(name)) for name in ("crop_size", "stride")}
        size = tuple(given["size"]) if given["size"] else None
        return cls(session, tuple(names), tuple(map(tuple, colors)), size, given["multiple_of"], evaluate)

    def predict(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the class index and its probability in [0, 1] of each pixel of an RGB image "h w 3"."""
        logits = self.logits(image)
        mask, highest = logits.argmax(0), logits.max(0)
        logits -= highest
        return mask.astype(np.uint8), 1 / np.exp(logits, out=logits).sum(0)

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Return logits "k h w" of an RGB image "h w 3" of 8 bits, at its size.

        The image is seen as when the model was scored: in one piece or in overlapping windows, whose logits
        are averaged. A file of a fixed size sees pieces, and whole images, resized to that.
        """
        own = image.shape[0], image.shape[1]
        short = None if self.size else self.evaluate["short_side"]
        factor = short / min(own) if short else 1
        seen = resized(image, (max(1, round(own[0] * factor)), max(1, round(own[1] * factor))))
        if (window := self._window((seen.shape[0], seen.shape[1]))) is None:
            return resized_maps(self._pass(seen), own)
        stride = self.evaluate["stride"] or [max(1, side * 2 // 3) for side in window]
        # A file of a fixed size may see less than what the model was scored in: nothing is passed over.
        stride = [min(step, side) for step, side in zip(stride, window, strict=True)]
        total = np.zeros((len(self.names), *seen.shape[:2]), np.float32)
        times = np.zeros(seen.shape[:2], np.float32)
        for top in _starts(seen.shape[0], window[0], stride[0]):
            for left in _starts(seen.shape[1], window[1], stride[1]):
                place = np.s_[top : top + window[0], left : left + window[1]]
                total[:, *place] += self._pass(seen[place])
                times[place] += 1
        total /= times
        return resized_maps(total, own)

    def _window(self, size: Size) -> Size | None:
        if self.size:
            return self.size if self.evaluate["mode"] == "slide" else None
        few = size[0] * size[1] <= _MAX_PATCHES * min(self.patch, 16) ** 2
        if self.evaluate["mode"] == "whole" and few:
            return None
        height, width = self.evaluate["crop_size"]
        return height, width

    def _pass(self, pixels: np.ndarray) -> np.ndarray:
        given = resized(pixels, fitting_size((pixels.shape[0], pixels.shape[1]), self.size, self.patch))
        try:
            (logits,) = self.session.run(["logits"], {"images": given[None]})
        except Exception as error:  # onnxruntime's have no common type
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"the network of the file cannot be run on {given.shape}: {why}") from None
        return resized_maps(logits[0], (pixels.shape[0], pixels.shape[1]))


def _gives(session: Any, classes: int) -> bool:
    """Whether a network takes "images" and gives "logits" of so many classes; sizes may be left open."""
    shapes = {each.name: each.shape for each in session.get_outputs()}
    taken = [each.name for each in session.get_inputs()]
    found = shapes.get("logits", ())
    return taken == ["images"] and len(found) == 4 and (type(found[1]) is not int or found[1] == classes)


def open_session(path: Path, threads: int = 0) -> Any:
    """Return onnxruntime's session of a file, after `check_onnx`; on a GPU if this onnxruntime knows one.

    Raises:
        UserError: If there is no such file, it cannot be loaded, or onnxruntime is missing.
    """
    try:
        import onnxruntime
    except ImportError:
        raise UserError(
            f"{path} needs onnxruntime, which is not installed; type `pip install onnxruntime`"
        ) from None
    if not path.is_file():
        raise UserError(f"there is no {path}; expected an .onnx file that `s4former export` wrote")
    check_onnx(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 4
    there = onnxruntime.get_available_providers()
    providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there]
    try:
        return onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # onnxruntime's have no common type
        why = str(error).splitlines()[0]
        raise UserError(
            f"onnxruntime {onnxruntime.__version__} cannot load {path}: {why}; a newer one may be needed"
        ) from None


def read_rgb(path: Path) -> np.ndarray:
    """Return an image file as RGB of 8 bits, upright.

    Raises:
        DataError: If it cannot be read or has more than 8 bits.
    """
    PilImage.MAX_IMAGE_PIXELS = 2**30
    try:
        with PilImage.open(path) as picture:
            found = f"{picture.mode}, {picture.tile[0][3]}" if picture.tile else picture.mode
            # Of 16-bit colors Pillow keeps 8 bits without saying so, but says how it reads them.
            if not picture.mode.startswith(("I", "F")) and ";16" not in found:
                return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except Exception as error:  # on broken bytes decoders raise nearly anything
        raise DataError(f"cannot read the image {path}: {error}") from None
    raise DataError(f"{path} has more than 8 bits a channel (mode {found}); save it with 8, or use torch")


def fitting_size(own: Size, size: Size | None, patch: int) -> Size:
    """Return at which size a file sees an image: its fixed one, else the nearest multiples of a patch."""
    return size or (max(1, round(own[0] / patch)) * patch, max(1, round(own[1] / patch)) * patch)


def resized(image: np.ndarray, size: Size) -> np.ndarray:
    """Return an image "h w c" of 8 bits resized bilinearly, antialiased where it shrinks."""
    if image.shape[:2] == size:
        return image
    shape, how = (size[1], size[0]), PilImage.Resampling.BILINEAR
    channels = [PilImage.fromarray(image[..., index]) for index in range(image.shape[2])]
    return np.stack([np.asarray(channel.resize(shape, how)) for channel in channels], axis=2)


def resized_maps(maps: np.ndarray, size: Size) -> np.ndarray:
    """Return maps "k h w" of numbers resized bilinearly between the nearest four, as torch does."""
    if maps.shape[1:] == size:
        return maps
    if maps.shape[1] > size[0] or maps.shape[2] > size[1]:  # Pillow would average over more than four
        return _between(_between(maps, size[0], 1), size[1], 2)
    found = np.empty((len(maps), *size), np.float32)
    for one, here in zip(maps, found, strict=True):
        here[:] = np.asarray(PilImage.fromarray(one).resize(size[::-1], PilImage.Resampling.BILINEAR))
    return found


def _between(maps: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Return maps with one of their axes resized, each new number between the two old ones beside it."""
    own = maps.shape[axis]
    places = np.clip((np.arange(size) + 0.5) * (own / size) - 0.5, 0, own - 1)
    low = places.astype(np.int64)
    share = (places - low).astype(np.float32)
    share = share[:, None] if axis == 1 else share
    before, after = maps.take(low, axis), maps.take(np.minimum(low + 1, own - 1), axis)
    return before + (after - before) * share  # type: ignore[no-any-return]


def _starts(side: int, window: int, stride: int) -> list[int]:
    last = max(side - window, 0)
    return [*range(0, last, stride), last]
