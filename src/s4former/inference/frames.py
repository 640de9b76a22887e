"""Frames of videos, read and written with PyAV."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PilImage

from s4former.config.errors import UserError
from s4former.data.sources.decoding import decoding

_CODECS = ("libx264", "mpeg4")


def count_frames(path: Path) -> int:
    """Return how many frames a video has at most.

    Raises:
        DataError: If it cannot be read.
        UserError: If PyAV is not installed.
    """
    av = _pyav(path)
    with decoding(path, "video"), av.open(str(path)) as file:
        if not file.streams.video:
            raise ValueError("it has no pictures")
        return sum(1 for packet in file.demux(file.streams.video[0]) if packet.size)


def frames_of(path: Path) -> Iterator[PilImage.Image]:
    """Yield the frames of a video, upright.

    Raises:
        DataError: If it cannot be read.
    """
    av = _pyav(path)
    with decoding(path, "video"), av.open(str(path)) as file:
        for frame in file.decode(file.streams.video[0]):
            pixels = np.rot90(frame.to_ndarray(format="rgb24"), round(getattr(frame, "rotation", 0) / 90))
            yield PilImage.fromarray(np.ascontiguousarray(pixels))


def rate_of(path: Path) -> Fraction:
    """Return the frames a second of a video."""
    with decoding(path, "video"), _pyav(path).open(str(path)) as file:
        return Fraction(file.streams.video[0].average_rate or 25)


@contextmanager
def video_writer(path: Path, rate: Fraction) -> Iterator[Callable[[PilImage.Image], None]]:
    """Return what takes the frames of an MP4; of an odd height or width the last row or column is cut."""
    av = _pyav(path)
    with av.open(str(path), "w", format="mp4") as file:
        codec = next(name for name in _CODECS if name in av.codecs_available)
        stream = file.add_stream(codec, rate=rate)
        stream.pix_fmt = "yuv420p"

        def add(picture: PilImage.Image) -> None:
            width, height = (max(2, side // 2 * 2) for side in picture.size)
            if not stream.codec_context.is_open:
                stream.width, stream.height = width, height
            file.mux(stream.encode(av.VideoFrame.from_image(picture.crop((0, 0, width, height)))))

        yield add
        file.mux(stream.encode())


def _pyav(path: Path) -> Any:
    try:
        import av
    except ImportError:
        raise UserError(
            f"{path} is a video, which needs PyAV to be read; type pip install 's4former[video]'"
        ) from None
    return av
