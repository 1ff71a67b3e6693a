"""Named arrays in one blob: small, quick, and safe to read from a file that nobody vouches for.

A blob is a header (JSON, its length in the first four bytes) and the bytes of the arrays one after the other. Nothing
is unpacked before the caller has said how long an array must be, so a small blob can never claim much memory.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import DTypeLike, NDArray

__all__ = ["CodecError", "Packed", "pack"]

LONGEST_HEADER = 1_000_000
MOST_ARRAYS = 5_000
_SHORTEST_TO_COMPRESS = 128
_QUICK = 1
_LENGTH = struct.Struct("<I")


class CodecError(ValueError):
    """A blob does not hold what was asked of it; the message says what is wrong."""


def pack(arrays: Mapping[str, NDArray[Any]], *, raw: Collection[str] = ()) -> bytes:
    """Put one-dimensional arrays into a blob.

    Equal values are kept once; whole numbers are compressed; floating point, which hardly shrinks, is kept as it is,
    and so are the arrays that `raw` names.
    """
    header, parts = {}, []
    for name, values in arrays.items():
        how, data = ("raw", _little(values).tobytes()) if name in raw else _shrink(_little(values))
        header[name] = [_little(values[:0]).dtype.str, len(values), how, len(data)]
        parts.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join([_LENGTH.pack(len(text)), text, *parts])


def _little(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<"))


def _shrink(little: NDArray[Any]) -> tuple[str, bytes]:
    # bytes are compared, as NaN is not equal to itself
    bits = little.view(f"<u{little.itemsize}")
    if len(bits) > 1 and (bits == bits[0]).all():
        return "one", little[:1].tobytes()
    data = little.tobytes()
    if little.dtype.kind in "iu" and len(data) > _SHORTEST_TO_COMPRESS:
        small = zlib.compress(data, _QUICK)
        if len(small) < len(data):
            return "zlib", small
    return "raw", data


class Packed:
    """A blob whose arrays are unpacked when asked for.

    Raises
    ------
    CodecError
        If the blob's header is malformed, or does not fit its length.
    """

    def __init__(self, blob: bytes) -> None:
        if len(blob) < _LENGTH.size:
            raise CodecError("an entry is cut off")
        (length,) = _LENGTH.unpack_from(blob)
        if length > LONGEST_HEADER or _LENGTH.size + length > len(blob):
            raise CodecError("an entry's header is cut off")
        try:
            header = json.loads(blob[_LENGTH.size : _LENGTH.size + length])
        except (ValueError, RecursionError) as error:
            raise CodecError("an entry's header cannot be read") from error
        if not isinstance(header, dict) or len(header) > MOST_ARRAYS:
            raise CodecError("an entry's header is malformed")
        self._blob = blob
        self._where: dict[str, tuple[str, int, str, int, int]] = {}
        at = _LENGTH.size + length
        for name, entry in header.items():
            dtype, count, how, size = _entry(entry)
            self._where[name] = (dtype, count, how, at, size)
            at += size
        if at != len(blob):
            raise CodecError("an entry is longer or shorter than its header says")

    @property
    def names(self) -> list[str]:
        """The arrays, in order."""
        return list(self._where)

    def length(self, name: str) -> int:
        """Return how many values an array claims to have; nothing is unpacked."""
        if name not in self._where:
            raise CodecError(f"{name!r} is missing from an entry")
        return self._where[name][1]

    def stored_raw(self, name: str) -> bool:
        """Whether an array's values stand in the blob one by one: its length is then no mere claim."""
        return name in self._where and self._where[name][2] == "raw"

    def array(self, name: str, dtype: DTypeLike, length: int) -> NDArray[Any]:
        """Unpack one array that must have this type and length.

        Raises
        ------
        CodecError
            If it is missing, of another type or length, or damaged.
        """
        wanted = np.dtype(dtype).newbyteorder("<")
        self.length(name)
        kind, count, how, at, size = self._where[name]
        if kind != wanted.str or count != length:
            raise CodecError(f"{name!r} is {count} x {kind} where {length} x {wanted.str} belongs")
        data = self._blob[at : at + size]
        if how == "one":
            if size != wanted.itemsize:
                raise CodecError(f"{name!r} has a malformed value")
            return np.full(length, np.frombuffer(data, wanted)[0], np.dtype(dtype))
        expected = length * wanted.itemsize
        if how == "zlib":
            data = _inflate(data, expected, name)
        if len(data) != expected:
            raise CodecError(f"{name!r} is cut off")
        return np.frombuffer(data, wanted).astype(np.dtype(dtype))


def _entry(entry: object) -> tuple[str, int, str, int]:
    match entry:
        case [str(dtype), int(count), "raw" | "zlib" | "one" as how, int(size)] if count >= 0 and size >= 0:
            return dtype, count, how, size
    raise CodecError("an entry's header is malformed")


def _inflate(data: bytes, expected: int, name: str) -> bytes:
    stream = zlib.decompressobj()
    try:
        # one byte more than belongs there is enough to know that there is too much
        out = stream.decompress(data, expected + 1)
    except zlib.error as error:
        raise CodecError(f"{name!r} cannot be unpacked") from error
    if len(out) != expected or not stream.eof or stream.unused_data:
        raise CodecError(f"{name!r} unpacks to another size than it says")
    return out
