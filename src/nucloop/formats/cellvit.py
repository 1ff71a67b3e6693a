"""CellViT and CellViT++: cells.json, cell_detection.json and their GeoJSON of one object a class; HoVer-Net's JSON."""

from __future__ import annotations

import math
import re
import uuid
from array import array
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.errors import DataError, why
from nucloop.formats.atomic import replacing
from nucloop.formats.document import file_header
from nucloop.formats.found_classes import FoundClasses
from nucloop.formats.json_rows import WRONG, JsonRows, extras_of, finite_pair, number_or_nan, ring_of
from nucloop.formats.rings import bounds_of, corner_lists
from nucloop.formats.slide_info import FileHeader
from nucloop.formats.source.json_records import JsonRecords
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.formats.document import Document

__all__ = ["HOVERNET", "read_cellvit", "write_cellvit", "write_cellvit_geojson"]

_NUMBERED = r'\A\s*\{\s*"\d{1,9}"\s*:\s*\{\s*"(bbox|centroid|contour)"'
HOVERNET = rf'"nuc"\s*:\s*\{{|{_NUMBERED}'
"""Pattern of the beginning of HoVer-Net's JSON, which has cells by number where CellViT has a list."""
_HEAD = 65_536
ROWS_AT_A_TIME = 10_000
DECIMALS = 3
NUCLEUS_UM = 8.0
"""Side of the box around a nucleus without an outline, µm."""
NUCLEUS_PX = 16.0
"""The same where nobody says how large a pixel is."""


def box_side(document: Document) -> float:
    """Side of the box that stands for a nucleus without an outline, pixels."""
    mpp = document.slide.mpp if document.slide else None
    return NUCLEUS_UM / mpp if mpp else NUCLEUS_PX


def write_cellvit(path: Path, document: Document) -> None:
    """Write cells as CellViT does, contours where there are outlines; what is CellViT's own business is left out.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    names = {str(label): name for label, name in enumerate(["Background", *document.nuclei.scheme.names])}
    slide = document.slide
    about = {} if slide is None else {"base_mpp": slide.mpp, "height": slide.height, "width": slide.width}
    head = {"wsi_metadata": about, "type_map": names, "nucloop": file_header(document)}
    with replacing(path) as file:
        file.write(orjson.dumps(head)[:-1] + b',"cells":[')
        between = b"\n"
        for first in range(0, len(document.nuclei), ROWS_AT_A_TIME):
            cells = _cells(document, slice(first, first + ROWS_AT_A_TIME))
            file.write(between + b",\n".join(map(orjson.dumps, cells)))
            between = b",\n"
        file.write(b"\n]}\n")


def _cells(document: Document, rows: slice) -> list[dict[str, Any]]:
    part = document.nuclei.take(rows)
    half = box_side(document) / 2
    places = part.yx[:, ::-1].astype(np.float64)
    boxes = np.column_stack([places[:, ::-1] - half, places[:, ::-1] + half])
    if part.outlines is not None:
        boxes = np.where(part.outlines.there[:, None], bounds_of(part.outlines), boxes)
    boxes = np.round(boxes, DECIMALS).reshape(-1, 2, 2)
    confidence = np.round(part.confidence.astype(np.float64), 5).tolist()
    cells = []
    for centre, box, label, sure, contour, extra in zip(
        np.round(places, DECIMALS).tolist(), boxes.tolist(), part.label.tolist(), confidence,
        corner_lists(part.outlines, len(part)), extras_of(document, rows), strict=True,
    ):  # fmt: skip
        cell: dict[str, Any] = {"bbox": box, "centroid": centre}
        if contour is not None:
            cell["contour"] = contour
        if not math.isnan(sure):
            cell["type_prob"] = sure
        cell["type"] = label + 1
        cell["nucloop"] = extra
        cells.append(cell)
    return cells


def write_cellvit_geojson(path: Path, document: Document) -> None:
    """Write one MultiPoint annotation for each class, as CellViT's cell_detection.geojson: no object a nucleus.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    nuclei = document.nuclei
    places = np.round(nuclei.yx[:, ::-1].astype(np.float64), DECIMALS)
    features = []
    for label in range(UNLABELLED, len(nuclei.scheme)):
        points = places[nuclei.label == label].tolist()
        if not points:
            continue
        properties: dict[str, Any] = {"objectType": "annotation"}
        if label != UNLABELLED:
            one = nuclei.scheme.classes[label]
            properties["classification"] = {"name": one.name, "color": list(one.rgb)}
        geometry = {"type": "MultiPoint", "coordinates": points}
        identity = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{path.name}:{label}"))
        features.append({"type": "Feature", "id": identity, "geometry": geometry, "properties": properties})
    with replacing(path) as file:
        file.write(orjson.dumps(features))


