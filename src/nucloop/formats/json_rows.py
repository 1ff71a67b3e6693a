"""Nuclei read from JSON objects, one at a time, for formats in which each nucleus is an object."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.errors import DataError, MisfitError
from nucloop.formats.document import NOTES, Document
from nucloop.formats.rings import GrowingOutlines
from nucloop.geometry import FARTHEST
from nucloop.nuclei import Nuclei, Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from nucloop.formats.found_classes import FoundClasses
    from nucloop.formats.slide_info import FileHeader

__all__ = ["WRONG", "JsonRows", "extras_of", "finite_pair", "number_or_nan", "ring_of"]

WRONG = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError)
"""What Python raises where an object is not what a format says."""

_ORIGINS = {origin.name.lower(): int(origin) for origin in Origin}


def extras_of(document: Document, rows: slice) -> Iterator[dict[str, Any]]:
    """Yield for each nucleus what formats of other programs have no place for, as plain types.

    Keys: ``id``, ``origin``, ``score``, ``p`` (one number a class), and the notes; what is unknown is left out.
    """
    part = document.nuclei.take(rows)
    origins = [origin.name.lower() for origin in Origin]
    numbers = np.round(np.column_stack([part.score, part.probability]).astype(np.float64), 5)
    notes = {name: texts[rows].tolist() for name, texts in document.notes.items() if any(texts[rows])}
    # looked at for all rows at once: a million nuclei are written
    unknown = np.isnan(numbers[:, 1:])
    parts = (numbers[:, 0], ~np.isnan(numbers[:, 0]), numbers[:, 1:], ~unknown.all(1), unknown.any(1))
    columns: Any = zip(part.ids.tolist(), part.origin.tolist(), *(values.tolist() for values in parts), strict=True)
    for row, (identity, origin, score, scored, p, classified, partly) in enumerate(columns):
        extra: dict[str, Any] = {"origin": origins[origin]}
        if identity:
            extra["id"] = identity
        if scored:
            extra["score"] = score
        if classified:
            extra["p"] = [None if math.isnan(value) else value for value in p] if partly else p
        for name, texts in notes.items():
            if texts[row]:
                extra[name] = texts[row]
        yield extra


def ring_of(corners: Iterable[Any], shift: float = 0.0) -> NDArray[np.float64]:
    """Return corners [x, y] of a file as (K, 2) of (y, x); ValueError when one is no place near a slide."""
    return np.array([finite_pair(corner[0], corner[1]) for corner in corners], np.float64).reshape(-1, 2) - shift


def finite_pair(x: Any, y: Any) -> tuple[float, float]:
    """Return a place as (y, x); ValueError when it is not two numbers near a slide."""
    if type(x) not in _NUMBERS or type(y) not in _NUMBERS or not (abs(x) < FARTHEST and abs(y) < FARTHEST):
        raise MisfitError(f"({str(x)[:20]}, {str(y)[:20]}) is no place on a slide")
    return float(y), float(x)


_NUMBERS = {int, float}


def number_or_nan(value: Any) -> float:
    """Return a number of a file; NaN where it has none, or one that is none."""
    return math.nan if value is None else float(value)


class JsonRows:
    """Columns that grow by a nucleus at a time.

    Parameters
    ----------
    classes : FoundClasses
        The classes met so far.

    Attributes
    ----------
    outlines : GrowingOutlines
        Those of the nuclei, and what was left out of them.
    """

    def __init__(self, classes: FoundClasses) -> None:
        self.classes = classes
        # Arrays, not lists: a million nuclei are then no million objects.
        self.label = array("q")
        self._y, self._x, self._score = array("d"), array("d"), array("d")
        self._ids, self._origin = array("q"), array("B")
        self._p, self._p_rows = array("d"), array("q")
        self._wide = 0
        self._said: dict[str, list[tuple[int, str]]] = {}
        self.outlines = GrowingOutlines(classes.source)

    def __len__(self) -> int:
        return len(self._y)

    def add(
        self,
        yx: tuple[float, float],
        label: int,
        extra: Mapping[str, Any],
        *,
        score: float = math.nan,
        outline: NDArray[np.floating] | None = None,
    ) -> None:
        """Take in a nucleus; `extra` is what `extras_of` wrote, or empty.

        Raises
        ------
        TypeError, ValueError, KeyError, OverflowError
            If the extras are not what NucLoop writes; the rows are of no use then.
        """
        row = len(self._y)
        self._y.append(yx[0])
        self._x.append(yx[1])
        self.label.append(label)
        self._origin.append(_ORIGINS[extra.get("origin", "imported")])
        self._ids.append(extra.get("id", 0))
        self._score.append(extra.get("score", score))
        p = extra.get("p")
        if p is not None:
            self._add_probabilities(row, p)
        for name in NOTES:
            if name in extra:
                self._said.setdefault(name, []).append((row, str(extra[name])))
        if outline is not None:
            self.outlines.add(row, outline)

    def _add_probabilities(self, row: int, p: list[float | None]) -> None:
        self._wide = self._wide or len(p)
        if len(p) != self._wide:
            raise MisfitError("it has another number of probabilities than those before")
        before = len(self._p)
        try:
            self._p.extend(p)  # type: ignore[arg-type]
        except TypeError:
            del self._p[before:]
            self._p.extend([math.nan if value is None else value for value in p])
        self._p_rows.append(row)

    def document(self, header: FileHeader, source: str) -> Document:
        """Return what was taken in.

        Raises
        ------
        DataError
            If the probabilities do not fit the classes of the header.
        """
        scheme = self.classes.scheme
        probability = np.full((len(self), len(scheme)), np.nan, np.float32)
        # Without the header nobody knows which class a probability speaks of.
        if len(self._p_rows) and header.scheme is not None:
            if self._wide != len(header.scheme):
                raise DataError(f"{source} does not give one probability for each of its classes. Export it again.")
            probability[np.array(self._p_rows), : self._wide] = np.array(self._p).reshape(-1, self._wide)
        nuclei = Nuclei.from_points(
            scheme,
            np.column_stack([self._y, self._x]),
            label=self.label,
            score=self._score,
            ids=self._ids,
            origin=self._origin,
            probability=probability,
            outlines=self.outlines.table(len(self)),
        )
        return Document(
            nuclei=nuclei,
            slide=header.slide,
            weights=header.weights,
            notes=self._notes(),
            remarks=self.outlines.remarks,
        )

    def _notes(self) -> dict[str, NDArray[np.object_]]:
        columns = {name: np.full(len(self), "", object) for name in self._said}
        for name, said in self._said.items():
            for row, text in said:
                columns[name][row] = text
        return columns
