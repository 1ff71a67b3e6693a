"""The program itself, at some work with a slide: does what a person does, again and again, and says what is done.

    python -m tests.gui.window_until_killed SLIDE SEED OPERATION

Each line is the number of the newest edit, and the nuclei of each class.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from nucloop.classes import ClassScheme
from nucloop.gui.canvas.docks import PLUGIN, open_correct_dock, open_detect_dock, open_learn_dock
from nucloop.gui.sessions.open_sessions import OpenSessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.session import Change

EDITS = 200
FEATURES = 128
CTRL, NO_KEY = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.NoModifier


def say(*numbers: object) -> None:
    sys.stdout.write(" ".join(map(str, numbers)) + "\n")
    sys.stdout.flush()


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        QTest.qWait(5)


class Work:
    """A window with a slide open, whose session says each edit that it has acknowledged."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path, self.random = path, np.random.default_rng(seed)
        self.viewer = napari.Viewer()
        self.sessions = OpenSessions.of(self.viewer)
        self.sessions.author = "Dr A"

    def open(self, *, telling: bool = True) -> NucleiLayer:
        (self.image,) = self.viewer.open(self.path, plugin=PLUGIN)
        nuclei = self.sessions.open(self.image, ClassScheme.named("brca-m2c"))
        assert nuclei is not None
        self.nuclei = nuclei
        self.viewer.layers.selection.active = nuclei.layer
        if telling:
            nuclei.session.subscribe(self._tell)
        return nuclei

    def _tell(self, change: Change) -> None:
        say(change.seq, *change.counts.values())

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = NO_KEY) -> None:
        QTest.keyClick(self.viewer.window._qt_viewer.canvas.native, key, modifier)
        QApplication.processEvents()


def edit(work: Work) -> None:
    """Press keys over the slide, and say what the dock then shows."""
    nuclei = work.open(telling=False)
    dock = open_correct_dock(work.viewer)
    work.viewer.layers.selection.active = nuclei.layer
    canvas = work.viewer.window._qt_viewer.canvas.native
    keys = [Qt.Key.Key_A, Qt.Key.Key_A, Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_D, Qt.Key.Key_Z]
    for _ in range(EDITS):
        x, y = work.random.uniform(0.2, 0.8, 2) * (canvas.width(), canvas.height())
        move, none = QEvent.Type.MouseMove, Qt.MouseButton.NoButton
        QApplication.sendEvent(canvas, QMouseEvent(move, QPointF(x, y), QPointF(x, y), none, none, NO_KEY))
        key = keys[int(work.random.integers(len(keys)))]
        work.press(key, CTRL if key == Qt.Key.Key_Z else NO_KEY)
        while dock.showing.waiting:
            QApplication.processEvents()
        # what a person sees now
        say(nuclei.session.ledger.history.last, *(row.count.text() for row in dock.palette_rows.rows))


def undo(work: Work) -> None:
    """Take back and do again, many steps at a time, what was there before."""
    work.open()
    open_correct_dock(work.viewer)
    work.viewer.layers.selection.active = work.nuclei.layer
    while True:
        for key in (Qt.Key.Key_Z, Qt.Key.Key_Y):
            for _ in range(int(work.random.integers(1, 40))):
                work.press(key, CTRL)


def take_in(work: Work) -> None:
    """Take in a file of nuclei, and take that back."""
    from nucloop.formats import SlideInfo, write_nuclei
    from nucloop.gui.files.importing import read_steps, take_in
    from nucloop.nuclei import Nuclei

    nuclei, scheme = work.open(), ClassScheme.named("brca-m2c")
    while True:
        count = int(work.random.integers(10, 5000))
        places, label = work.random.uniform(0, 500, (count, 2)), work.random.integers(0, 3, count)
        file = work.path.with_suffix(".csv")
        write_nuclei(file, Nuclei.from_points(scheme, places, label=label), SlideInfo(name="s", height=512, width=512))
        for read in read_steps(file, nuclei.session.slide.info):
            take_in(nuclei, read, read.document, {})
        QApplication.processEvents()
        if work.random.random() < 0.5:
            work.press(Qt.Key.Key_Z, CTRL)


def detect(work: Work) -> None:
    """Press the button of the Detect dock, and take back what was found."""
    nuclei, dock = work.open(), open_detect_dock(work.viewer)
    work.viewer.reset_view()
    wait_until(lambda: dock.device.text() not in ("", dock.LOADING))
    while True:
        QTest.mouseClick(dock.controls.detect, Qt.MouseButton.LeftButton)
        wait_until(lambda: not dock.detection.running)
        nuclei.session.undo()


def learn(work: Work) -> None:
    """Say what nuclei are, learn from it, apply that, and take it back now and then."""
    from nucloop.learning.preparing import prepare_torch
    from nucloop.models.files.cards import load_encoder

    nuclei = work.open()
    session = nuclei.session
    prepare_torch()
    places = work.random.uniform(0, 500, (200, 2))
    truth = work.random.integers(0, 3, len(places))
    ids = np.concatenate([session.add(places[truth == k], int(k)).added for k in range(3)])
    features = work.random.normal(0, 0.5, (len(ids), FEATURES)).astype(np.float32)
    features[np.arange(len(ids)), np.sort(truth)] += 5
    work.sessions.features_of(work.image).store(load_encoder("embedded")[1].sha256, FEATURES).put(ids, features)
    dock: Any = open_learn_dock(work.viewer)
    while True:
        for nucleus in work.random.choice(ids, 6):
            session.set_class([nucleus], int(work.random.integers(3)), force=True)
        dock.learn()
        wait_until(lambda: not dock.learning.running)
        dock.learning.apply()
        wait_until(lambda: not dock.learning.running)
        if work.random.random() < 0.3:
            session.undo()


def migrate(work: Work) -> None:
    """Open sessions of an older format, one after the other."""
    for path in sorted(work.path.parent.glob(f"{work.path.stem}-*{work.path.suffix}")):
        work.path = path
        say(0)
        session = work.open().session
        say(session.ledger.history.last, *session.counts.values())


OPERATIONS = {one.__name__: one for one in (edit, undo, take_in, detect, learn, migrate)}

if __name__ == "__main__":
    OPERATIONS[sys.argv[3]](Work(Path(sys.argv[1]), int(sys.argv[2])))
