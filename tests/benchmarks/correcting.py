"""What a person waits for while correcting: from the key until the window has drawn it, and everything is kept.

By then the journal is in the file and the docks show the new counts. Each step's share is measured too.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from tests.benchmarks.slides import FIELD_MPP, write_tissue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import napari
    from tests.benchmarks.correcting_window import CorrectingWindow
    from tests.benchmarks.isolation import Models

SIZES = {"1e5": 100_000, "1e6": 1_000_000}
SIDE = {"1e5": 4096, "1e6": 12_288}
"""Sides of the slides, pixels of 0.5 µm: about as crowded as tissue is."""
EDITS = 8


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Press keys in the real window, on slides with many nuclei."""
    del models
    return on_crowded_slides(_measure_one, repeat)


def on_crowded_slides(
    measure_one: Callable[[Path, str, int, dict[str, list[float]]], None],
    repeat: int,
    sizes: Collection[str] = tuple(SIZES),
) -> dict[str, list[float]]:
    """Measure slides with sessions of `SIZES` nuclei, one after another, away from the person's own settings."""
    samples: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        os.environ["XDG_CONFIG_HOME"] = folder
        for size in sizes:
            count = SIZES[size]
            path = Path(folder) / f"{size}.ome.tif"
            write_tissue(path, SIDE[size])
            _fill(path, count, SIDE[size])
            measure_one(path, size, repeat, samples)
    return samples


def _measure_one(path: Path, size: str, repeat: int, samples: dict[str, list[float]]) -> None:
    import napari
    from tests.benchmarks.correcting_window import CorrectingWindow

    viewer: napari.Viewer = napari.Viewer(title="NucLoop")
    try:
        window = CorrectingWindow(viewer, path)
        window.look_at(SIDE[size] / 2, 300)
        for _ in range(repeat * EDITS):
            for name, milliseconds in window.edit().items():
                samples[f"edit_{size}_{name}ms"].append(milliseconds)
            samples["repaint_ms"].append(window.repaint())
        if size == "1e5":
            _sweep(window, repeat, samples)
            for there, drawn in window.review(repeat * EDITS):
                samples["queue_next_ms"].append(there)
                samples["queue_next_drawn_ms"].append(drawn)
            samples["gallery_page_ms"] += window.gallery_pages(repeat)
        samples["correcting_freeze_ms"].append(window.longest_freeze_ms())
    finally:
        viewer.close()


def _sweep(window: CorrectingWindow, repeat: int, samples: dict[str, list[float]]) -> None:
    window.look_at(SIDE["1e5"] / 2, 340)
    for _ in range(repeat):
        brush, swept, undo = window.brush()
        samples["brush_ms"].append(brush)
        samples["brush_nuclei"].append(swept)
        samples["undo_ms"].append(undo)


def _fill(path: Path, count: int, side: int) -> None:
    """Write the session of a slide with nuclei all over it, as a model run leaves them."""
    from nucloop.classes import ClassScheme
    from nucloop.nuclei import Nuclei
    from nucloop.session import Session
    from nucloop.slides import open_slide

    scheme, rng = ClassScheme.named("brca-m2c"), np.random.default_rng(0)
    probability = rng.dirichlet([2.0] * len(scheme), count).astype(np.float32)
    nuclei = Nuclei.from_points(
        scheme,
        rng.uniform(0, side, (count, 2)),
        label=probability.argmax(1),
        score=np.full(count, 0.9),
        probability=probability,
    )
    with open_slide(path) as slide, Session.for_slide(slide, scheme) as session:
        run = session.begin_run({"detector": {"name": "benchmark", "sha256": "0" * 64}}, 0.001 / FIELD_MPP)
        began = time.perf_counter()
        run.add(nuclei)
        print(f"{len(session):,} nuclei entered in {time.perf_counter() - began:.1f} s")
