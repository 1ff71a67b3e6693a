"""What reads files that may come from anywhere, each with well-formed files to begin from and ways to change them."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
from tests.fuzz import containers as inside
from tests.fuzz.mutations import in_bytes, in_json, in_tokens

from nucloop.errors import NucLoopError

__all__ = ["JSON", "READERS", "TEXT", "Reader", "read_slide"]

Way = Callable[[bytes, Random], bytes]
TEXT: tuple[Way, ...] = (in_tokens, in_tokens, in_bytes)
JSON: tuple[Way, ...] = (in_json, in_json, in_tokens, in_bytes)
SIDE = 400
SESSION_OF_EVERY = int(os.environ.get("NUCLOOP_FUZZ_SESSION_OF_EVERY", "1"))
"""Of how many accepted files of nuclei one is taken into a session, which costs more than reading it."""


@dataclass(frozen=True)
class Reader:
    """One way into the program.

    Parameters
    ----------
    make : callable
        Given an empty folder, writes well-formed files and returns those that are to be changed.
    read : callable
        Reads a file as a person's click would, and what is accepted is used.
    ways : tuple of callable
        Each changes the bytes of a file.
    inputs : int
        How many are tried by `make test`.
    """

    make: Callable[[Path], list[Path]]
    read: Callable[[Path], object]
    ways: tuple[Way, ...]
    inputs: int = 2000


# --- annotation formats


def _nuclei_file(name: str, folder: Path) -> list[Path]:
    from nucloop.classes import ClassScheme, builtin_schemes
    from nucloop.formats import FORMATS, Region, SlideInfo, write_nuclei
    from nucloop.nuclei import Nuclei
    from nucloop.outlines import Outlines

    kind = FORMATS[name]
    scheme: ClassScheme = builtin_schemes()[kind.carries.classes or "ocelot"]
    yx = np.array([[50.5, 60.25], [100, 120], [200, 30], [300, 310]], np.float32)
    square = np.array([[-5, -5], [-5, 5], [5, 6], [6, -5]])
    corners = np.concatenate([place + square for place in yx]).astype(np.float32)
    nuclei = Nuclei.from_points(
        scheme, yx, label=[0, 1, 1, -1], ids=[1, 2, 3, 9], score=[0.5, 1, 0.25, 0.75], origin=[0, 1, 2, 1],
        outlines=Outlines(corners, np.arange(5) * 4),
    )  # fmt: skip
    slide = SlideInfo(name="a", height=SIDE, width=SIDE, mpp=0.25)
    paths = []
    for number, extra in enumerate(({}, {"notes": {"author": np.array(["A", "B", "", "A"], object)}})):
        path = folder / f"nuclei{number}{kind.suffixes[0]}"
        region = Region.of_pieces([[[[0, 0], [0, 90], [90, 90], [90, 0]]]], "area")
        write_nuclei(path, nuclei, slide, name, regions=(region,), **extra)  # type: ignore[arg-type]
        paths.append(path)
    return paths


def _written(texts: dict[str, str], folder: Path) -> list[Path]:
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def _read_nuclei(path: Path) -> None:
    """Read annotations, take them into a session, and open that again: nothing that is accepted may poison it."""
    from nucloop.formats import Asked, read_document

    document = read_document(path, None, Asked(mpp=0.25))
    if len(document.nuclei) < 1000 and zlib.crc32(path.read_bytes()) % SESSION_OF_EVERY == 0:
        _use_in_session(path.with_name("kept.nucloop"), document)


def _use_in_session(path: Path, document: object) -> None:
    from nucloop.formats import Document, SlideInfo
    from nucloop.session import Session, SlideIdentity

    assert isinstance(document, Document)
    slide = SlideIdentity(SlideInfo(name="a", height=SIDE, width=SIDE, mpp=0.25), None)
    try:
        with Session.open(path, slide=slide, scheme=document.nuclei.scheme) as session:
            try:
                session.import_nuclei(document.nuclei, source="a")
            except NucLoopError:
                return
            count = len(session.nuclei())
        try:
            with Session.open(path, slide=slide, scheme=document.nuclei.scheme) as session:
                assert len(session.nuclei()) == count, "nuclei are gone"
        except NucLoopError as error:
            raise AssertionError(f"the session does not open again: {error}") from error
    finally:
        path.unlink(missing_ok=True)


def _read_regions(path: Path) -> None:
    from nucloop.formats import read_regions

    for region in read_regions(path):
        region.contains(np.zeros((1, 2)))


def _packed(folder: Path) -> list[Path]:
    (table,) = _nuclei_file("csv", folder)[:1]
    path = folder / "nuclei.csv.gz"
    path.write_bytes(gzip.compress(table.read_bytes()))
    return [path]


CSV_OF_OTHERS = {
    "qupath.csv": "Image;Name;Class;Centroid X µm;Centroid Y µm\na;x;Tumor;1,5;2,5\na;y;Stroma;3,5;4,5\n",
    "points.csv": "index,axis-0,axis-1\n0,1.5,2.5\n1,3.5,4.5\n",
    "shapes.csv": 'WKT,class\n"POLYGON ((1 1, 9 1, 9 9, 1 1))",a\n"POINT (4 4)",b\n',
    "ours.csv": "id,y,x,class,score,origin\n1,1.0,2.0,a,0.5,human\n2,3.0,4.0,,,imported\n",
}
MARKERS = {
    "cells.xml": "<?xml version='1.0'?><CellCounter_Marker_File><Marker_Data><Marker_Type><Type>1</Type>"
    "<Name>a</Name><Marker><MarkerX>1</MarkerX><MarkerY>2</MarkerY><MarkerZ>1</MarkerZ></Marker></Marker_Type>"
    "</Marker_Data></CellCounter_Marker_File>",
    "asap.xml": "<?xml version='1.0'?><ASAP_Annotations><Annotations><Annotation Name='a' Type='Polygon' "
    "PartOfGroup='g'><Coordinates><Coordinate Order='0' X='1' Y='1'/><Coordinate Order='1' X='9' Y='1'/>"
    "<Coordinate Order='2' X='9' Y='9'/></Coordinates></Annotation></Annotations></ASAP_Annotations>",
}
QUPATH = {
    "cells.json": json.dumps(
        [
            {"type": "Feature", "id": "PathCellObject",
             "geometry": {"type": "Polygon", "coordinates": [[[1, 1], [9, 1], [9, 9], [1, 1]]]},
             "nucleusGeometry": {"type": "Polygon", "coordinates": [[[2, 2], [5, 2], [5, 5], [2, 2]]]},
             "properties": {"classification": {"name": "Tumor", "colorRGB": -3670016}, "isLocked": False,
                            "measurements": [{"name": "a", "value": 1.5}]}},
            {"type": "Feature", "geometry": {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]], "plane": {"z": 1}},
             "properties": {"objectType": "annotation", "classification": {"names": ["a", "b"], "color": [1, 2, 3]}}},
        ]
    )
}  # fmt: skip

# --- slides


def _tiffs(folder: Path) -> list[Path]:
    import tifffile
    from tests.slides.written import ome_xml, reduced, tissue, write_pages, write_planes

    rgb = tissue(128, 160)
    aperio = "Aperio Image Library v11\n160x128 [0,0 160x128] (64x64) JPEG/RGB Q=70|AppMag = 20|MPP = 0.5"
    write_pages(folder / "a.svs", [rgb, reduced(rgb, 1)], aperio, tile=(64, 64), compression="jpeg")
    write_pages(folder / "plain.tif", [rgb], None, compression="lzw", rowsperstrip=16)
    write_pages(
        folder / "a.ome.tif",
        [rgb],
        ome_xml({"shape": rgb.shape[:2], "pixels": 'PhysicalSizeX="0.5" PhysicalSizeY="0.5"'}),
    )
    write_planes(folder / "b.ome.tif", rgb)
    tifffile.imwrite(folder / "ij.tif", rgb, imagej=True, resolution=(4, 4), metadata={"unit": "um"})
    return sorted(folder.iterdir())


def _pictures(folder: Path) -> list[Path]:
    from PIL import Image
    from tests.slides.written import tissue

    picture = Image.fromarray(tissue(64, 80))
    picture.save(folder / "a.png", dpi=(50_800, 50_800))
    picture.convert("P").save(folder / "p.png")
    picture.convert("RGBA").save(folder / "i.png", interlace=1)
    return sorted(folder.iterdir())


def _jpegs(folder: Path) -> list[Path]:
    from PIL import Image
    from tests.slides.written import tissue

    picture = Image.fromarray(tissue(64, 80))
    picture.save(folder / "a.jpg", dpi=(50_800, 50_800))
    picture.save(folder / "p.jpg", progressive=True)
    return sorted(folder.iterdir())


def _zarrs(folder: Path) -> list[Path]:
    import zarr
    from tests.slides.written import planes_of, tissue, write_multiscale

    paths = []
    for version in (2, 3):
        group = zarr.open_group(folder / f"{version}", mode="w", zarr_format=version)
        write_multiscale(group, planes_of(tissue(32, 40)))
        paths.append(Path(shutil.make_archive(str(folder / f"{version}.zarr"), "zip", folder / f"{version}")))
    return paths


def read_slide(path: Path) -> None:
    """Open a slide and look at its finest and its coarsest level."""
    from nucloop.slides import open_slide

    with open_slide(path) as slide:
        for level in (slide.levels[0], slide.levels[-1]):
            height, width = level.shape
            y, x = max(height // 2 - 32, 0), max(width // 2 - 32, 0)
            level.read(y, x, min(y + 64, height), min(x + 64, width))


# --- sessions


def _sessions(folder: Path) -> list[Path]:
    from tests.session.conftest import SCHEME, SLIDE, WEIGHTS

    from nucloop.nuclei import Nuclei
    from nucloop.outlines import Outlines
    from nucloop.session import Session

    path = folder / "a.svs.nucloop"
    with Session.open(path, slide=SLIDE, scheme=SCHEME, author="Dr A") as session:
        session.add([[1, 1], [50, 60]], 0)
        session.set_class([1], 1, force=True)
        ring = np.array([[1, 1], [1, 9], [9, 9]], np.float32)
        nuclei = Nuclei.from_points(SCHEME, [[200, 200]], label=[0], outlines=Outlines(ring, np.array([0, 3])))
        session.import_nuclei(nuclei, source="b")
        session.begin_run(WEIGHTS, 4.0).add(Nuclei.from_points(SCHEME, [[300, 300]], label=[2], score=[0.5]))
        session.undo()
    return [path]


def _read_session(path: Path) -> None:
    from tests.session.conftest import SCHEME, SLIDE

    from nucloop.session import Session

    def opened() -> Session:
        return Session.open(path, slide=SLIDE, scheme=SCHEME, author="Dr B")

    try:
        with opened() as session:
            session.shown()
            session.undo()
            session.redo()
            session.nuclei(outlines=True)
            session.add([[5, 5]], 0)
            count = len(session.nuclei())
        try:
            with opened() as session:
                assert len(session.nuclei()) == count, "an edit that was acknowledged is gone"
        except NucLoopError as error:
            raise AssertionError(f"a session that took an edit does not open again: {error}") from error
    finally:
        for one in path.parent.glob(f"{path.name}-*"):
            one.unlink()
        shutil.rmtree(path.parent / "NucLoop copies", ignore_errors=True)


READERS: dict[str, Reader] = {
    **{
        name: Reader(partial(_nuclei_file, name), _read_nuclei, ways)
        for name, ways in {
            "csv": TEXT, "ocelot-csv": TEXT, "brca-m2c": TEXT,
            "geojson": JSON, "dsa": JSON, "cellvit": JSON, "cellvit-geojson": JSON, "coco": JSON, "ocelot-json": JSON,
            "parquet": (inside.in_parquet, in_bytes), "npz": (inside.in_npz, inside.in_zip, in_bytes),
            "tiatoolbox": (inside.in_sqlite, inside.in_sqlite, in_bytes),
        }.items()
    },
    "tables of others": Reader(partial(_written, CSV_OF_OTHERS), _read_nuclei, TEXT),
    "QuPath's cells": Reader(partial(_written, QUPATH), _read_nuclei, JSON),
    "markers": Reader(partial(_written, MARKERS), _read_nuclei, TEXT),
    "packed": Reader(_packed, _read_nuclei, (inside.in_gzip, in_bytes)),
    "regions": Reader(partial(_nuclei_file, "geojson"), _read_regions, JSON),
    "tiff": Reader(_tiffs, read_slide, (inside.in_tiff, inside.in_tiff, in_bytes, in_tokens)),
    "png": Reader(_pictures, read_slide, (inside.in_png, inside.in_png, in_bytes)),
    "jpeg": Reader(_jpegs, read_slide, (in_bytes,)),
    "zarr": Reader(_zarrs, read_slide, (inside.in_zip, inside.in_zip, in_bytes), 600),
    "session": Reader(_sessions, _read_session, (inside.in_sqlite, inside.in_sqlite, in_bytes), 300),
}  # fmt: skip
