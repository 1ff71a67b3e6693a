"""napari's docks of a plugin: how they are called, and where napari puts them."""

from __future__ import annotations

from napari.settings import get_settings
from qtpy.QtWidgets import QDockWidget, QMainWindow

from nucloop.gui.napari_private.access import part

__all__ = ["docks_by_name", "expect_at_the_bottom"]

_PLUGIN = " (napari-nucloop)"


def docks_by_name(window: QMainWindow) -> dict[QDockWidget, str]:
    """Return our docks in a window, each with its name in the manifest; none in a napari that calls them otherwise."""
    docks = {dock: dock.objectName() for dock in window.findChildren(QDockWidget)}
    return {dock: name.removesuffix(_PLUGIN) for dock, name in docks.items() if name.endswith(_PLUGIN)}


def expect_at_the_bottom(name: str) -> None:
    """Have napari put a dock along the bottom that is about to come."""
    positions = part(get_settings().application, "plugin_widget_positions")
    if positions is not None:
        positions[name + _PLUGIN] = "bottom"
