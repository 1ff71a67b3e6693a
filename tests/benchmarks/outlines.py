"""What outlines on the screen add to an edit: with and without them in turn, in one window, on any machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from tests.benchmarks.correcting import EDITS, SIDE, on_crowded_slides
from tests.benchmarks.stopwatch import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import napari
    from tests.benchmarks.correcting_window import CorrectingWindow
    from tests.benchmarks.isolation import Models

CORNERS = 32
RADIUS_PX = 8.0


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Press keys in the real window, on a slide whose nuclei all have outlines."""
    del models
    return on_crowded_slides(_measure_one, repeat, ["1e5"])


def _measure_one(path: Path, size: str, repeat: int, samples: dict[str, list[float]]) -> None:
    import napari
    from tests.benchmarks.correcting_window import CorrectingWindow

    viewer: napari.Viewer = napari.Viewer(title="NucLoop")
    try:
        window = CorrectingWindow(viewer, path)
        _outline_all(window)
        window.look_at(SIDE[size] / 2, 300)
        drawing = window.nuclei.outlines
        for _ in range(repeat):
            plain, outlined = [], []
            for _ in range(EDITS):
                drawing.wanted = False
                plain.append(window.edit()[""])
                drawing.wanted = True
                wait_until(lambda: drawing.picture.shown, "the outlines are drawn")
                outlined.append(window.edit()[""])
            samples[f"edit_{size}_plain_ms"] += plain
            samples[f"edit_{size}_outlined_ms"] += outlined
            samples["outlines_edit_ratio"].append(float(np.median(outlined) / np.median(plain)))
    finally:
        viewer.close()


def _outline_all(window: CorrectingWindow) -> None:
    """Give every nucleus an outline, as a second run does."""
    from nucloop.outlines import Outlines

    session = window.nuclei.session
    nuclei = session.nuclei()
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    circle = RADIUS_PX * np.stack([np.sin(angle), np.cos(angle)], 1)
    corners = (nuclei.yx[:, None] + circle).reshape(-1, 2).astype(np.float32)
    outlines = Outlines(corners, np.arange(len(nuclei) + 1, dtype=np.int64) * CORNERS)
    run = session.begin_run({"detector": {"name": "benchmark", "sha256": "0" * 64}}, 0.5)
    run.add(replace(nuclei, outlines=outlines))
    if session.has_outline(nuclei.ids).mean() < 0.9:
        raise RuntimeError("the nuclei have no outlines")
