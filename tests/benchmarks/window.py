"""What a person waits for: from the click on Detect nuclei until the window has drawn them."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from tests.benchmarks.slides import FIELD_MPP, write_tissue

if TYPE_CHECKING:
    import napari
    from tests.benchmarks.isolation import Models

    from nucloop.gui.detect.detect_dock import DetectDock

WINDOW = (1440, 900)
VIEW_SIDE = 1024
SLIDE_SIDE = 3072
IDLE_MS = 700
"""Between two clicks: everything that the last one started has come to rest."""


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Click in the real window: on a field that is the whole view, and in the middle of a slide."""
    samples: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        slide = write_tissue(Path(folder) / "tissue.ome.tif", SLIDE_SIDE)
        viewer, dock = _open(models)
        try:
            viewer.open_sample("napari-nucloop", "synthetic_he")
            _click_often(viewer, dock, "cold_", 1, samples)
            _click_often(viewer, dock, "", repeat, samples)
            viewer.layers.clear()
            viewer.open(slide, plugin="napari-nucloop")
            _look_inside(viewer)
            _click_often(viewer, dock, "inside_", repeat, samples)
        finally:
            viewer.close()
    return samples


def _open(models: Models) -> tuple[napari.Viewer, DetectDock]:
    """Open the window with the dock, and wait until its models are loaded."""
    import napari
    from tests.benchmarks.stopwatch import wait, wait_until

    from nucloop.gui.canvas.docks import open_detect_dock
    from nucloop.gui.detect.pipelines import loaded_pipeline

    viewer = napari.Viewer(title="NucLoop")
    viewer.window.resize(*WINDOW)
    dock = open_detect_dock(viewer)
    wait_until(lambda: dock.device.text() != dock.LOADING, "the first models are loaded")
    boxes = dock.models.boxes
    if any(boxes[kind].currentData() != name for kind, name in asdict(models).items()):
        dock.models.blockSignals(True)
        for kind, name in asdict(models).items():
            boxes[kind].addItem(name, name)
            boxes[kind].setCurrentIndex(boxes[kind].findData(name))
        dock.models.blockSignals(False)
        dock.models.changed.emit()
    wait_until(lambda: loaded_pipeline(dock.choice) is not None, "the models are loaded")
    wait(IDLE_MS)
    return viewer, dock


def _look_inside(viewer: napari.Viewer) -> None:
    """Show as much tissue as the field has, away from the borders of the slide and of the grid of tiles."""
    from nucloop.gui.napari_private.view_state import camera_of, canvas_size_of

    camera, (height, width) = camera_of(viewer), canvas_size_of(viewer)
    side = VIEW_SIDE * FIELD_MPP
    camera.zoom = np.sqrt(height * width) / side
    camera.center = (1390 * FIELD_MPP, 1610 * FIELD_MPP)


def _click_often(
    viewer: napari.Viewer, dock: DetectDock, which: str, times: int, samples: dict[str, list[float]]
) -> None:
    from tests.benchmarks.stopwatch import timed_click, wait

    from nucloop.gui.canvas.view import view_box

    for _ in range(times):
        wait(IDLE_MS)
        image = dock.controls.image
        assert image is not None
        area = view_box(viewer, image).area
        if abs(area / VIEW_SIDE**2 - 1) > 0.05:
            raise RuntimeError(f"the view shows {area} pixels instead of {VIEW_SIDE}²")
        first, last, freeze = timed_click(viewer, dock)
        samples[f"view_first_{which}s"].append(first)
        samples[f"view_all_{which}s"].append(last)
        samples["longest_freeze_ms"].append(freeze)
        nuclei = dock.detection.nuclei_of(image)
        assert nuclei is not None
        samples["view_nuclei"].append(len(nuclei.session))
        # the next click finds them anew
        nuclei.session.undo()
