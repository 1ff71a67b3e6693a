"""A pathologist's hour: open, answer, detect, correct, review, learn, measure, read twice, export, quit, come back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.gui.hour_walk import FEW, walk
from tests.gui.whole_hour import CORRECTED

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    import numpy as np
    from numpy.typing import NDArray

pytestmark = pytest.mark.gui
ROOT = Path(__file__).parents[2]
LONGEST_S = 550


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("size", "theme", "corrected"), [((1440, 900), "dark", CORRECTED), ((1024, 700), "light", FEW)]
)
def test_an_hour_of_work_is_there_again_after_the_window_was_closed(
    make_napari_viewer: Callable[..., napari.Viewer],
    tmp_path: Path,
    tissue: NDArray[np.uint8],
    size: tuple[int, int],
    theme: str,
    corrected: int,
) -> None:
    walk(lambda: make_napari_viewer(show=True), tmp_path, tissue, size, theme, corrected)


@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="needs a virtual screen of its own")
def test_the_hour_is_the_same_on_a_screen_of_twice_the_pixels(tmp_path: Path) -> None:
    screen = ["xvfb-run", "-a", "-s", "-screen 0 2880x1800x24"]
    own = {"QT_SCALE_FACTOR": "2", "NAPARI_CONFIG": str(tmp_path / "napari.yaml"), "XDG_CONFIG_HOME": str(tmp_path)}
    walked = subprocess.run(
        [*screen, sys.executable, "-m", "tests.gui.hour_walk", str(tmp_path), "1440", "900", "light"],
        cwd=ROOT,
        env=os.environ | own,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    assert walked.returncode == 0, walked.stderr[-3000:]
