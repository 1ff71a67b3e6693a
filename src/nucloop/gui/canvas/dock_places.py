"""Where NucLoop's docks stand when they are opened: behind each other as tabs, the gallery along the bottom.

napari puts docks below each other, where three of them leave one another no room. Wherever a person moves a dock
afterwards, it stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt

from nucloop.gui.napari_private.parts import keeper_of, window_of
from nucloop.gui.napari_private.plugin_docks import docks_by_name, expect_at_the_bottom
from nucloop.gui.widgets.deferred import DeferredCall
from nucloop.gui.widgets.own_settings import own_settings

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QDockWidget, QMainWindow

__all__ = ["DockPlaces"]

_ALONG_THE_BOTTOM = {"Gallery": 230, "Nuclei table": 300}
"""Docks that are wide rather than high, and their height."""


class DockPlaces(QObject):
    """Puts docks in their place as they come, however they were opened."""

    def __init__(self, viewer: napari.Viewer) -> None:
        window = window_of(viewer)
        super().__init__(keeper_of(viewer))
        self._window = window
        self._placed: list[QDockWidget] = []
        self._placing = DeferredCall(self.place, self)
        if window is not None:
            window.installEventFilter(self)
            self._placing.ask()

    @classmethod
    def of(cls, viewer: napari.Viewer) -> DockPlaces:
        """Return the one of a viewer."""
        found = keeper_of(viewer).findChild(cls)
        return cls(viewer) if found is None else found

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice docks that come."""
        if event is not None and event.type() == QEvent.Type.ChildAdded:
            self._placing.ask()
        return False

    def expect(self, name: str) -> None:
        """Have napari put a dock that is about to come where it belongs, so that the window is laid out once."""
        if name in _ALONG_THE_BOTTOM and not own_settings().contains(_placed(name)):
            expect_at_the_bottom(name)

    def place(self) -> None:
        """Put docks that have come into their places."""
        window = self._window
        if window is None:
            return
        docks = docks_by_name(window)
        fresh = {dock: name for dock, name in docks.items() if dock not in self._placed}
        self._placed = [dock for dock in self._placed if dock in docks]
        for dock, name in fresh.items():
            # tabs show it, and there is no room for the plugin's name in each
            dock.setWindowTitle(name)
            if not dock.isFloating():
                self._place_one(window, dock, name)
            self._placed.append(dock)

    def _place_one(self, window: QMainWindow, dock: QDockWidget, name: str) -> None:
        if name in _ALONG_THE_BOTTOM:
            # once for each person: from then on napari remembers where they have put it
            known = own_settings()
            if not known.contains(_placed(name)):
                known.setValue(_placed(name), True)
                if window.dockWidgetArea(dock) != Qt.DockWidgetArea.BottomDockWidgetArea:
                    window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
                window.resizeDocks([dock], [_ALONG_THE_BOTTOM[name]], Qt.Orientation.Vertical)
                self._put_behind_others(window, dock)
            return
        self._put_behind_others(window, dock)

    def _put_behind_others(self, window: QMainWindow, dock: QDockWidget) -> None:
        """Make docks in one area tabs, the newest in front."""
        area = window.dockWidgetArea(dock)
        others = [one for one in self._placed if window.dockWidgetArea(one) == area and not one.isFloating()]
        if others and others[-1] not in window.tabifiedDockWidgets(dock):
            window.tabifyDockWidget(others[-1], dock)
            dock.raise_()


def _placed(name: str) -> str:
    """Key of the own setting that says a dock has been put into its first place."""
    return f"placed/{name}"
