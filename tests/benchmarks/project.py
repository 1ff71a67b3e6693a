"""The Project dock with 1,000 slides: how soon the list is there, and the longest the window stands still meanwhile.

The slides are real files with results as a run leaves them, and every tenth has a session that a person has corrected.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.isolation import Models

    from nucloop.gui.project.project_dock import ProjectDock

SLIDES = 1000
WINDOW = (1440, 900)
DOCK_PIXELS = 640
SCROLLS = 60
TICK_MS = 5


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Open the project several times in the real window; scroll, sort, search and step through it."""
    samples: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        study = write_project(Path(folder), SLIDES)
        dock = _open_window(Path(folder))
        try:
            for _ in range(repeat):
                _walk(dock, study, samples)
        finally:
            dock.viewer.close()
    return samples


def write_project(folder: Path, number: int) -> Path:
    """Write slides and a cohort of them in which all are done; return its folder."""
    from tests.benchmarks.cohort import write_slides

    from nucloop import cohort
    from nucloop.classes import ClassScheme
    from nucloop.cohort.packages.masters import begin_master, open_master
    from nucloop.cohort.result import result_folder
    from nucloop.cohort.writing import Found, write_result
    from nucloop.nuclei import Nuclei
    from nucloop.slides import open_slide
    from nucloop.slides.tissue import map_tissue

    (folder / "slides").mkdir()
    write_slides(folder / "slides", number)
    study, scheme = folder / "study", ClassScheme.named("brca-m2c")
    for _ in cohort.init(folder / "slides", study, cohort.CohortSettings(sessions=True)):
        pass
    project = cohort.open_project(study)
    weights = {"detector": {"name": "test", "sha256": "0" * 64}}
    for k, state in enumerate(cohort.states_of(project)):
        places = np.random.default_rng(k).uniform(2, 30, (3 + k % 7, 2))
        nuclei = Nuclei.from_points(scheme, places, label=np.arange(len(places)) % 3, score=np.full(len(places), 0.9))
        target = result_folder(project.results, state.entry.id, state.key)
        with open_slide(state.entry.path) as slide:
            found = Found(slide, map_tissue(slide), nuclei.numbered(), (), weights)
            write_result(target, state.entry, project.settings, found)
    for state in cohort.states_of(project)[::10]:
        with open_slide(state.entry.path) as slide:
            begin_master(project, state, slide)
        with open_master(project, state.entry) as session:
            session.confirm([1])
    return study


def _open_window(folder: Path) -> ProjectDock:
    import napari
    from qtpy.QtCore import QSettings, Qt
    from tests.benchmarks.stopwatch import wait

    from nucloop.gui.canvas.docks import open_project_dock
    from nucloop.gui.napari_private.parts import window_of

    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
    viewer = napari.Viewer(title="NucLoop")
    viewer.window.resize(*WINDOW)
    dock: ProjectDock = open_project_dock(viewer)
    bar: Any = dock.parentWidget()
    while not hasattr(bar, "setFloating"):
        bar = bar.parentWidget()
    window = window_of(viewer)
    assert window is not None
    window.resizeDocks([bar], [DOCK_PIXELS], Qt.Orientation.Horizontal)
    wait(1000)
    return dock


def _walk(dock: ProjectDock, study: Path, samples: dict[str, list[float]]) -> None:
    from qtpy.QtCore import Qt
    from tests.benchmarks.stopwatch import wait, wait_until

    reading, parts = dock.reading, dock.parts
    reading.project, reading.slides = None, {}
    parts.model.show_slides([])
    wait(300)
    with _freezes(samples["project_freeze_ms"]):
        began = time.perf_counter()
        dock.open(study)
        wait_until(lambda: parts.model.rowCount() == SLIDES and parts.rows.isVisible(), "the list is there")
        parts.rows.viewport().repaint()
        samples["project_open_s"].append(time.perf_counter() - began)
        wait_until(lambda: not reading.busy and not dock.counting.waiting, "everything is read")
        samples["project_read_s"].append(time.perf_counter() - began)
    with _freezes(samples["project_scroll_freeze_ms"]):
        bar = parts.rows.verticalScrollBar()
        for step in range(SCROLLS + 1):
            bar.setValue(bar.maximum() * step // SCROLLS)
            wait(TICK_MS)
        wait_until(lambda: not parts.thumbnails.busy, "the pictures are there")
        column = [one.name for one in parts.model.columns].index("nuclei")
        for order in (Qt.SortOrder.DescendingOrder, Qt.SortOrder.AscendingOrder):
            parts.rows.sort_by(column, order)
            wait(TICK_MS)
        for letter in ("s", "s0", "s00", "s000", ""):
            parts.filter.words.setText(letter)
            wait(TICK_MS)
        parts.rows.selectAll()
        wait(TICK_MS)
        parts.rows.clearSelection()
        parts.rows.sort_by(-1, Qt.SortOrder.AscendingOrder)
        wait(100)


@contextmanager
def _freezes(into: list[float]) -> Iterator[None]:
    """Add the longest time between two turns of the window's event loop, ms."""
    from qtpy.QtCore import QObject, Qt, QTimer
    from tests.benchmarks.stopwatch import wait

    ticks: list[float] = []
    keeper = QObject()
    timer = QTimer(keeper)
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    timer.start(TICK_MS)
    wait(50)
    yield
    wait(50)
    timer.stop()
    into.append(1000 * float(np.diff(ticks).max()))
