"""Nuclei read from JSON objects, one at a time, for formats in which each nucleus is an object."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nucloop.errors import DataError
from nucloop.formats.document import FARTHEST, NOTES, Document
from nucloop.formats.found_classes import FoundClasses
from nucloop.nuclei import Nuclei, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nucloop.formats.slide_info import FileHeader

__all__ = ["WRONG", "JsonRows", "extras_of", "finite_pair"]

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
    notes = {name: texts[rows].tolist() for name, texts in document.notes.items()}
    columns = zip(part.ids.tolist(), part.origin.tolist(), numbers.tolist(), strict=True)
    for row, (identity, origin, (score, *p)) in enumerate(columns):
        extra: dict[str, Any] = {"origin": origins[origin]}
        if identity:
            extra["id"] = identity
        if not math.isnan(score):
            extra["score"] = score
        if not all(map(math.isnan, p)):
            extra["p"] = [None if math.isnan(value) else value for value in p]
        for name, texts in notes.items():
            if texts[row]:
                extra[name] = texts[row]
        yield extra


def finite_pair(x: Any, y: Any) -> tuple[float, float]:
    """Return a place as (y, x); ValueError when it is not two numbers near a slide."""
    if type(x) not in _NUMBERS or type(y) not in _NUMBERS or not (abs(x) < FARTHEST and abs(y) < FARTHEST):
        raise ValueError(f"({str(x)[:20]}, {str(y)[:20]}) is no place on a slide")
    return float(y), float(x)


_NUMBERS = {int, float}


@dataclass
class JsonRows:
    """Columns that grow by a nucleus at a time.

    Parameters
    ----------
    classes : FoundClasses
        The classes met so far.
    """

    classes: FoundClasses
    yx: list[tuple[float, float]] = field(default_factory=list)
    label: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    origin: list[int] = field(default_factory=list)
    probabilities: list[tuple[int, list[float | None]]] = field(default_factory=list)
    notes: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    outlines: list[tuple[int, NDArray[np.float32]]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.yx)

    def add(
        self,
        yx: tuple[float, float],
        label: int,
        extra: Mapping[str, Any],
        *,
        score: float = math.nan,
        outline: NDArray[np.float32] | None = None,
    ) -> None:
        """Take in a nucleus; `extra` is what `extras_of` wrote, or empty.

        Raises
        ------
        TypeError, ValueError, KeyError
            If the extras are not what NucLoop writes. Nothing was taken in then.
        """
        origin = _ORIGINS[extra.get("origin", "imported")]
        identity, score = int(extra.get("id", 0)), float(extra.get("score", score))
        p = extra.get("p")
        if p is not None and not all(value is None or type(value) in _NUMBERS for value in p):
            raise ValueError("its probabilities are no numbers")
        row = len(self.yx)
        if p is not None:
            self.probabilities.append((row, p))
        for name in NOTES:
            if name in extra:
                self.notes.setdefault(name, []).append((row, str(extra[name])))
        if outline is not None:
            self.outlines.append((row, outline))
        self.label.append(label)
        self.ids.append(identity)
        self.score.append(score)
        self.origin.append(origin)
        self.yx.append(yx)

    def document(self, header: FileHeader, source: str) -> Document:
        """Return what was taken in.

        Raises
        ------
        DataError
            If the probabilities do not fit the classes of the header.
        """
        scheme = self.classes.scheme
        rows = len(self.yx)
        probability = np.full((rows, len(scheme)), np.nan, np.float32)
        if self.probabilities and header.scheme is not None:
            wide = len(header.scheme)
            numbers, values = zip(*self.probabilities, strict=True)
            if {len(p) for p in values} != {wide}:
                raise DataError(f"{source} does not give one probability for each of its classes. Export it again.")
            probability[np.array(numbers), :wide] = np.array(values, np.float32)
        nuclei = Nuclei.from_points(
            scheme, np.array(self.yx, np.float64).reshape(-1, 2), label=self.label, score=self.score, ids=self.ids,
            origin=self.origin, probability=probability,
        )  # fmt: skip
        document = Document(nuclei=nuclei, slide=header.slide, weights=header.weights)
        return replace(document, notes=self._notes(), outlines=self._outlines())

    def _notes(self) -> dict[str, NDArray[np.object_]]:
        columns = {name: np.full(len(self), "", object) for name in self.notes}
        for name, said in self.notes.items():
            for row, text in said:
                columns[name][row] = text
        return columns

    def _outlines(self) -> tuple[NDArray[np.float32] | None, ...] | None:
        if not self.outlines:
            return None
        outlines: list[NDArray[np.float32] | None] = [None] * len(self)
        for row, outline in self.outlines:
            outlines[row] = outline
        return tuple(outlines)
