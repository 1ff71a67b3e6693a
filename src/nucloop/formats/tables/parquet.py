"""NucLoop's own table as Parquet: the columns of the CSV, the metadata in the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.errors import DataError
from nucloop.formats.atomic import replacing_path
from nucloop.formats.document import file_header
from nucloop.formats.slide_info import FileHeader, SlideInfo
from nucloop.formats.source.room import check_room, rows_cost
from nucloop.formats.source.well_known import shapes_of_blobs
from nucloop.formats.tables.columns import (
    KNOWN,
    REGION,
    SHAPES,
    TEXT,
    GrowingTable,
    outlines_of,
    places_in,
    places_of,
    regions_at,
)
from nucloop.formats.tables.names import columns_of
from nucloop.nuclei import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.formats.document import Document
    from nucloop.outlines import Outlines

__all__ = ["read_parquet", "read_parquet_slide", "write_parquet"]

KEY = b"nucloop"
ROWS_AT_A_TIME = 100_000
MOST_ROWS = 200_000_000
MOST_COLUMNS = 1000
SHAPES_AT_A_TIME = 2000


def write_parquet(path: Path, document: Document) -> None:
    """Write nuclei as a Parquet table, compressed with Zstandard.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    nuclei, regions = document.nuclei, regions_at(document)
    columns: dict[str, Any] = {
        "id": nuclei.ids,
        **places_of(document),
        "class": _texts(nuclei.label, nuclei.scheme.names),
        **({} if regions is None else {REGION: pa.array(regions, pa.string()).dictionary_encode()}),
        "score": nuclei.score,
        "origin": _texts(nuclei.origin, [origin.name.lower() for origin in Origin]),
    }
    columns |= {name: pa.array(texts, pa.string()).dictionary_encode() for name, texts in document.notes.items()}
    columns |= {f"p_{name}": nuclei.probability[:, k] for k, name in enumerate(nuclei.scheme.names)}
    columns |= document.measurements
    columns |= {name: _lists(outlines) for name, outlines in outlines_of(document).items()}
    table = pa.table(columns, metadata={KEY: orjson.dumps(file_header(document))})
    with replacing_path(path) as part:
        pq.write_table(table, part, compression="zstd", row_group_size=10 * ROWS_AT_A_TIME)


def read_parquet(path: Path) -> Document:
    """Read a table of nuclei; only the columns y and x are required, unknown columns are left out.

    Raises
    ------
    DataError
        If the file is no such table, or is damaged.
    """
    import pyarrow as pa

    try:
        with _opened(path) as file:
            names = file.schema_arrow.names
            if _is_of_shapes(file):
                return _read_shapes(file, path)
            if not ({"y", "x"} <= set(names) or {"y_um", "x_um"} <= set(names)):
                raise DataError(f"{path.name} has no columns y and x, so it does not say where the nuclei are.")
            wanted = [name for name in names if name in KNOWN or name.startswith("p_")]
            shapes = [name for name in wanted if name in SHAPES]
            _check_size(file, path, wanted)
            table = GrowingTable(path.name, _header(file, path))
            for batch in file.iter_batches(SHAPES_AT_A_TIME if shapes else ROWS_AT_A_TIME, columns=wanted):
                for name in shapes:
                    table.add_outlines(name, *_rings(batch.column(name), name, path))
                table.add({name: _column(batch.column(name), name, path) for name in wanted if name not in shapes})
            return table.document()
    except OSError as error:
        raise DataError(
            f"Cannot read {path}: it is not there, or damaged. Check the path, or export the file again."
        ) from error
    except (pa.ArrowException, ValueError, OverflowError, TypeError, KeyError) as error:
        raise DataError(f"{path.name} is not a Parquet table of nuclei, or is damaged. Export it again.") from error


def _check_size(file: Any, path: Path, wanted: Sequence[str]) -> None:
    """Refuse, by the headers, a table of more rows than fit.

    What the headers say of each column is not asked: where it contradicts itself, the library ends the program.
    """
    rows = max(file.metadata.num_rows, 0)
    if rows > MOST_ROWS or len(wanted) > MOST_COLUMNS:
        raise DataError(f"{path.name} has {rows:,} rows and {len(wanted):,} columns.")
    check_room(path.name, path.stat().st_size, rows_cost(rows, len(wanted)))


def _is_of_shapes(file: Any) -> bool:
    """Tell whether a table is one of geopandas: shapes in well-known binary, under a name that the file gives."""
    return b"geo" in (file.schema_arrow.metadata or {}) and not {"y", "x"} <= set(file.schema_arrow.names)


