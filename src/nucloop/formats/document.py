"""What goes into an interchange file or came out of one: nuclei with the file's classes, and what goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucloop import __version__
from nucloop.errors import DataError
from nucloop.formats.slide_info import SlideInfo, Weights
from nucloop.geometry import FARTHEST, Region
from nucloop.nuclei import UNLABELLED, Nuclei

__all__ = ["NOTES", "Document", "checked", "file_header"]

NOTES = ("author", "time", "model")
"""Columns of text that may go with nuclei: who spoke, when, and which weights."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """The content of one file, in level-0 pixels of one slide.

    Parameters
    ----------
    nuclei : Nuclei
        Their scheme holds the classes as the file names them; their outlines go with them.
    slide : SlideInfo, optional
        What the file says about its slide.
    weights : dict, optional
        Which weights made the nuclei.
    notes : dict of (N,) object arrays
        Texts by column, of `NOTES`.
    measurements : dict of (N,) float64 arrays
        Figures of the nuclei by name (`nucloop.measurements`), NaN where there is none. Written, not read.
    regions : tuple of Region
        Drawn areas.
    remarks : tuple of str
        Sentences about what the file holds and could not be read.
    microns : bool
        Whether places are to be written in µm; here they are pixels all the same.
    """

    nuclei: Nuclei
    slide: SlideInfo | None = None
    weights: Weights | None = None
    notes: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    measurements: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()
    remarks: tuple[str, ...] = ()
    microns: bool = False

    def __post_init__(self) -> None:
        for name, column in self.notes.items():
            if name not in NOTES or len(column) != len(self.nuclei):
                raise ValueError(f"{name} is no column of {len(self.nuclei)} notes")
        if any(values.shape != (len(self.nuclei),) for values in self.measurements.values()):
            raise ValueError(f"measurements need one figure for each of {len(self.nuclei)} nuclei")

    def take(self, rows: NDArray[Any]) -> Document:
        """Rows of nuclei by mask or row numbers, with their notes; regions stay."""
        numbers = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(
            self,
            nuclei=self.nuclei.take(numbers),
            notes={name: column[numbers] for name, column in self.notes.items()},
            measurements={name: values[numbers] for name, values in self.measurements.items()},
        )

    def scaled(self, factor: float) -> Document:
        """Enlarge every coordinate; pixel (0, 0) of both grids has the same outer corner."""

        def moved(points: NDArray[Any]) -> Any:
            return ((points.astype(np.float64) + 0.5) * factor - 0.5).astype(points.dtype)

        return replace(
            self,
            nuclei=self.nuclei.scaled(factor),
            regions=tuple(region.scaled(factor) for region in self.regions),
        )

    @property
    def class_counts(self) -> dict[str, int]:
        """Nuclei per class of the file, those that occur only."""
        return {name: count for name, count in self.nuclei.counts().items() if count}

    @property
    def unlabelled(self) -> int:
        """Nuclei without a class."""
        return int((self.nuclei.label == UNLABELLED).sum())


def checked(document: Document, source: str) -> Document:
    """Return the document when its numbers can be true.

    Raises
    ------
    DataError
        For places on no slide, ids that are negative or given twice, scores and probabilities beyond 0 to 1.
    """
    nuclei = document.nuclei
    if not len(nuclei):
        return document
    if not (np.abs(nuclei.yx) < FARTHEST).all():
        row = int(np.argmin((np.abs(nuclei.yx) < FARTHEST).all(axis=1))) + 1
        raise DataError(f"Nucleus {row} of {source} lies outside any slide. Correct it, or export the file again.")
    for outlines in (nuclei.outlines, nuclei.cell_outlines):
        if outlines is not None and not (np.abs(outlines.corners) < FARTHEST).all():
            raise DataError(f"{source} has an outline that lies outside any slide. Correct it, or export it again.")
    _check_ids(nuclei.ids, source)
    for name, values in (("score", nuclei.score), ("probability", nuclei.probability)):
        wrong = (values < 0) | (values > 1.0001)
        if wrong.any():
            row = int(np.argwhere(wrong)[0][0])
            value = values[row][wrong[row]].flat[0] if values.ndim == 2 else values[row]
            raise DataError(
                f"Nucleus {row + 1} of {source} has the {name} {value:g}, which is not between 0 and 1. "
                "Correct it, or leave that column out."
            )
    return document


def _check_ids(ids: NDArray[np.int64], source: str) -> None:
    given = ids[ids != 0]
    if given.size and given.min() < 0:
        raise DataError(f"{source} has the id {given.min()}; ids are above 0. Correct it, or leave ids out.")
    ordered = np.sort(given)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if twice.size:
        raise DataError(
            f"{source} gives the id {twice[0]} to more than one nucleus, {len(np.unique(twice)):,} such ids in all. "
            "Correct it, or leave ids out."
        )


def file_header(document: Document) -> dict[str, Any]:
    """Return what every exported file says of itself: program version, slide, class scheme, weights."""
    header: dict[str, Any] = {"version": __version__, "scheme": document.nuclei.scheme.to_dict()}
    if document.slide is not None:
        header["slide"] = document.slide.to_dict()
    if document.weights:
        header["weights"] = document.weights
    return header
