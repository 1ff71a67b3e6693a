"""The circle of the brush, made before it is needed: napari makes it at the first press; that takes 0.2 s."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from nucloop.gui.napari_private.access import has_parts, part
from nucloop.gui.napari_private.parts import visual_of
from nucloop.gui.widgets.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel

__all__ = ["BrushCircle", "brush_overlay_of"]

_PAUSE_MS = 250
_FAR_AWAY = (-1000, -1000)


class BrushCircle(QObject):
    """Makes the circle in short steps: dash patterns at once, in a thread; the rest when somebody begins to correct.

    Parameters
    ----------
    viewer : napari viewer
        Whose circle.
    parent : QObject
        Nothing is made once it is gone.
    """

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._steps = self._parts()
        self._timer = QTimer(self)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self._step)
        Job(_dash_patterns, self).start()

    def make(self) -> None:
        """Make what is still to be made, a little after one another."""
        self._timer.start()

    @property
    def making(self) -> bool:
        """Whether it is being made."""
        return self._timer.isActive()

    def _step(self) -> None:
        if next(self._steps, None) is None:
            self._timer.stop()

    def _parts(self) -> Iterator[str]:
        overlay = brush_overlay_of(self._viewer)
        if overlay is None or overlay.visible or visual_of(self._viewer, overlay) is not None:
            return
        overlay.visible = True
        overlay.visible = False
        yield "the parts"
        visual: Any = visual_of(self._viewer, overlay)
        node: Any = getattr(visual, "node", None)
        if not has_parts(node, "_subvisuals") or not has_parts(visual, "_on_visible_change"):
            # another napari: it makes the circle when it is needed
            return
        circles = node._subvisuals
        for drawn in circles:
            if overlay.visible:
                break
            # drawn where nobody sees it
            node.transform.translate = _FAR_AWAY
            for circle in circles:
                circle.visible = circle is drawn
            node.visible = True
            yield "a program"
        for circle in circles:
            circle.visible = True
        visual._on_visible_change()


def brush_overlay_of(viewer: ViewerModel) -> Any:
    """Return napari's model of the circle; None in another napari."""
    canvas = getattr(viewer, "canvas", None)
    overlays = part(viewer, "_overlays") if canvas is None else part(canvas, "overlays")
    known = dict(overlays or {})
    return known.get("_brush_circle", known.get("brush_circle"))


def _dash_patterns() -> Iterator[None]:
    """Make, in a job's thread, the patterns that vispy's lines are drawn with; it remembers them."""
    with suppress(ImportError):
        from vispy.visuals.line.dash_atlas import DashAtlas

        DashAtlas()
    yield
