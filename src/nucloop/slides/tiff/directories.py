"""The directories of a TIFF, walked through once before anything in them is believed."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import tifffile

from nucloop.errors import SlideError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_directories"]

_SUB_DIRECTORIES = 330
_MAX_TAGS = 4096
_FIRST_OFFSET = 8
_BIG_TAG = 20
_SPARE_BYTES = 10_000_000


def check_directories(file: tifffile.TiffFile, name: str, most: int) -> None:
    """Refuse files whose directories would take long to read, or more memory than the file has bytes.

    Parameters
    ----------
    file : TiffFile
        Open file.
    name : str
        What to call it in an error.
    most : int
        How many pages, with their subordinate ones, are looked at.

    Raises
    ------
    SlideError
        If there are more, if they follow each other in a circle, or if many of them claim the same large lists.
    """
    held = values = 0
    for size, below in _walked(file, name):
        held += 1 + below
        values += size
        if held > most:
            raise SlideError(
                f"{name} holds more than {most:,} pictures. NucLoop reads one flat picture: export the one you need."
            )
        if values > 2 * file.filehandle.size + _SPARE_BYTES:
            raise SlideError(f"{name} is damaged: its pages claim more than it holds. Copy or export it again.")


def _walked(file: tifffile.TiffFile, name: str) -> Iterator[tuple[int, int]]:
    """Give bytes of values and number of subordinate directories, first of each page, then of those below them."""
    waiting: list[int] = []
    seen: set[int] = set()
    offset = file.pages.first.offset
    while (found := _directory(file, offset)) is not None:
        if offset in seen:
            raise SlideError(f"{name} is damaged: its pages follow each other in a circle. Copy or export it again.")
        seen.add(offset)
        size, below, offset = found
        yield size, len(below)
        waiting += below
    for one in waiting:
        found = _directory(file, one)
        if found is not None:
            yield found[0], 0


def _directory(file: tifffile.TiffFile, offset: int) -> tuple[int, list[int], int] | None:
    """Bytes of values, offsets of subordinate directories, offset of the next; None where there is no directory."""
    tiff, handle = file.tiff, file.filehandle
    if not _FIRST_OFFSET <= offset < handle.size:
        return None
    entry = struct.Struct(tiff.byteorder + ("HHQ8s" if tiff.tagsize == _BIG_TAG else "HHI4s"))
    handle.seek(offset)
    try:
        (count,) = struct.unpack(tiff.tagnoformat, handle.read(tiff.tagnosize))
        if count > _MAX_TAGS:
            return None
        entries = list(entry.iter_unpack(handle.read(count * entry.size)))
        (following,) = struct.unpack(tiff.offsetformat, handle.read(tiff.offsetsize))
        size, below = 0, []
        for code, kind, number, value in entries:
            each = struct.calcsize("=" + tifffile.TIFF.DATA_FORMATS.get(kind, "1B"))
            size += number * each
            if code == _SUB_DIRECTORIES:
                below = _offsets(file, number, each, value)
    except struct.error:
        return None
    return size, below, following


def _offsets(file: tifffile.TiffFile, number: int, each: int, value: bytes) -> list[int]:
    handle, form = file.filehandle, {4: "I", 8: "Q"}.get(each)
    if form is None or number * each > handle.size:
        return []
    if number * each > len(value):
        handle.seek(struct.unpack(file.tiff.offsetformat, value[: file.tiff.offsetsize])[0])
        value = handle.read(number * each)
    whole = min(number, len(value) // each)
    return list(struct.unpack(f"{file.tiff.byteorder}{whole}{form}", value[: whole * each]))
