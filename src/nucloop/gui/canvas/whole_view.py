"""The whole slide stays in view where the canvas gets another size, as when docks come beside it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Signal

from nucloop.gui.napari_private.parts import canvas_widget_of, one_of
from nucloop.gui.napari_private.view_state import camera_of
from nucloop.gui.widgets.deferred import DeferredCall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel

__all__ = ["WholeView"]


class WholeView(QObject):
    """Asks for the whole slide again when its place on screen changes; once a person has moved the view, no more."""

    asked = Signal()

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._fitted: tuple[float, ...] | None = None
        self._fit = DeferredCall(self.asked.emit, self)
        viewer.events.reset_view.connect(self._note)
        canvas = canvas_widget_of(viewer)
        if canvas is not None:
            canvas.installEventFilter(self)

    @classmethod
    def of(cls, viewer: ViewerModel) -> WholeView:
        """Return the one of a viewer."""
        return one_of(viewer, cls, lambda keeper: cls(viewer, keeper))

    @property
    def is_shown(self) -> bool:
        """Whether all is in view, as it was asked for last."""
        return self._fitted == self._seen()

    @contextmanager
    def measured_anew(self) -> Iterator[None]:
        """Within it, the world may be measured in another unit: what was all of it on screen is so afterwards."""
        all_of_it = self.is_shown
        yield
        if all_of_it:
            self._note()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """See whether all is still shown as the canvas gets another size."""
        if event is not None and event.type() == QEvent.Type.Resize and self.is_shown:
            self._fit.ask()
        return False

    def _note(self, event: object = None) -> None:
        self._fitted = self._seen()

    def _seen(self) -> tuple[float, ...]:
        camera = camera_of(self._viewer)
        return (float(camera.zoom), *map(float, camera.center))
