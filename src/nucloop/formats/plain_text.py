"""The label files of two data sets, in whole pixels: OCELOT's CSV (x, y, class) and BRCA-M2C's text (y x class)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from nucloop.classes import builtin_schemes
from nucloop.errors import DataError
from nucloop.formats.atomic import replacing
from nucloop.formats.document import Document
from nucloop.formats.found_classes import FoundClasses
from nucloop.formats.tables.dialect import check_lines
from nucloop.geometry import FARTHEST
from nucloop.nuclei import UNLABELLED, Nuclei, Origin

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme

__all__ = ["coded_nuclei", "read_brca_m2c", "read_ocelot_csv", "rounded", "write_brca_m2c", "write_ocelot_csv"]

ROWS_AT_A_TIME = 100_000
LARGEST_CODE = 1000


@dataclass(frozen=True)
class _Layout:
    title: str
    scheme: str
    separator: str
    y: int
    x: int


_OCELOT = _Layout("OCELOT", "ocelot", ",", y=1, x=0)
_BRCA_M2C = _Layout("BRCA-M2C", "brca-m2c", " ", y=0, x=1)


def _write(path: Path, document: Document, layout: _Layout) -> None:
    """Write the nuclei that have a class, rounded to whole pixels; the class codes begin at 1.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    nuclei = document.nuclei.take(document.nuclei.label != UNLABELLED)
    columns = np.empty((len(nuclei), 3), np.int64)
    columns[:, [layout.y, layout.x]] = rounded(nuclei.yx)
    columns[:, 2] = nuclei.label + 1
    with replacing(path) as file:
        for first in range(0, len(columns), ROWS_AT_A_TIME):
            rows = columns[first : first + ROWS_AT_A_TIME].tolist()
            lines = [layout.separator.join(map(str, row)) for row in rows]
            file.write(("\n".join(lines) + "\n").encode())


def _read(path: Path, layout: _Layout) -> Document:
    """Read three whole numbers a line; codes beyond the scheme's become classes called "class 4" and so on.

    Raises
    ------
    DataError
        If the file cannot be read, or a line is something else.
    """
    import pandas as pd

    try:
        check_lines(path)
        if path.stat().st_size == 0:
            values = np.zeros((0, 3))
        else:
            separator = r"\s+" if layout.separator == " " else layout.separator
            frame = pd.read_csv(path, header=None, sep=separator, dtype=np.float64, encoding="utf-8-sig")
            values = frame.to_numpy()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or 'it is not there'}. Check the path.") from error
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{path.name} is not a label file of {layout.title}: every line holds three numbers. Export it again."
        ) from error
    if values.shape[1] != 3 or not (np.abs(values) < FARTHEST).all():
        raise DataError(
            f"{path.name} is not a label file of {layout.title}: every line holds three numbers, a place and a "
            "class. Export it again."
        )
    codes = values[:, 2]
    if (codes != np.rint(codes)).any():
        raise DataError(f"{path.name} has the class {codes[codes != np.rint(codes)][0]:g}; classes are whole numbers.")
    scheme, label = coded_nuclei(codes.astype(np.int64), layout.scheme, path)
    yx = values[:, [layout.y, layout.x]]
    return Document(nuclei=Nuclei.from_points(scheme, yx, label=label, origin=Origin.IMPORTED))


def coded_nuclei(codes: NDArray[np.int64], scheme: str, path: Path) -> tuple[ClassScheme, NDArray[np.int16]]:
    """Turn class codes, which begin at 1, into labels of a built-in scheme, enlarged where a code is beyond it.

    Raises
    ------
    DataError
        For codes below 1 or too large to be one.
    """
    known = builtin_schemes()[scheme]
    if len(codes) and not 1 <= codes.min() <= codes.max() <= LARGEST_CODE:
        wrong = int(codes.min()) if codes.min() < 1 else int(codes.max())
        raise DataError(f"{path.name} has the class {wrong}; classes are counted from 1. Check which column it is.")
    found = FoundClasses(path.name, known)
    values, places = np.unique(codes, return_inverse=True)
    labels = [code - 1 if code <= len(known) else found.label(f"class {code}") for code in values.tolist()]
    return found.scheme, np.array([*labels, UNLABELLED], np.int16)[places]


def rounded(yx: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return places as whole pixels; halves go to the even one, as numpy has it."""
    return np.rint(yx.astype(np.float64)).astype(np.int64)


write_ocelot_csv = partial(_write, layout=_OCELOT)
read_ocelot_csv = partial(_read, layout=_OCELOT)
write_brca_m2c = partial(_write, layout=_BRCA_M2C)
read_brca_m2c = partial(_read, layout=_BRCA_M2C)
