"""The longest time for which the window stands still in an hour of work, as tests/gui/whole_hour.py walks it."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tests.benchmarks.isolation import Models

WINDOW = (1440, 900)


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Walk through the hour once, with the models that ship.

    The first import of the networks is left out: the walk begins when they are there.
    """
    with TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        return {"walk_freeze_ms": [max(_walked(Path(folder)).values())]}


def _walked(folder: Path) -> dict[str, float]:
    """Return the longest freeze of each step, ms."""
    import napari
    from skimage import data
    from tests.gui.whole_hour import CORRECTED, Hour, write_slides

    plain, large = write_slides(folder, np.asarray(data.immunohistochemistry()))
    hour = Hour(napari.Viewer(title="NucLoop"), WINDOW, "dark")
    hour.open(plain)
    hour.detect()
    hour.dock.sessions.set_author("Ann")
    hour.correct_many(CORRECTED)
    hour.undo_and_redo()
    hour.review()
    hour.learn()
    hour.second_reader()
    hour.measure("Ann")
    hour.ki67()
    hour.export(folder / "nuclei.geojson")
    hour.open(large)
    hour.quit_in_mid_run()
    return {step: longest for step, longest in hour.freezes.longest_ms.items() if step}
