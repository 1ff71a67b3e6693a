"""GeoJSON of QuPath, old and new, and of the programs that follow it, read."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nucloop.errors import DataError, why
from nucloop.formats.asked import NOTHING_ASKED, Asked
from nucloop.formats.document import NOTES, UUID, Document
from nucloop.formats.found_classes import FoundClasses
from nucloop.formats.geojson.features import class_of
from nucloop.formats.geojson.points import PlainPoints, plain_points
from nucloop.formats.geojson.shapes import FeatureShapes
from nucloop.formats.geojson.writing import CORNER, ID, ORIGIN, SCORE, foreign_uuid
from nucloop.formats.planes import FIRST
from nucloop.formats.slide_info import FileHeader
from nucloop.formats.source.json_records import JsonRecords
from nucloop.geometry import FARTHEST
from nucloop.nuclei import UNLABELLED, Nuclei, Origin

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["read_geojson", "read_geojson_slide", "read_multipoint_geojson", "records_of"]

_PROBABILITY = re.compile(r"NucLoop p\((.+)\)", re.DOTALL)
_ORIGINS = {origin.name.lower(): int(origin) for origin in Origin}
_NOTHING: dict[str, Any] = {}
_WRONG = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError)


def records_of(path: Path) -> JsonRecords:
    """Return the features of a FeatureCollection, a bare array or a single Feature."""
    return JsonRecords(path, "features", bare=True, noun="Feature")


def read_geojson(path: Path, asked: Asked = NOTHING_ASKED) -> Document:
    """Read points, detections and cells of a GeoJSON file as nuclei, drawn areas as regions or, if asked, as nuclei.

    A point gives one nucleus, a MultiPoint many, a detection its centroid and outline, a cell those of its nucleus and
    the outline of the cell.

    Parameters
    ----------
    path : Path
        A file of QuPath, of `write_geojson` or of another program that follows QuPath: a FeatureCollection, a list,
        one object, one a line, or a GeoJSON text sequence.
    asked : Asked
        What a person says of it.

    Raises
    ------
    DataError
        If the file is not such GeoJSON.
    """
    return _read(path, CORNER, areas_are_nuclei=asked.areas_are_nuclei)


def read_multipoint_geojson(path: Path) -> Document:
    """Read CellViT's GeoJSON: one MultiPoint or MultiPolygon a class, pixel centres at integers."""
    return _read(path, 0.0, areas_are_nuclei=True)


def _read(path: Path, shift: float, *, areas_are_nuclei: bool) -> Document:
    header = FileHeader.found_in(records_of(path).head(), path.name)
    rows = _Rows(FoundClasses(path.name, header.scheme), FeatureShapes(path.name, shift, areas_are_nuclei))
    for block in records_of(path).blocks():
        rows.add(block, path)
    return rows.document(header)


def read_geojson_slide(path: Path) -> Any:
    """Return what the file says about its slide, None when it says nothing (QuPath's own files do not)."""
    return FileHeader.found_in(records_of(path).head(), path.name).slide


