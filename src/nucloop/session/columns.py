"""What is known of every nucleus, now: columns that grow, one row per id, and the counts that go with them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nucloop.nuclei import UNLABELLED, Origin
from nucloop.session.grid import FARTHEST, Grid
from nucloop.session.palette import MOST_CODES

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["MOST_READERS", "SILENT", "Column", "Columns", "Effect", "column", "distinct"]

SILENT = -2
"""What a reader says of a nucleus they have said nothing about."""
MOST_READERS = 100
_EMPTY = np.zeros(0, np.int64)
_DYNAMIC = re.compile(r"(said|p)(0|[1-9]\d{0,3})")
_SHORTEST = 1024


@dataclass(frozen=True)
class Column:
    """What one column may hold."""

    dtype: type[np.generic]
    fill: float
    low: float = -np.inf
    high: float = np.inf
    width: int = 1
    may_be_nan: bool = False

    def allows(self, values: NDArray[Any]) -> bool:
        """Whether all values are within bounds."""
        if not values.size:
            return True
        if self.may_be_nan:
            values = values[~np.isnan(values)]
        # NaN where it does not belong compares false
        return not values.size or bool(values.min() >= self.low and values.max() <= self.high)


_FIXED = {
    "exists": Column(np.uint8, 0, 0, 1),
    "removed": Column(np.uint8, 0, 0, 1),
    "yx": Column(np.float32, 0, -FARTHEST, FARTHEST, width=2),
    "found": Column(np.float32, 0, -FARTHEST, FARTHEST, width=2),
    "score": Column(np.float32, np.nan, may_be_nan=True),
    "run": Column(np.int64, 0, 0, 2**62),
    "model": Column(np.int16, UNLABELLED, UNLABELLED, MOST_CODES - 1),
    "label": Column(np.int16, UNLABELLED, UNLABELLED, MOST_CODES - 1),
    "origin": Column(np.uint8, 0, 0, max(Origin)),
    "speaker": Column(np.uint8, 0, 0, MOST_READERS),
}
"""exists: was added and not undone; removed: a person deleted it; found: where it was first put; run: the model run
that found it, 0 for none; model: the model's class; label: the class by the last word; speaker: whose word that was."""
_RARE = {
    "outline": Column(np.int64, 0, 0, 2**62),
    "cell": Column(np.int64, 0, 0, 2**62),
    "drawn": Column(np.uint8, 0, 0, MOST_READERS),
}
"""Numbers of outlines in the file, 0 for none: of the nucleus, and of the cell around it; and who drew that of the
nucleus by hand, 0 for nobody. They take no memory until there is one."""


def column(name: str) -> Column | None:
    """Return what a column may hold; None when there is no such column.

    Besides the fixed ones there are said1, said2, ... (what each reader says) and p0, p1, ... (a model's probability
    of the class with that code).
    """
    match = _DYNAMIC.fullmatch(name)
    if match is None:
        return _FIXED.get(name) or _RARE.get(name)
    number = int(match[2])
    if match[1] == "said":
        return Column(np.int16, SILENT, SILENT, MOST_CODES - 1) if 1 <= number <= MOST_READERS else None
    return Column(np.float16, np.nan, may_be_nan=True) if number < MOST_CODES else None


