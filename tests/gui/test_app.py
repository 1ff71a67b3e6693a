"""``nucloop app`` without a person: the main job in a window, a picture and a file of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image as Picture

from nucloop.classes import ClassScheme
from nucloop.errors import NucLoopError
from nucloop.formats import read_nuclei
from nucloop.gui.plugin.app import run_app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari
    from numpy.typing import NDArray

pytestmark = pytest.mark.gui


@pytest.fixture(autouse=True)
def _own_settings(make_napari_viewer: Callable[..., napari.Viewer]) -> None:
    """Keep the settings of whoever runs the tests out of them, and clean up after a window."""


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
