"""NucLoop's own table as CSV (a header, one row per nucleus; the last column's name holds metadata), and others'."""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.errors import DataError
from nucloop.formats.asked import NOTHING_ASKED, Asked
from nucloop.formats.atomic import replacing
from nucloop.formats.document import file_header
from nucloop.formats.planes import Planes
from nucloop.formats.slide_info import FileHeader, SlideInfo
from nucloop.formats.source.well_known import shapes_of_texts
from nucloop.formats.tables.columns import REGION, SHAPES, TEXT, GrowingTable, frame_of, places_in
from nucloop.formats.tables.dialect import MARK, Dialect, check_lines, dialect_of, metadata_line
from nucloop.formats.tables.names import IMAGE, KIND, PLANE, SHAPE
from nucloop.geometry import FARTHEST
from nucloop.spreadsheets import as_cells, from_cells

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from nucloop.formats.document import Document

__all__ = ["read_csv", "read_csv_slide", "write_csv"]

ROWS_AT_A_TIME = 100_000
_NO_NUCLEI = r"annotation|pathannotationobject|root|root object|pathrootobject|image|tma ?core|tmacoreobject"
_TEXTS = {*TEXT, *SHAPES, KIND, IMAGE, SHAPE}
_WRITTEN_TEXTS = (*TEXT, REGION)
_SENTENCE = 300
_IN_LINE = re.compile(r"in line (\d+)")
_QUOTED = re.compile(r"""(?:float|int\w*|string)\W+(['"])(.{1,40})\1""")


