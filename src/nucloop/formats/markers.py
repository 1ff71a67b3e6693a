"""Markers in XML: of ImageJ's Cell Counter, of cellfinder, which writes the same, and of ASAP. They are only read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

import numpy as np

from nucloop.errors import DataError, MisfitError, why
from nucloop.formats.asked import NOTHING_ASKED, Asked
from nucloop.formats.found_classes import FoundClasses
from nucloop.formats.json_rows import WRONG, JsonRows
from nucloop.formats.planes import FIRST, Planes
from nucloop.formats.rings import ring_centre
from nucloop.formats.slide_info import FileHeader
from nucloop.geometry import FARTHEST, Region, checked_ring, encloses_nothing
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nucloop.formats.document import Document

__all__ = ["read_markers", "write_markers"]

_PIECE = 1 << 16
_DEEPEST = 32
_MOST_CHILDREN = 1_000_000
_LONGEST_TAG = 1_000_000
_ROOTS = {"CellCounter_Marker_File", "ASAP_Annotations"}
_POINTS = {"Dot", "PointSet"}
_AREAS = {"Polygon", "Spline", "Rectangle"}
_ASAP_CORNER = 0.5
"""ASAP counts from the corner of the first pixel."""


def write_markers(path: Path, document: Document) -> None:
    """Refuse: these files are only read.

    Raises
    ------
    DataError
        Always.
    """
    raise DataError(f"NucLoop reads markers in XML and writes none, so {path.name} cannot be written. Choose .geojson.")


def read_markers(path: Path, asked: Asked = NOTHING_ASKED) -> Document:
    """Read markers and dots as nuclei with their type or group as class, and ASAP's areas as regions.

    Parameters
    ----------
    path : Path
        XML in UTF-8.
    asked : Asked
        Whether areas are nuclei.

    Raises
    ------
    DataError
        If the file is none of these, or damaged.
    """
    marks = _Marks(JsonRows(FoundClasses(path.name)), asked.areas_are_nuclei)
    try:
        for element in _elements(path):
            marks.take(element)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or 'it is not there'}. Check the path.") from error
    except ParseError as error:
        raise DataError(
            f"{path.name} is not whole XML: line {error.position[0]:,} breaks its rules. Copy or export it again."
        ) from error
    except WRONG as error:
        raise DataError(
            f"{path.name} is not as Cell Counter, cellfinder or ASAP write markers{why(error)}. Export it again."
        ) from error
    return marks.document(path.name)


def _elements(path: Path) -> Iterator[Element]:
    """Yield elements as they end, and forget them; MisfitError where a file is nested or large beyond reason."""
    parser: XMLPullParser[Any] = XMLPullParser(("start", "end"))
    above: list[Element] = []
    unread = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            if b"<!DOCTYPE" in piece or b"<!ENTITY" in piece:
                raise MisfitError("it declares entities")
            parser.feed(piece)
            unread += len(piece)
            for event, element in cast("Iterator[tuple[str, Element]]", parser.read_events()):
                unread = 0
                if event == "start":
                    if not above and element.tag not in _ROOTS:
                        raise MisfitError(f"it begins with {element.tag[:40]!r}")
                    above.append(element)
                    if len(above) > _DEEPEST:
                        raise MisfitError("its elements are nested too deeply")
                    continue
                above.pop()
                yield element
                if element.tag in _TAKEN and above:
                    above[-1].remove(element)
                elif above and len(above[-1]) > _MOST_CHILDREN:
                    raise MisfitError("it has too many elements of one kind")
            if unread > _LONGEST_TAG:
                raise MisfitError("it has a word without end")
    parser.close()


_TAKEN = {"Marker", "Marker_Type", "Annotation"}


@dataclass
class _Marks:
    """Nuclei and areas as they are met."""

    rows: JsonRows
    areas_are_nuclei: bool
    planes: Planes = field(default_factory=Planes)
    regions: list[Region] = field(default_factory=list)
    empty: int = 0
    _waiting: list[tuple[float, float, int]] = field(default_factory=list)

    def take(self, element: Element) -> None:
        """Take in an element that has ended: the markers of a type come before the type is known whole."""
        if element.tag == "Marker":
            x, y = (_number(_said(element, f"Marker{axis}")) for axis in "XY")
            self._waiting.append((y, x, int(_number(_said(element, "MarkerZ") or "0"))))
        elif element.tag == "Marker_Type":
            kind = (_said(element, "Name") or "").strip() or f"type {(_said(element, 'Type') or '').strip()}"
            label = self.rows.classes.label(kind) if self._waiting else UNLABELLED
            for y, x, z in self._waiting:
                self.rows.add((y, x), label, {})
                self.planes.note((z, 0), nuclei=1)
            self._waiting.clear()
        elif element.tag == "Annotation":
            self._annotation(element)

    def _annotation(self, element: Element) -> None:
        kind, group = element.get("Type", ""), element.get("PartOfGroup", "")
        places = [(_number(one.get("Y")), _number(one.get("X"))) for one in element.iter("Coordinate")]
        corners = np.array(places, np.float64).reshape(-1, 2) - _ASAP_CORNER
        name = "" if group == "None" else group
        if kind in _POINTS:
            for y, x in corners.tolist():
                self.rows.add((y, x), self.rows.classes.label(name, _color(element)), {})
                self.planes.note(FIRST, 1)
        elif kind not in _AREAS or encloses_nothing(corners):
            self.empty += 1
        elif self.areas_are_nuclei:
            y, x = ring_centre(corners).tolist()
            self.rows.add((y, x), self.rows.classes.label(name, _color(element)), {}, outline=corners)
            self.planes.note(FIRST, 1)
        else:
            self.regions.append(Region(checked_ring(corners), name=element.get("Name", "")[:200]))
            self.planes.note(FIRST, 0, 1)

    def document(self, source: str) -> Document:
        """Return what was taken in; of markers on several planes those of one."""
        document = replace(self.rows.document(FileHeader(), source), regions=tuple(self.regions))
        if self.empty:
            remark = f"{self.empty:,} annotations are neither points nor areas, or enclose nothing; they were left out."
            document = replace(document, remarks=(remark, *document.remarks))
        return self.planes.one_of(document)


def _said(element: Element, name: str) -> str | None:
    return element.findtext(name)


def _number(text: str | None) -> float:
    value = float((text or "").replace(",", "."))
    if not abs(value) < FARTHEST:
        raise MisfitError(f"{str(text)[:20]!r} is no place on a slide")
    return value


def _color(element: Element) -> str | None:
    color: str = element.get("Color", "")
    return color if len(color) == 7 and color[0] == "#" else None
