"""COCO: nuclei as keypoints, boxes, polygons or masks; one image in a file."""

from __future__ import annotations

from array import array
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.errors import DataError, why
from nucloop.formats.atomic import replacing
from nucloop.formats.cellvit import box_side
from nucloop.formats.coco_masks import Mask, mask_of
from nucloop.formats.document import file_header
from nucloop.formats.found_classes import FoundClasses
from nucloop.formats.json_rows import WRONG, JsonRows, extras_of, finite_pair, number_or_nan, ring_of
from nucloop.formats.rings import bounds_of, corner_lists, polygons_of, ring_area, ring_centre
from nucloop.formats.slide_info import FileHeader, SlideInfo
from nucloop.formats.source.json_records import JsonRecords
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme
    from nucloop.formats.document import Document
    from nucloop.formats.rings import GrowingOutlines
    from nucloop.nuclei import Nuclei

__all__ = ["UNLABELLED_NAME", "coco_annotations", "coco_categories", "read_coco", "write_coco"]

ROWS_AT_A_TIME = 10_000
DECIMALS = 3
UNLABELLED_NAME = "unlabelled"
"""Category of nuclei without a class, as every annotation of COCO has one."""


def write_coco(path: Path, document: Document) -> None:
    """Write nuclei as annotations with one keypoint each, and a segmentation where there is an outline.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    slide = document.slide or SlideInfo(name="image", height=0, width=0)
    head = {
        "info": {"description": "Nuclei as keypoints", "nucloop": file_header(document)},
        "images": [{"id": 1, "file_name": slide.name, "width": slide.width, "height": slide.height}],
        "categories": coco_categories(document.nuclei.scheme, unlabelled=document.unlabelled > 0),
    }
    ids = document.nuclei.ids
    # Annotations need ids; nuclei without any are numbered.
    numbers = ids if len(ids) and (ids > 0).all() else np.arange(1, len(ids) + 1)
    with replacing(path) as file:
        file.write(orjson.dumps(head)[:-1] + b',"annotations":[')
        between = b"\n"
        for first in range(0, len(ids), ROWS_AT_A_TIME):
            rows = slice(first, first + ROWS_AT_A_TIME)
            annotations = coco_annotations(document, rows, 1, numbers[rows].tolist())
            file.write(between + b",\n".join(map(orjson.dumps, annotations)))
            between = b",\n"
        file.write(b"\n]}\n")


def coco_categories(scheme: ClassScheme, *, unlabelled: bool) -> list[dict[str, Any]]:
    """Return the classes as categories with the one keypoint "centre"; numbers begin at 1."""
    names = [*scheme.names, UNLABELLED_NAME] if unlabelled else list(scheme.names)
    return [
        {"id": number, "name": name, "supercategory": "nucleus", "keypoints": ["centre"], "skeleton": []}
        for number, name in enumerate(names, 1)
    ]


def coco_annotations(document: Document, rows: slice, image: int, numbers: list[int]) -> Iterator[dict[str, Any]]:
    """Yield an annotation for each nucleus of these rows."""
    part = document.nuclei.take(rows)
    side = round(box_side(document), DECIMALS)
    places = np.round(part.yx[:, ::-1].astype(np.float64), DECIMALS)
    corners = np.round(places - side / 2, DECIMALS).tolist()
    categories = np.where(part.label == UNLABELLED, len(document.nuclei.scheme), part.label) + 1
    for number, (x, y), (left, top), category, shape, extra in zip(
        numbers, places.tolist(), corners, categories.tolist(), _shapes(part), extras_of(document, rows), strict=True
    ):
        yield {
            "id": number,
            "image_id": image,
            "category_id": category,
            "keypoints": [x, y, 2],
            "num_keypoints": 1,
            "bbox": [left, top, side, side],
            "area": side * side,
            "iscrowd": 0,
            "nucloop": extra,
        } | shape


def _shapes(part: Nuclei) -> Iterator[dict[str, Any]]:
    """Yield for each nucleus what its outline says: segmentation, box and area; nothing where there is none."""
    outlines = part.outlines
    if outlines is None:
        yield from ({} for _ in range(len(part)))
        return
    import shapely

    low, high = np.hsplit(bounds_of(outlines)[:, [1, 0, 3, 2]], 2)
    boxes = np.round(np.column_stack([low, high - low]), DECIMALS)
    areas = np.round(shapely.area(polygons_of(outlines)), DECIMALS).tolist()
    for ring, box, area in zip(corner_lists(outlines, len(part)), boxes.tolist(), areas, strict=True):
        yield {} if ring is None else {"bbox": box, "area": area, "segmentation": [list(chain.from_iterable(ring))]}


def read_coco(path: Path) -> Document:
    """Read the annotations of one image: by keypoint, else the middle of the box, else that of the polygon or mask.

    Polygons and masks give outlines. Crowds are no nuclei, nor is what has no place at all.

    Raises
    ------
    DataError
        If the file is no COCO, or has annotations of several images.
    """
    records = JsonRecords(path, "annotations", noun="Annotation")
    rows = JsonRows(FoundClasses(path.name))
    codes: list[int] = []
    images: set[int] = set()
    crowds = nowhere = 0
    for number, one in enumerate(chain.from_iterable(records.blocks()), 1):
        try:
            if one.get("iscrowd"):
                crowds += 1
                continue
            extra = one.get("nucloop") or {}
            shape = one.get("segmentation")
            ring, mean = _shape(shape, rows.outlines) if shape else (None, None)
            place = _place(one) or mean or (None if ring is None else tuple(ring_centre(ring).tolist()))
            if place is None:
                nowhere += 1
                continue
            rows.add(place, 0, extra, score=number_or_nan(one.get("score")), outline=ring)
            codes.append(int(one["category_id"]))
            images.add(int(one["image_id"]))
        except WRONG as error:
            raise DataError(
                f"Annotation {number} of {path.name} is not as COCO has them{why(error)}. Export it again."
            ) from error
    if len(images) > 1:
        raise DataError(f"{path.name} annotates {len(images):,} images, and one is read at a time. Split it.")
    document = _document(rows, codes, records.around, images, path)
    said = ((crowds, "crowds, which are no single nuclei"), (nowhere, "annotations without any place"))
    remarks = tuple(f"{count:,} {words}, were left out." for count, words in said if count)
    return replace(document, remarks=(*remarks, *document.remarks))


def _place(one: dict[str, Any]) -> tuple[float, float] | None:
    """Return the first keypoint that is labelled, else the middle of the box, (y, x); None where there is neither."""
    keypoints: Sequence[Any] = one.get("keypoints") or ()
    if len(keypoints) > 2 and keypoints[2]:
        # nearly all are so, and there may be millions
        return finite_pair(keypoints[0], keypoints[1])
    for k in range(0, len(keypoints) - 1, 3):
        # the third number says whether it was labelled
        if len(keypoints) < k + 3 or keypoints[k + 2]:
            return finite_pair(keypoints[k], keypoints[k + 1])
    if not one.get("bbox") or not any(one["bbox"]):
        return None
    left, top, width, height = one["bbox"]
    return finite_pair(left + width / 2, top + height / 2)


def _shape(
    segmentation: Any, outlines: GrowingOutlines
) -> tuple[NDArray[np.float64] | None, tuple[float, float] | None]:
    """Return the outline of a nucleus, of several pieces the largest, and of a mask the mean (y, x) of its pixels."""
    if isinstance(segmentation, dict):
        mask = _mask(segmentation)
        if mask is None:
            outlines.others += 1
            return None, None
        outlines.pieces += mask.pieces > 1
        return mask.outline, mask.centre
    rings = [ring_of(zip(flat[::2], flat[1::2], strict=True)) for flat in segmentation if flat]
    outlines.pieces += len(rings) > 1
    return (rings[0] if len(rings) == 1 else max(rings, key=ring_area, default=None)), None


def _mask(segmentation: dict[str, Any]) -> Mask | None:
    """Return a mask; None for one that is empty or none, which leaves the nucleus its box."""
    try:
        return mask_of(segmentation)
    except WRONG:
        return None


def _document(rows: JsonRows, codes: list[int], top: Any, images: set[int], path: Path) -> Document:
    try:
        header = FileHeader.found_in(top.get("info"), path.name)
        names = {int(one["id"]): one["name"] for one in top.get("categories") or ()}
        rows.classes = FoundClasses(path.name, header.scheme)
        labels = {
            code: UNLABELLED
            if names.get(code) == UNLABELLED_NAME
            else rows.classes.label(names.get(code, f"class {code}"))
            for code in sorted(set(codes))
        }
        rows.label = array("q", [labels[code] for code in codes])
        if header.slide is None:
            shown = [one for one in top.get("images") or () if one["id"] in images]
            if len(shown) == 1 and shown[0].get("height") and shown[0].get("width"):
                height, width = int(shown[0]["height"]), int(shown[0]["width"])
                name = str(shown[0].get("file_name", ""))
                header = FileHeader(SlideInfo(name=name, height=height, width=width), header.scheme, None)
    except WRONG as error:
        raise DataError(f"The images and categories of {path.name} are not as COCO has them{why(error)}.") from error
    return rows.document(header, path.name)
