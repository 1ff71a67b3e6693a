"""QuPath's GeoJSON: each nucleus a detection at a point, its class probabilities among the measurements.

QuPath's origin is the corner of the first pixel, ours its centre: half a pixel is added on the way out and
taken off on the way in. Layout after QuPathTypeAdapters and GsonTools of QuPath.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.errors import DataError
from nucloop.formats.atomic import replacing
from nucloop.formats.geojson_features import features, leading_member
from nucloop.formats.slide_info import SlideInfo, Weights, file_header
from nucloop.nuclei import UNLABELLED, Nuclei, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme

__all__ = ["read_geojson", "read_geojson_slide", "write_geojson"]

CORNER = 0.5
"""From our pixel centre to QuPath's pixel corner, pixels."""
DECIMALS = 3
ROWS_AT_A_TIME = 10_000
SCORE = "NucLoop score"
CONFIDENCE = "NucLoop confidence"
_NUMBERED = 1 << 48


def probability_name(name: str) -> str:
    """Name of the measurement that holds the probability of a class."""
    return f"NucLoop p({name})"


def write_geojson(path: Path, nuclei: Nuclei, slide: SlideInfo, weights: Weights | None = None) -> None:
    """Write nuclei as QuPath detections, in full-resolution pixels.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    with replacing(path) as file:
        file.write(
            b'{"type":"FeatureCollection","nucloop":'
            + orjson.dumps(file_header(slide, nuclei.scheme, weights))
            + b',"features":['
        )
        between = b"\n"
        for feature in _features_of(nuclei, slide):
            file.write(between + orjson.dumps(feature))
            between = b",\n"
        file.write(b"\n]}\n")


def read_geojson(path: Path, scheme: ClassScheme) -> Nuclei:
    """Read points, detections and cells of a GeoJSON file as nuclei.

    A point gives one nucleus, a MultiPoint many, a detection or cell its (nucleus's) centroid. Drawn areas
    (annotations) are not nuclei and are left out.

    Parameters
    ----------
    path : Path
        A file of QuPath, of `write_geojson` or of another program that follows QuPath.
    scheme : ClassScheme
        Classes by name or QuPath name; a nucleus without classification stays unlabelled.

    Raises
    ------
    DataError
        If the file is not such GeoJSON, holds no nuclei, or names a class that is not in `scheme`.
    """
    parts: list[Nuclei] = []
    rows: list[tuple[float, float, int, int, int, float, list[float]]] = []
    areas = 0
    for number, feature in enumerate(features(path), 1):
        try:
            found = _rows_of(feature, scheme)
        except DataError as error:
            raise DataError(f"Feature {number} of {path.name}: {error}") from error
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
            raise DataError(
                f"Feature {number} of {path.name} is not an object as QuPath writes them ({error}). Export it again."
            ) from error
        areas += not found
        rows.extend(found)
        if len(rows) >= ROWS_AT_A_TIME:
            parts.append(_table(rows, scheme))
            rows = []
    parts.append(_table(rows, scheme))
    nuclei = Nuclei.concatenate(parts, scheme)
    if areas and not len(nuclei):
        raise DataError(f"{path.name} holds {areas} drawn areas, and no points, detections or cells to read as nuclei.")
    return nuclei


def read_geojson_slide(path: Path) -> SlideInfo | None:
    """Return what the file says about its slide, None when it says nothing (QuPath's own files do not)."""
    about = leading_member(path, "nucloop")
    if about is None:
        return None
    return SlideInfo.from_dict(about.get("slide") if isinstance(about, dict) else None, source=path.name)


def _features_of(nuclei: Nuclei, slide: SlideInfo) -> Iterator[dict[str, Any]]:
    scheme = nuclei.scheme
    classes = [{"name": c.qupath, "color": list(c.rgb)} for c in scheme.classes]
    names = [probability_name(name) for name in scheme.names]
    origins = [origin.name.lower() for origin in Origin]
    stem = _uuid_stem(slide)
    given = len(nuclei) > 0 and bool((nuclei.ids > 0).all()) and bool((nuclei.ids < _NUMBERED).all())
    for first in range(0, len(nuclei), ROWS_AT_A_TIME):
        part = nuclei.take(slice(first, first + ROWS_AT_A_TIME))
        points = np.round(part.yx.astype(np.float64) + CORNER, DECIMALS).tolist()
        measured = np.column_stack([part.score, part.confidence, part.probability]).astype(np.float64)
        columns = zip(
            part.ids.tolist(), points, part.label.tolist(), part.origin.tolist(), np.round(measured, 5).tolist(),
            strict=True,
        )  # fmt: skip
        for row, (identity, (y, x), label, origin, numbers) in enumerate(columns, first + 1):
            properties: dict[str, Any] = {"objectType": "detection"}
            if label != UNLABELLED:
                properties["classification"] = classes[label]
            named = zip([SCORE, CONFIDENCE, *names], numbers, strict=True)
            properties["measurements"] = {name: value for name, value in named if not math.isnan(value)}
            properties["metadata"] = {"NucLoop origin": origins[origin]}
            if identity > 0:
                properties["metadata"]["NucLoop id"] = str(identity)
            yield {
                "type": "Feature",
                "id": f"{stem}{identity if given else row:012x}",
                "geometry": {"type": "Point", "coordinates": [x, y]},
                "properties": properties,
            }


def _uuid_stem(slide: SlideInfo) -> str:
    """First 24 characters of version 8 UUIDs: the same slide and nucleus always get the same one."""
    digest = hashlib.sha256(f"{slide.name}:{slide.sha256}:{slide.height}x{slide.width}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}-8{digest[15:18]}-"


def _rows_of(
    feature: dict[str, Any], scheme: ClassScheme
) -> list[tuple[float, float, int, int, int, float, list[float]]]:
    """Rows (y, x, label, origin, id, score, probabilities) of one feature; none for a drawn area."""
    properties = feature.get("properties") or {}
    points = _points_of(feature, str(properties.get("objectType") or properties.get("object_type") or "annotation"))
    if not points:
        return []
    label = _label_of(properties.get("classification"), scheme)
    measurements = _measurements_of(properties.get("measurements"))
    metadata = properties.get("metadata") or {}
    origin = Origin[str(metadata.get("NucLoop origin", "imported")).upper()]
    identity = int(metadata.get("NucLoop id", 0)) if len(points) == 1 else 0
    probabilities = [measurements.get(probability_name(name), math.nan) for name in scheme.names]
    score = measurements.get(SCORE, math.nan)
    return [(y, x, label, int(origin), identity, score, probabilities) for y, x in points]


def _points_of(feature: dict[str, Any], kind: str) -> list[tuple[float, float]]:
    geometry = feature.get("nucleusGeometry") or feature["geometry"]
    shape = geometry["type"]
    if shape == "Point":
        corners = [geometry["coordinates"]]
    elif shape == "MultiPoint":
        corners = geometry["coordinates"]
    elif kind.lower() in {"detection", "cell"} and shape in {"Polygon", "MultiPolygon"}:
        corners = [_centroid(geometry)]
    else:
        return []
    points = [(float(y) - CORNER, float(x) - CORNER) for x, y, *_ in corners]
    if not all(abs(value) < 1e9 for point in points for value in point):
        raise DataError("its coordinates lie outside any slide. Export it again.")
    return points


def _centroid(geometry: dict[str, Any]) -> tuple[float, float]:
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    try:
        centre = shape(geometry).centroid
    except ShapelyError as error:
        raise ValueError(str(error)) from error
    return float(centre.x), float(centre.y)


def _label_of(classification: Any, scheme: ClassScheme) -> int:
    if not classification:
        return UNLABELLED
    parts = classification.get("names") or [classification["name"]]
    try:
        return scheme.index(": ".join(str(part) for part in parts))
    except ValueError as error:
        raise DataError(f"{error}. Choose the scheme the file was made with.") from error


def _measurements_of(measurements: Any) -> dict[str, float]:
    """Both of QuPath's layouts: {name: value}, and before 0.4 a list of {name, value}."""
    if not measurements:
        return {}
    pairs = (
        measurements.items()
        if isinstance(measurements, dict)
        else ((m["name"], m.get("value", math.nan)) for m in measurements)
    )
    # QuPath writes "NaN" and "Infinity" as strings, which float reads; null stands for no value.
    return {str(name): math.nan if value is None else float(value) for name, value in pairs}


def _table(rows: list[tuple[float, float, int, int, int, float, list[float]]], scheme: ClassScheme) -> Nuclei:
    if not rows:
        return Nuclei.empty(scheme)
    y, x, label, origin, identity, score, probability = zip(*rows, strict=True)
    points: NDArray[np.float64] = np.column_stack([y, x])
    return Nuclei.from_points(
        scheme, points, label=label, origin=origin, ids=identity, score=score, probability=probability
    )
