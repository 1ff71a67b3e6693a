"""Shapes in well-known text and binary, as far as they are no collections within collections without end.

The library reads a collection by calling itself for each part: some thousand within each other end the whole program.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["holds_no_collections", "shapes_of_blobs", "shapes_of_texts"]

_MOST_COLLECTIONS = 8
_PARTS = {4: 1, 5: 2, 6: 3}
"""Kind of the parts of each kind that has some: points, lines, polygons."""
_Z, _M, _SRID = 0x80000000, 0x40000000, 0x20000000


def shapes_of_texts(texts: NDArray[Any]) -> NDArray[np.object_]:
    """Read well-known texts (N,) as shapes of Shapely; None for what is empty or none."""
    import shapely

    given = texts.astype(object)
    given[texts == ""] = None
    for row, text in enumerate(given):
        if isinstance(text, str) and text.upper().count("COLLECTION") > _MOST_COLLECTIONS:
            given[row] = None
    with np.errstate(invalid="ignore"):
        shapes: NDArray[np.object_] = shapely.from_wkt(given, on_invalid="ignore")
    return shapes


def shapes_of_blobs(blobs: NDArray[Any]) -> NDArray[np.object_]:
    """Read well-known binary (N,) as shapes of Shapely; None for what is none, and for collections."""
    import shapely

    given = np.array([blob if _is_bytes(blob) and holds_no_collections(blob) else None for blob in blobs], object)
    shapes: NDArray[np.object_] = shapely.from_wkb(given, on_invalid="ignore")
    return shapes


def _is_bytes(blob: object) -> bool:
    return isinstance(blob, bytes)


def holds_no_collections(blob: bytes) -> bool:
    """Whether well-known binary is a shape whose parts, where it has some, are all of one plain kind."""
    try:
        kind, at, order, width = _head(blob, 0)
        if kind not in _PARTS:
            return 1 <= kind <= 3
        (count,) = struct.unpack_from(f"{order}I", blob, at)
        at += 4
        for _ in range(count):
            part, at, order, width = _head(blob, at)
            if part != _PARTS[kind]:
                return False
            at = _behind(blob, at, part, order, width)
    except (struct.error, IndexError, OverflowError):
        return False
    return True


def _head(blob: bytes, at: int) -> tuple[int, int, str, int]:
    """Kind of the shape at a place, where its contents begin, order of bytes, and bytes of a point."""
    order = "<" if blob[at] else ">"
    (code,) = struct.unpack_from(f"{order}I", blob, at + 1)
    thousands, kind = divmod(code & 0x0FFFFFFF, 1000)
    more = (bool(code & _Z) or thousands in (1, 3)) + (bool(code & _M) or thousands in (2, 3))
    return kind, at + 5 + 4 * bool(code & _SRID), order, 8 * (2 + more)


def _behind(blob: bytes, at: int, kind: int, order: str, width: int) -> int:
    """Return where a plain shape ends."""
    if kind == 1:
        return at + width
    rings = 1
    if kind == 3:
        (rings,) = struct.unpack_from(f"{order}I", blob, at)
        at += 4
    for _ in range(rings):
        (corners,) = struct.unpack_from(f"{order}I", blob, at)
        at += 4 + corners * width
    return at
