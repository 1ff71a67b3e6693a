"""What every dock of the window is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QWidget
from superqt import QCollapsible

from nucloop.gui.napari_private.parts import itself
from nucloop.gui.widgets.appearance import style_sheet
from nucloop.gui.widgets.dock_layout import draw_arrow

if TYPE_CHECKING:
    import napari

__all__ = ["Dock"]


class Dock(QWidget):
    """Looks like the viewer's theme, and hears when it is taken out of the window.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        # Qt sends events while it makes the widget
        self._closed = False
        super().__init__()
        # napari hands plugins a proxy; layers taken through it would not compare as the viewer's own
        self.viewer = itself(napari_viewer)
        self.viewer.events.theme.connect(self.restyle)

    def event(self, event: QEvent) -> bool:
        """Hear that the dock is taken out of the window: napari has no word for that."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None and not self._closed:
            self._closed = True
            self.taken_out()
        return bool(super().event(event))

    def taken_out(self) -> None:
        """Stop what is done for this dock alone."""

    def restyle(self, event: object = None) -> None:
        """Take on the look of napari's theme, again whenever it changes."""
        self.setStyleSheet(style_sheet(self.viewer.theme))
        for part in self.findChildren(QCollapsible):
            draw_arrow(part)
