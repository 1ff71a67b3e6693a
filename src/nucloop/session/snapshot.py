"""The state after some edit, kept so that opening need not begin at the first one. Safe to lose at any time."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nucloop.errors import DataError
from nucloop.session.codec import CodecError, Packed, pack
from nucloop.session.columns import Columns, column
from nucloop.session.connection import Room
from nucloop.session.faults import DamagedSession
from nucloop.session.palette import Palette

if TYPE_CHECKING:
    import sqlite3


__all__ = ["Snapshot", "read_snapshot", "write_snapshot"]

PART = 512 * 1024
"""Bytes in one transaction: an edit waits for no more than that."""
MOST_PARTS = 10_000
_LONGEST_PALETTE = 1_000_000


@dataclass(frozen=True)
class Snapshot:
    """All columns and the classes after an edit; a copy that other threads may work on."""

    seq: int
    size: int
    columns: dict[str, NDArray[Any]]
    palette: Palette

    @classmethod
    def of(cls, seq: int, columns: Columns, palette: Palette) -> Snapshot:
        """Copy the state."""
        return cls(seq, columns.size, {name: columns[name].copy() for name in columns.names}, palette)

    def encode(self) -> bytes:
        """Return everything as bytes."""
        moved = np.flatnonzero((self.columns["found"] != self.columns["yx"]).any(1))
        arrays = {f"={name}": values.reshape(-1) for name, values in self.columns.items() if name != "found"}
        arrays["moved"] = moved.astype(np.int64)
        arrays["found"] = self.columns["found"][moved].reshape(-1)
        arrays["palette"] = np.frombuffer(json.dumps(self.palette.to_dict()).encode(), np.uint8)
        return pack(arrays, raw={"=yx"})

    @classmethod
    def decode(cls, seq: int, blob: bytes) -> Snapshot:
        """Inverse of `encode`, of bytes that may come from anywhere; CodecError when it is no snapshot."""
        packed = Packed(blob)
        if not packed.stored_raw("=yx"):
            raise CodecError("a snapshot does not say where its nuclei are")
        size = packed.length("=yx") // 2
        columns = {"yx": _column(packed, "yx", size)}
        columns |= {n[1:]: _column(packed, n[1:], size) for n in packed.names if n[0] == "=" and n != "=yx"}
        columns["found"] = _found(packed, columns["yx"])
        return cls(seq, size, columns, _palette(packed))


def _column(packed: Packed, name: str, size: int) -> NDArray[Any]:
    spec = column(name)
    if spec is None:
        raise CodecError("a snapshot has an unknown column")
    values = packed.array("=" + name, spec.dtype, size * spec.width)
    if not spec.allows(values):
        raise CodecError(f"a snapshot has impossible values of {name!r}")
    return values.reshape(size, spec.width) if spec.width > 1 else values


def _found(packed: Packed, yx: NDArray[np.float32]) -> NDArray[np.float32]:
    found, count = yx.copy(), packed.length("moved")
    if count > len(yx):
        raise CodecError("a snapshot has more moved nuclei than nuclei")
    rows = packed.array("moved", np.int64, count)
    if count and (rows.min() < 0 or rows.max() >= len(yx)):
        raise CodecError("a snapshot has moved nuclei that do not exist")
    places = packed.array("found", np.float32, 2 * count)
    spec = column("found")
    if spec is None or not spec.allows(places):
        raise CodecError("a snapshot has impossible places")
    found[rows] = places.reshape(-1, 2)
    return found


def _palette(packed: Packed) -> Palette:
    length = packed.length("palette")
    if length > _LONGEST_PALETTE:
        raise CodecError("a snapshot has too many classes")
    try:
        data = json.loads(packed.array("palette", np.uint8, length).tobytes())
        return Palette.from_dict(data, source="a snapshot")
    except (ValueError, RecursionError, DataError) as error:
        raise CodecError("a snapshot has malformed classes") from error


def write_snapshot(connection: sqlite3.Connection, snapshot: Snapshot) -> None:
    """Write a snapshot in small transactions, then make it the one that counts and drop the others."""
    blob = snapshot.encode()
    parts = [blob[at : at + PART] for at in range(0, len(blob), PART)]
    for number, data in enumerate(parts):
        connection.execute("INSERT OR REPLACE INTO snapshot_parts VALUES (?, ?, ?)", (snapshot.seq, number, data))
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", (snapshot.seq, len(parts), zlib.crc32(blob))
        )
        connection.execute("DELETE FROM snapshots WHERE seq <> ?", (snapshot.seq,))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    # room that old parts took is used again by the next ones
    for seq, number in connection.execute(
        "SELECT seq, part FROM snapshot_parts WHERE seq <> ?", (snapshot.seq,)
    ).fetchall():
        connection.execute("DELETE FROM snapshot_parts WHERE seq = ? AND part = ?", (seq, number))


def read_snapshot(connection: sqlite3.Connection, last: int) -> Snapshot | None:
    """Return the newest whole snapshot of an edit up to `last`; None when there is none, or it is damaged."""
    row = connection.execute(
        "SELECT seq, parts, crc FROM snapshots WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (last,)
    ).fetchone()
    if row is None or not all(isinstance(value, int) for value in row) or not 0 < row[1] <= MOST_PARTS:
        return None
    seq, parts, crc = row
    try:
        blob = _joined(connection, seq, parts)
        return Snapshot.decode(seq, blob) if zlib.crc32(blob) == crc else None
    except (CodecError, DamagedSession):
        return None


def _joined(connection: sqlite3.Connection, seq: int, parts: int) -> bytes:
    stored: list[bytes] = []
    room = Room(connection, None)
    for number, data in connection.execute(
        "SELECT part, data FROM snapshot_parts WHERE seq = ? ORDER BY part LIMIT ?", (seq, parts + 1)
    ):
        if number != len(stored) or not isinstance(data, bytes):
            raise CodecError("a snapshot has gaps")
        stored.append(data)
        room.take(len(data))
    if len(stored) != parts:
        raise CodecError("a snapshot has gaps")
    return b"".join(stored)
