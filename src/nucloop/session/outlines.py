"""Outlines of nuclei in a session file: in blocks beside the journal, written once, read when somebody asks.

Each outline has a number for life. The columns ``outline`` and ``cell`` hold it for each nucleus, 0 for none, so edits,
undo and snapshots handle whole numbers and never a corner, and a session without outlines pays nothing. Corners are
kept for the place where their nucleus was first put; they move with it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.outlines import Outlines
from nucloop.session.codec import CodecError, Packed, pack
from nucloop.session.faults import damaged, reading

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.nuclei import Nuclei

__all__ = ["FIELDS", "KeptOutlines", "NewOutlines"]

FIELDS = {"outline": "outlines", "cell": "cell_outlines"}
"""Columns of a session, and the members of `Nuclei` that they stand for."""
BLOCK_CORNERS = 65_536
"""Corners that are read together, half a megabyte; a larger outline is a block of its own."""
CELL = 1024
"""Side of the squares whose outlines are kept together, level-0 pixels."""
_LAST = 2**61


@dataclass(frozen=True)
class NewOutlines:
    """Outlines that an edit brings.

    Parameters
    ----------
    first : int
        The number of the first one; the others follow.
    outlines : Outlines
        One for each number.
    """

    first: int
    outlines: Outlines

    def blocks(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield the rows of the table: first number, count, checksum, data."""
        ends, start = self.outlines.ends, 0
        while start < len(self.outlines):
            stop = int(np.searchsorted(ends, ends[start] + BLOCK_CORNERS, "right")) - 1
            part = self.outlines.take(slice(start, max(stop, start + 1)))
            arrays = {"counts": np.diff(part.ends).astype(np.uint32), "corners": part.corners.reshape(-1)}
            data = pack(arrays, raw={"corners"})
            yield self.first + start, len(part), zlib.crc32(data), data
            start += len(part)


class KeptOutlines:
    """The outlines that a session file keeps.

    Parameters
    ----------
    connection : sqlite3.Connection
        To the file.
    path : Path or None
        For messages; None in memory.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self._connection, self._path = connection, path

    def move_to(self, connection: sqlite3.Connection, path: Path | None) -> None:
        """Go on in another file that holds the same."""
        self._connection, self._path = connection, path

    def numbered(
        self,
        table: Nuclei,
        wanted: Mapping[str, NDArray[np.bool_]] | None = None,
        shift: NDArray[np.floating] | None = None,
    ) -> tuple[dict[str, NDArray[np.int64]], NewOutlines | None]:
        """Give numbers to the outlines of nuclei that an edit brings.

        Parameters
        ----------
        table : Nuclei
            Rows (N,).
        wanted : dict of (N,) bool, optional
            By column, whose outlines are to be kept; all without it.
        shift : (N, 2) array, optional
            How far each nucleus was first put from where it is, in pixels.

        Returns
        -------
        dict of (N,) int64
            By column, those that there are; 0 where there is none.
        NewOutlines or None
            What is to be kept under the numbers.
        """
        columns: dict[str, NDArray[np.int64]] = {}
        parts: list[Outlines] = []
        first = number = 0
        for name, member in FIELDS.items():
            outlines: Outlines | None = getattr(table, member)
            if outlines is None:
                continue
            rows = np.flatnonzero(outlines.there if wanted is None else outlines.there & wanted[name])
            if not len(rows):
                continue
            rows = rows[_by_place(table.yx[rows])]
            if not parts:
                first = number = self._next_number()
            columns[name] = np.zeros(len(table), np.int64)
            columns[name][rows] = number + np.arange(len(rows))
            part = outlines.take(rows)
            parts.append(part if shift is None or not shift[rows].any() else part.moved(shift[rows]))
            number += len(rows)
        return columns, NewOutlines(first, Outlines.concatenate(parts)) if parts else None

    def _next_number(self) -> int:
        with reading(self._path):
            row = self._connection.execute("SELECT first, count FROM outlines ORDER BY first DESC LIMIT 1").fetchone()
        if row is None:
            return 1
        if not _is_block(row) or row[0] + row[1] > _LAST:
            raise damaged(self._path, "its last outlines are malformed")
        return int(row[0] + row[1])

    def write(self, new: NewOutlines) -> None:
        """Write outlines; the caller holds the transaction of the edit that brings them."""
        self._connection.executemany("INSERT INTO outlines (first, count, crc, data) VALUES (?, ?, ?, ?)", new.blocks())

    def read(self, numbers: NDArray[np.int64]) -> Outlines:
        """Return outlines by their numbers (N,), none where the number is 0.

        Raises
        ------
        DamagedSession
            If one is not in the file or cannot be read, or two nuclei claim the same one: a small file could then fill
            all memory.
        """
        wanted = np.sort(numbers[numbers > 0])
        if (np.diff(wanted) == 0).any():
            raise damaged(self._path, "two nuclei have the same outline")
        found = Outlines.concatenate(self._parts(wanted))
        if len(wanted) == len(numbers) and (wanted == numbers).all():
            return found
        # behind the last one stands none
        padded = Outlines(found.corners, np.append(found.ends, found.ends[-1]))
        return padded.take(np.where(numbers > 0, np.searchsorted(wanted, numbers), len(found)))

    def _parts(self, wanted: NDArray[np.int64]) -> Iterator[Outlines]:
        """Yield outlines by ascending numbers, those of one block together."""
        if not len(wanted):
            return
        low, high = int(wanted[0]), int(wanted[-1])
        with reading(self._path):
            rows = self._connection.execute(
                "SELECT first, count FROM outlines WHERE first <= ? AND first + count > ? ORDER BY first", (high, low)
            ).fetchall()
        if not all(map(_is_block, rows)):
            raise damaged(self._path, "its outlines are malformed")
        begins = np.searchsorted(wanted, [first for first, _ in rows])
        behind = np.searchsorted(wanted, [first + count for first, count in rows])
        if int((behind - begins).sum()) != len(wanted):
            raise damaged(self._path, "an outline is missing")
        for (first, count), begin, stop in zip(rows, begins.tolist(), behind.tolist(), strict=True):
            if stop > begin:
                yield self._block(first, count).take(wanted[begin:stop] - first)

    def _block(self, first: int, count: int) -> Outlines:
        with reading(self._path):
            row = self._connection.execute("SELECT crc, data FROM outlines WHERE first = ?", (first,)).fetchone()
        try:
            if row is None or not isinstance(row[1], bytes) or zlib.crc32(row[1]) != row[0]:
                raise CodecError("a block of outlines has changed")
            return _decoded(Packed(row[1]), count)
        except ValueError as error:
            raise damaged(self._path, f"outlines from {first} on cannot be read: {error}") from error


def _by_place(yx: NDArray[np.float32]) -> NDArray[np.int64]:
    """Order nuclei so that those in one view lie in few blocks."""
    cells = np.floor(yx / CELL)
    return np.lexsort((cells[:, 1], cells[:, 0]))


def _is_block(row: tuple[Any, ...]) -> bool:
    first, count = row
    return isinstance(first, int) and isinstance(count, int) and 0 < first <= _LAST and 0 < count <= _LAST


def _decoded(packed: Packed, count: int) -> Outlines:
    # corners stand one by one, so that nobody can claim outlines that take no room in the file
    if not packed.stored_raw("corners") or count > packed.length("corners"):
        raise CodecError("a block of outlines has no corners")
    counts: NDArray[Any] = packed.array("counts", np.uint32, count)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    return Outlines(packed.array("corners", np.float32, int(2 * ends[-1])).reshape(-1, 2), ends)
