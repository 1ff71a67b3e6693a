"""What a training set is made from: slides with nuclei, areas that were annotated completely, and patients."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from nucloop.errors import DataError
from nucloop.formats.tables.dialect import check_lines
from nucloop.geometry import Region
from nucloop.nuclei import Nuclei
from nucloop.slides import Slide

__all__ = ["Source", "SourceFiles", "read_source_list"]

_COLUMNS = {"slide", "nuclei", "regions", "patient", "mpp"}


@dataclass(frozen=True)
class Source:
    """One annotated slide.

    Parameters
    ----------
    slide : Slide
        It must say its resolution.
    nuclei : Nuclei
        In level-0 pixels.
    regions : tuple of Region
        The areas in which every nucleus is marked; empty when that is the whole slide.
    patient : str
        Empty when nobody knows: the slide then counts as a patient of its own.
    annotation : str
        Where the nuclei come from, for the record.
    annotation_sha256 : str
        Of the file they come from; empty when they come from a session.
    """

    slide: Slide
    nuclei: Nuclei
    regions: tuple[Region, ...] = ()
    patient: str = ""
    annotation: str = ""
    annotation_sha256: str = ""


@dataclass(frozen=True)
class SourceFiles:
    """The files of one annotated slide, as a list of sources names them."""

    slide: Path
    nuclei: Path
    regions: Path | None = None
    patient: str = ""
    mpp: float | None = None


def read_source_list(path: Path) -> list[SourceFiles]:
    """Read a CSV with the columns slide, nuclei and, where wanted, regions, patient and mpp.

    Paths are relative to the list.

    Raises
    ------
    DataError
        If the list cannot be read, lacks a column, or is empty.
    """
    try:
        check_lines(path)
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or 'it cannot be opened'}. Check the path.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} is not a CSV file. Save it as CSV.") from error
    columns = set(rows[0]) if rows else set()
    if not {"slide", "nuclei"} <= columns or not columns <= _COLUMNS:
        raise DataError(
            f"{path.name} must be a table with the columns slide and nuclei, and if wanted regions, patient and mpp, "
            "with one row for each slide."
        )
    return [_files(row, path, number) for number, row in enumerate(rows, 1)]


def _files(row: dict[str, str | None], path: Path, number: int) -> SourceFiles:
    slide, nuclei, regions = (row.get(name) or "" for name in ("slide", "nuclei", "regions"))
    if not slide or not nuclei or "\0" in slide + nuclei + regions:
        raise DataError(f"Row {number} of {path.name} names no slide or no nuclei. Complete it.")
    try:
        mpp = float(row["mpp"]) if row.get("mpp") else None  # type: ignore[arg-type]
    except ValueError as error:
        raise DataError(f"Row {number} of {path.name} has the mpp {row['mpp']!r}, which is no number.") from error
    folder = path.parent
    return SourceFiles(
        folder / slide, folder / nuclei, folder / regions if regions else None, row.get("patient") or "", mpp
    )