def _read_shapes(file: Any, path: Path) -> Document:
    """Read a table of shapes: each a nucleus with its outline, at its centroid."""
    shape = str(orjson.loads(file.schema_arrow.metadata[b"geo"])["primary_column"])
    columns = columns_of(file.schema_arrow.names)
    named = {name: file.schema_arrow.names[k] for name, k in columns.found.items() if name in {"class", "score"}}
    _check_size(file, path, [shape, *named.values()])
    table = GrowingTable(path.name, FileHeader())
    for batch in file.iter_batches(ROWS_AT_A_TIME, columns=[shape, *named.values()]):
        shapes = shapes_of_blobs(batch.column(shape).to_numpy(zero_copy_only=False))
        table.add_shapes("outline", shapes)
        others = {ours: _column(batch.column(theirs), ours, path) for ours, theirs in named.items()}
        table.add({**places_in(shapes), **others})
    return table.document()


def read_parquet_slide(path: Path) -> SlideInfo | None:
    """Return what the file says about its slide, None when it says nothing."""
    import pyarrow as pa

    try:
        with _opened(path) as file:
            return _header(file, path).slide
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise DataError(
            f"Cannot read {path}: it is not there, or damaged. Check the path, or export the file again."
        ) from error


def _opened(path: Path) -> Any:
    import pyarrow.parquet as pq

    about = pq.read_metadata(path, memory_map=True)
    # a text that stands in every row is not copied for every row
    texts = [name for name in TEXT if name in about.schema.names]
    return pq.ParquetFile(path, metadata=about, memory_map=True, read_dictionary=texts)


def _header(file: Any, path: Path) -> FileHeader:
    text = (file.schema_arrow.metadata or {}).get(KEY)
    return FileHeader() if text is None else FileHeader.from_text(text, path.name)


def _texts(codes: NDArray[Any], values: Any) -> Any:
    """Codes as Arrow's dictionary column; a negative code is no text."""
    import pyarrow as pa

    indices = pa.array(codes.astype(np.int32), mask=codes.astype(np.int32) < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(values), pa.string()))


def _lists(outlines: Outlines) -> Any:
    """Return outlines as a column of lists x, y, x, y, ...; null where there is none."""
    import pyarrow as pa

    return pa.ListArray.from_arrays(
        pa.array((outlines.ends * 2).astype(np.int32)),
        pa.array(outlines.corners[:, ::-1].reshape(-1)),
        mask=pa.array(~outlines.there),
    )


def _rings(column: Any, name: str, path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Corners (P, 2) of a column of lists, and how many each row has, (N,)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not (lists and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))):
        raise DataError(f"The column {name} of {path.name} holds no lists of numbers. Export the table again.")
    counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    if (counts % 2).any():
        raise DataError(f"The column {name} of {path.name} has an x without a y. Export the table again.")
    values = pc.fill_null(column.flatten().cast(pa.float64()), float("nan")).to_numpy(zero_copy_only=False)
    return values.reshape(-1, 2)[:, ::-1], counts // 2


def _from_dictionary(column: Any, name: str, path: Path) -> NDArray[Any]:
    """Texts (N,) of a column of codes: equal ones are one object."""
    import pyarrow as pa

    if not (pa.types.is_string(column.type.value_type) or pa.types.is_large_string(column.type.value_type)):
        raise DataError(f"The column {name} of {path.name} holds no text. Export the table again.")
    values = [text or "" for text in column.dictionary.to_pylist()]
    codes = column.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    texts: NDArray[Any] = np.array([*values, ""], object)[codes]
    return texts


def _column(column: Any, name: str, path: Path) -> NDArray[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if name in TEXT:
        if pa.types.is_dictionary(column.type):
            return _from_dictionary(column, name, path)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise DataError(f"The column {name} of {path.name} holds no text. Export the table again.")
        values: NDArray[Any] = pc.fill_null(column, "").to_numpy(zero_copy_only=False)
        return values
    kind = pa.int64() if name == "id" else pa.float64()
    numeric = pa.types.is_integer(column.type) or (name != "id" and pa.types.is_floating(column.type))
    if not numeric and not pa.types.is_null(column.type):
        raise DataError(f"The column {name} of {path.name} holds no numbers. Export the table again.")
    numbers: NDArray[Any] = pc.fill_null(column.cast(kind), 0 if name == "id" else float("nan")).to_numpy(
        zero_copy_only=False
    )
    return numbers
