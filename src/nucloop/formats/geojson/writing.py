"""QuPath's GeoJSON, written: each nucleus a detection, or a cell where the cell's outline is known as well.

QuPath's origin is the corner of the first pixel, ours its centre: half a pixel is added on the way out and
taken off on the way in. Class probabilities and figures are among the measurements. Layout after QuPathTypeAdapters
and GsonTools of QuPath.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.formats.atomic import replacing
from nucloop.formats.document import UUID, file_header
from nucloop.formats.region_kinds import kind_to
from nucloop.formats.rings import corner_lists
from nucloop.nuclei import UNLABELLED, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.formats.document import Document
    from nucloop.geometry import Region

__all__ = [
    "CENTRE",
    "CONFIDENCE",
    "CORNER",
    "ID",
    "ORIGIN",
    "QUPATH_NAMES",
    "SCORE",
    "closed_ring",
    "foreign_uuid",
    "probability_name",
    "write_geojson",
]

CORNER = 0.5
"""From our pixel centre to QuPath's pixel corner, pixels."""
DECIMALS = 3
ROWS_AT_A_TIME = 10_000
SCORE = "NucLoop score"
CONFIDENCE = "NucLoop confidence"
ORIGIN = "NucLoop origin"
ID = "NucLoop id"
CENTRE = "NucLoop centre"
_NUMBERED = 1 << 48
_UUID_LENGTH = 36
_SHAPES = {
    "area_um2": "Nucleus: Area µm^2",
    "perimeter_um": "Nucleus: Length µm",
    "circularity": "Nucleus: Circularity",
    "solidity": "Nucleus: Solidity",
    "eccentricity": "Nucleus: Eccentricity",
    "major_axis_um": "Nucleus: Major axis µm",
    "minor_axis_um": "Nucleus: Minor axis µm",
    "feret_max_um": "Nucleus: Max diameter µm",
    "feret_min_um": "Nucleus: Min diameter µm",
}
_PARTS = {"nucleus": "Nucleus", "ring": "Cytoplasm"}
_STAINS = {"haematoxylin": "Hematoxylin", "eosin": "Eosin", "dab": "DAB"}
_WHAT = {"mean": "Mean", "sd": "Std.Dev."}

QUPATH_NAMES = _SHAPES | {
    f"{part}_{stain}_{what}": f"{theirs}: {place}: {figure}"
    for part, place in _PARTS.items()
    for stain, theirs in _STAINS.items()
    for what, figure in _WHAT.items()
}
"""Names of figures in QuPath's own charts and filters, by those of `nucloop.measurements`."""


def probability_name(name: str) -> str:
    """Name of the measurement that holds the probability of a class."""
    return f"NucLoop p({name})"


