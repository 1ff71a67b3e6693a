"""The slides of a cohort, one row each, and the file that keeps them: slides.parquet."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from nucloop.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["OWN_COLUMNS", "SlideEntry", "read_slides", "write_slides"]


@dataclass(frozen=True, kw_only=True)
class SlideEntry:
    """One slide of a cohort."""

    id: str
    """Short and unique in the cohort; the name of its result."""
    path: str
    """Where it lies, absolute, or an address that fsspec reads, such as s3://bucket/slide.svs."""
    patient: str = ""
    mpp: float | None = None
    """Level-0 µm per pixel, as a list, a person or the file says."""
    image: str = ""
    """Which image of a file that holds several; the usual one when empty."""
    regions: str = ""
    """GeoJSON with the areas to work on; the whole slide when empty."""
    height: int = 0
    """Level-0 pixels; 0 where the slide could not be opened."""
    width: int = 0
    bytes: int = 0
    """Size of the file; 0 for folders."""
    modified: int = 0
    """When the file was changed last, ns; 0 for folders and addresses."""
    sha256: str = ""
    """Of the file's first megabyte."""
    regions_sha256: str = ""
    trouble: str = ""
    """Why it could not be opened."""
    labels: dict[str, str] = field(default_factory=dict)
    """What else the list says of it, by column."""

    @property
    def file_name(self) -> str:
        """Name of its file, without folders."""
        return self.path.rstrip("/").replace("\\", "/").rpartition("/")[2]

    @property
    def area_mm2(self) -> float:
        """Area of the whole slide, mm²; 0 where it is not known."""
        return self.height * self.width * (self.mpp or 0.0) ** 2 / 1e6


MOST_SLIDES = 2_000_000
"""A table of more is refused before it is read."""
OWN_COLUMNS = tuple(one.name for one in fields(SlideEntry) if one.name != "labels")
"""Columns of slides.parquet that are no labels."""


def write_slides(path: Path, slides: Sequence[SlideEntry]) -> None:
    """Write slides.parquet, the whole file or nothing.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from nucloop.formats.atomic import replacing_path

    rows = [asdict(one) for one in slides]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in OWN_COLUMNS}
    columns["mpp"] = pa.array(columns["mpp"], pa.float64())
    names = list(dict.fromkeys(name for one in slides for name in one.labels))
    columns |= {name: [one.labels.get(name, "") for one in slides] for name in names}
    with replacing_path(path) as part:
        pq.write_table(pa.table(columns), part, compression="zstd")


def read_slides(path: Path) -> list[SlideEntry]:
    """Read slides.parquet.

    Raises
    ------
    DataError
        If it is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # not read_table, which would load pandas, and twice the time that it takes to read a large cohort
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows > MOST_SLIDES:
                raise DataError(f"{path} names more than {MOST_SLIDES:,} slides. Divide the cohort.")
            rows = file.read().to_pylist()
        return [
            SlideEntry(
                **{name: row[name] for name in OWN_COLUMNS},
                labels={name: str(value) for name, value in row.items() if name not in OWN_COLUMNS and value},
            )
            for row in rows
        ]
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is missing or damaged. Make the project again with nucloop cohort init; results stay."
        ) from error
