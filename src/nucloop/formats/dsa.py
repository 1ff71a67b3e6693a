"""Digital Slide Archive and HistomicsUI: annotation documents as large_image's annotation schema has them.

Their origin is the upper left corner of the first pixel, so half a pixel lies between theirs and ours. The schema
refuses properties that it does not list: what is ours goes into ``user`` and ``attributes``.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.errors import DataError
from nucloop.formats.atomic import replacing
from nucloop.formats.document import Document, file_header
from nucloop.formats.found_classes import FoundClasses
from nucloop.formats.json_records import JsonRecords
from nucloop.formats.json_rows import WRONG, JsonRows, extras_of, finite_pair, ring_of
from nucloop.formats.rings import corner_lists, ring_centre
from nucloop.formats.slide_info import FileHeader
from nucloop.geometry import Region, checked_ring
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_dsa", "write_dsa"]

CORNER = 0.5
DECIMALS = 3
ROWS_AT_A_TIME = 10_000
# Ids are 24 hexadecimal digits: "NucLoop" in ASCII, then the number.
_MARK = b"NucLoop".hex()
_MOST_DIGITS = 10
_PIECE_OF = "piece of region"
_CENTRE = "centre"
# Documents of HistomicsTK's nucleus detection are called so.
_DETECTED = re.compile(r"-nuclei-(boundary|bbox|polyline)\Z")


def write_dsa(path: Path, document: Document) -> None:
    """Write nuclei as points, those with an outline and regions as closed polylines of one annotation document.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    name = document.slide.name if document.slide else "NucLoop"
    head = {"name": f"Nuclei of {name}", "description": "", "attributes": {"nucloop": file_header(document)}}
    with replacing(path) as file:
        file.write(orjson.dumps(head)[:-1] + b',"elements":[')
        between = b"\n"
        for elements in _blocks_of(document):
            file.write(between + b",\n".join(map(orjson.dumps, elements)))
            between = b",\n"
        file.write(b"\n]}\n")


def _blocks_of(document: Document) -> Iterator[list[dict[str, Any]]]:
    if document.regions:
        yield [line for number, region in enumerate(document.regions, 1) for line in _polylines(region, number)]
    classes = [
        {"group": c.name, "label": {"value": c.name}, "lineColor": c.color, "lineWidth": 2}
        for c in document.nuclei.scheme.classes
    ]
    for first in range(0, len(document.nuclei), ROWS_AT_A_TIME):
        rows = slice(first, first + ROWS_AT_A_TIME)
        part = document.nuclei.take(rows)
        places = np.round(part.yx[:, ::-1].astype(np.float64) + CORNER, DECIMALS).tolist()
        rings = corner_lists(part.outlines, len(part), CORNER)
        block = []
        for (x, y), label, ring, extra in zip(
            places, part.label.tolist(), rings, extras_of(document, rows), strict=True
        ):
            element: dict[str, Any] = {"type": "point", "center": [x, y, 0]}
            if ring is not None:
                element = {"type": "polyline", "points": [[*corner, 0] for corner in ring], "closed": True}
                extra[_CENTRE] = [x, y]
            identity = extra.get("id", 0)
            if 0 < identity < 16**_MOST_DIGITS:
                element["id"] = f"{_MARK}{identity:0{_MOST_DIGITS}x}"
                del extra["id"]
            if label != UNLABELLED:
                element |= classes[label]
            element["user"] = {"nucloop": extra}
            block.append(element)
        yield block


def _polylines(region: Region, number: int) -> Iterator[dict[str, Any]]:
    """Write each piece of a region as a line; theirs have one piece, so its number says what belongs together."""
    pieces = list(region.valid().pieces)
    for outline, *holes in pieces:
        element: dict[str, Any] = {
            "type": "polyline",
            "points": _corners(outline),
            "closed": True,
            "holes": [_corners(hole) for hole in holes],
        }
        if region.name:
            element["label"] = {"value": region.name}
        if len(pieces) > 1:
            element["user"] = {"nucloop": {_PIECE_OF: number}}
        yield element


def _corners(ring: NDArray[np.float64]) -> list[list[float]]:
    return [[x, y, 0] for y, x in np.round(ring + CORNER, DECIMALS).tolist()]


def read_dsa(path: Path) -> Document:
    """Read points as nuclei, and closed polylines and rectangles as regions or, where the file says so, as nuclei.

    It says so where NucLoop wrote it, and for a whole document of HistomicsTK's nucleus detection by its name.

    Raises
    ------
    DataError
        If the file is no annotation document.
    """
    records = JsonRecords(path, "elements", noun="Element")
    head = _about(records.head())
    document = _read(records, head, all_nuclei=_detected(head))
    if not _detected(head) and _detected(_about(records.around)):
        # the name stood behind the list
        document = _read(records, head, all_nuclei=True)
    return document


