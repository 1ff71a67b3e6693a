"""Commands with a key: they work from the menu, and wherever the focus is in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut

from nucloop.gui.detect_controls import SHORTCUT

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

    from nucloop.gui.correct_dock import CorrectDock
    from nucloop.gui.detect_dock import DetectDock
    from nucloop.gui.gallery_dock import GalleryDock

__all__ = [
    "CORRECT_SHORTCUT",
    "bind_shortcuts",
    "correct_nuclei",
    "detect_nuclei",
    "open_correct_dock",
    "open_dock",
    "open_gallery_dock",
]

PLUGIN, DOCK, CORRECT_DOCK, GALLERY_DOCK = "napari-nucloop", "Detect nuclei", "Correct", "Gallery"
CORRECT_SHORTCUT = "Ctrl+Shift+C"


def detect_nuclei(viewer: napari.Viewer) -> None:
    """Detect nuclei as the Detect dock is set; opens the dock when it is closed."""
    open_dock(_itself(viewer)).detect()


def correct_nuclei(viewer: napari.Viewer) -> None:
    """Begin to correct: opens the Correct dock when it is closed, and gives the slide the keyboard."""
    open_correct_dock(_itself(viewer)).correcting.focus()


def open_dock(viewer: napari.Viewer) -> DetectDock:
    """Return the viewer's Detect dock, opened when it is not there yet."""
    return _opened(viewer, DOCK)


def open_correct_dock(viewer: napari.Viewer) -> CorrectDock:
    """Return the viewer's Correct dock, opened when it is not there yet."""
    return _opened(viewer, CORRECT_DOCK)


def open_gallery_dock(viewer: napari.Viewer) -> GalleryDock:
    """Return the viewer's Gallery dock, opened when it is not there yet."""
    return _opened(viewer, GALLERY_DOCK)


def bind_shortcuts(viewer: napari.Viewer) -> None:
    """Make the shortcuts work whichever part of the viewer's window has the focus; once is enough.

    napari does not act on key bindings in a plugin's manifest, and its own reach the canvas only.
    """
    _bind(viewer, SHORTCUT, detect_nuclei)
    _bind(viewer, CORRECT_SHORTCUT, correct_nuclei)


def _opened(viewer: napari.Viewer, name: str) -> Any:
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    dock.show()
    dock.raise_()
    return widget


def _bind(viewer: napari.Viewer, key: str, act: Callable[[napari.Viewer], None]) -> None:
    window, name = viewer.window._qt_window, f"Nucloop {key}"
    if window.findChild(QShortcut, name) is not None:
        return
    shortcut = QShortcut(QKeySequence(key), window)
    shortcut.setObjectName(name)
    shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
    shortcut.activated.connect(lambda: act(viewer))


def _itself(viewer: napari.Viewer) -> napari.Viewer:
    # napari hands plugins a proxy
    return getattr(viewer, "__wrapped__", viewer)
