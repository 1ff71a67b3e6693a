"""The nuclei of a part of a slide, as a file between the worker that found them and the one that joins the parts."""

from __future__ import annotations

import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from nucloop.formats.atomic import replacing
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.classes import ClassScheme

__all__ = ["read_part", "write_part"]

_COLUMNS = ("yx", "score", "label", "probability", "origin")


def write_part(path: Path, nuclei: Nuclei) -> None:
    """Write nuclei, every bit of them, the whole file or nothing.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    arrays = {name: getattr(nuclei, name) for name in _COLUMNS}
    if nuclei.outlines is not None:
        arrays |= {"corners": nuclei.outlines.corners, "ends": nuclei.outlines.ends}
    with replacing(path) as file:
        np.savez(file, **arrays)


def read_part(path: Path, scheme: ClassScheme) -> Nuclei | None:
    """Read what `write_part` wrote; None where there is nothing whole."""
    with suppress(OSError, ValueError, KeyError, zipfile.BadZipFile), np.load(path, allow_pickle=False) as arrays:
        columns = {name: arrays[name] for name in _COLUMNS}
        outlines = Outlines(arrays["corners"], arrays["ends"]) if "ends" in arrays else None
        return Nuclei(scheme=scheme, ids=np.zeros(len(columns["yx"]), np.int64), outlines=outlines, **columns)
    return None
