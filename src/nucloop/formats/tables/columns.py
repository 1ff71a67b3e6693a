"""Nuclei as columns by name, as CSV, Parquet and NumPy files keep them."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.errors import DataError
from nucloop.formats.document import NOTES, Document
from nucloop.formats.found_classes import FoundClasses
from nucloop.formats.rings import GrowingOutlines
from nucloop.formats.source.room import check_room, rows_cost
from nucloop.formats.source.well_known import shapes_of_texts
from nucloop.geometry import FARTHEST
from nucloop.nuclei import Nuclei, Origin
from nucloop.region_names import named, names_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from nucloop.formats.slide_info import FileHeader
    from nucloop.outlines import Outlines

__all__ = [
    "KNOWN",
    "REGION",
    "SHAPES",
    "TEXT",
    "GrowingTable",
    "frame_of",
    "outlines_of",
    "places_in",
    "places_of",
    "regions_at",
]

REGION = "region"
TEXT = ("class", "origin", *NOTES)
SHAPES = ("outline", "cell_outline", "outline_um", "cell_outline_um")
"""Columns of outlines, corners with x before y: of the nuclei, and of the cells around them."""
_FIGURE_DECIMALS = 5
KNOWN = {"id", "y", "x", "y_um", "x_um", "score", *TEXT, *SHAPES}
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


def outlines_of(document: Document, rows: slice = slice(None)) -> dict[str, Outlines]:
    """Return the columns of outlines that there are, in the unit of `places_of`."""
    nuclei = document.nuclei
    tables = {"outline": nuclei.outlines, "cell_outline": nuclei.cell_outlines}
    there = {name: table.take(rows) for name, table in tables.items() if table is not None and len(table.corners)}
    if not document.microns or document.slide is None or not document.slide.mpp:
        return there
    mpp = document.slide.mpp
    return {
        f"{name}_um": replace(one, corners=np.round(one.corners.astype(np.float64) * mpp, _DECIMALS).astype(np.float32))
        for name, one in there.items()
    }


def frame_of(document: Document, rows: slice) -> pd.DataFrame:
    """Return rows as a table: id, y, x (or y_um, x_um), class, score, origin, the notes there are, p_<class>, figures.

    The regions in which nuclei lie stand beside the class where some are drawn. Outlines follow as well-known text,
    polygons with x before y, where there are any.
    """
    frame = document.nuclei.take(rows).to_frame()
    if document.microns:
        for name, places in places_of(document, rows).items():
            frame[name[0]] = places
            frame = frame.rename(columns={name[0]: name})
    for place, (name, texts) in enumerate(document.notes.items(), frame.columns.get_loc("origin") + 1):
        frame.insert(place, name, texts[rows])
    regions = regions_at(document, rows)
    if regions is not None:
        frame.insert(frame.columns.get_loc("class") + 1, REGION, regions)
    for name, values in document.measurements.items():
        frame[name] = values[rows].round(_FIGURE_DECIMALS)
    for name, outlines in outlines_of(document, rows).items():
        frame[name] = _well_known_texts(outlines)
    return frame


def regions_at(document: Document, rows: slice = slice(None)) -> NDArray[np.object_] | None:
    """Return the names of the regions in which nuclei lie, (N,) of str; None where none is drawn. Written, not read."""
    regions = named(document.regions)
    return names_at(document.nuclei.yx[rows], regions) if regions else None


def _well_known_texts(outlines: Outlines) -> list[str]:
    # of a float32 the text is the shortest that gives the same number again
    text = orjson.dumps(np.ascontiguousarray(outlines.corners[:, ::-1]), option=orjson.OPT_SERIALIZE_NUMPY)
    corners = text.decode()[2:-2].replace("],[", ";").replace(",", " ").split(";")
    rings = (corners[first:last] for first, last in pairwise(outlines.ends.tolist()))
    return [f"POLYGON (({', '.join([*ring, ring[0]])}))" if ring else "" for ring in rings]


def places_in(shapes: NDArray[np.object_]) -> dict[str, NDArray[np.float64]]:
    """Return the columns y and x of the centroids of shapes (N,) in pixels; NaN where there is none."""
    import shapely

    corners, rows = shapely.get_coordinates(shapes, return_index=True)
    placed = np.array(shapes, object)
    placed[rows[~np.isfinite(corners).all(1)]] = None
    centres = shapely.centroid(placed)
    centres[shapely.is_empty(centres)] = None
    return {"y": shapely.get_y(centres), "x": shapely.get_x(centres)}


class GrowingTable:
    """Nuclei read from columns, a portion at a time.

    Parameters
    ----------
    source : str
        The file's name, for messages.
    header : FileHeader
        What the file says of itself.
    mpp : float, optional
        µm per pixel, where the file does not say it.
    size : int, optional
        Bytes of the file: what it hardly holds must not fill the memory.
    """

    def __init__(self, source: str, header: FileHeader, mpp: float | None = None, *, size: int | None = None) -> None:
        self._source, self._size = source, size
        self._header = header
        self._given_mpp = mpp
        self._classes = FoundClasses(source, header.scheme)
        self._parts: list[dict[str, NDArray[Any]]] = []
        self._rows = 0
        self._shapes: dict[str, GrowingOutlines] = {}

    def add_outlines(self, name: str, corners: NDArray[np.floating], counts: NDArray[np.int64]) -> None:
        """Take in a column of `SHAPES` for the rows that `add` gets next: corners (P, 2), so many of each row (N,).

        Raises
        ------
        DataError
            If places are in µm and nobody says how large a pixel is, or there are too many corners.
        """
        if name.endswith("_um"):
            corners = corners / self.mpp
        self._growing(name).extend(self._rows, corners, counts)

    def add_texts(self, name: str, texts: NDArray[Any]) -> None:
        """Take in a column of `SHAPES` as well-known text, as `add_outlines` does."""
        import shapely

        shapes = shapes_of_texts(texts)
        self._growing(name).malformed += int(((texts != "") & (shapely.get_type_id(shapes) < 0)).sum())
        if name.endswith("_um"):
            shapes = shapely.transform(shapes, lambda places: places / self.mpp)
        self.add_shapes(name, shapes)

    def add_shapes(self, name: str, shapes: NDArray[np.object_]) -> None:
        """Take in a column of `SHAPES` as polygons of Shapely in pixels, as `add_outlines` does."""
        self._growing(name).add_shapes(self._rows, shapes)

    def _growing(self, name: str) -> GrowingOutlines:
        of = "Whole cells" if name.startswith("cell") else ""
        return self._shapes.setdefault(name.removesuffix("_um"), GrowingOutlines(self._source, of))

    @property
    def mpp(self) -> float:
        """µm per pixel; DataError when neither the file nor a person says it."""
        slide = self._header.slide
        mpp = self._given_mpp if slide is None or not slide.mpp else slide.mpp
        if not mpp:
            raise DataError(
                f"{self._source} gives places in µm and does not say how large a pixel is. Give --mpp or --slide, or "
                "y and x in pixels."
            )
        return mpp

    def add(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Take in a portion of rows; texts are str, numbers are numbers.

        Raises
        ------
        DataError
            If a place is not finite, an origin unknown, or a class no name.
        """
        kept: dict[str, NDArray[Any]] = {"yx": self._places(columns)}
        rows = len(kept["yx"])
        if self._size is not None:
            check_room(self._source, self._size, rows_cost(self._rows + rows, len(columns)))
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
            **{f"{name}s": outlines.table(self._rows) for name, outlines in self._shapes.items()},
        )
        notes = {name: columns[name].astype(object) for name in NOTES if name in columns}
        remarks = tuple(chain.from_iterable(outlines.remarks for outlines in self._shapes.values()))
        return Document(
            nuclei=nuclei, slide=self._header.slide, weights=self._header.weights, notes=notes, remarks=remarks
        )

    def _places(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        if "y" in columns and "x" in columns:
            yx = np.column_stack([columns["y"], columns["x"]]).astype(np.float64)
        else:
            yx = np.column_stack([columns["y_um"], columns["x_um"]]).astype(np.float64) / self.mpp
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
