"""Work for a while on several slides in one window, again and again, and see what memory that leaves taken.

    tools/in-window.sh .venv/bin/python -m tests.benchmarks.soak --minutes 20 --json build/soak.json

A round opens each slide in turn, detects, edits, undoes, learns, applies and closes it. Memory is measured between
rounds, when no slide is open: `taken` is what the process has, `used` what of it is left when the C library has given
back what it only keeps for later, as it does by itself when it pleases. What is used must stay flat after the third
round: the command ends with 1 where it does not.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from tests.benchmarks.slides import FIELD_MPP, write_tissue
from tests.benchmarks.stopwatch import wait, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import napari

    from nucloop.gui.layer.nuclei_layer import NucleiLayer

SLIDES, SIDE, VIEW = 5, 3072, 512
EDITS, UNDONE = 30, 10
SETTLED_AFTER, FLAT_MB = 3, 50
REST_MS = 12_000
"""Longer than the window waits before it looks for what removed images have left."""
WINDOW = (1440, 900)


class Soak:
    """One window with all docks, and what a person does in it."""

    def __init__(self) -> None:
        import napari

        from nucloop.gui.canvas import docks

        self.viewer: napari.Viewer = napari.Viewer(title="NucLoop")
        self.viewer.window.resize(*WINDOW)
        for name in ("gallery", "measure", "ki67"):
            getattr(docks, f"open_{name}_dock")(self.viewer)
        self.correct = docks.open_correct_dock(self.viewer)
        self.learn = docks.open_learn_dock(self.viewer)
        self.detect = docks.open_detect_dock(self.viewer)
        self.canvas = self.viewer.window._qt_viewer.canvas.native
        wait_until(lambda: self.detect.device.text() not in ("", self.detect.LOADING), "the models are loaded")

    def round(self, slides: list[Path], seed: int) -> None:
        """Work on each slide once."""
        for number, path in enumerate(slides):
            self.work(path, np.random.default_rng([seed, number]))
        wait(REST_MS)

    def work(self, path: Path, random: np.random.Generator) -> None:
        """Open a slide, detect in some view, edit, undo, learn, apply, and close it."""
        (image,) = self.viewer.open(path, plugin="napari-nucloop")
        self._look(random.uniform(0.25, 0.75, 2) * SIDE)
        QTest.mouseClick(self.detect.controls.detect, Qt.MouseButton.LeftButton)
        wait_until(lambda: not self.detect.detection.running, "the detection is over")
        nuclei = self.detect.detection.nuclei_of(image)
        if nuclei is None or not len(nuclei.session):
            raise RuntimeError(f"nothing was found: {self.detect.detection.message}")
        self.viewer.layers.selection.active = nuclei.layer
        wait(300)
        self._edit(nuclei, random)
        self._learn()
        del nuclei
        self.viewer.layers.remove(image)
        del image
        wait(300)

    def _edit(self, nuclei: NucleiLayer, random: np.random.Generator) -> None:
        classes = len(nuclei.session.scheme)
        for k in range(EDITS):
            ids = nuclei.in_view()
            self._hover(nuclei, nuclei.session.positions(random.choice(ids, 1))[0])
            key = (Qt.Key.Key_A, Qt.Key.Key_D)[k % 2] if k % 6 > 3 else Qt.Key(Qt.Key.Key_1 + k % classes)
            self._press(key)
        for _ in range(UNDONE):
            self._press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)

    def _learn(self) -> None:
        learning = self.learn.learning
        wait_until(lambda: not self.learn._show_timer.isActive(), "the answers are counted")
        self.learn.learn()
        wait_until(lambda: not learning.running, "the lesson is over")
        if learning.ready is None:
            raise RuntimeError(f"nothing was learned: {self.learn.messages.text}")
        learning.apply()
        wait_until(lambda: not learning.running, "the lesson is applied")

    def _look(self, yx: Any) -> None:
        from nucloop.gui.napari_private.view_state import camera_of, canvas_size_of

        camera = camera_of(self.viewer)
        camera.center = tuple(yx * FIELD_MPP)
        camera.zoom = min(canvas_size_of(self.viewer)) / (VIEW * FIELD_MPP)
        wait(500)

    def _hover(self, nuclei: NucleiLayer, yx: Any) -> None:
        from nucloop.gui.napari_private.view_state import camera_of, canvas_size_of

        camera, (height, width) = camera_of(self.viewer), canvas_size_of(self.viewer)
        dy, dx = (yx * float(nuclei.layer.scale[-1]) - camera.center[-2:]) * camera.zoom
        point, none = QPoint(round(width / 2 + dx), round(height / 2 + dy)), Qt.MouseButton.NoButton
        world = QPointF(self.canvas.mapToGlobal(point))
        move = QMouseEvent(QEvent.Type.MouseMove, QPointF(point), world, none, none, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(self.canvas, move)

    def _press(self, key: Qt.Key, together: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.canvas, key, together)
        wait_until(lambda: not self.correct.showing.waiting, "the dock shows the edit")


def give_back() -> None:
    """Have the C library give back what it keeps for later."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def memory_mb() -> float:
    """Return what this process has in memory now, MB."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def rounds(minutes: float, fewest: int) -> Iterator[dict[str, float]]:
    """Work for so long; yield, after each round, what has been taken."""
    with TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        slides = [write_tissue(Path(folder) / f"slide-{k}.ome.tif", SIDE) for k in range(SLIDES)]
        soak, began, number = Soak(), time.monotonic(), 0
        yield _row(0, began)
        while time.monotonic() - began < 60 * minutes or number < fewest:
            number += 1
            soak.round(slides, number)
            yield _row(number, began)
        soak.viewer.close()


def _row(number: int, began: float) -> dict[str, float]:
    taken = memory_mb()
    give_back()
    return {"round": number, "minutes": (time.monotonic() - began) / 60, "taken_mb": taken, "used_mb": memory_mb()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=SETTLED_AFTER + 2, help="at least so many")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = []
    for row in rounds(asked.minutes, asked.rounds):
        rows.append(row)
        sys.stdout.write(
            "round {round:3d}   {minutes:5.1f} min   taken {taken_mb:6.0f} MB   used {used_mb:6.0f} MB\n".format(**row)
        )
        sys.stdout.flush()
        if asked.json is not None:
            asked.json.write_text(json.dumps(rows, indent=1))
    settled = [row["used_mb"] for row in rows[min(SETTLED_AFTER, len(rows) - 1) :]]
    growth = max(settled) - settled[0]
    sys.stdout.write(f"after round {SETTLED_AFTER} memory in use grew by {growth:.0f} MB at most\n")
    return int(growth > FLAT_MB)


if __name__ == "__main__":
    sys.exit(main())
