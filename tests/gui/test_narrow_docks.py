"""How docks behave where names are long, letters large and the window small."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.settings import get_settings
from qtpy.QtCore import QEvent, QPoint
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import QApplication, QDockWidget, QLabel, QLayout, QPushButton, QScrollArea, QToolTip, QWidget
from superqt import QCollapsible
from tests.gui.conftest import LONG_MS

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.cohort import CohortSettings, Project, SlideEntry, SlideState, State
from nucloop.cohort.failures import Failure
from nucloop.cohort.marks import Mark
from nucloop.cohort.overview import Overview
from nucloop.gui.canvas.docks import (
    open_correct_dock,
    open_detect_dock,
    open_gallery_dock,
    open_ki67_dock,
    open_learn_dock,
    open_measure_dock,
    open_project_dock,
)
from nucloop.gui.sessions.open_sessions import OpenSessions
from nucloop.gui.sessions.session_places import Answer, Trouble
from nucloop.gui.widgets.dock_layout import LEAST_WIDTH, column_of, show_scrolled
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from collections.abc import Iterator

    import napari
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui

GERMAN = "Plattenepithelkarzinommetastasenverdachtsfall_"
FINNISH = "epäjärjestelmällistyttämättömyydelläänsäkäänköhän "
RUSSIAN = "рентгеноэлектрокардиографический-"
NAME = ((GERMAN + FINNISH + RUSSIAN) * 2)[:196] + ".svs"
LONG_SCHEME = ClassScheme(
    "long",
    tuple(
        NucleusClass(4 * name, colour)
        for name, colour in ((GERMAN, "#dd0000"), (FINNISH, "#00dd00"), (RUSSIAN, "#0000dd"))
    ),
)
OPENERS = (
    open_detect_dock, open_correct_dock, open_learn_dock, open_measure_dock, open_ki67_dock, open_gallery_dock,
    open_project_dock,
)  # fmt: skip


@pytest.fixture(params=[9, 16], ids=["usual letters", "large letters"])
def small_window(request: pytest.FixtureRequest, correct_viewer: napari.Viewer) -> Iterator[napari.Viewer]:
    """A window for a small screen, and letters of a size."""
    get_settings().appearance.font_size = request.param
    correct_viewer.window.resize(1024, 700)
    yield correct_viewer
    get_settings().appearance.font_size = 9
    correct_viewer.layers.clear()


def fill(viewer: napari.Viewer, field: Any) -> list[Any]:
    """Open every dock on a slide whose name, classes, readers and references are long; return the docks."""
    image = viewer.add_image(field, rgb=True, name=NAME, scale=(0.5, 0.5), units="um")
    viewer.add_points(np.full((3, 2), 40.0), name=f"reference {NAME}", features={"class": [GERMAN, FINNISH, RUSSIAN]})
    nuclei = OpenSessions.of(viewer).open(image, LONG_SCHEME)
    assert nuclei is not None
    rng = np.random.default_rng(0)
    probability = rng.dirichlet([1, 1, 1], 60).astype(np.float32)
    found = Nuclei.from_points(
        LONG_SCHEME,
        rng.random((60, 2)) * 500,
        label=probability.argmax(1),
        score=np.full(60, 0.9),
        probability=probability,
    )
    ids = nuclei.session.begin_run({"detector": {"name": NAME, "sha256": "0" * 64}}, 2.0).add(found)
    nuclei.session.author = NAME
    nuclei.session.set_class(ids[:5], 0)
    docks = [opened(viewer) for opened in OPENERS]
    show_project(docks[-1])
    detect = docks[0]
    detect.question.ask(NAME, None, lambda: iter([np.full((96, 96, 3), 200, np.uint8)]))
    detect.trouble.ask(Trouble(f"{NAME}: cannot keep it in /home/{GERMAN}/{GERMAN}/", tuple(Answer)))
    for dock in docks:
        messages = getattr(dock, "messages", None) or dock.parts.messages
        messages.say(Message(f"Cannot open {NAME}: it is damaged. Copy it again.", Tone.ERROR, "details"))
        for part in dock.findChildren(QCollapsible):
            part.expand()
    return docks


def show_project(dock: Any) -> None:
    """Open a project that lies nowhere, whose name, slide, reader and tags are long."""
    entry = SlideEntry(id=NAME, path=f"/nowhere/{NAME}", patient=NAME, labels={GERMAN: FINNISH})
    project = Project(Path("/nowhere") / NAME, CohortSettings(), (entry,))
    failure = Failure(NAME, "", f"Cannot open {NAME}: it is damaged. Copy it again.")
    state = SlideState(entry, State.FAILED, "", failure=failure)
    dock.reading.project = project
    dock.reading.slides = {NAME: Overview(state, Mark(NAME, "done", NAME, tags=(GERMAN, FINNISH, RUSSIAN)))}
    dock.reading.opened.emit()
    dock.work.progressed.emit(1, 2, NAME)
    dock.parts.progress.show_running(True, NAME)
    dock.parts.question.ask(Trouble(f"{NAME}: cannot keep it in /home/{GERMAN}/{GERMAN}/", tuple(Answer)))


def bar(widget: QWidget) -> QDockWidget:
    """Return napari's dock around a dock's widget."""
    parent = widget.parentWidget()
    while not isinstance(parent, QDockWidget):
        assert parent is not None
        parent = parent.parentWidget()
    return parent


def too_wide(inside: QWidget, room: int) -> list[str]:
    """Name what in a dock insists on more room than there is, outermost first."""
    found = [one for one in (inside, *inside.findChildren(QWidget)) if one.layout() is not None and not one.isHidden()]
    return [
        f"{type(one).__name__} {one.objectName()}: {widths_within(one.layout())}"
        for one in found
        if one.layout().minimumSize().width() > room
    ]


def widths_within(layout: QLayout) -> str:
    items = [layout.itemAt(k) for k in range(layout.count())]
    return ", ".join(
        f"{type(one.widget() or one.layout()).__name__} {one.minimumSize().width()}"
        for one in items
        if not one.isEmpty()
    )


def test_nothing_in_a_dock_makes_it_wider_than_the_narrowest(
    small_window: napari.Viewer, qtbot: QtBot, tissue: Any
) -> None:
    viewer = small_window
    docks = fill(viewer, tissue)
    window = viewer.window._qt_window
    for dock in docks:
        bar(dock).raise_()
        qtbot.waitUntil(dock.isVisible, timeout=LONG_MS)
        settle()
        name = type(dock).__name__
        assert dock.minimumWidth() == LEAST_WIDTH == 260, name
        assert window.width() <= 1024, name
        assert window.minimumSizeHint().width() <= 1024, name
        bar(dock).setFloating(True)
        bar(dock).resize(LEAST_WIDTH, 600)
        settle()
        area = dock.findChild(QScrollArea, "NucloopScroll")
        inside = dock if area is None else area.widget()
        room = LEAST_WIDTH if area is None else area.viewport().width()
        assert room <= LEAST_WIDTH
        assert inside.layout().minimumSize().width() <= room, (name, too_wide(inside, room - 24))
        assert inside is dock or inside.width() == room, name
        bar(dock).setFloating(False)


def settle() -> None:
    """Let Qt lay everything out."""
    for _ in range(5):
        QApplication.sendPostedEvents()
        QApplication.processEvents()


def test_words_without_room_end_in_dots_and_are_said_in_full_under_the_mouse(qtbot: QtBot) -> None:
    inside, dock = QWidget(), QWidget()
    label, button, sentence = QLabel(NAME), QPushButton(NAME), QLabel(f"Cannot open {GERMAN * 3}: it is damaged.")
    sentence.setWordWrap(True)
    column = column_of(inside)
    for widget in (label, button, sentence):
        column.addWidget(widget)
    show_scrolled(dock, inside)
    qtbot.addWidget(dock)
    dock.resize(LEAST_WIDTH, 300)
    dock.show()
    qtbot.waitExposed(dock)

    for widget in (label, button):
        assert widget.visibleRegion().boundingRect().width() == widget.width() <= LEAST_WIDTH
        full = widget.grab().toImage()
        # the end of the name is seen, and what does not fit is not painted over the edge
        widget.setText("x" + NAME[1:])
        assert widget.grab().toImage() != full
        widget.setText(NAME[:-4] + ".tif")
        assert widget.grab().toImage() != full
        widget.setText(NAME)
        place = QPoint(5, 5)
        QApplication.sendEvent(widget, QHelpEvent(QEvent.Type.ToolTip, place, widget.mapToGlobal(place)))
        assert QToolTip.text() == NAME
        QToolTip.hideText()
    assert sentence.text().replace("\u200b", "") == f"Cannot open {GERMAN * 3}: it is damaged."
    assert sentence.height() >= sentence.heightForWidth(sentence.width()) > 3 * sentence.fontMetrics().height()
