"""The size that a compressed tile gives for itself, read from its first bytes before memory is taken for its pixels."""

from __future__ import annotations

import struct

from nucloop.slides.headers.jpeg_frames import jpeg_frame

__all__ = ["size_within"]

_JPEG = (6, 7, 34892, 33007)
_JPEG_2000 = (33003, 33004, 33005, 34712)
_JPEG_XR = (22610, 34934)
_JPEG_XL = (50002, 52546)
_PNG = 34933
_SIZ = b"\xff\x4f\xff\x51"
_XR_WIDTH, _XR_HEIGHT = 0xBC80, 0xBC81
_XL_BITS = (9, 13, 18, 30)
_XL_RATIOS = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_HEADER = 4096


def size_within(compression: int, data: bytes) -> tuple[int, int] | None:
    """Height and width that a compressed tile gives for itself; None when it does not say.

    Parameters
    ----------
    compression : int
        Value of TIFF's tag.
    data : bytes
        The tile.
    """
    if compression in _JPEG:
        frame = jpeg_frame(data)
        return None if frame is None else (frame.height, frame.width)
    if compression in _JPEG_2000:
        at = data.find(_SIZ, 0, _HEADER)
        return _width_and_height(data, at + 8) if at >= 0 else None
    if compression == _PNG:
        return _width_and_height(data, 16)
    if compression in _JPEG_XR:
        return _size_of_jpeg_xr(data)
    return _size_of_jpeg_xl(data) if compression in _JPEG_XL else None


def _width_and_height(data: bytes, at: int) -> tuple[int, int] | None:
    if len(data) < at + 8:
        return None
    width, height = struct.unpack_from(">II", data, at)
    return height, width


def _size_of_jpeg_xr(data: bytes) -> tuple[int, int] | None:
    """Read the directory that a JPEG XR begins with, which is laid out as a TIFF's."""
    try:
        (at,) = struct.unpack_from("<I", data, 4)
        (count,) = struct.unpack_from("<H", data, at)
        entries = [struct.unpack_from("<HHII", data, at + 2 + 12 * k) for k in range(min(count, 64))]
    except struct.error:
        return None
    found = {tag: value & 0xFFFF if kind == 3 else value for tag, kind, _, value in entries}
    return (found[_XR_HEIGHT], found[_XR_WIDTH]) if {_XR_HEIGHT, _XR_WIDTH} <= found.keys() else None


def _size_of_jpeg_xl(data: bytes) -> tuple[int, int] | None:
    """Read the bits behind the signature of a codestream, with or without the boxes of a file around it."""
    at = 0 if data.startswith(b"\xff\x0a") else data.find(b"\xff\x0a", 12, _HEADER)
    if at < 0:
        return None
    bits = int.from_bytes(data[at + 2 : at + 14], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    small = take(1)

    def side() -> int:
        return (take(5) + 1) * 8 if small else take(_XL_BITS[take(2)]) + 1

    height = side()
    over, under = _XL_RATIOS[take(3)]
    return height, height * over // under if over else side()
