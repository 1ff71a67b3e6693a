"""Interchange formats, one file each, and the table of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nucloop.classes import ClassScheme
from nucloop.errors import DataError
from nucloop.formats.csv import read_csv, read_csv_slide, write_csv
from nucloop.formats.geojson import read_geojson, read_geojson_slide, write_geojson
from nucloop.formats.regions import read_regions
from nucloop.formats.slide_info import SlideInfo, Weights
from nucloop.nuclei import Nuclei

__all__ = ["FORMATS", "Format", "SlideInfo", "read_nuclei", "read_regions", "read_slide_info", "write_nuclei"]


@dataclass(frozen=True, kw_only=True)
class Format:
    """One way to keep nuclei in a file."""

    title: str
    suffixes: tuple[str, ...]
    """File name endings, the first one preferred."""
    write: Callable[[Path, Nuclei, SlideInfo, Weights | None], None]
    read: Callable[[Path, ClassScheme], Nuclei]
    read_slide: Callable[[Path], SlideInfo | None]


FORMATS: dict[str, Format] = {
    "csv": Format(title="Table (CSV)", suffixes=(".csv",), write=write_csv, read=read_csv, read_slide=read_csv_slide),
    "geojson": Format(
        title="QuPath GeoJSON",
        suffixes=(".geojson", ".json"),
        write=write_geojson,
        read=read_geojson,
        read_slide=read_geojson_slide,
    ),
}
"""Every format by the name a person types."""


def write_nuclei(
    path: str | Path,
    nuclei: Nuclei,
    slide: SlideInfo,
    format: str | None = None,
    *,
    weights: Weights | None = None,
) -> None:
    """Write nuclei to a file; the file is whole or not there.

    Parameters
    ----------
    path : str or Path
        Where to; missing folders are made.
    nuclei : Nuclei
        In level-0 pixels.
    slide : SlideInfo
        The slide they lie on.
    format : str, optional
        A key of `FORMATS`; by default the one that the file name ends with.
    weights : dict, optional
        What made the nuclei (`Pipeline.weights`), kept in the file's header.

    Raises
    ------
    DataError
        If the format is not known or the file cannot be written.
    """
    path = Path(path)
    _format_of(path, format).write(path, nuclei, slide, weights)


def read_nuclei(path: str | Path, scheme: ClassScheme, format: str | None = None) -> Nuclei:
    """Read nuclei from a file, in level-0 pixels.

    Raises
    ------
    DataError
        If the format is not known, the file is damaged, or it names a class that is not in `scheme`.
    """
    path = Path(path)
    return _format_of(path, format).read(path, scheme)


def read_slide_info(path: str | Path, format: str | None = None) -> SlideInfo | None:
    """Return what a file of nuclei says about its slide, None when it says nothing."""
    path = Path(path)
    return _format_of(path, format).read_slide(path)


def _format_of(path: Path, name: str | None) -> Format:
    if name is not None and name in FORMATS:
        return FORMATS[name]
    if name is None:
        for candidate in FORMATS.values():
            if path.name.lower().endswith(candidate.suffixes):
                return candidate
    asked = f"the format {name!r}" if name is not None else f"the format of {path.name}"
    raise DataError(f"NucLoop does not know {asked}. Choose one of: {', '.join(FORMATS)}.")
