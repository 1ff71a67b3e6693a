"""OCELOT's submission JSON: points with a class and a confidence, of one image."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.errors import DataError, why
from nucloop.formats.atomic import replacing
from nucloop.formats.document import Document
from nucloop.formats.json_rows import WRONG, finite_pair
from nucloop.formats.plain_text import coded_nuclei, rounded
from nucloop.formats.source.json_records import JsonRecords
from nucloop.nuclei import UNLABELLED, Nuclei, Origin

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_ocelot_json", "write_ocelot_json"]

ROWS_AT_A_TIME = 10_000


def write_ocelot_json(path: Path, document: Document) -> None:
    """Write the nuclei that have a class as points of ``image_0``; the probability is that of the class.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    nuclei = document.nuclei.take(document.nuclei.label != UNLABELLED)
    said = np.where(np.isnan(nuclei.confidence), nuclei.score, nuclei.confidence).astype(np.float64)
    said = np.where(np.isnan(said), 1.0, said)
    points = np.column_stack([rounded(nuclei.yx)[:, ::-1], nuclei.label + 1]).tolist()
    with replacing(path) as file:
        file.write(b'{"type":"Multiple points","points":[')
        between = b"\n"
        for first in range(0, len(points), ROWS_AT_A_TIME):
            rows = zip(points[first : first + ROWS_AT_A_TIME], np.round(said, 5).tolist()[first:], strict=False)
            file.write(
                between
                + b",\n".join(orjson.dumps({"name": "image_0", "point": xyc, "probability": p}) for xyc, p in rows)
            )
            between = b",\n"
        file.write(b'\n],"version":{"major":1,"minor":0}}\n')


def read_ocelot_json(path: Path) -> Document:
    """Read the points of one image; the probability becomes the score.

    Raises
    ------
    DataError
        If the file is something else, or holds the points of several images.
    """
    points: list[Any] = []
    said: list[Any] = []
    images: set[str] = set()
    for number, record in enumerate(chain.from_iterable(JsonRecords(path, "points", noun="Point").blocks()), 1):
        try:
            x, y, code = record["point"]
            points.append((*finite_pair(x, y), int(code)))
            said.append(float(record.get("probability", np.nan)))
            images.add(str(record["name"]))
        except WRONG as error:
            raise DataError(
                f"Point {number} of {path.name} is not as OCELOT writes them{why(error)}. Export it again."
            ) from error
    if len(images) > 1:
        named = ", ".join(sorted(images, key=lambda name: (len(name), name))[:5])
        raise DataError(
            f"{path.name} holds the points of {len(images):,} images ({named}, ...), and one is read at a time. "
            "Split it by name."
        )
    values = np.array(points, np.float64).reshape(-1, 3)
    scheme, label = coded_nuclei(values[:, 2].astype(np.int64), "ocelot", path)
    nuclei = Nuclei.from_points(scheme, values[:, :2], label=label, score=said, origin=Origin.IMPORTED)
    return Document(nuclei=nuclei)
