"""Digital Slide Archive and HistomicsUI: annotation documents as large_image's annotation schema has them.

Their origin is the upper left corner of the first pixel, so half a pixel lies between theirs and ours. The schema
refuses properties that it does not list: what is ours goes into ``user`` and ``attributes``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.errors import DataError, MisfitError, why
from nucloop.formats.asked import NOTHING_ASKED, Asked
from nucloop.formats.atomic import replacing
from nucloop.formats.document import Document, file_header
from nucloop.formats.dsa_shapes import AREAS, CORNER, Areas, piece_of, round_of
from nucloop.formats.found_classes import FoundClasses
from nucloop.formats.json_rows import WRONG, JsonRows, extras_of, finite_pair, ring_of
from nucloop.formats.region_kinds import kind_from, kind_to
from nucloop.formats.rings import corner_lists, ring_centre
from nucloop.formats.slide_info import FileHeader
from nucloop.formats.source.json_records import JsonRecords
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.geometry import Region

__all__ = ["read_dsa", "write_dsa"]

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
        if region.kind:
            element["group"] = kind_to(region.kind)
        if len(pieces) > 1:
            element["user"] = {"nucloop": {_PIECE_OF: number}}
        yield element


def _corners(ring: NDArray[np.float64]) -> list[list[float]]:
    return [[x, y, 0] for y, x in np.round(ring + CORNER, DECIMALS).tolist()]


def read_dsa(path: Path, asked: Asked = NOTHING_ASKED) -> Document:
    """Read points as nuclei, and areas (closed polylines, rectangles, circles, ellipses) as regions or as nuclei.

    They are nuclei where the file says so: where NucLoop wrote it, and for a whole document of HistomicsTK's nucleus
    detection by its name; and where a person says so.

    Parameters
    ----------
    path : Path
        One annotation document, or a list of them as the server gives it for a slide.
    asked : Asked
        What a person says of it.

    Raises
    ------
    DataError
        If the file is no annotation document.
    """
    records = JsonRecords(path, "elements", several=True, noun="Element")
    head = _documents(records.head())
    detected = _detected(head)
    document = _read(records, head, detected, asked)
    around = _documents(records.around)
    if not asked.areas_are_nuclei and not _detected(around) <= detected:
        # the name stood behind the list
        document = _read(records, head, _detected(around), asked)
    return document


def _documents(top: Any) -> list[dict[str, Any]]:
    """Return what stands around each list of elements, in order."""
    inner = [one.get("annotation", one) for one in (top if isinstance(top, list) else [top]) if isinstance(one, dict)]
    return [one for one in inner if isinstance(one, dict) and "elements" in one] or [{}]


def _detected(documents: list[dict[str, Any]]) -> set[int]:
    """Return the numbers, from 1, of the documents of a nucleus detection."""
    return {k for k, one in enumerate(documents, 1) if _DETECTED.search(str(one.get("name")))}


def _read(records: JsonRecords, about: list[dict[str, Any]], detected: set[int], asked: Asked) -> Document:
    path = records.path
    header = FileHeader.found_in(about[0].get("attributes"), path.name)
    rows = JsonRows(FoundClasses(path.name, header.scheme))
    areas = Areas()
    number, others = 0, 0
    for block in records.blocks():
        all_nuclei = asked.areas_are_nuclei or records.lists in detected
        for element in block:
            number += 1
            try:
                others += not _take(element, rows, areas, all_nuclei=all_nuclei)
            except DataError as error:
                raise DataError(f"Element {number} of {path.name}: {error}") from error
            except WRONG as error:
                raise DataError(
                    f"Element {number} of {path.name} is not as HistomicsUI writes them{why(error)}. Export it again."
                ) from error
    remarks = (f"{others:,} open lines, arrows, heat maps and the like were left out.",) if others else ()
    document = rows.document(header, path.name)
    return replace(document, regions=areas.regions, remarks=(*remarks, *areas.remarks, *document.remarks))


def _take(element: dict[str, Any], rows: JsonRows, areas: Areas, *, all_nuclei: bool) -> bool:
    """Take in an element as a nucleus or an area; return whether it is one."""
    kind = element["type"]
    if not isinstance(kind, str):
        raise MisfitError("its type is no text")
    if kind == "point":
        _add_nucleus(rows, element, *element["center"][:2])
        return True
    if kind not in AREAS and not (kind == "polyline" and element.get("closed")):
        return False
    if all_nuclei or _CENTRE in _ours(element):
        areas.empty += not _add_outlined(rows, element)
    else:
        number = _ours(element).get(_PIECE_OF)
        areas.add(piece_of(element), number, str(_said(element) or ""), kind_from(element.get("group")))
    return True


def _said(element: dict[str, Any]) -> str | None:
    label = element.get("label")
    return label.get("value") if label else None


def _ours(element: dict[str, Any]) -> dict[str, Any]:
    """Return what NucLoop said of a nucleus; empty where it did not write it."""
    user = element.get("user")
    return dict((user.get("nucloop") if user else None) or {})


def _add_outlined(rows: JsonRows, element: dict[str, Any]) -> bool:
    """Take in a nucleus with its outline; return whether it says where it is."""
    if element["type"] == "rectangle":
        # the box around a nucleus is no outline
        _add_nucleus(rows, element, *element["center"][:2])
        return True
    ring = round_of(element) if element["type"] in AREAS else ring_of(element["points"], CORNER)
    if not len(ring):
        return False
    x, y = _ours(element).get(_CENTRE) or (ring_centre(ring)[::-1] + CORNER).tolist()
    rows.outlines.holes += bool(element.get("holes"))
    _add_nucleus(rows, element, x, y, ring)
    return True


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
