"""NucLoop's docks by name, and commands with a key: they work from the menu, and wherever the focus is in the window.

Nothing here knows the docks themselves: napari makes them, as the manifest says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut

from nucloop.gui.canvas.dock_places import DockPlaces
from nucloop.gui.napari_private.parts import drawn_once, itself, window_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

__all__ = [
    "CORRECT_SHORTCUT",
    "DETECT_SHORTCUT",
    "LEARN_SHORTCUT",
    "PLUGIN",
    "bind_shortcut",
    "bind_shortcuts",
    "correct_nuclei",
    "detect_nuclei",
    "learn_from_corrections",
    "open_correct_dock",
    "open_detect_dock",
    "open_gallery_dock",
    "open_ki67_dock",
    "open_learn_dock",
    "open_measure_dock",
    "open_project_dock",
    "open_table_dock",
]

PLUGIN, DETECT_DOCK, CORRECT_DOCK, GALLERY_DOCK = "napari-nucloop", "Detect nuclei", "Correct", "Gallery"
LEARN_DOCK = "Learn"
MEASURE_DOCK, KI67_DOCK, TABLE_DOCK, PROJECT_DOCK = "Measure", "Ki-67", "Nuclei table", "Project"
DETECT_SHORTCUT = "Ctrl+Shift+D"
CORRECT_SHORTCUT = "Ctrl+Shift+C"
LEARN_SHORTCUT = "Ctrl+Shift+L"


def detect_nuclei(viewer: napari.Viewer) -> None:
    """Detect nuclei as the Detect dock is set; opens the dock when it is closed."""
    open_detect_dock(itself(viewer)).detect()


def correct_nuclei(viewer: napari.Viewer) -> None:
    """Begin to correct: opens the Correct dock when it is closed, and gives the slide the keyboard."""
    open_correct_dock(itself(viewer)).correcting.focus()


def learn_from_corrections(viewer: napari.Viewer) -> None:
    """Learn from corrections as the Learn dock is set; opens the dock when it is closed."""
    open_learn_dock(itself(viewer)).learn()


def open_detect_dock(viewer: napari.Viewer) -> Any:
    """Return the viewer's Detect dock, opened when it is not there yet."""
    return _opened(viewer, DETECT_DOCK)


def open_correct_dock(viewer: napari.Viewer) -> Any:
    """Return the viewer's Correct dock, opened when it is not there yet."""
    return _opened(viewer, CORRECT_DOCK)


def open_gallery_dock(viewer: napari.Viewer) -> Any:
    """Return the viewer's Gallery dock, opened when it is not there yet."""
    return _opened(viewer, GALLERY_DOCK)


def open_learn_dock(viewer: napari.Viewer) -> Any:
    """Return the viewer's Learn dock, opened when it is not there yet."""
    return _opened(viewer, LEARN_DOCK)


def open_measure_dock(viewer: napari.Viewer) -> Any:
    """Return the viewer's Measure dock, opened when it is not there yet."""
    return _opened(viewer, MEASURE_DOCK)


def open_ki67_dock(viewer: napari.Viewer) -> Any:
    """Return the viewer's Ki-67 dock, opened when it is not there yet."""
    return _opened(viewer, KI67_DOCK)


def open_table_dock(viewer: napari.Viewer) -> Any:
    """Return the viewer's Nuclei table dock, opened when it is not there yet."""
    return _opened(viewer, TABLE_DOCK)


def open_project_dock(viewer: napari.Viewer) -> Any:
    """Return the viewer's Project dock, opened when it is not there yet."""
    return _opened(viewer, PROJECT_DOCK)


def bind_shortcuts(viewer: napari.Viewer) -> None:
    """Make the shortcuts work whichever part of the viewer's window has the focus; once is enough.

    napari does not act on key bindings in a plugin's manifest, and its own reach the canvas only.
    """
    bind_shortcut(viewer, DETECT_SHORTCUT, detect_nuclei)
    bind_shortcut(viewer, CORRECT_SHORTCUT, correct_nuclei)
    bind_shortcut(viewer, LEARN_SHORTCUT, learn_from_corrections)


def _opened(viewer: napari.Viewer, name: str) -> Any:
    places = DockPlaces.of(viewer)
    places.expect(name)
    with drawn_once(viewer):
        dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
        places.place()
        dock.show()
        dock.raise_()
    return widget


def bind_shortcut(viewer: napari.Viewer, key: str, act: Callable[[napari.Viewer], object]) -> None:
    """Make one key work whichever part of a viewer's window has the focus; once is enough."""
    window, name = window_of(viewer), f"Nucloop {key}"
    # without a window that can be found there is still the menu
    if window is None or window.findChild(QShortcut, name) is not None:
        return
    shortcut = QShortcut(QKeySequence(key), window)
    shortcut.setObjectName(name)
    shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
    shortcut.activated.connect(lambda: act(viewer))
    # a key that Qt does not take for a shortcut, as after a dialog, comes to napari: Ctrl+Shift+C is its console
    viewer.bind_key(key.replace("Ctrl", "Control").replace("+", "-"), act, overwrite=True)