def distinct(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers ascending, each once."""
    # NumPy's own unique goes by hashes, which takes ten times as long
    if not (np.diff(numbers) > 0).all():
        numbers = np.sort(numbers)
        numbers = numbers[np.diff(numbers, prepend=numbers[:1] - 1) > 0]
    return numbers


@dataclass(frozen=True)
class Effect:
    """Rows that one change touched, ascending."""

    added: NDArray[np.int64] = field(default_factory=lambda: _EMPTY)
    removed: NDArray[np.int64] = field(default_factory=lambda: _EMPTY)
    moved: NDArray[np.int64] = field(default_factory=lambda: _EMPTY)
    relabelled: NDArray[np.int64] = field(default_factory=lambda: _EMPTY)
    outlined: NDArray[np.int64] = field(default_factory=lambda: _EMPTY)


class Columns:
    """Columns of equal length; row k belongs to the nucleus with id k + 1, for ever.

    Rows are never taken out: a deleted nucleus, or one whose addition was undone, is only no longer alive. So undo and
    redo touch the rows they speak of and nothing else.
    """

    def __init__(self) -> None:
        self.size = 0
        self.alive_count = 0
        self.tally = np.zeros((len(Origin), MOST_CODES + 1), np.int64)
        """Alive nuclei by origin and label code; the last column is for those without a class."""
        self.grid = Grid()
        self._data: dict[str, NDArray[Any]] = {name: _blank(spec, 0) for name, spec in _FIXED.items()}

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column, (N,) or (N, 2); not to be written to."""
        return self._of(name)[: self.size]

    @property
    def names(self) -> list[str]:
        """The columns that exist."""
        return list(self._data)

    def has(self, name: str) -> bool:
        """Whether anything was ever written to a column."""
        return name in self._data

    def values(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return a column at some rows; its fill value where nothing was ever written to it."""
        if name not in self._data:
            return _blank(_spec(name), len(rows))
        return self._data[name][rows]

    def alive(self, rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.bool_]:
        """Which rows are nuclei now."""
        exists, removed = self["exists"][rows], self["removed"][rows]
        return np.asarray(exists > removed)

    def append(self, count: int, values: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Make new rows that are not alive yet; return their numbers."""
        rows = np.arange(self.size, self.size + count, dtype=np.int64)
        for name in {*self._data, *values}:
            target = self._room(name, self.size + count)
            target[self.size : self.size + count] = values.get(name, _spec(name).fill)
        self.size += count
        self.grid.add(rows, self["yx"][rows])
        return rows

    def write(self, rows: NDArray[np.int64], values: Mapping[str, NDArray[Any]]) -> Effect:
        """Set columns at rows (ascending, each once), keep the counts and the index; return what it did to whom."""
        before = self.alive(rows)
        self._count(rows[before], -1)
        for name, new in values.items():
            self._of(name)[rows] = new
        after = self.alive(rows)
        self._count(rows[after], +1)
        self.alive_count += int(after.sum()) - int(before.sum())
        moved = relabelled = outlined = _EMPTY
        stayed = rows[before & after]
        if "yx" in values:
            self.grid.add(rows, np.asarray(values["yx"], np.float32))
            moved = stayed
        if not _RARE.keys().isdisjoint(values):
            outlined = stayed
        if any(name not in ("yx", "exists", "removed", *_RARE) for name in values):
            relabelled = stayed
        return Effect(rows[after & ~before], rows[before & ~after], moved, relabelled, outlined)

    def restore(self, size: int, values: Mapping[str, NDArray[Any]]) -> None:
        """Take over whole columns, in place of everything here."""
        self._data = {name: _blank(spec, size) for name, spec in _FIXED.items()} | dict(values)
        self.size = size
        alive = np.flatnonzero(self.alive())
        self.alive_count = len(alive)
        self.tally[:] = 0
        self._count(alive, +1)
        self.grid = Grid()
        self.grid.add(np.arange(size), self["yx"])
        moved = np.flatnonzero((self["found"] != self["yx"]).any(1))
        self.grid.add(moved, self["found"][moved])

    def _count(self, rows: NDArray[np.int64], sign: int) -> None:
        if not len(rows):
            return
        width = self.tally.shape[1]
        # label -1 wraps around to the last column of its row
        key = self["origin"][rows].astype(np.int64) * width + self["label"][rows] % width
        if len(rows) < 64:
            np.add.at(self.tally.reshape(-1), key, sign)
        else:
            self.tally += sign * np.bincount(key, minlength=self.tally.size).reshape(self.tally.shape)

    def _of(self, name: str) -> NDArray[Any]:
        if name not in self._data:
            self._data[name] = _blank(_spec(name), max(self.size, _SHORTEST))
        return self._data[name]

    def _room(self, name: str, size: int) -> NDArray[Any]:
        """Return a column that has room for `size` rows."""
        old = self._of(name)
        if len(old) >= size:
            return old
        new = np.empty((max(size, 2 * len(old), _SHORTEST), *old.shape[1:]), old.dtype)
        new[: self.size] = old[: self.size]
        self._data[name] = new
        return new


def _spec(name: str) -> Column:
    spec = column(name)
    if spec is None:
        raise KeyError(f"there is no column {name!r}")
    return spec


def _blank(spec: Column, size: int) -> NDArray[Any]:
    return np.full((size, spec.width) if spec.width > 1 else size, spec.fill, spec.dtype)
