"""Rows of docks that stand for classes, when the classes change."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from nucloop.classes import ClassScheme
from nucloop.gui.correct.class_palette import ClassPalette, PaletteRow
from nucloop.gui.layer.legend import ClassRow, Legend

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QWidget

pytestmark = pytest.mark.gui


@pytest.mark.parametrize(("kind", "row", "more"), [(Legend, ClassRow, 1), (ClassPalette, PaletteRow, 0)])
def test_other_classes_take_the_place_of_those_before_at_once(
    qtbot: QtBot, kind: type[QWidget], row: type[QWidget], more: int
) -> None:
    widget = kind()
    qtbot.addWidget(widget)
    for name in ("patherea-ki67", "brca-m2c"):
        scheme = ClassScheme.named(name)
        if isinstance(widget, Legend):
            widget.show_counts(scheme, Counter(), frozenset(), ())
        else:
            assert isinstance(widget, ClassPalette)
            widget.show_classes(scheme, Counter(), 0, [""] * len(scheme))
        assert len(widget.findChildren(row)) == len(scheme) + more