@dataclass
class _Rows:
    """Nuclei as columns that grow by a block of features at a time."""

    classes: FoundClasses
    shapes: FeatureShapes
    done: int = 0
    parts: list[tuple[NDArray[Any], ...]] = field(default_factory=list)
    probabilities: dict[int, list[tuple[NDArray[np.int64], NDArray[np.float32]]]] = field(default_factory=dict)
    notes: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    _labels: dict[str, int] = field(default_factory=dict)
    _features: int = 0

    def add(self, block: list[dict[str, Any]], path: Path) -> None:
        """Take in a block of features; DataError names the one that is not as QuPath writes them."""
        xy: list[Any] = []
        columns: tuple[list[int], ...] = ([], [], [])
        measured: list[tuple[int, dict[str, Any]]] = []
        number = self._features
        try:
            plain = plain_points(block)
            if plain is not None:
                self._keep_plain(plain)
                self._features += len(block)
                return
            for number, feature in enumerate(block, self._features + 1):  # noqa: B007 - the number of the one that fails
                objects = self.shapes.objects(feature, self.done + len(xy))
                for one, points in objects:
                    self._describe(one.get("properties") or {}, len(points), self.done + len(xy), columns, measured)
                    # several geometries of one object share its id
                    if len(points) == 1 and sum(other.get("id") == one.get("id") for other, _ in objects) == 1:
                        self._know(foreign_uuid(one), self.done + len(xy))
                    xy += points
            self._keep(xy, columns, measured)
        except DataError as error:
            raise DataError(f"Feature {number} of {path.name}: {error}") from error
        except _WRONG as error:
            raise DataError(
                f"Feature {number} of {path.name} is not an object as QuPath writes them{why(error)}. Export it again."
            ) from error
        self._features += len(block)

    def _describe(
        self,
        properties: dict[str, Any],
        count: int,
        row: int,
        columns: tuple[list[int], ...],
        measured: list[tuple[int, dict[str, Any]]],
    ) -> None:
        """Note class, origin and id of the nuclei of one feature, and its measurements."""
        label, origin, identity = columns
        metadata = properties.get("metadata") or _NOTHING
        named = class_of(properties)
        if count == 1:
            label.append(UNLABELLED if named is None else self._label(*named))
            origin.append(_ORIGINS[metadata.get(ORIGIN, "imported")])
            identity.append(int(metadata.get(ID, 0)))
        else:
            label += [UNLABELLED if named is None else self._label(*named)] * count
            origin += [_ORIGINS[metadata.get(ORIGIN, "imported")]] * count
            identity += [0] * count
        values = properties.get("measurements")
        if values:
            if type(values) is not dict:
                # Before QuPath 0.4: a list of {name, value}.
                values = {one["name"]: one.get("value", math.nan) for one in values}
            measured += [(row + k, values) for k in range(count)]
        for name in NOTES if metadata else ():
            text = metadata.get(f"NucLoop {name}")
            if text is not None:
                self.notes.setdefault(name, []).append((row, str(text)))

    def _know(self, uuid: str, row: int) -> None:
        if uuid:
            self.notes.setdefault(UUID, []).append((row, uuid))

    def _label(self, name: str, color: Any = None) -> int:
        label = self._labels.get(name)
        if label is None:
            label = self._labels[name] = self.classes.label(name, None if color is None else _color(color))
        return label

    def _keep_plain(self, plain: PlainPoints) -> None:
        # the first of a name gives the colour, and the order
        first = {one["name"]: one for one in reversed(plain.classification) if one}
        known = {
            name: self._label(name, first[name].get("color", first[name].get("colorRGB")))
            for name in dict.fromkeys(c["name"] for c in plain.classification if c)
        }
        label = [known[one["name"]] if one else UNLABELLED for one in plain.classification]
        for name, said in plain.notes.items():
            self.notes.setdefault(name, []).extend((self.done + row, text) for row, text in said)
        self.shapes.planes.note(FIRST, len(plain.xy))
        measured = list(enumerate(plain.measurements, self.done)) if any(plain.measurements) else []
        self._keep(plain.xy, (label, plain.origin, plain.identity), measured)

    def _keep(self, xy: Any, columns: tuple[list[int], ...], measured: list[tuple[int, dict[str, Any]]]) -> None:
        points = np.array(xy, np.float64).reshape(-1, 2)
        if not (np.abs(points) < FARTHEST).all():
            raise DataError("it, or one shortly before it, lies outside any slide. Export it again.")
        label, origin, identity = columns
        score = np.full(len(points), np.nan, np.float32)
        if measured:
            rows, values = zip(*measured, strict=True)
            place = np.array(rows)
            score[place - self.done] = _numbers([one.get(SCORE, math.nan) for one in values])
            for name in set().union(*values):
                match = _PROBABILITY.fullmatch(name)
                if match is not None:
                    numbers = _numbers([one.get(name, math.nan) for one in values])
                    column = self.classes.label(match.group(1))
                    self.probabilities.setdefault(column, []).append((place, numbers))
        self.parts.append(
            (points, np.array(label, np.int16), np.array(origin, np.uint8), np.array(identity, np.int64), score)
        )
        self.done += len(points)

    def document(self, header: FileHeader) -> Document:
        scheme = self.classes.scheme
        points, label, origin, identity, score = (
            np.concatenate([part[k] for part in self.parts]) if self.parts else np.zeros((0, 2)[: 2 - (k > 0)])
            for k in range(5)
        )
        probability = np.full((len(points), len(scheme)), np.nan, np.float32)
        for column, parts in self.probabilities.items():
            for rows, values in parts:
                probability[rows, column] = values
        nuclei = Nuclei.from_points(
            scheme, points[:, ::-1] - self.shapes.shift, label=label, origin=origin, ids=identity, score=score,
            probability=probability, outlines=self.shapes.outlines.table(len(points)),
            cell_outlines=self.shapes.cells.table(len(points)),
        )  # fmt: skip
        notes = {name: np.full(len(points), "", object) for name in self.notes}
        for name, said in self.notes.items():
            for row, text in said:
                notes[name][row] = text
        document = Document(
            nuclei=nuclei,
            slide=header.slide,
            weights=header.weights,
            notes=notes,
            regions=tuple(self.shapes.regions),
            remarks=self.shapes.remarks,
        )
        return self.shapes.planes.one_of(document)


def _numbers(values: Any) -> NDArray[np.float32]:
    # QuPath writes "NaN" and "Infinity" as strings, which float reads; null stands for no value.
    try:
        return np.array(values, np.float32)
    except TypeError:
        return np.array([math.nan if value is None else float(value) for value in values], np.float32)


def _color(color: Any) -> str | None:
    """Write [r, g, b], or a Java colour as older files hold it, as #rrggbb; None for what is something else."""
    if isinstance(color, int):
        return f"#{color & 0xFFFFFF:06x}"
    if isinstance(color, str):
        return None
    red, green, blue = (min(max(int(part), 0), 255) for part in color[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"
