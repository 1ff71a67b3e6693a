"""The nuclei of a part of a slide, as a file between the worker that found them and the one that joins the parts."""

from __future__ import annotations

import zipfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nucloop.formats.atomic import replacing
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.classes import ClassScheme

__all__ = ["Part", "read_part", "write_part"]

_COLUMNS = ("yx", "score", "label", "probability", "origin")


@dataclass(frozen=True)
class Part:
    """What was found in some of a slide's tiles."""

    nuclei: Nuclei
    without_contrast: int = 0
    """Points that were left out, because they are no darker than their surroundings."""


def write_part(path: Path, part: Part) -> None:
    """Write a part, every bit of it, the whole file or nothing.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    nuclei = part.nuclei
    arrays = {name: getattr(nuclei, name) for name in _COLUMNS}
    arrays["without_contrast"] = np.array(part.without_contrast)
    if nuclei.outlines is not None:
        arrays |= {"corners": nuclei.outlines.corners, "ends": nuclei.outlines.ends}
    with replacing(path) as file:
        np.savez(file, **arrays)


def read_part(path: Path, scheme: ClassScheme) -> Part | None:
    """Read what `write_part` wrote; None where there is nothing whole."""
    with suppress(OSError, ValueError, KeyError, zipfile.BadZipFile), np.load(path, allow_pickle=False) as arrays:
        columns = {name: arrays[name] for name in _COLUMNS}
        outlines = Outlines(arrays["corners"], arrays["ends"]) if "ends" in arrays else None
        ids = np.zeros(len(columns["yx"]), np.int64)
        nuclei = Nuclei(scheme=scheme, ids=ids, outlines=outlines, **columns)
        return Part(nuclei, int(arrays["without_contrast"]))
    return None
