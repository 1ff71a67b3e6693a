"""NucLoop's own table as CSV: one line of metadata behind "# nucloop", a header, one row per nucleus."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.errors import DataError
from nucloop.formats.atomic import replacing
from nucloop.formats.slide_info import SlideInfo, Weights, file_header
from nucloop.nuclei import Nuclei, Origin

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from nucloop.classes import ClassScheme

__all__ = ["read_csv", "read_csv_slide", "write_csv"]

MARK = b"# nucloop "
ROWS_AT_A_TIME = 100_000
LONGEST_LINE = 1_000_000
_TEXT = {"class", "origin", "author", "time", "model"}
_ORIGINS = {origin.name.lower() for origin in Origin}


def write_csv(path: Path, nuclei: Nuclei, slide: SlideInfo, weights: Weights | None = None) -> None:
    """Write nuclei as a table: id, y, x (level-0 pixels, centres at integers), class, score, origin, p_<class>.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    with replacing(path) as file:
        file.write(MARK + orjson.dumps(file_header(slide, nuclei.scheme, weights)) + b"\n")
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        for first in range(0, max(len(nuclei), 1), ROWS_AT_A_TIME):
            rows = nuclei.take(slice(first, first + ROWS_AT_A_TIME)).to_frame()
            rows.to_csv(text, index=False, header=first == 0, lineterminator="\n")
        text.detach()


def read_csv(path: Path, scheme: ClassScheme) -> Nuclei:
    """Read a table of nuclei; only the columns y and x are required, unknown columns are left out.

    Parameters
    ----------
    path : Path
        A file of `write_csv`, or any CSV with such columns. Without `origin`, nuclei count as imported.
    scheme : ClassScheme
        Classes by which the column `class` is read; their QuPath names are understood too.

    Raises
    ------
    DataError
        If the file cannot be read, a coordinate is not a number, or a class is not in `scheme`.
    """
    import pandas as pd

    try:
        columns = _columns(path)
        wanted = [name for name in columns if name in {"id", "y", "x", "score", *_TEXT} or name.startswith("p_")]
        with pd.read_csv(
            path,
            skiprows=1 if _metadata_line(path) is not None else 0,
            usecols=wanted,
            dtype={name: str if name in _TEXT else "int64" if name == "id" else "float64" for name in wanted},
            keep_default_na=False,
            na_values={name: ["", "nan", "NaN"] for name in wanted if name not in _TEXT and name != "id"},
            chunksize=ROWS_AT_A_TIME,
            encoding="utf-8-sig",
        ) as chunks:
            return Nuclei.concatenate((_nuclei_of(chunk, scheme, path) for chunk in chunks), scheme)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}. Check the path.") from error
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path.name} is not a table of nuclei: {error}. Correct it, or export it again.") from error


def read_csv_slide(path: Path) -> SlideInfo | None:
    """Return what the file says about its slide, None when it says nothing."""
    line = _metadata_line(path)
    if line is None:
        return None
    try:
        about: Any = orjson.loads(line.removeprefix(MARK))
    except orjson.JSONDecodeError as error:
        raise DataError(f"The first line of {path.name} is damaged. Export the nuclei again.") from error
    return SlideInfo.from_dict(about.get("slide") if isinstance(about, dict) else None, source=path.name)


def _metadata_line(path: Path) -> bytes | None:
    with path.open("rb") as file:
        line = file.readline(LONGEST_LINE)
    return line if line.startswith(MARK) else None


def _columns(path: Path) -> list[str]:
    with path.open("rb") as file:
        line = file.readline(LONGEST_LINE)
        if line.startswith(MARK):
            line = file.readline(LONGEST_LINE)
    names = [name.strip().strip('"') for name in line.decode("utf-8-sig").strip().split(",")]
    if not {"y", "x"} <= set(names):
        raise DataError(
            f"{path.name} has no columns y and x, so it does not say where the nuclei are. "
            "Name the columns y and x, in pixels of the slide's finest level."
        )
    return names


def _nuclei_of(rows: pd.DataFrame, scheme: ClassScheme, path: Path) -> Nuclei:
    where = rows[["y", "x"]].to_numpy(np.float64)
    good = np.isfinite(where).all(axis=1)
    if not good.all():
        row = int(rows.index[np.argmin(good)]) + 1
        raise DataError(f"Nucleus {row} of {path.name} has no finite y and x. Remove it, or correct the file.")
    if "origin" in rows:
        strange = set(rows["origin"]) - _ORIGINS
        if strange:
            raise DataError(
                f"{path.name} has the origin {min(strange)!r}; NucLoop knows {', '.join(sorted(_ORIGINS))}. "
                "Correct it, or leave the column out."
            )
    return Nuclei.from_frame(rows, scheme)
