"""What an edit costs while the Measure dock is open: until the window has drawn it, and F1 and rings have followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tests.benchmarks.correcting import EDITS, SIDE, on_crowded_slides
from tests.benchmarks.stopwatch import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import napari
    from tests.benchmarks.isolation import Models

JITTER_PX = 2.0


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Press keys in the real window, with a reference of as many nuclei as the slide has."""
    del models
    return on_crowded_slides(_measure_one, repeat)


def _measure_one(path: Path, size: str, repeat: int, samples: dict[str, list[float]]) -> None:
    import napari
    from tests.benchmarks.correcting_window import CorrectingWindow

    from nucloop.gui.canvas.docks import open_measure_dock

    viewer: napari.Viewer = napari.Viewer(title="NucLoop")
    try:
        window = CorrectingWindow(viewer, path)
        dock = open_measure_dock(viewer)
        dock.compare_with_file(_reference(window.nuclei.session.nuclei(), path))
        wait_until(lambda: dock.measuring.score is not None and not dock.measuring.busy, "the figures are there")
        viewer.layers.selection.active = window.nuclei.layer
        window.look_at(SIDE[size] / 2, 300)
        for _ in range(repeat * EDITS):
            before = dock.measuring.score.confusion.tolist()
            samples[f"measured_edit_{size}_ms"].append(window.edit()[""])
            if dock.measuring.score.confusion.tolist() == before:
                raise RuntimeError("the figures are as they were")
    finally:
        viewer.close()


def _reference(nuclei: object, slide: Path) -> Path:
    """Write the same nuclei, a little elsewhere and some of another class, as another reader might mark them."""
    from dataclasses import replace

    from nucloop.formats import write_nuclei
    from nucloop.nuclei import Nuclei

    assert isinstance(nuclei, Nuclei)
    rng, count = np.random.default_rng(1), len(nuclei)
    moved = np.abs(nuclei.yx + rng.normal(0, JITTER_PX, nuclei.yx.shape)).astype(np.float32)
    label = np.where(rng.random(count) < 0.9, nuclei.label, rng.integers(0, len(nuclei.scheme), count))
    path = slide.with_suffix(".npz")
    write_nuclei(path, replace(nuclei, yx=moved, label=label.astype(np.int16)))
    return path
