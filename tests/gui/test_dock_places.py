"""Where docks stand when they are opened, and how often they are painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QDockWidget
from tests.gui.conftest import LONG_MS

from nucloop.gui.canvas.docks import PLUGIN, open_gallery_dock
from nucloop.gui.widgets.deferred import DeferredCall

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot
    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui


def test_docks_come_as_tabs_and_the_gallery_along_the_bottom(bench: Bench) -> None:
    window = bench.viewer.window._qt_window
    # as the menu does it
    bench.viewer.window.add_plugin_dock_widget(PLUGIN, "Detect nuclei")
    open_gallery_dock(bench.viewer)
    docks = {dock.objectName(): dock for dock in window.findChildren(QDockWidget)}
    detect, correct, gallery = (docks[f"{name} ({PLUGIN})"] for name in ("Detect nuclei", "Correct", "Gallery"))
    bench.qtbot.waitUntil(lambda: detect in window.tabifiedDockWidgets(correct), timeout=LONG_MS)
    assert window.dockWidgetArea(gallery) == Qt.DockWidgetArea.BottomDockWidgetArea
    assert detect.windowTitle() == "Detect nuclei", "tabs are short of room"


def test_what_is_asked_for_several_times_is_done_once(qtbot: QtBot) -> None:
    parent, done = QObject(), []
    soon = DeferredCall(lambda: done.append(1), parent)
    for _ in range(5):
        soon.ask()
    assert done == []
    assert soon.waiting
    qtbot.waitUntil(lambda: not soon.waiting, timeout=LONG_MS)
    assert done == [1]
