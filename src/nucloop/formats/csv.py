"""NucLoop's own table as CSV: one line of metadata behind "# nucloop", a header, one row per nucleus."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import orjson

from nucloop.errors import DataError
from nucloop.formats.atomic import replacing
from nucloop.formats.columns import KNOWN, SHAPES, TEXT, GrowingTable, frame_of
from nucloop.formats.document import file_header
from nucloop.formats.slide_info import FileHeader, SlideInfo

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.formats.document import Document

__all__ = ["check_lines", "read_csv", "read_csv_slide", "write_csv"]

MARK = b"# nucloop "
ROWS_AT_A_TIME = 100_000
LONGEST_LINE = 1_000_000
MOST_COLUMNS = 1000


def write_csv(path: Path, document: Document) -> None:
    """Write nuclei as a table: id, y, x (level-0 pixels, centres at integers), class, score, origin, notes, p_<class>.

    Outlines stand in columns of their own, as well-known text.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    with replacing(path) as file:
        file.write(MARK + orjson.dumps(file_header(document)) + b"\n")
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        for first in range(0, max(len(document.nuclei), 1), ROWS_AT_A_TIME):
            rows = frame_of(document, slice(first, first + ROWS_AT_A_TIME))
            rows.to_csv(text, index=False, header=first == 0, lineterminator="\n")
        text.detach()


def read_csv(path: Path) -> Document:
    """Read a table of nuclei; only the columns y and x are required, unknown columns are left out.

    Parameters
    ----------
    path : Path
        A file of `write_csv`, or any CSV with such columns. Without `origin`, nuclei count as imported. Instead of
        y and x, y_um and x_um are read where the first line says how large a pixel is.

    Raises
    ------
    DataError
        If the file cannot be read, or a coordinate is not a number.
    """
    import pandas as pd

    try:
        check_lines(path)
        line = _metadata_line(path)
        columns = _columns(path)
        wanted = [name for name in columns if name in KNOWN or name.startswith("p_")]
        texts = {name for name in wanted if name in TEXT or name in SHAPES}
        header = FileHeader() if line is None else FileHeader.from_text(line.removeprefix(MARK), path.name)
        table = GrowingTable(path.name, header)
        with pd.read_csv(
            path,
            skiprows=0 if line is None else 1,
            usecols=wanted,
            dtype={name: str if name in texts else "int64" if name == "id" else "float64" for name in wanted},
            keep_default_na=False,
            na_values={name: ["", "nan", "NaN"] for name in wanted if name not in texts and name != "id"},
            chunksize=ROWS_AT_A_TIME,
            encoding="utf-8-sig",
        ) as chunks:
            for chunk in chunks:
                for name in texts.intersection(SHAPES):
                    table.add_texts(name, chunk.pop(name).to_numpy(object))
                table.add({name: chunk[name].to_numpy() for name in chunk.columns})
        return table.document()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}. Check the path.") from error
    except (ValueError, OverflowError, TypeError, csv.Error) as error:
        raise DataError(f"{path.name} is not a table of nuclei: {error}. Correct it, or export it again.") from error


def read_csv_slide(path: Path) -> SlideInfo | None:
    """Return what the file says about its slide, None when it says nothing."""
    line = _metadata_line(path)
    return (
        None if line is None else FileHeader.from_text(line.removeprefix(MARK), f"the first line of {path.name}").slide
    )


def check_lines(path: Path) -> None:
    """Refuse a file with a line so long that reading it would take all memory."""
    rest = 0
    with path.open("rb") as file:
        while part := file.read(LONGEST_LINE):
            end = part.rfind(b"\n")
            first = part.find(b"\n") if end >= 0 else len(part)
            if rest + first > LONGEST_LINE:
                raise DataError(f"{path.name} has a line of more than {LONGEST_LINE:,} letters, so it is no table.")
            rest = len(part) - end - 1 if end >= 0 else rest + len(part)


def _metadata_line(path: Path) -> bytes | None:
    with path.open("rb") as file:
        line = file.readline(LONGEST_LINE)
    return line if line.startswith(MARK) else None


def _columns(path: Path) -> list[str]:
    with path.open("rb") as file:
        if not file.readline(LONGEST_LINE).startswith(MARK):
            file.seek(0)
        # A class name may hold commas, quotes and even ends of lines.
        text = file.read(LONGEST_LINE).decode("utf-8-sig", errors="replace")
    names = [name.strip() for name in next(csv.reader(io.StringIO(text)), [])]
    if not ({"y", "x"} <= set(names) or {"y_um", "x_um"} <= set(names)):
        raise DataError(
            f"{path.name} has no columns y and x, so it does not say where the nuclei are. "
            "Name the columns y and x, in pixels of the slide's finest level."
        )
    if len(names) > MOST_COLUMNS or len(set(names)) < len(names):
        raise DataError(f"{path.name} has over {MOST_COLUMNS} columns, or two of one name. Leave some out.")
    return names
