"""The program itself, with a slide open: presses keys as a person does, and says what the dock then shows."""

from __future__ import annotations

import sys
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from nucloop.classes import ClassScheme
from nucloop.gui.canvas.docks import PLUGIN, open_correct_dock
from nucloop.gui.sessions.open_sessions import OpenSessions

EDITS = 200


def main(path: Path, seed: int) -> None:
    viewer = napari.Viewer()
    viewer.open(path, plugin=PLUGIN)
    sessions = OpenSessions.of(viewer)
    sessions.author = "Dr A"
    nuclei = sessions.open(viewer.layers[0], ClassScheme.named("brca-m2c"))
    assert nuclei is not None
    dock = open_correct_dock(viewer)
    viewer.layers.selection.active = nuclei.layer
    canvas, random = viewer.window._qt_viewer.canvas.native, np.random.default_rng(seed)
    keys = [Qt.Key.Key_A, Qt.Key.Key_A, Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_D, Qt.Key.Key_Z]
    for _ in range(EDITS):
        x, y = random.uniform(0.2, 0.8, 2) * (canvas.width(), canvas.height())
        move, none = QEvent.Type.MouseMove, Qt.MouseButton.NoButton
        QApplication.sendEvent(
            canvas, QMouseEvent(move, QPointF(x, y), QPointF(x, y), none, none, Qt.KeyboardModifier.NoModifier)
        )
        key = keys[int(random.integers(len(keys)))]
        control = Qt.KeyboardModifier.ControlModifier if key == Qt.Key.Key_Z else Qt.KeyboardModifier.NoModifier
        QTest.keyClick(canvas, key, control)
        QApplication.processEvents()
        while dock.showing.waiting:
            QApplication.processEvents()
        # what a person sees now
        shown = " ".join(row.count.text() for row in dock.palette_rows.rows)
        sys.stdout.write(f"{nuclei.session.ledger.history.last} {shown}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
