"""Everything that can be asked of a session; nothing here changes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.errors import RegionError
from nucloop.geometry import Region, as_region
from nucloop.nuclei import UNLABELLED, Nuclei, Origin
from nucloop.session.columns import SILENT, Columns, distinct
from nucloop.session.outlines import FIELDS, KeptOutlines
from nucloop.session.palette import Palette

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nucloop.classes import ClassScheme

__all__ = ["State", "View"]


@dataclass
class State:
    """What a session holds in memory, as the journal has made it."""

    palette: Palette
    outlines: KeptOutlines
    """On disk: the one thing that memory would not hold."""
    columns: Columns = field(default_factory=Columns)
    readers: list[str] = field(default_factory=list)
    """Everybody who ever edited; number k is at position k - 1."""

    def number_of(self, reader: str) -> int:
        """Return a reader's number, that of the next newcomer when they have not edited yet."""
        return self.readers.index(reader) + 1 if reader in self.readers else len(self.readers) + 1


class View:
    """Questions about the nuclei of a session. Arrays that come back are copies."""

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def _columns(self) -> Columns:
        return self._state.columns

    def __len__(self) -> int:
        """Nuclei that are there now."""
        return self._columns.alive_count

    @property
    def scheme(self) -> ClassScheme:
        """The classes; a label is a position in it."""
        return self._state.palette.scheme

    @property
    def readers(self) -> tuple[str, ...]:
        """Everybody who ever edited, in order of appearance."""
        return tuple(self._state.readers)

    @property
    def counts(self) -> dict[str, int]:
        """Nuclei per class name, in the scheme's order; kept up to date, so asking costs nothing."""
        total = self._columns.tally.sum(0)
        return {c.name: int(total[k]) for c, k in zip(self.scheme.classes, self._state.palette.codes, strict=True)}

    @property
    def unlabelled(self) -> int:
        """Nuclei without a class."""
        return len(self) - sum(self.counts.values())

    @property
    def origins(self) -> dict[Origin, int]:
        """Nuclei by where their class came from; kept up to date."""
        return {origin: int(self._columns.tally[origin].sum()) for origin in Origin}

    def ids(self) -> NDArray[np.int64]:
        """All nuclei, ascending."""
        return np.flatnonzero(self._columns.alive()) + 1

    def contains(self, ids: ArrayLike) -> NDArray[np.bool_]:
        """Tell which ids are nuclei now, (N,)."""
        rows = np.asarray(ids, np.int64).reshape(-1) - 1
        known = (rows >= 0) & (rows < self._columns.size)
        known[known] = self._columns.alive(rows[known])
        return known

    def positions(self, ids: ArrayLike) -> NDArray[np.float32]:
        """Return where nuclei are, (N, 2) as (y, x) in level-0 pixels; of a deleted one, where it was last.

        Raises
        ------
        ValueError
            If an id was never given. So in all that follows.
        """
        return self._columns["yx"][self._rows(ids)]

    def labels(self, ids: ArrayLike) -> NDArray[np.int16]:
        """Return the class of nuclei by the last word about each, (N,)."""
        return self._state.palette.decode(self._columns["label"][self._rows(ids)])

    def model_labels(self, ids: ArrayLike) -> NDArray[np.int16]:
        """Return what the model said last, (N,), whatever people say."""
        return self._state.palette.decode(self._columns["model"][self._rows(ids)])

    def locked(self, ids: ArrayLike) -> NDArray[np.bool_]:
        """Tell where a person has given a class, (N,): brush and model leave those alone."""
        rows = self._rows(ids)
        return np.asarray((self._columns["origin"][rows] != Origin.PREDICTED) & (self._columns["label"][rows] >= 0))

    def has_outline(self, ids: ArrayLike) -> NDArray[np.bool_]:
        """Tell which nuclei have an outline, (N,); none is read for that."""
        return np.asarray(self._columns.values("outline", self._rows(ids)) > 0)

    def drawn_by(self, ids: ArrayLike) -> list[str]:
        """Return who drew the outline of each nucleus by hand; "" where nobody did."""
        names = ["", *self._state.readers]
        return [names[number] for number in self._columns.values("drawn", self._rows(ids)).tolist()]

    def nuclei(self, ids: ArrayLike | None = None, *, outlines: bool = False) -> Nuclei:
        """Return nuclei as a table, by the last word about each; all of them without `ids`.

        Outlines are read from the file only when asked for; see `with_outlines`.
        """
        rows = self._rows(self.ids() if ids is None else ids)
        table = self._table(rows, self._columns["label"][rows], self._columns["origin"][rows])
        return self.with_outlines(table) if outlines else table

    def with_outlines(self, nuclei: Nuclei) -> Nuclei:
        """Return nuclei of this session, each once, with the outlines of theirs and of their cells that there are.

        They are where the nuclei are now. All readers share them, as they share places.

        Raises
        ------
        DamagedSession
            If the file cannot give them.
        """
        rows, columns = self._rows(nuclei.ids), self._columns
        found: dict[str, Any] = {}
        for name, member in FIELDS.items():
            if columns.has(name) and columns[name][rows].any():
                shift = columns["yx"][rows].astype(np.float64) - columns["found"][rows]
                outlines = self._state.outlines.read(columns[name][rows])
                found[member] = outlines.moved(shift) if shift.any() else outlines
        return replace(nuclei, **found)

    def labels_of(self, reader: str, ids: ArrayLike, *, blinded: bool = False) -> NDArray[np.int16]:
        """Return what one reader says, (N,): their own word, else the model's, and blinded nothing else at all."""
        return self._state.palette.decode(self._codes_of(reader, self._rows(ids), blinded))

    def nuclei_of(self, reader: str, ids: ArrayLike | None = None, *, blinded: bool = False) -> Nuclei:
        """Return nuclei as one reader says they are; `labels_of` has the rule.

        Where they have said nothing the origin is PREDICTED. Blinded, probabilities are left out as well.
        """
        rows = self._rows(self.ids() if ids is None else ids)
        codes = self._codes_of(reader, rows, blinded)
        spoke = self._said(reader, rows) != SILENT
        own = self._columns["speaker"][rows] == self._state.number_of(reader)
        agrees = codes == self._columns["model"][rows]
        origin = np.where(agrees, Origin.CONFIRMED, Origin.CORRECTED).astype(np.uint8)
        origin = np.where(own, self._columns["origin"][rows], origin)
        return self._table(rows, codes, np.where(spoke, origin, np.uint8(Origin.PREDICTED)), probability=not blinded)

    def counts_of(self, reader: str, *, blinded: bool = False) -> dict[str, int]:
        """Count nuclei per class name as one reader says; goes over all nuclei."""
        labels = self.labels_of(reader, self.ids(), blinded=blinded)
        numbers = np.bincount(labels[labels >= 0], minlength=len(self.scheme))
        return dict(zip(self.scheme.names, numbers.tolist(), strict=True))

    def disagreements(self, a: str, b: str) -> NDArray[np.int64]:
        """Return the ids of nuclei about which two readers have both spoken, and differ; ascending."""
        rows = np.flatnonzero(self._columns.alive())
        of_a, of_b = self._said(a, rows), self._said(b, rows)
        return np.asarray(rows[(of_a != SILENT) & (of_b != SILENT) & (of_a != of_b)] + 1)

    def spoken_by(self, reader: str) -> NDArray[np.int64]:
        """Return the ids of nuclei about whose class a reader has spoken, ascending."""
        rows = np.flatnonzero(self._columns.alive())
        return np.asarray(rows[self._said(reader, rows) != SILENT] + 1)

    def in_box(self, top: float, left: float, height: float, width: float) -> NDArray[np.int64]:
        """Return the ids of nuclei with top <= y < top + height and left <= x < left + width, ascending."""
        rows = self._near_box(top, left, top + height, left + width)
        y, x = self._columns["yx"][rows].T
        inside = (y >= top) & (y < top + height) & (x >= left) & (x < left + width) & self._columns.alive(rows)
        return np.flatnonzero(inside) + 1 if isinstance(rows, slice) else distinct(rows[inside]) + 1

    def in_polygon(self, area: Region | ArrayLike) -> NDArray[np.int64]:
        """Return the ids of nuclei in a drawn region, or in a lasso (V, 2) as (y, x); ascending.

        See `nucloop.geometry` for what lies in it; in a lasso of fewer than three corners nothing does.
        """
        try:
            region = as_region(area)
        except RegionError:
            return np.zeros(0, np.int64)
        low, high = region.bounds
        # a box ends before its last pixel
        step = np.spacing(np.float32(np.abs(high).max()))
        ids = self.in_box(*low, *(high - low + step))
        return np.asarray(ids[region.contains(self.positions(ids))])

    def near(self, yx: ArrayLike, radius: float) -> NDArray[np.int64]:
        """Return the ids of nuclei within `radius` level-0 pixels of a place (y, x), the nearest first. A brush."""
        y, x = np.asarray(yx, np.float64).reshape(2)
        rows = self._near_box(y - radius, x - radius, y + radius, x + radius)
        distance = np.hypot(*(self._columns["yx"][rows] - (y, x)).T)
        within = (distance <= radius) & self._columns.alive(rows)
        found = np.flatnonzero(within) if isinstance(rows, slice) else rows[within]
        order = np.lexsort((found, distance[within]))
        found = found[order]
        # a nucleus that was moved may come twice, with one distance and so side by side
        return np.asarray(found[np.diff(found, prepend=-1) != 0] + 1)

    def nearest(self, yx: ArrayLike, radius: float) -> int | None:
        """Return the id of the nucleus nearest to a place (y, x), None when none is within `radius` level-0 pixels."""
        ids = self.near(yx, radius)
        return int(ids[0]) if len(ids) else None

    def removed_near(self, top: float, left: float, bottom: float, right: float) -> NDArray[np.float32]:
        """Return places in a closed box where no model may put a nucleus, (M, 2).

        That is where a person deleted one, and where a model had found one that a person put elsewhere.
        """
        columns, rows = self._columns, self._near_box(top, left, bottom, right)
        rows = np.arange(columns.size) if isinstance(rows, slice) else distinct(rows)
        rows = rows[columns["exists"][rows] == 1]
        yx, found = columns["yx"][rows], columns["found"][rows]
        moved = (columns["run"][rows] > 0) & (yx != found).any(1)
        places = np.concatenate([yx[columns["removed"][rows] == 1], found[moved]])
        return places[((places >= (top, left)) & (places <= (bottom, right))).all(1)]

    def density(
        self, top: float, left: float, height: float, width: float, shape: tuple[int, int]
    ) -> NDArray[np.int32]:
        """Count nuclei per class on a raster over a box; the picture that stands for them when seen from afar.

        Parameters
        ----------
        top, left, height, width : float
            Level-0 pixels.
        shape : (int, int)
            Rows and columns of the raster.

        Returns
        -------
        (C + 1, rows, columns) int32 array
            One layer per class of the scheme, and one for nuclei without a class.
        """
        rows = self.in_box(top, left, height, width) - 1
        yx, layers = self._columns["yx"][rows], len(self.scheme) + 1
        label = self._state.palette.decode(self._columns["label"][rows]) % layers
        i = np.minimum((yx[:, 0] - top) * (shape[0] / height), shape[0] - 1).astype(np.int64)
        j = np.minimum((yx[:, 1] - left) * (shape[1] / width), shape[1] - 1).astype(np.int64)
        flat = (label.astype(np.int64) * shape[0] + i) * shape[1] + j
        return np.bincount(flat, minlength=layers * shape[0] * shape[1]).astype(np.int32).reshape(layers, *shape)

    def _near_box(self, top: float, left: float, bottom: float, right: float) -> NDArray[np.int64] | slice:
        """Rows that may lie in a box, some twice, or all of them as a slice."""
        rows = self._columns.grid.candidates(top, left, bottom, right)
        return slice(None) if rows is None else rows

    def _rows(self, ids: ArrayLike) -> NDArray[np.int64]:
        rows = np.asarray(ids, np.int64).reshape(-1) - 1
        if len(rows) and (rows.min() < 0 or rows.max() >= self._columns.size):
            raise ValueError("there never was a nucleus with one of these ids")
        return rows

    def _said(self, reader: str, rows: NDArray[np.int64]) -> NDArray[np.int16]:
        if reader not in self._state.readers:
            return np.full(len(rows), SILENT, np.int16)
        return self._columns.values(f"said{self._state.number_of(reader)}", rows)

    def _codes_of(self, reader: str, rows: NDArray[np.int64], blinded: bool) -> NDArray[np.int16]:
        said = self._said(reader, rows)
        otherwise = np.int16(UNLABELLED) if blinded else self._columns["model"][rows]
        return np.where(said != SILENT, said, otherwise)

    def _table(
        self, rows: NDArray[np.int64], codes: NDArray[Any], origin: NDArray[np.uint8], *, probability: bool = True
    ) -> Nuclei:
        known = np.full((len(rows), len(self.scheme)), np.nan, np.float32)
        for k, code in enumerate(self._state.palette.codes if probability else ()):
            if self._columns.has(f"p{code}"):
                known[:, k] = self._columns[f"p{code}"][rows]
        return Nuclei(
            scheme=self.scheme,
            ids=rows + 1,
            yx=self._columns["yx"][rows],
            score=self._columns["score"][rows],
            label=self._state.palette.decode(codes),
            probability=known,
            origin=origin.astype(np.uint8),
        )
