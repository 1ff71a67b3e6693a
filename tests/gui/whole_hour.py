"""An hour of a pathologist's work in the real window, step by step, with mouse and keys; for a test and for a figure.

Each step does something and returns when the person sees it done; what they see is asserted beside it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Picture
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDropEvent, QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QScrollArea
from tests.benchmarks.stopwatch import wait, wait_until
from tifffile import imwrite

from nucloop.formats import read_document
from nucloop.gui.canvas import docks
from nucloop.gui.canvas.slide_group import layers_on
from nucloop.gui.detect.detection import DetectionScope
from nucloop.gui.files.dialogs import open_export
from nucloop.gui.napari_private.view_state import camera_of, canvas_size_of
from nucloop.gui.plugin.read_ahead import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from numpy.typing import NDArray

CORRECTED = 150
REVIEWED = 3
READ_AGAIN = 12
HAND_MS = 20
"""No hand moves a mouse again sooner, and vispy leaves out what comes sooner."""
TICK_MS = 5
SEEN = 0.96
"""Of the canvas that a slide may take and count as seen: a little stays free around it."""
SETTLED_MS = 1000
"""Before a picture is taken: what the last step has changed is laid out."""


def write_slides(folder: Path, tissue: NDArray[np.uint8]) -> tuple[Path, Path]:
    """Write a slide that does not say its resolution, and a larger one that does."""
    plain, large = folder / "plain.png", folder / "large.tif"
    Picture.fromarray(tissue).save(plain)
    tiled = np.tile(tissue, (5, 5, 1))
    imwrite(large, tiled, photometric="rgb", tile=(512, 512), resolution=(20_000, 20_000), resolutionunit=3)
    return plain, large


class Freezes:
    """How long the window's event loop stood still, by the step that was under way."""

    def __init__(self) -> None:
        self.longest_ms: dict[str, float] = {}
        self.step = ""
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def begin(self, step: str) -> None:
        """Say what is done from now on."""
        self._tick()
        self.step = step

    def stop(self) -> None:
        """Watch no longer."""
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.longest_ms[self.step] = max(self.longest_ms.get(self.step, 0.0), 1000 * (now - self._last))
        self._last = now


class Album:
    """Pictures of the window after each step, in the folder that NUCLOOP_WALK_PICTURES names; none where none is."""

    def __init__(self, viewer: napari.Viewer, title: str) -> None:
        self._viewer, self._title, self._count = viewer, title, 0
        self._folder = os.environ.get("NUCLOOP_WALK_PICTURES", "")

    def keep(self, step: str) -> None:
        """Take a picture."""
        if self._folder and step:
            wait(SETTLED_MS)
            self._count += 1
            name = f"{self._title}-{self._count:02d}-{step.replace(' ', '-')}.png"
            self._viewer.window._qt_window.grab().save(str(Path(self._folder) / name))


def scroll_to(widget: Any) -> None:
    """Turn the wheel of the dock until a widget is seen, as a person does where the dock is higher than the window."""
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QScrollArea):
            parent.ensureWidgetVisible(widget)
        parent = parent.parentWidget()