def write_geojson(path: Path, document: Document) -> None:
    """Write nuclei as QuPath detections or cells and regions as annotations, in full-resolution pixels.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    with replacing(path) as file:
        file.write(b'{"type":"FeatureCollection","nucloop":' + orjson.dumps(file_header(document)) + b',"features":[')
        between = b"\n"
        for features in _blocks_of(document):
            file.write(between + b",\n".join(map(orjson.dumps, features)))
            between = b",\n"
        file.write(b"\n]}\n")


def foreign_uuid(feature: dict[str, Any]) -> str:
    """Return the id that another program gave a feature; empty where it has none, or one of ours."""
    said = feature.get("id")
    if type(said) is not str or len(said) != _UUID_LENGTH or (said[14], said[19]) == ("8", "8"):
        return ""
    return said


def closed_ring(corners: NDArray[np.floating], shift: float) -> list[list[float]]:
    """Corners (y, x) as a GeoJSON ring of [x, y] that ends where it begins."""
    ring: list[list[float]] = np.round(corners[:, ::-1].astype(np.float64) + shift, DECIMALS).tolist()
    return [*ring, ring[0]]


def _blocks_of(document: Document) -> Iterator[list[dict[str, Any]]]:
    stem = _uuid_stem(document)
    if document.regions:
        yield [_region(region, f"{stem}{(1 << 47) + k:012x}") for k, region in enumerate(document.regions)]
    ids = document.nuclei.ids
    # Without whole ids the rows are numbered, from a place where no id is.
    given = len(ids) > 0 and bool((ids > 0).all()) and bool((ids < _NUMBERED >> 1).all())
    for first in range(0, len(ids), ROWS_AT_A_TIME):
        rows = slice(first, first + ROWS_AT_A_TIME)
        numbers = ids[rows].tolist() if given else range(first + 1, first + ROWS_AT_A_TIME + 1)
        yield list(_features_of(document, rows, [f"{stem}{number:012x}" for number in numbers]))


def _features_of(document: Document, rows: slice, uuids: list[str]) -> Iterator[dict[str, Any]]:
    scheme = document.nuclei.scheme
    named = zip(scheme.qupath_names, scheme.classes, strict=True)
    classes = [{"name": name, "color": list(c.rgb)} for name, c in named]
    names = [
        SCORE,
        CONFIDENCE,
        *map(probability_name, scheme.names),
        *(QUPATH_NAMES.get(name, name) for name in document.measurements),
    ]
    origins = [{ORIGIN: origin.name.lower()} for origin in Origin]
    part = document.nuclei.take(rows)
    points = np.round(part.yx[:, ::-1].astype(np.float64) + CORNER, DECIMALS).tolist()
    figures = [values[rows] for values in document.measurements.values()]
    measured = np.column_stack([part.score, part.confidence, part.probability, *figures]).astype(np.float64)
    numbers = np.round(measured, 5).tolist()
    whole = np.asarray(~np.isnan(measured).any(axis=1)).tolist()
    shapes = [corner_lists(rings, len(part), CORNER, closed=True) for rings in (part.outlines, part.cell_outlines)]
    columns = zip(
        uuids, part.ids.tolist(), points, part.label.tolist(), part.origin.tolist(), numbers, whole, *shapes,
        strict=False,
    )  # fmt: skip
    own = document.notes.get(UUID)
    for row, (uuid, identity, xy, label, origin, values, complete, nucleus, cell) in enumerate(columns, rows.start):
        properties: dict[str, Any] = {"objectType": "cell" if cell else "detection"}
        if label != UNLABELLED:
            properties["classification"] = classes[label]
        figured = zip(names, values, strict=True)
        properties["measurements"] = dict(figured) if complete else {k: v for k, v in figured if not math.isnan(v)}
        properties["metadata"] = metadata = dict(origins[origin])
        if identity > 0:
            metadata[ID] = str(identity)
        for name, texts in document.notes.items():
            if texts[row] and name != UUID:
                metadata[f"NucLoop {name}"] = texts[row]
        known_as = uuid if own is None else own[row] or uuid
        feature: dict[str, Any] = {"type": "Feature", "id": known_as, "geometry": None, "properties": properties}
        if cell or nucleus:
            feature["geometry"] = {"type": "Polygon", "coordinates": [cell or nucleus]}
            metadata[CENTRE] = f"{xy[0]} {xy[1]}"
        else:
            feature["geometry"] = {"type": "Point", "coordinates": xy}
        if cell and nucleus:
            feature["nucleusGeometry"] = {"type": "Polygon", "coordinates": [nucleus]}
        yield feature


def _region(region: Region, uuid: str) -> dict[str, Any]:
    # QuPath refuses outlines that cross themselves, or takes them for something else
    pieces = [[closed_ring(ring, CORNER) for ring in piece] for piece in region.valid().pieces]
    shape, coordinates = ("MultiPolygon", pieces) if len(pieces) > 1 else ("Polygon", pieces[0])
    properties: dict[str, Any] = {"objectType": "annotation"}
    if region.name:
        properties["name"] = region.name
    if region.kind:
        properties["classification"] = {"name": kind_to(region.kind)}
    return {
        "type": "Feature",
        "id": uuid,
        "geometry": {"type": shape, "coordinates": coordinates},
        "properties": properties,
    }


def _uuid_stem(document: Document) -> str:
    """First 24 characters of version 8 UUIDs: the same slide and nucleus always get the same one."""
    slide = document.slide
    said = "" if slide is None else f"{slide.name}:{slide.sha256}:{slide.height}x{slide.width}"
    digest = hashlib.sha256(said.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}-8{digest[15:18]}-"
