"""The box "Outlines" in the Detect dock: what is found has its outline in the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.gui.conftest import LONG_MS
from tests.test_outliner import RAYS, random_shape, saved

from nucloop.detection import spec

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gui.conftest import Window

pytestmark = pytest.mark.gui


@pytest.fixture
def shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A shape network in the place of the one that ships."""
    path = saved(tmp_path / "shape.safetensors", "shape", random_shape())
    monkeypatch.setattr(spec, "DEFAULT_SHAPE", path)
    return path


def test_nuclei_have_outlines_where_the_box_is_ticked(field: Window, shape: str) -> None:
    field.click(field.dock.controls.outlines)
    assert field.dock.controls.outlines.isChecked()
    field.qtbot.waitUntil(lambda: field.dock.device.text().startswith("Runs on"), timeout=LONG_MS)
    field.detect_and_wait()
    assert field.count() > 0
    nuclei = field.nuclei.session.nuclei(outlines=True)
    assert nuclei.outlines is not None
    assert set(np.diff(nuclei.outlines.ends)) == {RAYS}


def test_nuclei_found_before_without_outlines_get_them_from_a_second_run(field: Window, shape: str) -> None:
    field.detect_and_wait()
    ids = field.nuclei.session.ids()
    field.click(field.dock.controls.outlines)
    field.qtbot.waitUntil(lambda: field.dock.device.text().startswith("Runs on"), timeout=LONG_MS)
    field.detect_and_wait()
    assert field.nuclei.session.has_outline(ids).all()
    assert field.nuclei.session.ids().tolist() == ids.tolist()
    assert field.said == f"{len(ids):,} nuclei that had no outline have one now."


def test_nuclei_have_none_where_it_is_not(field: Window, shape: str) -> None:
    assert not field.dock.controls.outlines.isChecked()
    field.detect_and_wait()
    assert field.count() > 0
    nuclei = field.nuclei.session.nuclei(outlines=True)
    assert nuclei.outlines is None or not nuclei.outlines.there.any()


def test_a_box_that_is_ticked_without_a_network_to_serve_it_says_so(
    field: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "DEFAULT_SHAPE", "nowhere.safetensors")
    field.click(field.dock.controls.outlines)
    field.qtbot.waitUntil(lambda: "nowhere.safetensors" in field.said, timeout=LONG_MS)
