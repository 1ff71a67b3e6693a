"""Measured nuclei as a file: a table, or detections of QuPath with their measurements."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nucloop.errors import DataError
from nucloop.formats import write_document
from nucloop.session.exchange import document_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nucloop.measurements.table import FigureTable
    from nucloop.nuclei import Nuclei
    from nucloop.session import Session

__all__ = ["KINDS", "save_rows"]

KINDS = {".csv": "Table", ".parquet": "Parquet", ".geojson": "QuPath"}


def save_rows(path: Path, session: Session, nuclei: Nuclei, table: FigureTable) -> Callable[[], Iterator[str]]:
    """Prepare to write nuclei with what was measured of them; what is returned writes, in any thread.

    Raises
    ------
    NucLoopError
        If the name is not one of `KINDS`, or the session cannot give the outlines.
    """
    if not path.name.lower().endswith(tuple(KINDS)):
        raise DataError(f"{path.name} is no kind of table. End its name with {', '.join(KINDS)}.")
    rows = table.rows_of(nuclei.ids)
    columns = {name: values[rows] for name, values in table.columns.items() if np.isfinite(values).any()}
    document = replace(document_of(session, nuclei), measurements=columns)

    def write() -> Iterator[str]:
        write_document(path, document)
        count = len(document.nuclei)
        yield (
            f"{path.name} has the {count:,} rows that are shown."
            if count != 1
            else f"{path.name} has the one row shown."
        )

    return write
