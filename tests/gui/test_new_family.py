"""A family of one file in the window: chosen as a file, it detects, and its classes and outlines are in the session."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
from qtpy.QtWidgets import QScrollArea
from tests.gui.conftest import LONG_MS, Window, at_rest, on_screen
from tests.test_contrast import spotted
from tests.test_new_family import CENTRES, SCHEME, picture, toy

from nucloop.gui.detect.model_choice import CHOOSE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["toy"]

DIALOG = "nucloop.gui.detect.model_choice.QFileDialog.getOpenFileName"


def choose_detector(window: Window, answer: str) -> None:
    """Choose "a file" under More, and answer the dialog."""
    box = window.dock.models.boxes["detector"]
    window.qtbot.waitUntil(lambda: window.dock.device.text() != window.dock.LOADING, timeout=LONG_MS)
    with patch(DIALOG, return_value=(answer, "")):
        box.setCurrentIndex(box.findText(CHOOSE))


def test_a_detector_that_names_classes_and_gives_outlines_is_chosen_as_a_file_and_detects(
    window: Window, toy: Path
) -> None:
    window.open(picture())
    choose_detector(window, str(toy))
    assert window.dock.models.boxes["detector"].currentText() == "toy"
    window.detect_and_wait()
    assert window.said == f"{len(CENTRES)} nuclei found."
    nuclei = window.nuclei.session.nuclei(outlines=True)
    assert nuclei.scheme == SCHEME
    assert nuclei.counts() == {"red": len(CENTRES) // 2, "blue": len(CENTRES) // 2}
    np.testing.assert_allclose(np.sort(nuclei.yx, 0), np.sort(CENTRES, 0))
    assert nuclei.outlines is not None
    assert nuclei.outlines.there.all()
    assert window.dock.nuclei.legend.rows.keys() >= {0, 1}


def test_points_without_contrast_are_left_out_with_a_word_and_come_when_that_is_switched_off(
    window: Window, toy: Path
) -> None:
    window.open(spotted())
    choose_detector(window, str(toy))
    window.detect_and_wait()
    assert window.said == "4 nuclei found. 1,020 points without contrast left out."
    window.dock.more.expand(animate=False)
    at_rest(window.qtbot, lambda: on_screen(window.dock.models))
    contrast = window.dock.models.contrast
    window.dock.findChild(QScrollArea).ensureWidgetVisible(contrast)
    window.click(contrast)
    assert not contrast.isChecked()
    window.qtbot.waitUntil(lambda: window.dock.device.text() != window.dock.LOADING, timeout=LONG_MS)
    window.detect_and_wait()
    assert window.said == "1,020 nuclei added; 4 known before."


def test_a_person_who_thinks_better_of_choosing_a_file_keeps_the_detector_they_had(window: Window) -> None:
    window.open(picture())
    before = window.dock.models.choice
    choose_detector(window, "")
    assert window.dock.models.choice == before
    assert window.dock.models.boxes["detector"].currentText() == before.detector
