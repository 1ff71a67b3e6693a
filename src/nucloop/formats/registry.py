"""The table of formats, which the command line, the dialogs and napari's contributions share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nucloop.errors import DataError
from nucloop.formats.carries import Carries
from nucloop.formats.cellvit import read_cellvit, write_cellvit, write_cellvit_geojson
from nucloop.formats.coco import read_coco, write_coco
from nucloop.formats.csv import MARK, read_csv, read_csv_slide, write_csv
from nucloop.formats.document import Document
from nucloop.formats.dsa import read_dsa, write_dsa
from nucloop.formats.geojson import write_geojson
from nucloop.formats.geojson_reading import read_geojson, read_geojson_slide, read_multipoint_geojson
from nucloop.formats.numpy_archive import read_npz, write_npz
from nucloop.formats.ocelot_submission import read_ocelot_json, write_ocelot_json
from nucloop.formats.parquet import read_parquet, read_parquet_slide, write_parquet
from nucloop.formats.plain_text import read_brca_m2c, read_ocelot_csv, write_brca_m2c, write_ocelot_csv
from nucloop.formats.slide_info import SlideInfo
from nucloop.formats.spatialdata import read_spatialdata, write_spatialdata
from nucloop.formats.tiatoolbox import read_tiatoolbox, write_tiatoolbox

__all__ = ["EXTRAS", "FORMATS", "Format", "format_of"]

_HEAD = 65_536


@dataclass(frozen=True, kw_only=True)
class Format:
    """One way to keep nuclei in a file."""

    title: str
    suffixes: tuple[str, ...]
    """File name endings, the first one preferred."""
    write: Callable[[Path, Document], None]
    read: Callable[[Path], Document]
    carries: Carries
    """What survives in it."""
    read_slide: Callable[[Path], SlideInfo | None] | None = None
    """A quick way to what the file says about its slide; without it the whole file is read."""
    known_by: str = ""
    """Pattern that the beginning of such a file has, for endings that several formats share."""

    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins so looks like this format."""
        return bool(self.known_by) and re.search(self.known_by.encode(), head) is not None


_TABLE: dict[str, Any] = {
    "ids": True, "score": True, "probability": True, "origin": True, "notes": True, "slide": True, "weights": True,
}  # fmt: skip

