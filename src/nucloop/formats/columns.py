"""Nuclei as columns by name, as CSV, Parquet and NumPy files keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.errors import DataError
from nucloop.formats.document import NOTES, Document
from nucloop.formats.found_classes import FoundClasses
from nucloop.geometry import FARTHEST
from nucloop.nuclei import Nuclei, Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from nucloop.formats.slide_info import FileHeader

__all__ = ["KNOWN", "TEXT", "GrowingTable", "frame_of", "places_of"]

TEXT = ("class", "origin", *NOTES)
KNOWN = {"id", "y", "x", "y_um", "x_um", "score", *TEXT}
_ORIGINS = {origin.name.lower(): int(origin) for origin in Origin}


_DECIMALS = 4


def places_of(document: Document, rows: slice = slice(None)) -> dict[str, NDArray[np.floating]]:
    """Return the columns that say where nuclei are: y and x in pixels, or y_um and x_um from the first pixel's centre.

    Raises
    ------
    DataError
        If µm are asked for and the slide's resolution is not known.
    """
    yx = document.nuclei.yx[rows]
    if not document.microns:
        return {"y": yx[:, 0], "x": yx[:, 1]}
    if document.slide is None or not document.slide.mpp:
        raise DataError("Nobody knows how many µm a pixel of this slide is. Say so first, or export pixels.")
    um = np.round(yx.astype(np.float64) * document.slide.mpp, _DECIMALS)
    return {"y_um": um[:, 0], "x_um": um[:, 1]}


def frame_of(document: Document, rows: slice) -> pd.DataFrame:
    """Return rows as a table: id, y, x (or y_um, x_um), class, score, origin, the notes there are, p_<class>."""
    frame = document.nuclei.take(rows).to_frame()
    if document.microns:
        for name, places in places_of(document, rows).items():
            frame[name[0]] = places
            frame = frame.rename(columns={name[0]: name})
    for place, (name, texts) in enumerate(document.notes.items(), frame.columns.get_loc("origin") + 1):
        frame.insert(place, name, texts[rows])
    return frame


class GrowingTable:
    """Nuclei read from columns, a portion at a time.

    Parameters
    ----------
    source : str
        The file's name, for messages.
    header : FileHeader
        What the file says of itself.
    """

    def __init__(self, source: str, header: FileHeader) -> None:
        self._source = source
        self._header = header
        self._classes = FoundClasses(source, header.scheme)
        self._parts: list[dict[str, NDArray[Any]]] = []
        self._rows = 0

    def add(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Take in a portion of rows; texts are str, numbers are numbers.

        Raises
        ------
        DataError
            If a place is not finite, an origin unknown, or a class no name.
        """
        kept: dict[str, NDArray[Any]] = {"yx": self._places(columns)}
        rows = len(kept["yx"])
        kept["label"] = self._labels(columns["class"]) if "class" in columns else np.full(rows, -1, np.int16)
        kept["origin"] = self._origins(columns["origin"]) if "origin" in columns else np.full(rows, Origin.IMPORTED)
        kept["id"] = columns["id"] if "id" in columns else np.zeros(rows, np.int64)
        kept["score"] = columns["score"] if "score" in columns else np.full(rows, np.nan)
        kept |= {name: columns[name] for name in columns if name in NOTES or name.startswith("p_")}
        self._parts.append(kept)
        self._rows += rows

    def document(self) -> Document:
        """Return everything taken in so far."""
        if not self._parts:
            return Document(nuclei=Nuclei.empty(self._classes.scheme), slide=self._header.slide)
        columns = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        named = {self._classes.label(name[2:]): name for name in columns if name.startswith("p_")}
        scheme = self._classes.scheme
        probability = np.full((self._rows, len(scheme)), np.nan, np.float32)
        for label, name in named.items():
            probability[:, label] = columns[name]
        nuclei = Nuclei.from_points(
            scheme,
            columns["yx"],
            label=columns["label"],
            score=columns["score"],
            probability=probability,
            ids=columns["id"],
            origin=columns["origin"],
        )
        notes = {name: columns[name].astype(object) for name in NOTES if name in columns}
        return Document(nuclei=nuclei, slide=self._header.slide, weights=self._header.weights, notes=notes)

    def _places(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        if "y" in columns and "x" in columns:
            yx = np.column_stack([columns["y"], columns["x"]]).astype(np.float64)
        else:
            slide = self._header.slide
            if slide is None or not slide.mpp:
                raise DataError(
                    f"{self._source} gives places in µm and does not say how large a pixel is. Give y and x in pixels."
                )
            yx = np.column_stack([columns["y_um"], columns["x_um"]]).astype(np.float64) / slide.mpp
        finite = (np.abs(yx) < FARTHEST).all(axis=1)
        if not finite.all():
            row = self._rows + int(np.argmin(finite)) + 1
            raise DataError(f"Nucleus {row} of {self._source} has no finite y and x. Remove it, or correct the file.")
        return yx

    def _labels(self, names: NDArray[Any]) -> NDArray[np.int16]:
        import pandas as pd

        codes, values = pd.factorize(names)
        table = np.array([*self._classes.labels(str(value) for value in values), -1], np.int16)
        labels: NDArray[np.int16] = table[codes]
        return labels

    def _origins(self, names: NDArray[Any]) -> NDArray[np.uint8]:
        import pandas as pd

        codes, values = pd.factorize(names)
        strange = [str(value) for value in values if value not in _ORIGINS]
        if strange or (codes < 0).any():
            raise DataError(
                f"{self._source} has the origin {min(strange, default='')!r}; NucLoop knows "
                f"{', '.join(sorted(_ORIGINS))}. Correct it, or leave the column out."
            )
        origins: NDArray[np.uint8] = np.array([_ORIGINS[value] for value in values], np.uint8)[codes]
        return origins
