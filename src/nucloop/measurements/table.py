"""A table of the figures of nuclei: filled while they are measured, sorted, filtered, and counted by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nucloop.measurements.shapes import SHAPE_FIGURES
from nucloop.measurements.stains import STAIN_FIGURES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["FIGURES", "Figure", "FigureTable"]


@dataclass(frozen=True)
class Figure:
    """What a person reads of a figure."""

    title: str
    unit: str = ""
    decimals: int = 2
    words: str = ""


BINS = (12, 40)
"""Fewest and most bars of a histogram."""
_STAIN_WORDS = "{stain} in {part}: {what} of the optical density"


def _stain(name: str) -> Figure:
    part, stain, what = name.split("_")
    shown = "DAB" if stain == "dab" else stain.capitalize()
    title = shown if part == "nucleus" else f"Ring {shown if shown == 'DAB' else stain}"
    words = _STAIN_WORDS.format(
        stain=shown,
        part="the nucleus" if part == "nucleus" else "a ring around the nucleus",
        what="mean" if what == "mean" else "standard deviation",
    )
    return Figure(title if what == "mean" else f"{title} sd", words=words)


FIGURES = {
    "area_um2": Figure("Area", "µm²", 1),
    "perimeter_um": Figure("Perimeter", "µm", 1),
    "circularity": Figure("Circularity", words="4 pi area / perimeter²: 1 for a circle"),
    "solidity": Figure("Solidity", words="Share of its convex hull that the nucleus fills: 1 without dents"),
    "eccentricity": Figure("Eccentricity", words="Of the ellipse with the same second moments: 0 for a circle"),
    "major_axis_um": Figure("Long axis", "µm", words="Of the ellipse with the same second moments"),
    "minor_axis_um": Figure("Short axis", "µm", words="Of the ellipse with the same second moments"),
    "feret_max_um": Figure("Feret max", "µm", words="Largest width"),
    "feret_min_um": Figure("Feret min", "µm", words="Smallest width"),
} | {name: _stain(name) for name in STAIN_FIGURES}
"""What can be measured of a nucleus, in the order of the columns."""
assert tuple(FIGURES) == (*SHAPE_FIGURES, *STAIN_FIGURES)


class FigureTable:
    """Figures of nuclei that grow and change; rows are in the order of their ids.

    Attributes
    ----------
    ids : (N,) int64
        Ascending.
    label : (N,) int16
        Class of each.
    stale : (N,) bool
        Whether the nucleus has changed since it was measured.
    region : (N,) object
        Names of the drawn regions in which it lies, empty for none.
    columns : dict of (N,) float64 arrays
        By `FIGURES`, NaN where nothing is measured yet.
    """

    def __init__(self, ids: ArrayLike = (), label: ArrayLike = ()) -> None:
        self.ids = np.asarray(ids, np.int64).reshape(-1)
        self.label = np.asarray(label, np.int16).reshape(-1)
        self.stale = np.zeros(len(self.ids), bool)
        self.region = np.full(len(self.ids), "", object)
        self.columns: dict[str, NDArray[np.float64]] = {name: np.full(len(self.ids), np.nan) for name in FIGURES}

    def __len__(self) -> int:
        return len(self.ids)

    def rows_of(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Return the rows of those ids that the table has, in the order of the ids."""
        wanted = np.asarray(ids, np.int64).reshape(-1)
        rows = np.minimum(np.searchsorted(self.ids, wanted), max(len(self.ids) - 1, 0))
        return rows[self.ids[rows] == wanted] if len(self.ids) else rows[:0]

    def put(self, ids: NDArray[np.int64], figures: Mapping[str, NDArray[np.float64]]) -> None:
        """Write figures (K,) of nuclei (K,); those that the table no longer has are left out."""
        rows = self.rows_of(ids)
        known = np.isin(ids, self.ids[rows])
        for name, values in figures.items():
            self.columns[name][rows] = values[known]
        self.stale[rows] = False

    def add(self, ids: NDArray[np.int64], label: NDArray[np.int16]) -> None:
        """Make rows for nuclei that the table does not have yet, of which nothing is measured."""
        fresh = ~np.isin(ids, self.ids)
        order = np.argsort(np.concatenate([self.ids, ids[fresh]]), kind="stable")
        empty = np.full(int(fresh.sum()), np.nan)
        self.ids = np.concatenate([self.ids, ids[fresh]])[order]
        self.label = np.concatenate([self.label, label[fresh]])[order]
        self.stale = np.concatenate([self.stale, np.ones(len(empty), bool)])[order]
        self.region = np.concatenate([self.region, np.full(len(empty), "", object)])[order]
        self.columns = {name: np.concatenate([values, empty])[order] for name, values in self.columns.items()}

    def drop(self, ids: ArrayLike) -> None:
        """Take nuclei out."""
        stays = np.ones(len(self.ids), bool)
        stays[self.rows_of(ids)] = False
        self.ids, self.label, self.stale = self.ids[stays], self.label[stays], self.stale[stays]
        self.region = self.region[stays]
        self.columns = {name: values[stays] for name, values in self.columns.items()}

    def chosen(
        self,
        labels: Collection[int] | None = None,
        by: str | None = None,
        low: float = -np.inf,
        high: float = np.inf,
    ) -> NDArray[np.int64]:
        """Return the rows of some classes whose figure `by` lies in a range, its ends included; ascending."""
        there = np.ones(len(self.ids), bool) if labels is None else np.isin(self.label, list(labels))
        if by is not None and (low > -np.inf or high < np.inf):
            # NaN lies in no range
            there &= (self.columns[by] >= low) & (self.columns[by] <= high)
        return np.flatnonzero(there)

    def ordered(self, rows: NDArray[np.int64], by: str | None, *, descending: bool = False) -> NDArray[np.int64]:
        """Sort rows by a figure, by id (None), class or region; equals by id, and what is not there last."""
        if by is None:
            return rows[::-1] if descending else rows
        if by == "region":
            _, place = np.unique(self.region[rows].astype(str), return_inverse=True)
            values = np.where(self.region[rows] == "", np.nan, place)
            return rows[np.argsort(-values if descending else values, kind="stable")]
        values = self.label[rows].astype(np.float64) if by == "class" else self.columns[by][rows]
        order = np.argsort(-values if descending else values, kind="stable")
        return rows[order]

    def histogram(self, by: str) -> tuple[NDArray[np.float64], dict[int, NDArray[np.int64]]]:
        """Count a figure by class.

        Returns
        -------
        (B + 1,) array
            Edges, the more the more nuclei; they leave out the outermost half per cent on either side, which one wild
            outline would stretch.
        dict of (B,) arrays
            Nuclei in each bin, by label; what lies beyond an end is in the bin at that end.
        """
        values = self.columns[by]
        known = np.isfinite(values)
        if not known.any():
            return np.linspace(0, 1, 2), {}
        bins = int(np.clip(1.5 * np.sqrt(known.sum()), *BINS))
        low, high = np.percentile(values[known], (0.5, 99.5))
        if high <= low:
            low, high = low - 0.5, high + 0.5
        edges = np.linspace(low, high, bins + 1)
        place = np.clip(((values[known] - low) / (high - low) * bins).astype(np.int64), 0, bins - 1)
        label = self.label[known]
        counted = {int(one): np.bincount(place[label == one], minlength=bins) for one in np.unique(label)}
        return edges, counted
