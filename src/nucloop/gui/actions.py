"""Commands with a key: they work from the menu, and wherever the focus is in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut

from nucloop.gui.detect_controls import SHORTCUT

if TYPE_CHECKING:
    import napari

    from nucloop.gui.detect_dock import DetectDock

__all__ = ["bind_shortcut", "detect_nuclei", "open_dock"]

PLUGIN, DOCK = "napari-nucloop", "Detect nuclei"
_SHORTCUT_NAME = "NucloopDetectShortcut"


def detect_nuclei(viewer: napari.Viewer) -> None:
    """Detect nuclei as the Detect dock is set; opens the dock when it is closed."""
    open_dock(getattr(viewer, "__wrapped__", viewer)).detect()


def open_dock(viewer: napari.Viewer) -> DetectDock:
    """Return the viewer's Detect dock, opened when it is not there yet."""
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
    dock.show()
    return widget


def bind_shortcut(viewer: napari.Viewer) -> None:
    """Make Ctrl+Shift+D detect, whichever part of the viewer's window has the focus; once is enough.

    napari does not act on key bindings in a plugin's manifest, and its own reach the canvas only.
    """
    window = viewer.window._qt_window
    if window.findChild(QShortcut, _SHORTCUT_NAME) is not None:
        return
    shortcut = QShortcut(QKeySequence(SHORTCUT), window)
    shortcut.setObjectName(_SHORTCUT_NAME)
    shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
    shortcut.activated.connect(lambda: detect_nuclei(viewer))