def write_csv(path: Path, document: Document) -> None:
    """Write nuclei as a table: id, y, x (level-0 pixels, centres at integers), class, score, origin, notes, p_<class>.

    Outlines stand in columns of their own, as well-known text. No text is a formula to a spreadsheet (`as_cell`), and
    the first line holds the names of the columns, as a spreadsheet expects. What is said of the whole table is the name
    of an empty last column. With letters beyond ASCII the file begins with the mark by which Excel knows UTF-8.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    between = "\t" if path.suffix.lower() == ".tsv" else ","
    with replacing(path) as file:
        about = (MARK + orjson.dumps(file_header(document))).decode()
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        for first in range(0, max(len(document.nuclei), 1), ROWS_AT_A_TIME):
            frame = frame_of(document, slice(first, first + ROWS_AT_A_TIME))
            rows = as_cells(frame, _WRITTEN_TEXTS).assign(**{about: ""})
            if first == 0 and not _is_ascii(rows):
                file.write(codecs.BOM_UTF8)
            # Python quotes a return only where it ends lines, and a spreadsheet begins a new row at each
            quoting = csv.QUOTE_NONNUMERIC if _holds_returns(rows) else csv.QUOTE_MINIMAL
            rows.to_csv(text, index=False, header=first == 0, lineterminator="\n", sep=between, quoting=quoting)
        text.detach()


def _is_ascii(rows: pd.DataFrame) -> bool:
    return all(str(text).isascii() for text in _texts_of(rows))


def _holds_returns(rows: pd.DataFrame) -> bool:
    return any("\r" in str(text) for text in _texts_of(rows))


def _texts_of(rows: pd.DataFrame) -> list[object]:
    return [*rows.columns, *(text for name in _WRITTEN_TEXTS if name in rows for text in rows[name].unique())]


def read_csv(path: Path, asked: Asked = NOTHING_ASKED) -> Document:
    """Read a table of nuclei; only places are required, unknown columns are left out.

    Parameters
    ----------
    path : Path
        A file of `write_csv`, or any table of text: commas, semicolons or tabs between its columns, points or commas
        before fractions, columns named as ours or as other programs' (`names.columns_of`). Without `origin`, nuclei
        count as imported.
    asked : Asked
        How large a pixel is, for places in µm where the file does not say it.

    Raises
    ------
    DataError
        If the file cannot be read, a coordinate is not a number, or it holds the nuclei of several images.
    """
    try:
        check_lines(path)
        line = metadata_line(path)
        dialect = dialect_of(path)
        header = FileHeader() if line is None else FileHeader.from_text(line, path.name)
        reading = _Reading(path.name, dialect, GrowingTable(path.name, header, asked.mpp, size=path.stat().st_size))
        with _chunks(path, dialect) as chunks:
            for chunk in chunks:
                reading.take(chunk)
        return reading.document()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or 'it is not there'}. Check the path.") from error
    except (ValueError, OverflowError, TypeError, csv.Error) as error:
        raise DataError(
            f"{path.name} is not a table of nuclei{_reason(error)}. Correct it, or export it again."
        ) from error


def _chunks(path: Path, dialect: Dialect) -> Any:
    import pandas as pd

    wanted = {k: name for name, k in dialect.columns.found.items()}
    names = [wanted.get(k, f"_{k}") for k in range(dialect.width)]
    texts = {name for name in wanted.values() if name in _TEXTS or (name == "id" and not dialect.ours)}
    return pd.read_csv(
        path,
        sep=dialect.delimiter,
        decimal=dialect.decimal,
        skiprows=dialect.skipped,
        skipinitialspace=True,
        header=None,
        names=names,
        # pandas forgives a line with too many columns where some are not asked for
        usecols=None if len(wanted) == len(names) else sorted(wanted),
        dtype={name: str if name in texts else "int64" if name == "id" else "float64" for name in wanted.values()},
        keep_default_na=False,
        na_values={name: ["", "nan", "NaN", "NA"] for name in wanted.values() if name not in texts and name != "id"},
        chunksize=ROWS_AT_A_TIME,
        encoding="utf-8-sig",
    )


class _Reading:
    """A table that is being read, a portion at a time."""

    def __init__(self, source: str, dialect: Dialect, table: GrowingTable) -> None:
        self._source, self._columns, self._table, self._ours = source, dialect.columns, table, dialect.ours
        self._images: set[str] = set()
        self._planes = Planes()
        self._no_nuclei = self._no_ids = 0

    def take(self, chunk: pd.DataFrame) -> None:
        """Take in a portion; DataError where it cannot be true."""
        if self._ours:
            chunk = from_cells(chunk, TEXT)
        if KIND in chunk:
            kinds = chunk.pop(KIND).str.lower()
            nuclei = ~kinds.str.fullmatch(_NO_NUCLEI)
            self._no_nuclei += int((~nuclei).sum())
            chunk = chunk[nuclei.to_numpy()]
        if PLANE in chunk:
            self._see_planes(chunk.pop(PLANE).to_numpy())
        if IMAGE in chunk:
            self._see_images(chunk.pop(IMAGE))
        if "id" in chunk and not self._ours:
            chunk = self._with_ids(chunk)
        if not self._ours and "class" in chunk:
            # pandas writes whole numbers as fractions where one is missing
            names = chunk["class"].str.strip().str.replace(r"\A(\d+)\.0\Z", r"\1", regex=True)
            chunk = chunk.assign(**{"class": names})
        if SHAPE in chunk:
            chunk = self._with_shape(chunk)
        for name in SHAPES:
            if name in chunk:
                self._table.add_texts(name, chunk.pop(name).to_numpy(object))
        columns = {name: chunk[name].to_numpy() for name in chunk.columns}
        if self._columns.corner:
            for name, unit in (("y", 1.0), ("x", 1.0), ("y_um", None), ("x_um", None)):
                if name in columns:
                    columns[name] = columns[name] - self._columns.corner * (unit or self._table.mpp)
        self._table.add(columns)

    def _see_images(self, images: pd.Series) -> None:
        self._images |= set(images.unique().tolist()) - {""}
        if len(self._images) > 1:
            listed = ", ".join(sorted(self._images)[:3])
            raise DataError(
                f"{self._source} holds the nuclei of several images ({listed}, ...), and those of one are read at a "
                "time. Export the measurements of one image, or divide the table."
            )

    def _see_planes(self, planes: NDArray[np.float64]) -> None:
        """Note on which plane of a stack each row is; where there is none, all are on the first."""
        numbers = np.nan_to_num(np.clip(np.rint(planes), -FARTHEST, FARTHEST)).astype(np.int64)
        begins = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
        for number, count in zip(numbers[begins].tolist(), np.diff(begins, append=len(numbers)).tolist(), strict=True):
            self._planes.note((number, 0), count)

    def _with_ids(self, chunk: pd.DataFrame) -> pd.DataFrame:
        """Read ids as whole numbers; those of other programs that are none are left out."""
        texts = chunk["id"]
        if texts.str.fullmatch(r"\s*\d{1,18}\s*").all() and not self._no_ids:
            return chunk.assign(id=texts.astype("int64"))
        self._no_ids += len(chunk)
        return chunk.assign(id=np.int64(0))

    def _with_shape(self, chunk: pd.DataFrame) -> pd.DataFrame:
        """Read shapes in well-known text: outlines, and places where no columns say them."""
        shapes = shapes_of_texts(chunk.pop(SHAPE).to_numpy(object))
        self._table.add_shapes("outline", shapes)
        return chunk if "y" in chunk or "y_um" in chunk else chunk.assign(**places_in(shapes))

    def document(self) -> Document:
        """Return everything taken in."""
        document = self._planes.one_of(self._table.document())
        said = (
            (self._columns.remark, self._columns.remark),
            (
                self._no_nuclei,
                f"{self._no_nuclei:,} rows speak of annotations or the whole image and were left out.",
            ),
            (self._no_ids, "Its ids are no whole numbers and were left out."),
        )
        return replace(document, remarks=(*(words for there, words in said if there), *document.remarks))


def _reason(error: Exception) -> str:
    """Say what is wrong with a table, where pandas says it in words of its own."""
    # the sentence stands at its beginning; what a file holds may be a megabyte of anything
    said = str(error)[:_SENTENCE]
    line, value = _IN_LINE.search(said), _QUOTED.search(said)
    if line is not None:
        return f": line {line.group(1)} has another number of columns than the first"
    return "" if value is None else f": {value.group(2)!r} stands where a number should be"


def read_csv_slide(path: Path) -> SlideInfo | None:
    """Return what the file says about its slide, None when it says nothing."""
    line = metadata_line(path)
    return None if line is None else FileHeader.from_text(line, f"the first line of {path.name}").slide
