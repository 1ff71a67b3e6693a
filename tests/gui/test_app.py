"""``nucloop app`` without a person: the main job in a window, a picture and a file of it."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import napari
import numpy as np
import pytest
from PIL import Image as Picture
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from tests.benchmarks.stopwatch import wait_until
from tests.gui.conftest import LONG_MS

from nucloop.classes import ClassScheme
from nucloop.errors import NucLoopError
from nucloop.formats import read_nuclei
from nucloop.gui.plugin.app import run_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


@pytest.fixture(autouse=True)
def _own_settings(make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot) -> Iterator[None]:
    """Keep the settings of whoever runs the tests out of them, and clean up after a window.

    A window that ends while it is still looking for devices and models is held by that until it has found them.
    """
    yield
    qtbot.waitUntil(lambda: all(thread.name != "nucloop-job" for thread in threading.enumerate()), timeout=LONG_MS)


def test_the_job_leaves_a_picture_of_the_window_and_the_nuclei(tmp_path: Path) -> None:
    picture, table = tmp_path / "new" / "window.png", tmp_path / "nuclei.csv"
    assert run_app([], sample="ihc", screenshot=picture, export=table) == 0
    nuclei = read_nuclei(table, ClassScheme.named("brca-m2c"))
    assert len(nuclei) > 0
    with Picture.open(picture) as shown:
        assert shown.width > 900
        assert len(np.unique(np.asarray(shown.convert("RGB")).reshape(-1, 3), axis=0)) > 1000, "tissue has many colours"


def test_a_file_with_a_resolution_from_the_command_line_is_detected_on(
    tmp_path: Path, tissue: NDArray[np.uint8]
) -> None:
    slide, table = tmp_path / "field.png", tmp_path / "nuclei.geojson"
    Picture.fromarray(tissue).save(slide)
    assert run_app([slide], export=table, mpp=0.5) == 0
    assert len(read_nuclei(table, ClassScheme.named("brca-m2c"))) > 0


def test_a_file_without_a_resolution_ends_with_a_sentence(tmp_path: Path, tissue: NDArray[np.uint8]) -> None:
    slide = tmp_path / "field.png"
    Picture.fromarray(tissue).save(slide)
    with pytest.raises(NucLoopError, match="--mpp"):
        run_app([slide], export=tmp_path / "nuclei.csv")


def test_a_missing_file_ends_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NucLoopError, match=r"missing\.svs"):
        run_app([tmp_path / "missing.svs"], export=tmp_path / "nuclei.csv")


def test_an_unknown_sample_ends_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NucLoopError, match="no sample 'kidney'"):
        run_app([], sample="kidney", export=tmp_path / "nuclei.csv")


def test_nothing_to_detect_on_ends_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NucLoopError, match="no image"):
        run_app([], screenshot=tmp_path / "window.png")


def dropped_on(viewer: napari.Viewer, *paths: Path) -> None:
    """Drop files on the window."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    where, keys = QPointF(100, 100), Qt.KeyboardModifier.NoModifier
    event = QDropEvent(where, Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, keys)
    viewer.window._qt_viewer.dropEvent(event)


def test_slides_that_are_dropped_on_the_window_are_opened_by_nucloop_without_asking(
    tmp_path: Path, tissue: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("napari._qt.qt_viewer.handle_gui_reading", lambda *args, **_: asked.append(args))
    monkeypatch.setattr(napari, "run", lambda: None)
    for name in ("a.png", "b.tif"):
        Picture.fromarray(tissue).save(tmp_path / name)
    run_app([])
    viewer = napari.current_viewer()
    assert viewer is not None
    try:
        dropped_on(viewer, tmp_path / "a.png", tmp_path / "b.tif")
        wait_until(lambda: len(viewer.layers) >= 2, "both are opened")
        assert asked == []
        assert [layer.name for layer in viewer.layers] == ["a.png", "b.tif"]
        assert all("nucloop" in layer.metadata for layer in viewer.layers), "NucLoop's reader says where they come from"
    finally:
        viewer.close()


FIRST_SLIDE = """
import sys
import pint
from nucloop.gui.plugin import app

viewer = app._open_window()
dock = app._open_docks(viewer)
app._wait(lambda: dock.device.text() not in ("", dock.LOADING), 100)
before = set(sys.modules)
assert type(pint.application_registry.get()) is pint.UnitRegistry, "units are not read yet"
viewer.window._qt_viewer._qt_open([sys.argv[1]], False)
app._wait(lambda: len(viewer.layers), 100)
app._settle()
late = {name.split(".")[0] for name in set(sys.modules) - before}
assert not late & {"distributed", "tifffile", "imagecodecs", "dask", "zarr"}, late
viewer.close()
"""


def test_the_first_slide_waits_for_no_library(tmp_path: Path, tissue: NDArray[np.uint8]) -> None:
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", np.tile(tissue, (5, 5, 1)), photometric="rgb", tile=(256, 256))
    command = [sys.executable, "-c", FIRST_SLIDE, str(tmp_path / "a.tif")]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stderr[-2000:]