def _about(top: Any) -> dict[str, Any]:
    inner = top.get("annotation", top) if isinstance(top, dict) else None
    return inner if isinstance(inner, dict) else {}


def _detected(about: dict[str, Any]) -> bool:
    return _DETECTED.search(str(about.get("name"))) is not None


def _read(records: JsonRecords, about: dict[str, Any], *, all_nuclei: bool) -> Document:
    path = records.path
    header = FileHeader.found_in(about.get("attributes"), path.name)
    rows = JsonRows(FoundClasses(path.name, header.scheme))
    areas = _Areas()
    others = 0
    for number, element in enumerate(chain.from_iterable(records.blocks()), 1):
        try:
            kind = element["type"]
            if kind == "point":
                _add_nucleus(rows, element, *element["center"][:2])
            elif (kind == "polyline" and element.get("closed")) or kind == "rectangle":
                if all_nuclei or _CENTRE in _ours(element):
                    _add_outlined(rows, element)
                else:
                    areas.add(_piece(element), element)
            elif isinstance(kind, str):
                others += 1
            else:
                raise TypeError("its type is no text")
        except DataError as error:
            raise DataError(f"Element {number} of {path.name}: {error}") from error
        except WRONG as error:
            raise DataError(
                f"Element {number} of {path.name} is not as HistomicsUI writes them ({error}). Export it again."
            ) from error
    remarks = (f"{others:,} open lines, arrows, heat maps and the like were left out.",) if others else ()
    document = rows.document(header, path.name)
    return replace(document, regions=areas.regions, remarks=(*remarks, *document.remarks))


class _Areas:
    """Regions as they are met; those whose pieces NucLoop wrote one by one are put together again."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._pieces: list[list[list[NDArray[np.float64]]]] = []
        self._place: dict[Any, int] = {}

    def add(self, piece: list[NDArray[np.float64]], element: dict[str, Any]) -> None:
        number = _ours(element).get(_PIECE_OF)
        place = self._place.get(number)
        if number is None or place is None:
            self._place[number] = len(self._names)
            self._names.append(str(_said(element) or ""))
            self._pieces.append([piece])
        else:
            self._pieces[place].append(piece)

    @property
    def regions(self) -> tuple[Region, ...]:
        return tuple(map(Region.of_pieces, self._pieces, self._names))


def _said(element: dict[str, Any]) -> str | None:
    label = element.get("label")
    return label["value"] if label else None


def _ours(element: dict[str, Any]) -> dict[str, Any]:
    """Return what NucLoop said of a nucleus; empty where it did not write it."""
    user = element.get("user")
    return dict((user.get("nucloop") if user else None) or {})


def _add_outlined(rows: JsonRows, element: dict[str, Any]) -> None:
    if element["type"] == "rectangle":
        # the box around a nucleus is no outline
        _add_nucleus(rows, element, *element["center"][:2])
        return
    ring = ring_of(element["points"], CORNER)
    x, y = _ours(element).get(_CENTRE) or (ring_centre(ring)[::-1] + CORNER).tolist()
    rows.outlines.holes += bool(element.get("holes"))
    _add_nucleus(rows, element, x, y, ring)


def _add_nucleus(
    rows: JsonRows, element: dict[str, Any], x: Any, y: Any, ring: NDArray[np.float64] | None = None
) -> None:
    y, x = finite_pair(x, y)
    extra = _ours(element)
    identity = element.get("id", "")
    if identity.startswith(_MARK):
        extra["id"] = int(identity[len(_MARK) :], 16)
    name = element.get("group") or _said(element)
    label = rows.classes.label(name, _color(element.get("lineColor")))
    rows.add((y - CORNER, x - CORNER), label, extra, outline=ring)


def _color(text: Any) -> str | None:
    if isinstance(text, str) and len(text) == 7 and text[0] == "#":
        return text
    return None


def _ring(points: Any) -> NDArray[np.float64]:
    return checked_ring([finite_pair(point[0], point[1]) for point in points]) - CORNER


def _piece(element: dict[str, Any]) -> list[NDArray[np.float64]]:
    if element["type"] == "rectangle":
        return [_rectangle(element)]
    return [_ring(element["points"]), *map(_ring, element.get("holes") or ())]


def _rectangle(element: dict[str, Any]) -> NDArray[np.float64]:
    y, x = finite_pair(*element["center"][:2])
    height, width, angle = float(element["height"]), float(element["width"]), float(element.get("rotation") or 0)
    dy, dx = np.array([-1, -1, 1, 1]) * height / 2, np.array([-1, 1, 1, -1]) * width / 2
    turned_x = dx * math.cos(angle) - dy * math.sin(angle)
    turned_y = dx * math.sin(angle) + dy * math.cos(angle)
    return checked_ring(np.column_stack([y + turned_y, x + turned_x])) - CORNER
