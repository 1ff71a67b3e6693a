"""The three files behind a feature store: rows, ids, and a log that says which of them are whole.

Rows and ids reach the disk before the log says so. What a crash leaves beyond the log's last whole block is dropped
when the files are opened again: features can be computed anew, but half a row must never be taken for one.
"""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["FeatureFiles"]

BLOCK = np.dtype([("count", "<u8"), ("rows", "<u4"), ("ids", "<u4"), ("own", "<u4"), ("zero", "<u4")])
"""One appended block: how many rows, and the checksums of its rows, its ids and this entry."""
_CHECKED = 16
"""Bytes of an entry that its own checksum covers."""


class FeatureFiles:
    """One generation of a store's files, append-only.

    Parameters
    ----------
    folder : Path
        Where they lie.
    generation : int
        Part of their names; a compacted store is the next generation.
    features : int
        Length of a row.

    Raises
    ------
    OSError
        If a file cannot be read or written.
    """

    def __init__(self, folder: Path, generation: int, features: int) -> None:
        self.features = features
        self.paths = {name: folder / f"{name}-{generation}" for name in ("rows", "ids", "blocks")}
        self._row_bytes = 2 * features
        self._map: NDArray[np.float16] | None = None
        for path in self.paths.values():
            path.touch()
        blocks = self._whole_blocks()
        self.dropped = 0
        """Rows that were cut off as torn when the files were opened."""
        self.count = int(blocks["count"].sum())
        self.dropped = max(self.paths["ids"].stat().st_size // 8 - self.count, 0)
        self._blocks = len(blocks)
        self._cut()

    @property
    def nbytes(self) -> int:
        """What all rows take on disk."""
        return self.count * (self._row_bytes + 8) + self._blocks * BLOCK.itemsize

    def append(self, ids: NDArray[np.int64], rows: NDArray[np.float16]) -> None:
        """Add a block, (K,) ids and (K, F) rows; when this fails the files are as before."""
        parts = {"rows": rows.astype("<f2", copy=False).tobytes(), "ids": ids.astype("<i8", copy=False).tobytes()}
        entry = _entry(len(ids), parts)
        try:
            for name, data in parts.items():
                _append(self.paths[name], data)
            _append(self.paths["blocks"], entry.tobytes())
        except OSError:
            self._cut()
            raise
        self.count += len(ids)
        self._blocks += 1
        self._map = None

    def rows(self) -> NDArray[np.float16]:
        """All rows (N, F), mapped: only what is looked at is read."""
        if self.count == 0:
            return np.zeros((0, self.features), np.float16)
        if self._map is None:
            self._map = np.memmap(self.paths["rows"], "<f2", "r", shape=(self.count, self.features))
        return self._map

    def ids(self) -> NDArray[np.int64]:
        """All ids (N,), in the order of the rows; a negative one (~id) says that an id was forgotten."""
        return np.fromfile(self.paths["ids"], "<i8", self.count).astype(np.int64, copy=False)

    def close(self) -> None:
        """Let go of the mapped rows."""
        self._map = None

    def delete(self) -> None:
        """Remove the files; on Windows a mapped one stays until the next time."""
        self.close()
        for path in self.paths.values():
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _whole_blocks(self) -> NDArray[Any]:
        data = self.paths["blocks"].read_bytes()
        blocks = np.frombuffer(data, BLOCK, len(data) // BLOCK.itemsize)
        sizes = self.paths["rows"].stat().st_size // self._row_bytes, self.paths["ids"].stat().st_size // 8
        whole = np.array([zlib.crc32(block.tobytes()[:_CHECKED]) == block["own"] for block in blocks], bool)
        fits = np.cumsum(blocks["count"].astype(np.int64)) <= min(sizes)
        good = len(blocks) if (whole & fits).all() else int(np.argmin(whole & fits))
        while good and not self._holds(blocks[:good]):
            good -= 1
        return blocks[:good]

    def _holds(self, blocks: NDArray[Any]) -> bool:
        """Whether the last block's rows and ids are what its entry says."""
        last, first = blocks[-1], int(blocks["count"][:-1].sum())
        for name, size in (("rows", self._row_bytes), ("ids", 8)):
            with self.paths[name].open("rb") as file:
                file.seek(first * size)
                if zlib.crc32(file.read(int(last["count"]) * size)) != last[name]:
                    return False
        return True

    def _cut(self) -> None:
        lengths = {"rows": self.count * self._row_bytes, "ids": self.count * 8, "blocks": self._blocks * BLOCK.itemsize}
        for name, length in lengths.items():
            if self.paths[name].stat().st_size > length:
                os.truncate(self.paths[name], length)


def _entry(count: int, parts: dict[str, bytes]) -> NDArray[Any]:
    entry = np.zeros(1, BLOCK)
    entry["count"], entry["rows"], entry["ids"] = count, zlib.crc32(parts["rows"]), zlib.crc32(parts["ids"])
    entry["own"] = zlib.crc32(entry.tobytes()[:_CHECKED])
    return entry


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
