"""The mouse on the nuclei layer: click, drag, brush and lasso. A click is never taken for a pan, and none is lost."""

from __future__ import annotations

from enum import Enum
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from nucloop.gui.canvas.colouring import ColourBy, class_palette
from nucloop.gui.correct.dragging import DraggedNuclei
from nucloop.gui.napari_private.light_drawing import draw_colours
from nucloop.gui.napari_private.selection_marks import show_outline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Points
    from numpy.typing import NDArray

    from nucloop.gui.correct.corrections import Corrections

__all__ = ["Pointer", "Tool"]

DRAG_PIXELS = 5
"""A hand that clicks shakes: a shorter drag is a click."""
PREVIEW_S = 0.03
"""A sweep shows its colours this often at most."""


class Tool(Enum):
    """What the mouse does; the value is what a person reads."""

    POINT = "Point"
    BRUSH = "Brush"
    LASSO = "Lasso"
    OUTLINE = "Outline"
    SPLIT = "Split"


class Pointer(QObject):
    """Puts mouse events on one nuclei layer into effect, while napari's own tool there is the hand."""

    tool_changed = Signal(object)
    """A Tool."""

    def __init__(self, corrections: Corrections) -> None:
        super().__init__(corrections)
        self._corrections, self._nuclei = corrections, corrections.nuclei
        self._tool = Tool.POINT
        self._radius_um = 15.0
        self._painted: dict[int, None] = {}
        self._last: NDArray[np.float64] | None = None
        self._sweeping = self._key_held = False
        self._outline: list[tuple[float, float]] | None = None
        self._previewed = 0.0
        layer = self._nuclei.layer
        layer.mouse_drag_callbacks.append(self._drag)
        layer.mouse_wheel_callbacks.append(self._wheel)

    @property
    def tool(self) -> Tool:
        """What the mouse does now."""
        return self._tool

    @tool.setter
    def tool(self, tool: Tool) -> None:
        if tool is self._tool:
            return
        self.finish()
        self._tool = tool
        self._show_cursor()
        if tool in (Tool.OUTLINE, Tool.SPLIT):
            self._nuclei.outlines.show_drawn()
        self.tool_changed.emit(tool)

    @property
    def radius_um(self) -> float:
        """Radius of the brush, µm."""
        return self._radius_um

    @radius_um.setter
    def radius_um(self, radius: float) -> None:
        self._radius_um = float(np.clip(radius, 2, 500))
        self._show_cursor()

    @property
    def _radius(self) -> float:
        return self._radius_um / self._nuclei.mpp

    def held(self, tool: Tool) -> Iterator[None]:
        """Use a tool as long as its key is held: a generator for napari's key bindings."""
        self.tool, self._key_held = tool, True
        cursor = self._corrections.cursor
        if tool is Tool.BRUSH:
            self._sweeping = True
            self._last = None if cursor is None else np.array(cursor)
        yield
        self.release()

    def release(self) -> None:
        """Let go of a tool that a key held, and keep what it did."""
        if self._key_held:
            self._key_held = False
            self.finish()
            self.tool = Tool.POINT

    def track(self, pixel: tuple[float, float]) -> None:
        """Take note of where the mouse is on the canvas, (x, y).

        Comes from Qt itself: of moves in quick succession, vispy, and with it napari, leaves out all but the first, and
        so the place where the mouse came to rest.
        """
        self._corrections.pixel = pixel
        cursor = self._corrections.cursor
        if cursor is None:
            return
        if self._tool is Tool.BRUSH and self._sweeping:
            self._sweep(np.array(cursor))
        elif self._outline is not None:
            self._outline.append(cursor)
            # a line across a nucleus stays open
            closed = [] if self._tool is Tool.SPLIT else self._outline[:1]
            show_outline(self._nuclei.layer, np.array([*self._outline, *closed]))

    def finish(self) -> None:
        """Make one edit of what the brush has swept over."""
        painted, self._painted, self._last = list(self._painted), {}, None
        self._sweeping = False
        if painted:
            self._corrections.paint(np.array(painted, np.int64))

    def left(self, keyboard: bool) -> None:
        """Take note that the mouse, or the keyboard too, went elsewhere."""
        if keyboard:
            # the key may be let go where nobody hears of it
            self.release()
        else:
            self._corrections.pixel = None

    def close(self) -> None:
        """Let go of the layer."""
        layer = self._nuclei.layer
        layer.mouse_drag_callbacks.remove(self._drag)
        layer.mouse_wheel_callbacks.remove(self._wheel)

    def _show_cursor(self) -> None:
        layer = self._nuclei.layer
        layer.mouse_pan = self._tool is Tool.POINT and layer.mode == "pan_zoom"
        if self._tool is Tool.BRUSH:
            layer.cursor_size = 2 * self._radius_um * float(abs(layer.scale[-1])) / self._nuclei.mpp
            layer.cursor = "circle"
        else:
            layer.cursor = "standard" if self._tool is Tool.POINT else "crosshair"

    def _wheel(self, layer: Points, event: Any) -> None:
        if self._tool is Tool.BRUSH:
            self.radius_um *= 1.1 ** float(np.clip(event.delta[1], -3, 3))
            event.handled = True

    def _drag(self, layer: Points, event: Any) -> Iterator[None]:
        """Handle a press, the moves after it and the release."""
        if event.button != 1:
            return
        if self._tool is Tool.BRUSH:
            yield from self._paint(layer, event)
        elif self._tool is not Tool.POINT:
            yield from self._draw(layer, event)
        elif layer.mode == "pan_zoom" and "Alt" not in event.modifiers:
            yield from self._point(layer, event)

    def _point(self, layer: Points, event: Any) -> Iterator[None]:
        begin, start = np.array(event.pos), _place(layer, event)
        adds = "Shift" in event.modifiers
        hit = self._corrections.hit(start)
        if hit is not None:
            event.handled = True
            self._select(hit, adds)
        grip: DraggedNuclei | None = None
        panned = False
        yield
        while event.type == "mouse_move":
            far = panned or grip is not None or _far(event, begin)
            if hit is not None:
                event.handled = True
                if far and hit in self._nuclei.selected:
                    grip = grip or DraggedNuclei(self._corrections)
                    grip.drag(_place(layer, event) - start)
            elif far:
                panned = True
            else:
                event.handled = True
            yield
        if hit is not None and grip is None and _far(event, begin) and hit in self._nuclei.selected:
            grip = DraggedNuclei(self._corrections)
        if grip is not None:
            grip.drop(_place(layer, event) - start)
        elif hit is None and not panned and not adds and not _far(event, begin):
            self._corrections.clear_selection()

    def _select(self, hit: int, adds: bool) -> None:
        selected = self._nuclei.selected
        if adds:
            self._nuclei.select(np.setxor1d(selected, [hit]))
        elif hit not in selected:
            self._nuclei.select([hit])

    def _paint(self, layer: Points, event: Any) -> Iterator[None]:
        event.handled = self._sweeping = True
        self._sweep(_place(layer, event))
        yield
        while event.type == "mouse_move":
            event.handled = True
            yield
        if not self._key_held:
            self.finish()

    def _sweep(self, place: NDArray[np.float64]) -> None:
        """Take up the nuclei between the last place and this one."""
        last = place if self._last is None else self._last
        steps = int(np.hypot(*(place - last)) / (self._radius / 2)) + 1
        for k in range(1, steps + 1):
            near = self._nuclei.session.near(last + (place - last) * (k / steps), self._radius)
            fresh = np.sort([one for one in near.tolist() if one not in self._painted]).astype(np.int64)
            if len(fresh):
                self._painted |= dict.fromkeys(self._nuclei.visible_ids(fresh).tolist())
        self._last = place
        if self._painted and perf_counter() - self._previewed > PREVIEW_S:
            self._preview()

    def _preview(self) -> None:
        """Show the new colours before they are kept."""
        nuclei = self._nuclei
        ids = np.array(list(self._painted), np.int64)
        if self._corrections.lock:
            ids = ids[~nuclei.session.locked(ids)]
        if nuclei.colour_by is ColourBy.CLASS and not nuclei.loaded.afar:
            colours = nuclei.layer.face_color
            colours[np.isin(nuclei.ids, ids)] = class_palette(nuclei.session.scheme)[self._corrections.current]
            draw_colours(nuclei.viewer, nuclei.layer)
        self._previewed = perf_counter()

    def _draw(self, layer: Points, event: Any) -> Iterator[None]:
        event.handled = True
        y, x = _place(layer, event)
        self._outline = [(float(y), float(x))]
        yield
        while event.type == "mouse_move":
            event.handled = True
            yield
        tool, outline, self._outline = self._tool, np.array(self._outline), None
        show_outline(layer, None)
        if tool is Tool.OUTLINE:
            self._corrections.draw_around(outline)
            return
        if tool is Tool.SPLIT:
            self._corrections.cut_along(outline)
            return
        inside = self._nuclei.visible_ids(self._nuclei.session.in_polygon(outline))
        if len(inside):
            self._corrections.paint(inside)


def _place(layer: Points, event: Any) -> NDArray[np.float64]:
    return np.asarray(layer.world_to_data(event.position), np.float64)[-2:]


def _far(event: Any, begin: NDArray[np.floating]) -> bool:
    return bool(np.hypot(*(np.array(event.pos) - begin)) >= DRAG_PIXELS)