class Hour:
    """A window with a person before it."""

    def __init__(self, viewer: napari.Viewer, size: tuple[int, int], theme: str) -> None:
        self.viewer, self.size = viewer, size
        self.album = Album(viewer, f"{size[0]}x{size[1]}-{theme}")
        viewer.theme = theme
        viewer.window.resize(*size)
        viewer.window._qt_window.activateWindow()
        ReadAhead.of(viewer)
        self.dock = docks.open_detect_dock(viewer)
        self.correct = docks.open_correct_dock(viewer)
        docks.open_detect_dock(viewer)
        self.until(lambda: self.dock.device.text() not in ("", self.dock.LOADING), "the models are loaded")
        self.freezes = Freezes()

    @staticmethod
    def until(condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, what)

    def step(self, name: str) -> None:
        """Begin a step; the one before has left the window as large as it was."""
        window = self.viewer.window._qt_window
        assert (window.width(), window.height()) == self.size, f"{self.freezes.step} has made the window another size"
        done = self.freezes.step
        self.freezes.begin("")
        self.album.keep(done)
        self.freezes.begin(name)

    @property
    def canvas(self) -> Any:
        return self.viewer.window._qt_viewer.canvas.native

    @property
    def nuclei(self) -> Any:
        found = self.dock.sessions.active
        assert found is not None, "no nuclei are seen"
        return found

    def count(self) -> int:
        found = self.dock.sessions.active
        return 0 if found is None else len(found.session)

    def shown(self) -> set[str]:
        return {layer.name for layer in self.viewer.layers if layer.visible}

    def press(self, widget: Any) -> None:
        self.until(lambda: widget.isVisible() and widget.isEnabled(), f"{widget.text()} can be pressed")
        scroll_to(widget)
        wait(30)
        assert not widget.visibleRegion().isEmpty(), f"{widget.text()} is nowhere to be seen"
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)

    def key(self, key: Qt.Key, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.canvas, key, keys)

    def see_all(self) -> None:
        """Press the house until all of the slide is seen: a dock that comes takes room from the canvas."""
        image = self.nuclei.image
        height, width = (image.data[0] if image.multiscale else image.data).shape[:2]

        def seen() -> bool:
            wait(100)
            QTest.mouseClick(self.viewer.window._qt_viewer.viewerButtons.resetViewButton, Qt.MouseButton.LeftButton)
            wait(100)
            return all(self.canvas.rect().contains(self.place_of(yx)) for yx in ((0, 0), (height - 1, width - 1)))

        self.until(seen, "all of the slide is on screen")

    def place_of(self, yx: Any) -> QPoint:
        """Return where a place in level-0 pixels is on the canvas."""
        camera = camera_of(self.viewer)
        height, width = canvas_size_of(self.viewer)
        world = np.asarray(self.nuclei.image.data_to_world(yx))[-2:]
        dy, dx = (world - camera.center[-2:]) * camera.zoom
        return QPoint(round(width / 2 + dx), round(height / 2 + dy))

    def point(self, yx: Any) -> None:
        """Move the mouse over a place in level-0 pixels."""
        place = self.place_of(yx)
        assert self.canvas.rect().contains(place), f"{yx} is not on screen"
        at, none = QPointF(self.canvas.mapToGlobal(place)), Qt.MouseButton.NoButton
        event = QMouseEvent(QEvent.Type.MouseMove, QPointF(place), at, none, none, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(self.canvas, event)
        wait(HAND_MS)

    def open(self, path: Path) -> Any:
        """Drop a slide on the window."""
        self.step(f"open {path.name}")
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(path))])
        keys = Qt.KeyboardModifier.NoModifier
        event = QDropEvent(QPointF(200, 200), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, keys)
        self.viewer.window._qt_viewer.dropEvent(event)
        self.until(lambda: getattr(self.dock.controls.image, "name", "") == path.name, f"{path.name} is meant")
        image = self.viewer.layers[path.name]
        assert image.visible
        self.until(lambda: self.in_view(image), f"{path.name} is in the middle of the view, as large as it can be")
        return image

    def in_view(self, image: Any) -> bool:
        """Whether a slide is in the middle of the canvas and takes most of its height or width."""
        camera = camera_of(self.viewer)
        shape = np.array((image.data[0] if image.multiscale else image.data).shape[:2])
        middle = np.asarray(image.world_to_data(camera.center[-2:]))
        share = shape * np.asarray(image.scale)[-2:] * camera.zoom / canvas_size_of(self.viewer)
        return bool(np.allclose(middle, shape / 2, atol=2) and 0.7 < share.max() <= SEEN)

    def detect(self) -> None:
        """Press Detect and wait for the nuclei, their colours and their counts."""
        self.step("detect")
        self.press(self.dock.controls.detect)
        if self.dock.question.isVisible():
            assert "does not say its resolution" in self.dock.question.said
            self.until(self.dock.question.crops["20×"].isVisible, "nuclei are shown beside each answer")
            self.press(self.dock.question.buttons["20×"])
        self.until(lambda: not self.dock.detection.running, "the detection is over")
        assert self.count() > CORRECTED, self.dock.messages.text
        assert self.dock.nuclei.total.text() == f"{self.count():,} nuclei in all"
        rows = self.dock.nuclei.legend.rows
        assert sum(int(row.count.text().replace(",", "")) for row in rows.values()) == self.count()

    def correct_many(self, count: int, shift: int = 0, say: int | None = None) -> None:
        """Point at nucleus after nucleus and press a number."""
        self.step("correct")
        docks.open_correct_dock(self.viewer)
        self.see_all()
        self.correct.correcting.focus()
        session = self.nuclei.session
        ids = session.nuclei().ids[:count]
        places, before = session.positions(ids), len(session.history(10_000))
        wanted = (np.arange(count) + shift) % 3 if say is None else np.full(count, say)
        for place, label in zip(places, wanted.tolist(), strict=True):
            self.point(place)
            self.key(Qt.Key(Qt.Key.Key_1 + label))
        self.until(lambda: bool((session.labels(ids) == wanted).all()), "every nucleus has the class that was pressed")
        assert session.undoable is not None
        assert len(session.history(10_000)) > before
        assert {row.count.text() for row in self.dock.nuclei.legend.rows.values()} >= {
            f"{count:,}" for count in session.counts.values() if count
        } - {f"{session.unlabelled:,}"}

    def undo_and_redo(self) -> None:
        """Take the last class back, and say it again."""
        self.step("undo")
        session = self.nuclei.session
        before = session.nuclei().label.copy()
        self.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        self.until(lambda: int((session.nuclei().label != before).sum()) <= 1, "one nucleus is as it was")
        self.key(Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
        self.until(lambda: bool((session.nuclei().label == before).all()), "it has its class again")

    def review(self) -> None:
        """Be asked, and answer by numbers."""
        self.step("review")
        camera = camera_of(self.viewer)
        where = (*camera.center[-2:], camera.zoom)
        review = self.correct.correcting.review
        self.key(Qt.Key.Key_Space)
        for given in range(REVIEWED):
            self.until(lambda: review.question is not None and not review.choosing, "a nucleus is asked about")
            asked = review.question.id
            assert asked in self.nuclei.selected
            self.key(Qt.Key.Key_2)
            self.until(lambda given=given: review.answers == given + 1, "the answer is counted")
            assert int(self.nuclei.session.labels([asked])[0]) == 1
        self.press(self.correct.review.stop)
        self.until(lambda: review.question is None, "nothing is asked any more")
        camera.center, camera.zoom = where[:2], where[2]
        wait(200)

    def learn(self) -> None:
        """Learn from what was said, read what it would gain, and take it."""
        self.step("learn")
        learn = docks.open_learn_dock(self.viewer)
        self.press(learn.controls.learn)
        self.until(lambda: not learn.learning.running, "it has learned")
        assert learn.lesson.isVisible(), learn.messages.text
        spoken = self.nuclei.session.nuclei()
        self.press(learn.lesson.apply)
        self.until(lambda: not learn.learning.running, "the new head has spoken")
        after = self.nuclei.session.nuclei()
        assert (after.label == spoken.label)[spoken.human].all(), "what a person said stays"

    def second_reader(self) -> None:
        """Be another reader, and say of some nuclei something else."""
        self.step("second reader")
        docks.open_correct_dock(self.viewer)
        field = self.correct.readers.author
        QTest.mouseClick(field, Qt.MouseButton.LeftButton)
        field.selectAll()
        QTest.keyClicks(field, "Bob")
        QTest.keyClick(field, Qt.Key.Key_Return)
        self.until(lambda: self.nuclei.session.author == "Bob", "the session knows who edits")
        self.correct_many(READ_AGAIN, say=0)
        self.until(lambda: "differ about" in self.correct.readers.apart.text(), "the dock counts the differences")

    def measure(self, reader: str) -> None:
        """Compare with a reader, and read a figure."""
        self.step("measure")
        measure = docks.open_measure_dock(self.viewer)
        box = measure.parts.controls.reference
        self.until(lambda: box.findText(f"Reader {reader}") > 0, "the first reader can be compared with")
        box.setCurrentIndex(box.findText(f"Reader {reader}"))
        box.activated.emit(box.currentIndex())
        self.until(lambda: measure.measuring.score is not None and not measure.measuring.busy, "figures are there")
        table = measure.parts.table
        first = {table.words(row)[0]: table.words(row)[1] for row in range(table.rowCount())}
        assert 0 < float(first["detection"]) <= 1

    def ki67(self) -> None:
        """Read the Ki-67 index."""
        self.step("Ki-67")
        ki67 = docks.open_ki67_dock(self.viewer)
        self.until(lambda: not ki67._follow_timer.isActive() and not ki67.measuring.busy, "it has counted")
        assert ki67.parts.index.text(), ki67.parts.why.text()

    def export(self, path: Path) -> None:
        """Write all nuclei to a file."""
        self.step("export")
        dialog = open_export(self.viewer)
        assert dialog is not None
        dialog.file_page.file.line.setText(str(path))
        self.press(dialog.start)
        self.until(lambda: not dialog.running and path.exists(), "the file is there")
        assert len(read_document(path).nuclei) == self.count()
        dialog.close()

    def quit_in_mid_run(self) -> int:
        """Close the window while a whole slide is detected; return how many nuclei were seen."""
        self.step("quit")
        docks.open_detect_dock(self.viewer)
        self.press(self.dock.controls.scope_buttons[DetectionScope.SLIDE])
        self.press(self.dock.controls.detect)
        self.until(lambda: self.count() > 0, "the first nuclei are seen")
        seen = self.count()
        self.step("")
        self.freezes.stop()
        self.viewer.close()
        return seen

    def remove(self, image: Any) -> None:
        """Remove a slide by the bin of the list of layers: all that lay on it goes with it."""
        self.step("remove")
        others = [layer for layer in self.viewer.layers if layer is not image]
        gone = layers_on(self.viewer, image)
        self.viewer.layers.selection.active = image
        buttons = self.viewer.window._qt_viewer.layerButtons
        QTest.mouseClick(buttons.deleteButton, Qt.MouseButton.LeftButton)
        self.until(lambda: not {image, *gone} & set(self.viewer.layers), "its layers are gone")
        assert set(self.viewer.layers) == set(others) - set(gone)