def read_cellvit(path: Path) -> Document:
    """Read cells of CellViT or HoVer-Net by their centroids, with their contours.

    Raises
    ------
    DataError
        If the file is neither's.
    """
    hovernet, records = _records(path)
    header = FileHeader() if hovernet else FileHeader.found_in(records.head(), path.name)
    rows = JsonRows(FoundClasses(path.name, header.scheme))
    codes: list[int] = []
    for number, cell in enumerate(chain.from_iterable(records.blocks()), 1):
        try:
            centre = finite_pair(*cell["centroid"])
            contour, code = cell.get("contour"), cell["type"]
            codes.append(0 if code is None and hovernet else int(code))
            extra = cell.get("nucloop") or {}
            rows.add(
                centre,
                0,
                extra,
                score=math.nan if extra else number_or_nan(cell.get("type_prob")),
                outline=ring_of(contour) if contour else None,
            )
        except WRONG as error:
            program = "HoVer-Net" if hovernet else "CellViT"
            raise DataError(
                f"Cell {number} of {path.name} is not as {program} writes them{why(error)}. Export it again."
            ) from error
    top = records.around if isinstance(records.around, dict) else {}
    type_map = {"0": "Background"} if hovernet else top.get("type_map")
    rows.label = array("q", _labels(codes, type_map, rows.classes, path).tolist())
    document = rows.document(header, path.name)
    magnification = top.get("mag") if hovernet else None
    if magnification is None:
        return document
    remark = f"HoVer-Net says that its places are pixels at {str(magnification)[:20]}x."
    return replace(document, remarks=(remark, *document.remarks))


def _records(path: Path) -> tuple[bool, JsonRecords]:
    """Return whether a file is HoVer-Net's, and its cells."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or 'it is not there'}. Check the path.") from error
    if re.search(HOVERNET.encode(), head) is None:
        return False, JsonRecords(path, "cells", noun="Cell")
    numbered = re.search(_NUMBERED.encode(), head) is not None
    return True, JsonRecords(path, "nuc", keyed=True, bare=numbered, noun="Cell")


def _labels(codes: list[int], type_map: Any, classes: FoundClasses, path: Path) -> NDArray[np.int64]:
    """Labels by the file's own type map, which older files write the other way round; Background is no class."""
    names: dict[int, str] = {}
    try:
        for key, value in (type_map or {}).items():
            code, name = (int(value), str(key)) if not str(key).lstrip("-").isdigit() else (int(key), str(value))
            names[code] = name
    except WRONG as error:
        raise DataError(f"The type map of {path.name} is not as CellViT writes it{why(error)}.") from error
    try:
        known, places = np.unique(np.array(codes, np.int64), return_inverse=True)
    except OverflowError as error:
        raise DataError(f"{path.name} has a type of cells that is no number of a class. Export it again.") from error
    labels = [
        UNLABELLED if (name := names.get(code, f"class {code}")).casefold() == "background" else classes.label(name)
        for code in known.tolist()
    ]
    return np.array([*labels, UNLABELLED])[places]
