"""TIAToolbox's annotation store: an SQLite database with one row for each object and an R-tree of their bounds."""

from __future__ import annotations

import math
import sqlite3
import uuid
import zlib
from contextlib import closing
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.errors import DataError, MisfitError, RegionError, why
from nucloop.formats.atomic import replacing_path
from nucloop.formats.document import Document, file_header
from nucloop.formats.found_classes import FoundClasses
from nucloop.formats.json_rows import WRONG, JsonRows, extras_of, finite_pair
from nucloop.formats.rings import bounds_of, polygons_of
from nucloop.formats.rtree import fill_rtree
from nucloop.formats.slide_info import FileHeader
from nucloop.formats.source.well_known import holds_no_collections
from nucloop.geometry import Region
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from nucloop.formats.rings import GrowingOutlines
    from nucloop.outlines import Outlines

__all__ = ["read_tiatoolbox", "write_tiatoolbox"]

ROWS_AT_A_TIME = 10_000
LARGEST_VALUE = 64_000_000
LARGEST_GEOMETRY = 64_000_000
DECIMALS = 3
_ID_STEM = "4e75634c-6f6f-8700-8000-"
_SCHEMA = """
CREATE TABLE metadata (key TEXT UNIQUE, value TEXT);
CREATE VIRTUAL TABLE rtree USING rtree(id, min_x, max_x, min_y, max_y);
CREATE TABLE annotations (
    id INTEGER PRIMARY KEY, key TEXT UNIQUE, objtype TEXT, cx FLOAT NOT NULL, cy FLOAT NOT NULL,
    geometry BLOB, properties TEXT, area FLOAT NOT NULL
);
"""
_INSERT = "INSERT INTO annotations VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def write_tiatoolbox(path: Path, document: Document) -> None:
    """Write nuclei as points (polygons where there are outlines) and regions as polygons of a new store.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    try:
        with replacing_path(path) as part, closing(sqlite3.connect(part, isolation_level=None)) as store:
            # The file takes its place only when it is whole, so SQLite need not guard it.
            store.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-200000;" + _SCHEMA)
            store.execute("BEGIN")
            about = {
                "version": "1.0.1",
                "compression": "zlib",
                "compression_level": 9,
                "nucloop": file_header(document),
            }
            store.executemany(
                "INSERT INTO metadata VALUES (?, ?)", [(k, orjson.dumps(v).decode()) for k, v in about.items()]
            )
            bounds = _write_rows(store, document)
            fill_rtree(store, "rtree", bounds[:, 0].astype(np.int64), bounds[:, 1:])
            store.execute('CREATE INDEX area ON annotations ("area")')
            store.execute("COMMIT")
    except sqlite3.Error as error:
        raise DataError(f"Cannot write {path}: {error}. Nothing was changed there; choose another folder.") from error


def _write_rows(store: sqlite3.Connection, document: Document) -> NDArray[np.float64]:
    """Write the annotations; return (id, min x, max x, min y, max y) of each."""
    nuclei = document.nuclei
    bounds = []
    given = len(nuclei) > 0 and bool((nuclei.ids > 0).all()) and bool((nuclei.ids < 1 << 40).all())
    for first in range(0, len(nuclei), ROWS_AT_A_TIME):
        rows = slice(first, first + ROWS_AT_A_TIME)
        numbers = np.arange(first + 1, first + 1 + len(nuclei.ids[rows]))
        keys = (nuclei.ids[rows] if given else (1 << 44) + numbers).tolist()
        store.executemany(_INSERT, _nucleus_rows(document, rows, numbers.tolist(), keys))
        xy = _rounded(nuclei.yx[rows])[:, ::-1]
        bounds.append(np.column_stack([numbers, xy[:, 0], xy[:, 0], xy[:, 1], xy[:, 1]]))
        if nuclei.outlines is not None:
            part = nuclei.outlines.take(rows)
            boxes = bounds_of(part)[:, [1, 3, 0, 2]]
            bounds[-1][:, 1:] = np.where(part.there[:, None], boxes, bounds[-1][:, 1:])
    for number, region in enumerate(document.regions, len(nuclei) + 1):
        store.execute(_INSERT, _region_row(region, number))
        (top, left), (bottom, right) = region.bounds
        bounds.append(np.array([[number, left, right, top, bottom]], np.float64))
    return np.concatenate(bounds) if bounds else np.zeros((0, 5))


def _rounded(yx: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.round(yx.astype(np.float64), DECIMALS), np.float64)


def _nucleus_rows(document: Document, rows: slice, numbers: list[int], keys: list[int]) -> Iterator[tuple[Any, ...]]:
    part = document.nuclei.take(rows)
    names: list[str] = [*document.nuclei.scheme.names]
    confidence = np.round(part.confidence.astype(np.float64), 5).tolist()
    places = _rounded(part.yx).tolist()
    columns = zip(
        numbers, keys, places, part.label.tolist(), confidence, _blobs(part.outlines, len(part)),
        extras_of(document, rows), strict=True,
    )  # fmt: skip
    for number, key, (y, x), label, sure, (blob, area), extra in columns:
        properties: dict[str, Any] = {"nucloop": extra}
        if label != UNLABELLED:
            properties["type"] = names[label]
        if not math.isnan(sure):
            properties["prob"] = sure
        text = orjson.dumps(properties).decode()
        kind = "Point"
        if blob is not None:
            kind = "Polygon"
            text = orjson.dumps({**properties, "nucloop": {**extra, "centre": [x, y]}}).decode()
        yield number, f"{_ID_STEM}{key:012x}", kind, x, y, blob, text, area


def _blobs(outlines: Outlines | None, count: int) -> Iterator[tuple[bytes | None, float]]:
    """Yield the outline of each nucleus as the store keeps it, and its area."""
    import shapely

    if outlines is None:
        yield from repeat((None, 0.0), count)
        return
    polygons = polygons_of(outlines)
    areas = np.nan_to_num(shapely.area(polygons)).tolist()
    for blob, area in zip(shapely.to_wkb(polygons).tolist(), areas, strict=True):
        yield None if blob is None else zlib.compress(blob, 9), area


def _region_row(region: Region, number: int) -> tuple[Any, ...]:
    shape = region.shape
    blob, area = _packed(region.outline) if shape.is_empty else _packed_shape(shape)
    y, x = region.outline.mean(axis=0).tolist()
    kind = {"kind": region.kind} if region.kind else {}
    properties = {"nucloop": {"region": region.name, **kind}, "type": region.name or region.kind or "region"}
    key = uuid.uuid5(uuid.NAMESPACE_OID, f"region {number} {region.name}")
    return number, str(key), shape.geom_type, x, y, blob, orjson.dumps(properties).decode(), area


def _packed(outline: NDArray[np.float64]) -> tuple[bytes, float]:
    import shapely

    return _packed_shape(shapely.Polygon(outline[:, ::-1]))


def _packed_shape(shape: BaseGeometry) -> tuple[bytes, float]:
    import shapely

    return zlib.compress(shapely.to_wkb(shape), 9), float(shape.area)


def read_tiatoolbox(path: Path) -> Document:
    """Read points and polygons as nuclei, polygons also as outlines; the class is the property ``type``.

    The database is opened read-only, and nothing in it is run: only a plain table is read.

    Raises
    ------
    DataError
        If the file is no such store, or is damaged.
    """
    if not path.is_file():
        raise DataError(f"Cannot read {path}: there is no such file. Check the path.")
    try:
        _check_whole(path)
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as store:
            store.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
            store.execute("PRAGMA trusted_schema=OFF")
            _check_schema(store, path)
            about = _metadata(store, path)
            return _read_rows(store, about, path)
    except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:
        # SQLite quotes a file's own broken letters in what it says
        raise DataError(
            f"{path.name} is not an annotation store of TIAToolbox, or is damaged. Copy or export it again."
        ) from error


def _check_whole(path: Path) -> None:
    """Refuse a database that was cut off: SQLite would only notice when it comes to what is missing."""
    with path.open("rb") as file:
        head = file.read(100)
        size = file.seek(0, 2)
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    if len(head) < 100 or size < pages * (65536 if page == 1 else page):
        raise DataError(f"{path.name} is cut off: it is no whole SQLite database. Copy or export it again.")


def _check_schema(store: sqlite3.Connection, path: Path) -> None:
    """Refuse views and computed columns: they would be programs of a stranger."""
    found = dict(
        store.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name IN ('annotations', 'metadata')"
        )
    )
    plain = all(sql.upper().startswith("CREATE TABLE") and " AS " not in sql.upper() for sql in found.values())
    if len(found) < 2 or not plain:
        raise DataError(f"{path.name} has no plain tables annotations and metadata, so it is no store of TIAToolbox.")


def _metadata(store: sqlite3.Connection, path: Path) -> dict[str, Any]:
    try:
        about = {key: orjson.loads(value) for key, value in store.execute("SELECT key, value FROM metadata LIMIT 1000")}
    except (orjson.JSONDecodeError, *WRONG) as error:
        raise DataError(f"The metadata of {path.name} are damaged{why(error)}. Export it again.") from error
    if about.get("compression") not in ("zlib", None):
        raise DataError(f"{path.name} is compressed in a way NucLoop does not know ({about['compression']!r}).")
    return about


def _read_rows(store: sqlite3.Connection, about: dict[str, Any], path: Path) -> Document:
    header = FileHeader.found_in(about, path.name)
    rows = JsonRows(FoundClasses(path.name, header.scheme))
    regions: list[Region] = []
    packed = about.get("compression") == "zlib"
    cursor = store.execute("SELECT id, cx, cy, geometry, properties FROM annotations ORDER BY id")
    for number, x, y, geometry, text in cursor:
        try:
            properties = orjson.loads(text) if text else {}
            extra = properties.get("nucloop") or {}
            shape = None if geometry is None else _shape(geometry, packed)
            if "region" in extra:
                if shape is None:
                    raise MisfitError("its region has no area")
                regions.append(Region.of_shape(shape, str(extra["region"]), str(extra.get("kind", ""))))
                continue
            centre = finite_pair(*extra.pop("centre")) if "centre" in extra else finite_pair(x, y)
            score = math.nan if extra else float(properties.get("prob", math.nan))
            label = rows.classes.label(_name(properties.get("type")))
            ring = None if shape is None else _largest_ring(shape, rows.outlines)
            rows.add(centre, label, extra, score=score, outline=ring)
        except DataError:
            raise
        except (orjson.JSONDecodeError, zlib.error, RegionError, *WRONG) as error:
            raise DataError(
                f"Annotation {number} of {path.name} is not as TIAToolbox writes them{why(error)}. Export it again."
            ) from error
    return replace(rows.document(header, path.name), regions=tuple(regions))


def _name(kind: Any) -> Any:
    """Name of a class that some programs give as a number."""
    return str(kind) if isinstance(kind, int | float) else kind


def _shape(blob: Any, packed: bool) -> BaseGeometry | None:
    """Return a Polygon or MultiPolygon, None where there is no area."""
    import shapely
    from shapely.errors import ShapelyError

    if packed:
        unpacking = zlib.decompressobj()
        blob = unpacking.decompress(blob, LARGEST_GEOMETRY)
        if unpacking.unconsumed_tail:
            raise MisfitError("its outline is too large")
    if not isinstance(blob, bytes) or not holds_no_collections(blob):
        raise MisfitError("its outline is no geometry, or a collection")
    try:
        shape = shapely.from_wkb(blob)
    except ShapelyError as error:
        raise MisfitError("its outline is no geometry") from error
    return shape if shape.geom_type in {"Polygon", "MultiPolygon"} and not shape.is_empty else None


def _largest_ring(shape: BaseGeometry, outlines: GrowingOutlines) -> NDArray[np.float64]:
    """Return the outline (N, 2) of a nucleus; a nucleus of several pieces is still one."""
    import shapely

    pieces = shapely.get_parts(shape)
    largest = max(pieces, key=lambda one: one.area)
    outlines.pieces += len(pieces) > 1
    outlines.holes += len(largest.interiors) > 0
    return np.asarray(largest.exterior.coords)[:, 1::-1]