FORMATS: dict[str, Format] = {
    "csv": Format(
        title="Table (CSV)",
        suffixes=(".csv",),
        write=write_csv,
        read=read_csv,
        read_slide=read_csv_slide,
        carries=Carries(**_TABLE, outlines=True, cells=True, microns=True, measurements=True),
        known_by=rf"\A(\xef\xbb\xbf)?({MARK.decode()}|[^\n]*[a-zA-Z])",
    ),
    "geojson": Format(
        title="QuPath GeoJSON",
        suffixes=(".geojson", ".json"),
        write=write_geojson,
        read=read_geojson,
        read_slide=read_geojson_slide,
        carries=Carries(**_TABLE, outlines=True, cells=True, regions=True, measurements=True),
        known_by=r'"(Feature|FeatureCollection)"',
    ),
    "parquet": Format(
        title="Table (Parquet)",
        suffixes=(".parquet",),
        write=write_parquet,
        read=read_parquet,
        read_slide=read_parquet_slide,
        carries=Carries(**_TABLE, outlines=True, cells=True, microns=True, measurements=True),
    ),
    "npz": Format(
        title="NumPy arrays",
        suffixes=(".npz",),
        write=write_npz,
        read=read_npz,
        carries=Carries(**_TABLE, outlines=True, cells=True),
    ),
    "tiatoolbox": Format(
        title="TIAToolbox annotation store (SQLite)",
        suffixes=(".db", ".sqlite"),
        write=write_tiatoolbox,
        read=read_tiatoolbox,
        carries=Carries(**_TABLE, outlines=True, regions=True),
    ),
    "dsa": Format(
        title="Digital Slide Archive (HistomicsUI)",
        suffixes=(".dsa.json",),
        write=write_dsa,
        read=read_dsa,
        carries=Carries(**_TABLE, outlines=True, regions=True),
        known_by=r'"elements"\s*:\s*\[',
    ),
    "cellvit": Format(
        title="CellViT cells",
        suffixes=(".cellvit.json", "cells.json", "cell_detection.json", ".json.snappy"),
        write=write_cellvit,
        read=read_cellvit,
        carries=Carries(**_TABLE, outlines=True),
        known_by=r'"cells"\s*:\s*\[',
    ),
    "cellvit-geojson": Format(
        title="CellViT GeoJSON (one object a class)",
        suffixes=(".cellvit.geojson",),
        write=write_cellvit_geojson,
        read=read_multipoint_geojson,
        carries=Carries(),
    ),
    "coco": Format(
        title="COCO keypoints",
        suffixes=(".coco.json",),
        write=write_coco,
        read=read_coco,
        carries=Carries(**_TABLE, outlines=True),
        known_by=r'"(annotations|categories)"\s*:\s*\[',
    ),
    "ocelot-json": Format(
        title="OCELOT submission",
        suffixes=(".ocelot.json",),
        write=write_ocelot_json,
        read=read_ocelot_json,
        carries=Carries(fractions=False, unlabelled=False, score=True, classes="ocelot"),
        known_by=r'"Multiple points"',
    ),
    "ocelot-csv": Format(
        title="OCELOT labels (CSV)",
        suffixes=(".ocelot.csv",),
        write=write_ocelot_csv,
        read=read_ocelot_csv,
        carries=Carries(fractions=False, unlabelled=False, classes="ocelot"),
        known_by=r"\A(\xef\xbb\xbf)?\s*-?\d+\s*,\s*-?\d+\s*,\s*-?\d+\s*(\n|\Z)",
    ),
    "brca-m2c": Format(
        title="BRCA-M2C labels",
        suffixes=(".txt",),
        write=write_brca_m2c,
        read=read_brca_m2c,
        carries=Carries(fractions=False, unlabelled=False, classes="brca-m2c"),
    ),
}
"""Every format by the name a person types."""

EXTRAS: dict[str, Format] = {
    "spatialdata": Format(
        title="SpatialData (zarr)",
        suffixes=(".spatialdata.zarr",),
        write=write_spatialdata,
        read=read_spatialdata,
        carries=Carries(**_TABLE, outlines=True, cells=True),
    ),
}
"""Formats that are folders and need libraries of their own (the extra of that name); not offered in the window."""


def format_of(path: Path, name: str | None = None, *, look: bool = False) -> Format:
    """Return a format by its name, or the one that a file name ends with.

    Parameters
    ----------
    path : Path
        The file.
    name : str, optional
        A key of `FORMATS`.
    look : bool
        Whether the beginning of the file decides where several formats share an ending.

    Raises
    ------
    DataError
        If the format is not known.
    """
    every = FORMATS | EXTRAS
    if name is not None and name in every:
        return every[name]
    if name is None:
        fitting = [(suffix, one) for one in every.values() for suffix in one.suffixes if _ends(path, suffix)]
        if fitting:
            longest = max(fitting, key=lambda pair: len(pair[0]))[1]
            return _by_content(path, longest) if look else longest
    asked = f"the format {name!r}" if name is not None else f"the format of {path.name}"
    raise DataError(f"NucLoop does not know {asked}. Choose one of: {', '.join(every)}.")


def _ends(path: Path, suffix: str) -> bool:
    name = path.name.lower()
    return name.endswith(suffix) if suffix.startswith(".") else name == suffix


def _by_content(path: Path, named: Format) -> Format:
    """Among the formats of one kind of file the one that the file looks like."""
    if not named.known_by:
        return named
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        # Reading says what is wrong with it.
        return named
    if named.recognises(head):
        return named
    last = named.suffixes[0].rpartition(".")[2]
    akin = {"json", "geojson"} if last in {"json", "geojson"} else {last}
    alike = [one for one in FORMATS.values() if one.suffixes[0].rpartition(".")[2] in akin and one.recognises(head)]
    return alike[0] if alike else named
