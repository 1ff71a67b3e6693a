"""``nucloop app``: napari with the NucLoop docks, for a person or, without one, for a picture and a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import napari
from qtpy.QtCore import QElapsedTimer, QEventLoop
from qtpy.QtWidgets import QApplication

from nucloop.errors import DataError, NucLoopError, SlideError
from nucloop.formats import SlideInfo, write_nuclei
from nucloop.gui.canvas.docks import PLUGIN, open_correct_dock, open_detect_dock
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.detect.pipelines import loaded_pipeline
from nucloop.gui.napari_private.parts import window_of
from nucloop.gui.plugin.read_ahead import ReadAhead
from nucloop.gui.plugin.reader import layer_of_file
from nucloop.gui.widgets.messages import Tone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nucloop.gui.detect.detect_dock import DetectDock

__all__ = ["run_app"]

LONGEST_RUN_S = 3600
FIRST_LOAD_S = 300


def run_app(
    files: Sequence[Path],
    sample: str | None = None,
    screenshot: Path | None = None,
    export: Path | None = None,
    mpp: float | None = None,
) -> int:
    """Open the window and stay until it is closed; or do the main job once, leave its results, and return.

    Parameters
    ----------
    files : sequence of Path
        Slides to open.
    sample : str, optional
        Key of a sample, such as ``ihc``.
    screenshot : Path, optional
        Detect in the view, save a picture of the window here, and return.
    export : Path, optional
        Detect in the view, write the nuclei here, and return.
    mpp : float, optional
        µm per pixel of slides that do not say.

    Returns
    -------
    int
        The exit status, 0.

    Raises
    ------
    NucLoopError
        If there is no screen, a slide cannot be opened, or (without a person) the job fails.
    """
    alone = screenshot is not None or export is not None
    viewer = _open_window()
    try:
        dock = _open_docks(viewer)
        _open_images(viewer, files, sample, mpp, alone)
        if not alone:
            napari.run()
            return 0
        _detect(viewer, dock)
        if screenshot is not None:
            screenshot.parent.mkdir(parents=True, exist_ok=True)
            viewer.screenshot(str(screenshot), canvas_only=False, flash=False)
        if export is not None:
            _export(dock, export)
    finally:
        if alone:
            viewer.close()
    return 0


def _open_window() -> napari.Viewer:
    viewer = napari.Viewer(title="NucLoop")
    viewer.window.resize(1440, 900)
    ReadAhead.of(viewer)
    return viewer


def _open_docks(viewer: napari.Viewer) -> DetectDock:
    """Open what a person begins with, detecting in front."""
    open_detect_dock(viewer)
    open_correct_dock(viewer)
    return open_detect_dock(viewer)


def _open_images(
    viewer: napari.Viewer, files: Sequence[Path], sample: str | None, mpp: float | None, alone: bool
) -> None:
    if sample is not None:
        try:
            viewer.open_sample(PLUGIN, sample)
        except KeyError as error:
            raise DataError(f"There is no sample {sample!r}. Look under File > Open Sample > NucLoop.") from error
    for path in files:
        try:
            data, options, _ = layer_of_file(path, mpp)
            viewer.add_image(data, **options)
        except SlideError as error:
            if alone:
                raise
            napari.utils.notifications.show_error(str(error))


def _detect(viewer: napari.Viewer, dock: DetectDock) -> None:
    """Press the button and wait until all is done and drawn."""
    image = dock.controls.image
    if image is None:
        raise SlideError("There is no image to detect on. Give a slide, or --sample ihc.")
    window = window_of(viewer)
    _wait(lambda: (window is None or window.isVisible()) and dock.device.text() != dock.LOADING, FIRST_LOAD_S)
    dock.detect()
    if dock.question.isVisible():
        raise SlideError(f"{image.name} does not say how many µm a pixel covers. Give it with --mpp.")
    _wait(lambda: not dock.detection.running, LONGEST_RUN_S)
    said = dock.messages.message
    if said is not None and (said.tone is Tone.ERROR or dock.detection.nuclei_of(image) is None):
        raise NucLoopError(said.text)
    _settle()


def _export(dock: DetectDock, path: Path) -> None:
    image = dock.controls.image
    nuclei = dock.detection.nuclei_of(image)
    assert image is not None
    assert nuclei is not None
    with slide_of_layer(image) as slide:
        pipeline = loaded_pipeline(dock.choice)
        weights = None if pipeline is None else pipeline.weights
        write_nuclei(path, nuclei.session.nuclei(outlines=True), SlideInfo.of(slide), weights=weights)


def _wait(until: Callable[[], bool], seconds: float) -> None:
    clock = QElapsedTimer()
    clock.start()
    while not until():
        if clock.elapsed() > 1000 * seconds:
            raise NucLoopError(f"NucLoop gave up after {seconds:.0f} s. Try a smaller field, or nucloop detect.")
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 50)


def _settle() -> None:
    """Let the window draw what has just changed."""
    clock = QElapsedTimer()
    clock.start()
    while clock.elapsed() < 700:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 50)
