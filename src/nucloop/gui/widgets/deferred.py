"""Do something once, soon, however often it is asked for: several changes in one go are shown together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DeferredCall"]


class DeferredCall(QObject):
    """Calls a function when the event in hand is done with, and before the window is painted.

    A timer would come after the painting, and the window, canvas and all, be painted a second time.

    Parameters
    ----------
    act : callable
        What to do.
    parent : QObject
        Nothing is done once it is gone.
    """

    _asked = Signal()

    def __init__(self, act: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._act = act
        self.waiting = False
        """Whether it is still to be done."""
        self._asked.connect(self._do, Qt.ConnectionType.QueuedConnection)

    def ask(self) -> None:
        """Have it done."""
        if not self.waiting:
            self.waiting = True
            self._asked.emit()

    def _do(self) -> None:
        self.waiting = False
        self._act()
