"""What one edit changes: nuclei that it adds, and columns of nuclei that were there, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nucloop.session.codec import CodecError, Packed, pack
from nucloop.session.columns import Columns, Effect, column
from nucloop.session.outlines import NewOutlines

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["MOST_AT_ONCE", "Patch"]

MOST_AT_ONCE = 20_000_000
"""Nuclei that one edit may add; SQLite holds no larger entry."""
_NO_ROWS = np.zeros(0, np.int64)
_EXISTS = np.ones(1, np.uint8)
_GONE = np.zeros(1, np.uint8)


@dataclass(frozen=True)
class Patch:
    """A change that can be done, undone and done again.

    Parameters
    ----------
    first : int
        Row of the first nucleus added; the others follow.
    added : dict of (M,) or (M, 2) arrays
        Columns of the nuclei added, ``yx`` at least; empty when none is.
    rows : (N,) int64
        Rows whose columns change, ascending, each once.
    old, new : dict of (N,) or (N, 2) arrays
        Those columns before and after.
    outlines : NewOutlines, optional
        What the columns ``outline`` and ``cell`` speak of and the file does not have yet. It is written with the
        patch and beside it.
    """

    first: int = 0
    added: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    rows: NDArray[np.int64] = field(default_factory=lambda: _NO_ROWS)
    old: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    new: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    outlines: NewOutlines | None = None

    @property
    def count(self) -> int:
        """Nuclei added."""
        return len(self.added["yx"]) if self.added else 0

    def __len__(self) -> int:
        # rows that only keep a place between ids are no nuclei
        return self.count - int(np.sum(self.added.get("removed", 0))) + len(self.rows)

    @classmethod
    def change(cls, columns: Columns, rows: NDArray[np.int64], values: Mapping[str, ArrayLike]) -> Patch:
        """Set columns at rows (ascending, each once); rows and columns that are so already are left out."""
        old = {name: columns.values(name, rows) for name in values}
        new = {
            name: np.array(np.broadcast_to(np.asarray(values[name], old[name].dtype), old[name].shape)) for name in old
        }
        differs = {name: _differs(old[name], new[name]) for name in old}
        touched = np.logical_or.reduce(list(differs.values())) if differs else np.zeros(len(rows), bool)
        if not touched.any():
            return cls()
        names = [name for name in old if differs[name].any()]
        return cls(
            rows=rows[touched],
            old={name: old[name][touched] for name in names},
            new={name: new[name][touched] for name in names},
        )

    @classmethod
    def addition(
        cls, columns: Columns, values: Mapping[str, NDArray[Any]], outlines: NewOutlines | None = None
    ) -> Patch:
        """Add nuclei, with their outlines; what `values` does not say of them is unknown."""
        return cls(first=columns.size, added=values, outlines=outlines) if len(values["yx"]) else cls()

    def joined(self, addition: Patch, outlines: NewOutlines | None) -> Patch:
        """Return a patch that does this one's changes and another's additions, with the outlines of both."""
        return Patch(addition.first, addition.added, self.rows, self.old, self.new, outlines)

    def do(self, columns: Columns) -> list[Effect]:
        """Carry out, for the first time or again."""
        effects = []
        if self.count:
            rows = np.arange(self.first, self.first + self.count)
            if self.first == columns.size:
                columns.append(self.count, {**self.added, "found": self.added["yx"]})
            effects.append(columns.write(rows, {"exists": _EXISTS}))
        if len(self.rows):
            effects.append(columns.write(self.rows, self.new))
        return effects

    def undo(self, columns: Columns) -> list[Effect]:
        """Take back."""
        effects = [columns.write(self.rows, self.old)] if len(self.rows) else []
        if self.count:
            rows = np.arange(self.first, self.first + self.count)
            effects.append(columns.write(rows, {"exists": _GONE}))
        return effects

    def encode(self) -> bytes:
        """Return the patch as the journal keeps it: "+" stands before what is added, "-" before old, "=" before new."""
        if not len(self):
            return b""
        arrays: dict[str, NDArray[Any]] = {"first": np.array([self.first], np.int64)}
        arrays |= {f"+{name}": values.reshape(-1) for name, values in self.added.items()}
        arrays["gaps"] = np.diff(self.rows, prepend=-1).astype(np.uint32)
        arrays |= {f"-{name}": values.reshape(-1) for name, values in self.old.items()}
        arrays |= {f"={name}": values.reshape(-1) for name, values in self.new.items()}
        # places stand one by one, so that nobody can claim nuclei that take no room in the file
        return pack(arrays, raw={"+yx"})

    @classmethod
    def decode(cls, blob: bytes, size: int, *, first_time: bool) -> Patch:
        """Inverse of `encode`, of bytes that may come from anywhere.

        Parameters
        ----------
        blob : bytes
            From the journal.
        size : int
            Rows there are now.
        first_time : bool
            Whether the nuclei it adds are still to come.

        Raises
        ------
        CodecError
            If it is no patch, or none that fits a table of this size.
        """
        if not blob:
            return cls()
        packed = Packed(blob)
        first = int(packed.array("first", np.int64, 1)[0])
        added = _added(packed)
        count = len(added["yx"]) if added else 0
        if count and (first != size if first_time else not 0 <= first <= size - count):
            raise CodecError("an entry adds nuclei out of order")
        rows = _rows(packed, size + count if first_time else size)
        names = [name[1:] for name in packed.names if name[0] == "="]
        if sorted(names) != sorted(name[1:] for name in packed.names if name[0] == "-"):
            raise CodecError("an entry does not say what was before")
        old = {name: _column(packed, "-", name, len(rows)) for name in names}
        return cls(first, added, rows, old, {name: _column(packed, "=", name, len(rows)) for name in names})


def _added(packed: Packed) -> dict[str, NDArray[Any]]:
    names = [name[1:] for name in packed.names if name[0] == "+"]
    if not names:
        return {}
    if not packed.stored_raw("+yx"):
        raise CodecError("an entry does not say where its nuclei are")
    count = packed.length("+yx") // 2
    # an array so long would not have passed as a blob, unless it is not there: yx is checked first
    added = {"yx": _column(packed, "+", "yx", count)}
    return added | {name: _column(packed, "+", name, count) for name in names if name != "yx"}


def _rows(packed: Packed, size: int) -> NDArray[np.int64]:
    count = packed.length("gaps")
    if count > size:
        raise CodecError("an entry speaks of more nuclei than there are")
    gaps = packed.array("gaps", np.uint32, count)
    rows = np.cumsum(gaps, dtype=np.int64) - 1
    if count and (not gaps.all() or rows[-1] >= size):
        raise CodecError("an entry speaks of nuclei that do not exist")
    return rows


def _column(packed: Packed, sign: str, name: str, count: int) -> NDArray[Any]:
    spec = column(name)
    if spec is None:
        raise CodecError(f"an entry has an unknown column {name[:40]!r}")
    values = packed.array(sign + name, spec.dtype, count * spec.width)
    if not spec.allows(values):
        raise CodecError(f"an entry has impossible values of {name!r}")
    return values.reshape(count, spec.width) if spec.width > 1 else values


def _differs(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    differs = a != b
    if a.dtype.kind == "f":
        differs &= ~(np.isnan(a) & np.isnan(b))
    return differs.any(1) if differs.ndim > 1 else np.asarray(differs)
