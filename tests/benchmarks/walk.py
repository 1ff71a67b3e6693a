"""The longest time for which the window stands still in an hour of work, as tests/gui/whole_hour.py walks it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tests.benchmarks.isolation import Models

WINDOW = (1440, 900)


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Walk through the hour once, with the models that ship.

    The first import of the networks is left out: the walk begins when they are there. What each step took is printed.
    """
    with TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        return {"walk_freeze_ms": [max(_walked(Path(folder)).values())]}


def _walked(folder: Path) -> dict[str, float]:
    """Return the longest freeze of each step, ms."""
    import napari
    from skimage import data
    from tests.gui.hour_walk import walk
    from tests.gui.whole_hour import CORRECTED

    longest = walk(napari.Viewer, folder, np.asarray(data.immunohistochemistry()), WINDOW, "dark", CORRECTED)
    for step, milliseconds in sorted(longest.items(), key=lambda pair: -pair[1]):
        sys.stdout.write(f"  {milliseconds:6.0f} ms  {step}\n")
    return longest
