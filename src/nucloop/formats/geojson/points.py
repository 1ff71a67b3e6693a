"""The common case of GeoJSON, column by column: a block in which every feature is one point, as NucLoop writes them.

Walking features one by one takes four times as long. Whatever is not as expected is left to that way, which also says
which feature is at fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucloop.formats.document import NOTES, UUID
from nucloop.formats.geojson.features import CLASS_KEYS
from nucloop.formats.geojson.writing import ID, ORIGIN, foreign_uuid
from nucloop.nuclei import Origin

__all__ = ["PlainPoints", "plain_points"]

# what only the careful way reads
_OTHERS = {"nucleusGeometry", "childObjects"}
_NAMED_OTHERWISE = {*CLASS_KEYS, "childObjects"}
_ORIGINS = {origin.name.lower(): int(origin) for origin in Origin}


@dataclass
class PlainPoints:
    """A block as columns, in the order of its features."""

    xy: NDArray[np.float64]
    classification: list[Any]
    """A class as GeoJSON has it, or None."""
    origin: list[int]
    identity: list[int]
    measurements: list[dict[str, Any]]
    notes: dict[str, list[tuple[int, str]]]
    """Texts by column, each with its row in the block."""


def plain_points(block: list[dict[str, Any]]) -> PlainPoints | None:
    """Return a block of single points as columns; None when it holds anything else."""
    try:
        geometries = [feature["geometry"] for feature in block]
        if {one["type"] for one in geometries} != {"Point"} or not _OTHERS.isdisjoint(chain.from_iterable(block)):
            return None
        if any("plane" in one for one in geometries):
            return None
        places = [one["coordinates"] for one in geometries]
        xy = np.array(places)
        # NumPy takes True for 1 where it stands beside a number
        if xy.ndim != 2 or xy.shape[1] < 2 or not set(map(type, chain.from_iterable(places))) <= {int, float}:
            return None
        properties = [feature["properties"] for feature in block]
        classes = [one.get("classification") for one in properties]
        measurements = [one.get("measurements", _NOTHING) for one in properties]
        if set(map(type, measurements)) != {dict} or not set(map(type, classes)) <= {dict, NoneType}:
            return None
        if not _NAMED_OTHERWISE.isdisjoint(chain.from_iterable(properties)) or any(
            "names" in one for one in classes if one
        ):
            return None
        metadata = [one.get("metadata", _NOTHING) for one in properties]
        return PlainPoints(
            xy=xy[:, :2].astype(np.float64),
            classification=classes,
            origin=[_ORIGINS[one.get(ORIGIN, "imported")] for one in metadata],
            identity=[int(one.get(ID, 0)) for one in metadata],
            measurements=measurements,
            notes=_notes(metadata) | _uuids(block),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


_NOTHING: dict[str, Any] = {}


def _uuids(block: list[dict[str, Any]]) -> dict[str, list[tuple[int, str]]]:
    given = [(row, uuid) for row, uuid in enumerate(map(foreign_uuid, block)) if uuid]
    return {UUID: given} if given else {}


def _notes(metadata: list[dict[str, Any]]) -> dict[str, list[tuple[int, str]]]:
    there = set().union(*metadata)
    notes = {}
    for name in NOTES:
        key = f"NucLoop {name}"
        if key in there:
            notes[name] = [(row, str(one[key])) for row, one in enumerate(metadata) if one.get(key) is not None]
    return notes
