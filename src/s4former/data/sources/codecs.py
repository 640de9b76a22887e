"""Which files a lossy codec wrote, found out from the codec itself: endings lie, and containers hide it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from s4former.data.sources.decoding import first_bytes
from s4former.data.sources.tiff import is_tiff, tiff_pages

_START = 2**16
_IN_TIFF = {
    6: "JPEG",
    7: "JPEG",
    34892: "JPEG",
    22610: "JPEG XR",
    34934: "JPEG XR",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_LOOK_INSIDE = (33003, 33005, 34712, 50001)  # JPEG 2000 and WebP come in both kinds
_JPEG, _JPEG2000, _CODESTREAM = b"\xff\xd8\xff", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"


def lossy_codec(path: Path) -> str | None:
    """Return the name of the codec if it does not give back the values that were saved, else None.

    Raises:
        DataError: If it is a TIFF whose pages cannot be listed.
    """
    head = first_bytes(path, _START)
    if not is_tiff(head):
        return _lossy(head)
    for page in tiff_pages(path, "mask"):
        if page.compression in _IN_TIFF:
            return f"{_IN_TIFF[page.compression]} in a TIFF"
        if page.compression in _LOOK_INSIDE and (codec := _lossy(_bytes_at(path, *page.data))):
            return f"{codec} in a TIFF"
    return None


def _lossy(data: bytes) -> str | None:
    if data.startswith(_JPEG):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP" if b"VP8 " in _webp_chunks(data[12:]) else None
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis", b"heic", b"heix", b"mif1"):
        return "AVIF"
    if data.startswith((_JPEG2000, _CODESTREAM)):
        return "JPEG 2000" if _is_irreversible(data[data.find(_CODESTREAM) :]) else None
    return None


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    """Return the names of the chunks, those of an animation's frames too."""
    place = 0
    while place + 8 <= len(data):
        name, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        yield name
        place += 8 + (16 if name == b"ANMF" else length + length % 2)


def _is_irreversible(stream: bytes) -> bool:
    """Whether a JPEG 2000 stream says in its COD segment that its wavelets are the irreversible ones."""
    place = 2
    while stream[place : place + 1] == b"\xff":
        marker, length = stream[place + 1], int.from_bytes(stream[place + 2 : place + 4], "big")
        if marker == 0x52:
            return stream[place + 13 : place + 14] == b"\0"
        place += 2 + length
    return False


def _bytes_at(path: Path, start: int, length: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(min(length, _START))
    except OSError:
        return b""
