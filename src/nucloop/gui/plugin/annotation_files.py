"""napari's reader and writers for files of nuclei: the same formats as everywhere, by the file's name and beginning."""

from __future__ import annotations

import sqlite3
import zipfile
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer

from nucloop.errors import DataError, NucLoopError
from nucloop.formats import Document, format_of, only_areas, read_document, write_document
from nucloop.formats.source.plain import PACKED, plain
from nucloop.formats.tables.dialect import check_lines, dialect_of
from nucloop.gui.canvas.drawn_regions import regions_of
from nucloop.gui.files.dialogs import image_meant, open_import
from nucloop.gui.files.importing import points_options
from nucloop.gui.layer.points_style import LAYER_NAME
from nucloop.gui.measure.references import points_as_nuclei
from nucloop.gui.napari_private.parts import keeper_of
from nucloop.gui.plugin.reader import NO_LAYER, read_slide
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.session.exchange import document_of, is_session, slide_of_session
from nucloop.slides import reader_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nucloop.gui.canvas.slide_layers import LayerData
    from nucloop.gui.layer.nuclei_layer import NucleiLayer

__all__ = ["get_annotation_reader", "read_annotation_file", "write_points"]

_HEAD = 65_536


def get_annotation_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the function that opens a file of nuclei or a session, None when it is neither."""
    if not isinstance(path, str):
        return None
    return read_annotation_file if is_session(path) or _holds_nuclei(Path(path)) else None


def read_annotation_file(path: str | Sequence[str]) -> list[LayerData]:
    """Ask over an open image what the nuclei are to be; without one return them as a Points layer.

    A session opens its slide, and with it itself.
    """
    layers: list[LayerData] = []
    for one in [path] if isinstance(path, str) else path:
        file = Path(one)
        try:
            if is_session(file):
                layers += read_slide(str(slide_of_session(file)))
            elif not _asked_about(file):
                document = read_document(file)
                trouble = only_areas(document, file.name)
                if trouble:
                    raise DataError(trouble)
                mpp = None if document.slide is None else document.slide.mpp
                layers.append((document.nuclei.yx, points_options(document, file.name, mpp), "points"))
        except NucLoopError as error:
            show_error(str(error))
    return layers or NO_LAYER


def write_points(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a Points layer in the format that the file name says: of a layer of ours all nuclei of its session.

    Raises
    ------
    NucLoopError
        If it cannot be written; napari shows the sentence.
    """
    file = Path(path)
    nuclei = _layer_called(attributes.get("name", ""))
    document = _points(data, attributes) if nuclei is None else _session(nuclei)
    left_out = write_document(file, document)
    told = f"{len(document.nuclei):,} nuclei are in {file.name}."
    show_info(f"{told} Left out: {'; '.join(left_out)}." if left_out else told)
    return [path]


def _asked_about(file: Path) -> bool:
    viewer = napari.current_viewer()
    if viewer is None or image_meant(viewer) is None:
        return False
    # napari is still busy opening it
    QTimer.singleShot(0, lambda: open_import(viewer, file))
    return True


def _holds_nuclei(path: Path) -> bool:
    """Whether a file is one of ours by its beginning: other programs use these endings too."""
    if path.suffix.lower() in PACKED and reader_for(path) is not None:
        return False  # a zipped slide
    try:
        with plain(path) as file:
            return _is_nuclei(file)
    except (NucLoopError, OSError):
        return False


def _is_nuclei(path: Path) -> bool:
    """Whether a plain file is one of ours."""
    kind = format_of(path, look=True)
    if ".txt" in kind.suffixes:
        return _is_brca_m2c(path)
    if kind.known_by:
        return kind.recognises(_head(path)) and (".csv" not in kind.suffixes or _has_places(path))
    checks = {".npz": _has_yx, ".db": _is_store}
    return checks.get(kind.suffixes[0], Path.is_file)(path)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _has_places(path: Path) -> bool:
    if _head(path).startswith(b"index,axis-"):
        return False  # what napari saves of its own layers, napari opens; the import dialog takes it too
    check_lines(path)
    return dialect_of(path).columns.say_where


def _has_yx(path: Path) -> bool:
    with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        return "yx.npy" in archive.namelist()
    return False


def _is_store(path: Path) -> bool:
    address = f"{path.absolute().as_uri()}?mode=ro"
    with suppress(OSError, sqlite3.Error), closing(sqlite3.connect(address, uri=True)) as database:
        names = "SELECT name FROM sqlite_master WHERE name IN ('annotations', 'rtree')"
        return len(database.execute(names).fetchall()) == 2
    return False


def _is_brca_m2c(path: Path) -> bool:
    with suppress(OSError, ValueError):
        lines = _head(path).decode("ascii").splitlines()[:3]
        return bool(lines) and all(len([int(word) for word in line.split()]) == 3 for line in lines)
    return False


def _layer_called(name: str) -> NucleiLayer | None:
    viewer = napari.current_viewer()
    sessions = None if viewer is None else keeper_of(viewer).findChild(OpenSessions)
    known = [] if sessions is None else sessions.all()
    return next((one for one in known if one.layer.name == name), None)


def _session(nuclei: NucleiLayer) -> Document:
    document = document_of(nuclei.session, nuclei.shown())
    slide = document.slide
    if slide is not None and slide.mpp is None:
        slide = replace(slide, mpp=nuclei.mpp)
    return replace(document, slide=slide, regions=tuple(regions_of(nuclei.viewer, nuclei.image)) or document.regions)


def _points(data: Any, attributes: dict[str, Any]) -> Document:
    """Points of any other layer, with the classes of its features; coordinates as the layer has them."""
    places = np.asarray(data, np.float64)
    if places.ndim != 2 or places.shape[1] < 2:
        raise DataError(f"The layer {attributes.get('name', LAYER_NAME)} holds no points on a slide.")
    layer = napari.layers.Points(places[:, -2:], features=attributes.get("features"))
    layer.name, layer.metadata = attributes.get("name", "points"), attributes.get("metadata", {})
    return Document(nuclei=points_as_nuclei(layer, layer))
