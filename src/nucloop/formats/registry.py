"""The table of formats, which the command line, the dialogs and napari's contributions share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nucloop.errors import DataError
from nucloop.formats.asked import Asked
from nucloop.formats.carries import Carries
from nucloop.formats.cellvit import HOVERNET, read_cellvit, write_cellvit, write_cellvit_geojson
from nucloop.formats.coco import read_coco, write_coco
from nucloop.formats.dicom import read_dicom, write_dicom
from nucloop.formats.document import Document
from nucloop.formats.dsa import read_dsa, write_dsa
from nucloop.formats.geojson.reading import read_geojson, read_geojson_slide, read_multipoint_geojson
from nucloop.formats.geojson.writing import write_geojson
from nucloop.formats.markers import read_markers, write_markers
from nucloop.formats.ocelot_submission import read_ocelot_json, write_ocelot_json
from nucloop.formats.plain_text import read_brca_m2c, read_ocelot_csv, write_brca_m2c, write_ocelot_csv
from nucloop.formats.slide_info import SlideInfo
from nucloop.formats.spatialdata import read_spatialdata, write_spatialdata
from nucloop.formats.tables.csv import read_csv, read_csv_slide, write_csv
from nucloop.formats.tables.dialect import MARK
from nucloop.formats.tables.numpy_archive import read_npz, write_npz
from nucloop.formats.tables.parquet import read_parquet, read_parquet_slide, write_parquet
from nucloop.formats.tiatoolbox import read_tiatoolbox, write_tiatoolbox

__all__ = ["EXTRAS", "FORMATS", "SOURCES", "Format", "format_of"]

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
    read_asked: Callable[[Path, Asked], Document] | None = None
    """The same as `read`, with what a person says of a file that leaves something open."""
    known_by: str = ""
    """Pattern that the beginning of such a file has, for endings that several formats share."""

    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins so looks like this format."""
        return bool(self.known_by) and re.search(self.known_by.encode(), head) is not None


FOUND_NAMES = ("cells.geojson", "cell_detection.geojson")
"""What CellViT calls its files, and what people call QuPath's: by such a name a file is only read."""
_TABLE: dict[str, Any] = {
    "ids": True, "score": True, "probability": True, "origin": True, "notes": True, "slide": True, "weights": True,
}  # fmt: skip

FORMATS: dict[str, Format] = {
    "csv": Format(
        title="Table (CSV)",
        suffixes=(".csv", ".tsv"),
        write=write_csv,
        read=read_csv,
        read_asked=read_csv,
        read_slide=read_csv_slide,
        carries=Carries(**_TABLE, outlines=True, cells=True, microns=True, measurements=True),
        known_by=rf"\A(\xef\xbb\xbf)?({MARK.decode()}|([ \t]*(#[^\n]*)?\r?\n)*+[^\n]*[a-zA-Z])",
    ),
    "geojson": Format(
        title="QuPath GeoJSON",
        suffixes=(".geojson", ".json", ".geojsonl", ".geojsonseq", ".ndjson", ".jsonl"),
        write=write_geojson,
        read=read_geojson,
        read_asked=read_geojson,
        read_slide=read_geojson_slide,
        carries=Carries(**_TABLE, outlines=True, cells=True, regions=True, measurements=True),
        known_by=r'"(Feature|FeatureCollection|GeometryCollection|(Multi)?(Point|Polygon))"',
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
        suffixes=(".dsa.json", ".anot"),
        write=write_dsa,
        read=read_dsa,
        read_asked=read_dsa,
        carries=Carries(**_TABLE, outlines=True, regions=True),
        known_by=r'"elements"\s*:\s*\[',
    ),
    "cellvit": Format(
        title="CellViT cells",
        suffixes=(".cellvit.json", "cells.json", "cell_detection.json"),
        write=write_cellvit,
        read=read_cellvit,
        carries=Carries(**_TABLE, outlines=True),
        known_by=rf'"cells"\s*:\s*\[|{HOVERNET}',
    ),
    "cellvit-geojson": Format(
        title="CellViT GeoJSON (one object a class)",
        suffixes=(".cellvit.geojson", *FOUND_NAMES),
        write=write_cellvit_geojson,
        read=read_multipoint_geojson,
        carries=Carries(),
        # QuPath's cells may lie in a file of the same name: only CellViT has all of a class in one object
        known_by=r'(?s)\A\s*\[((?!"geometry").)*"geometry"\s*:\s*\{\s*"type"\s*:\s*"Multi(Point|Polygon)"',
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
        known_by=r"\A\s*-?\d+(\.\d+)?[ \t]+-?\d+(\.\d+)?[ \t]+\d+\s*(\n|\Z)",
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
    "dicom": Format(
        title="DICOM bulk simple annotations",
        suffixes=(".ann.dcm", ".dcm"),
        write=write_dicom,
        read=read_dicom,
        read_asked=read_dicom,
        carries=Carries(outlines=True),
    ),
}
"""Formats that need libraries of their own (the extra of that name); not offered in the window."""


SOURCES: dict[str, Format] = {
    "markers": Format(
        title="Markers (XML of ImageJ's Cell Counter, cellfinder or ASAP)",
        suffixes=(".xml",),
        write=write_markers,
        read=read_markers,
        read_asked=read_markers,
        carries=Carries(),
        known_by=r"<(CellCounter_Marker_File|ASAP_Annotations)\b",
    ),
}
"""Formats that are read and not written."""

_KINDS: tuple[frozenset[str], ...] = (
    frozenset({".json", ".geojson", ".anot"}),
    frozenset({".csv", ".tsv", ".txt"}),
)
"""Endings of files whose beginning says which format they are."""


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
    every = FORMATS | EXTRAS | SOURCES
    if name is not None and name in every:
        return every[name]
    if name is None:
        fitting = [(suffix, one) for one in every.values() for suffix in one.suffixes if _ends(path, suffix)]
        if not look:
            # written to cells.geojson, nuclei stay nuclei, one object each, with their outlines
            fitting = [pair for pair in fitting if pair[0] not in FOUND_NAMES]
        if fitting:
            longest = max(fitting, key=lambda pair: len(pair[0]))[1]
            return _by_content(path, longest) if look else longest
    asked = f"the format {name!r}" if name is not None else f"the format of {path.name}"
    raise DataError(f"NucLoop does not know {asked}. Choose one of: {', '.join(every)}.")


def _ends(path: Path, suffix: str) -> bool:
    name = path.name.lower()
    return name.endswith(suffix) if suffix.startswith(".") else name == suffix or name.endswith(f"_{suffix}")


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
    akin = next((kind for kind in _KINDS if not kind.isdisjoint(map(_last_ending, named.suffixes))), frozenset())
    alike = [one for one in FORMATS.values() if _last_ending(one.suffixes[0]) in akin and one.recognises(head)]
    return alike[0] if alike else named


def _last_ending(suffix: str) -> str:
    return f".{suffix.rpartition('.')[2]}"
