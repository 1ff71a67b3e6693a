"""Features of every nucleus, computed once and kept on disk, by nucleus id and encoder.

Plain memory-mapped float16 rows beside an index: of a million rows, 1,000 random ones come back in milliseconds and an
append costs its own bytes. The same as a zarr array took a hundred times as long for both, because every access
decodes or rewrites whole chunks.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nucloop.configuration import read_strictly
from nucloop.errors import DataError
from nucloop.learning.feature_files import FeatureFiles
from nucloop.learning.id_index import IdIndex

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

__all__ = ["FeatureStore", "StoreConfig"]

BLOCK_ROWS = 65_536
"""Rows copied at a time when a store is compacted."""
LARGEST = float(np.finfo(np.float16).max)


@read_strictly
@dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """How much room kept features may take."""

    max_bytes: int = 4_000_000_000
    """Of all encoders together in one folder."""

    def __post_init__(self) -> None:
        if self.max_bytes < 1_000_000:
            raise ValueError(f"a feature store needs at least 1,000,000 bytes, got {self.max_bytes}")


class FeatureStore:
    """One encoder's features of a session's nuclei; safe to use from several threads of one process.

    Parameters
    ----------
    folder : path
        Beside the session; every encoder gets a folder of its own in it.
    encoder_sha256 : str
        Features of another encoder are never mixed in.
    features : int
        Length of a feature vector.
    config : StoreConfig, optional
        How much room it may take.

    Raises
    ------
    DataError
        If the folder cannot be written to.
    """

    def __init__(
        self, folder: str | Path, encoder_sha256: str, features: int, config: StoreConfig | None = None
    ) -> None:
        if not encoder_sha256 or features < 1:
            raise ValueError("a feature store needs the encoder's sha256 and at least one feature")
        self.config = config or StoreConfig()
        self.features, self.encoder_sha256 = features, encoder_sha256
        self._base = Path(folder)
        self._folder = self._base / encoder_sha256[:16]
        self._lock = threading.RLock()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._generation = self._read_generation()
            self._files = FeatureFiles(self._folder, self._generation, features)
            self._sweep()
            self._index = self._read_index()
            os.utime(self._folder)
        except OSError as error:
            raise self._unwritable(error) from error

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """What this encoder's features take on disk."""
        return self._files.nbytes

    @property
    def dropped(self) -> int:
        """Rows that a crash had left torn, cut off when the store was opened."""
        return self._files.dropped

    def ids(self) -> NDArray[np.int64]:
        """Ids whose features are here, ascending."""
        with self._lock:
            return self._index.ids()

    def missing(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of ids (K,) whose features are not here, in their order."""
        with self._lock:
            return ids[self._index.find(ids) < 0]

    def put(self, ids: NDArray[np.int64], features: NDArray[np.floating]) -> int:
        """Keep features (K, F) of ids (K,); of an id that is here already the new ones count.

        Returns
        -------
        int
            How many were kept: the first so many. Fewer than K when the setting leaves no more room, even after
            other encoders' features and outdated rows were thrown away.

        Raises
        ------
        DataError
            If they cannot be written. What was kept before is unchanged.
        """
        if features.shape != (len(ids), self.features):
            raise ValueError(f"features have shape {features.shape}, expected {(len(ids), self.features)}")
        if len(ids) and ids.min() < 1:
            raise ValueError("features are kept by nucleus id, from 1")
        if not np.isfinite(features).all():
            raise ValueError("features must be finite numbers")
        with self._lock:
            kept = min(len(ids), self._room_for(len(ids)))
            if kept:
                self._append(ids[:kept], np.clip(features[:kept], -LARGEST, LARGEST).astype(np.float16))
            return kept

    def forget(self, ids: NDArray[np.int64]) -> None:
        """Drop the features of ids (K,), such as of nuclei that were moved; unknown ids are left aside."""
        with self._lock:
            known = ids[self._index.find(ids) >= 0]
            if len(known):
                self._append(~known, np.zeros((len(known), self.features), np.float16))

    def get(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
        """Return features (M, F) of those of ids (K,) that are here, in their order, and which these are, (K,)."""
        with self._lock:
            rows = self._index.find(ids)
            found = rows >= 0
            return np.asarray(self._files.rows()[rows[found]]), found

    def compact(self, keep: NDArray[np.int64] | None = None) -> None:
        """Write the store anew without outdated rows, and with `keep` given only with these ids."""
        with self._lock:
            ids = self._index.ids() if keep is None else np.unique(keep[self._index.find(keep) >= 0])
            try:
                self._rewrite(ids)
            except OSError as error:
                raise self._unwritable(error) from error

    def close(self) -> None:
        """Let go of the files; nothing is waiting to be written."""
        with self._lock:
            self._files.close()

    def _append(self, ids: NDArray[np.int64], rows: NDArray[np.float16]) -> None:
        first = self._files.count
        try:
            self._files.append(ids, rows)
        except OSError as error:
            raise self._unwritable(error) from error
        self._enter_rows(self._index, ids, first)

    def _room_for(self, count: int) -> int:
        """Rows that fit, after making room where that is needed."""
        row = 2 * self.features + 8
        if self._used() + count * row > self.config.max_bytes:
            self._delete_others(count * row)
            if self._files.count > len(self._index) and self._used() + count * row > self.config.max_bytes:
                self.compact()
        # a block's entry in the log is counted too
        return max((self.config.max_bytes - self._used() - 64) // row, 0)

    def _used(self) -> int:
        return self.nbytes + sum(_size(folder) for folder in self._others())

    def _others(self) -> list[Path]:
        """Folders of other encoders, the one longest unused first."""
        folders = [p for p in self._base.iterdir() if p != self._folder and (p / "store.json").is_file()]
        return sorted(folders, key=lambda p: p.stat().st_mtime)

    def _delete_others(self, needed: int) -> None:
        for folder in self._others():
            if self._used() + needed <= self.config.max_bytes:
                return
            shutil.rmtree(folder, ignore_errors=True)

    def _rewrite(self, ids: NDArray[np.int64]) -> None:
        fresh = FeatureFiles(self._folder, self._generation + 1, self.features)
        rows, old = self._index.find(ids), self._files
        order = np.argsort(rows)
        try:
            for k in range(0, len(ids), BLOCK_ROWS):
                part = order[k : k + BLOCK_ROWS]
                fresh.append(ids[part], np.asarray(old.rows()[rows[part]]))
            self._write_generation(self._generation + 1)
        except OSError:
            fresh.delete()
            raise
        self._generation, self._files = self._generation + 1, fresh
        old.delete()
        self._index = self._read_index()

    def _read_index(self) -> IdIndex:
        index = IdIndex()
        self._enter_rows(index, self._files.ids(), 0)
        return index

    @staticmethod
    def _enter_rows(index: IdIndex, ids: NDArray[np.int64], first: int) -> None:
        """Enter rows from number `first` on; a negative id (~id) drops one."""
        dropped = ids < 0
        rows = np.where(dropped, -1, np.arange(first, first + len(ids), dtype=np.int64))
        index.put(np.where(dropped, ~ids, ids), rows)

    def _read_generation(self) -> int:
        expected = {"format": 1, "features": self.features, "encoder_sha256": self.encoder_sha256}
        try:
            about = json.loads((self._folder / "store.json").read_bytes())
            generation = int(about.pop("generation"))
        except (ValueError, KeyError, AttributeError, TypeError, FileNotFoundError):
            about, generation = None, 1
        if about != expected:
            # another format or length under this name can only be computed anew
            for path in self._folder.iterdir():
                path.unlink()
            self._write_generation(generation)
        return generation

    def _write_generation(self, generation: int) -> None:
        about = {
            "format": 1,
            "features": self.features,
            "encoder_sha256": self.encoder_sha256,
            "generation": generation,
        }
        part = self._folder / "store.json.part"
        with part.open("w", encoding="utf-8") as file:
            json.dump(about, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._folder / "store.json")

    def _sweep(self) -> None:
        """Remove what an earlier generation, or a compaction that never ended, has left."""
        ours = {*self._files.paths.values(), self._folder / "store.json"}
        for path in self._folder.iterdir():
            if path not in ours:
                path.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> DataError:
        return DataError(
            f"Cannot keep features in {self._folder}: {error.strerror or error}. Make room there, or keep the session "
            "in another folder. Nothing that was said about nuclei is lost; features can be computed again."
        )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
