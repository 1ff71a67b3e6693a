"""Counting by hand: a grid over an area of a slide, its squares counted one after the other, and what that gives."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from nucloop.errors import NucLoopError, RegionError
from nucloop.geometry import as_region, cut_out
from nucloop.gui.canvas.drawn_regions import ignored_regions
from nucloop.gui.canvas.view import view_box
from nucloop.gui.ki67.grid_drawing import GridDrawing
from nucloop.gui.ki67.grid_row import BACK_KEY, COUNT_KEY, ON_SCREEN, GridRow
from nucloop.gui.layer.viewport import viewport_of
from nucloop.gui.napari_private.parts import slice_now
from nucloop.gui.napari_private.view_state import camera_of, canvas_size_of
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.ki67.counting_grid import CountingGrid, GridCount, count_in
from nucloop.session.exchange import region_as_plain, region_of_plain

if TYPE_CHECKING:
    from nucloop.geometry import Region
    from nucloop.gui.ki67.ki67_measuring import Ki67Measuring
    from nucloop.gui.layer.nuclei_layer import NucleiLayer

__all__ = ["GridCounting"]

_NOTE = "counting grid"
_AROUND = 1.15
"""So much more than a square is on screen while it is counted."""
_LEAST_UM = 120
"""Across a small square more is on screen than it: about what a microscope shows at 100x."""
_GOAL = 500


class GridCounting(QObject):
    """Keeps grid, picture and running count of the slide that is measured; the grid is remembered with its session.

    Parameters
    ----------
    row : GridRow
        Asks, and shows the count.
    measuring : Ki67Measuring
        Says what is positive; the count follows it, and so every edit.
    """

    said = Signal(object)
    """A Message."""

    def __init__(self, row: GridRow, measuring: Ki67Measuring) -> None:
        super().__init__(measuring)
        self._row, self._measuring = row, measuring
        self._nuclei: NucleiLayer | None = None
        self._drawing: GridDrawing | None = None
        self.grid: CountingGrid | None = None
        self.counted: list[int] = []
        """Squares, in the order in which they were counted."""
        self.goal = _GOAL
        row.asked.connect(self._lay)
        row.removed.connect(self._remove)
        row.counted.connect(self.count)
        row.back.connect(self.back)
        row.goal_chosen.connect(self._choose_goal)
        measuring.changed.connect(self.show)

    def bind_keys(self, viewer: Any) -> None:
        """Make the keys work on the canvas, whatever layer is active; they do nothing without a grid."""
        seen = weakref.ref(self)
        for key, act in ((COUNT_KEY, GridCounting.count), (BACK_KEY.replace("+", "-"), GridCounting.back)):
            viewer.bind_key(key, lambda _, act=act: None if seen() is None else act(seen()), overwrite=True)

    @property
    def at(self) -> int | None:
        """The square to count next: the first that is not counted after the one counted last; None when all are."""
        if self.grid is None:
            return None
        last, total = self.counted[-1] if self.counted else -1, len(self.grid)
        return next((k % total for k in range(last + 1, last + 1 + total) if k % total not in self.counted), None)

    @property
    def so_far(self) -> GridCount | None:
        """What was counted; None without a grid."""
        if self.grid is None or self._nuclei is None:
            return None
        result = self._measuring.result
        nuclei = self._nuclei.shown() if result is None else result.states
        return count_in(self.grid, self.counted, self.goal, nuclei, states=result is not None)

    def show(self) -> None:
        """Show grid and count as they are now."""
        nuclei = self._measuring.nuclei
        if nuclei is not self._nuclei:
            self._follow(nuclei)
        self._row.show_regions(self._measuring.drawn)
        self._row.show_count(self.so_far, done=self.at is None)

    def count(self) -> None:
        """Take the framed square as counted and go on to the next."""
        at = self.at
        if at is not None:
            self.counted.append(at)
            self._changed(lead=True)

    def back(self) -> None:
        """Take back the square that was counted last."""
        if self.counted:
            self.counted.pop()
            self._changed(lead=True)

    def close(self) -> None:
        """Take the picture away; the grid stays with the session."""
        self._follow(None)

    def _follow(self, nuclei: NucleiLayer | None) -> None:
        if self._drawing is not None:
            self._drawing.close()
        self._nuclei, self._drawing, self.grid, self.counted = nuclei, None, None, []
        if nuclei is None:
            return
        kept = nuclei.session.recall(_NOTE)
        # what cannot be read is laid anew
        with suppress(NucLoopError, KeyError, TypeError, ValueError, AttributeError):
            grid = CountingGrid(region_of_plain(kept["area"]), float(kept["side"]))
            counted, self.goal = [int(one) for one in kept["counted"]], int(kept["goal"])
            self.grid, self.counted = grid, [one for one in counted if 0 <= one < len(grid)]
            self._draw()

    def _lay(self, place: str, side_um: float) -> None:
        nuclei = self._nuclei
        if nuclei is None:
            return
        try:
            self.grid = CountingGrid(self._area(nuclei, place), side_um / nuclei.mpp)
        except RegionError as error:
            self.said.emit(Message(str(error), Tone.WARNING))
            return
        self.counted = []
        self._changed(lead=True)

    def _area(self, nuclei: NucleiLayer, place: str) -> Region:
        region = self._measuring.drawn.get(place)
        if region is not None:
            return region
        if place != ON_SCREEN:
            raise RegionError(f"There is no region {place} any more. Choose where the grid shall lie once more.")
        seen = as_region(view_box(nuclei.viewer, nuclei.image).corners)
        left = cut_out([seen], ignored_regions(nuclei.viewer, nuclei.image))
        if not left:
            raise RegionError("All of this lies in regions that are ignored. Look elsewhere, or delete them.")
        return left[0]

    def _remove(self) -> None:
        self.grid, self.counted = None, []
        if self._drawing is not None:
            self._drawing.close()
            self._drawing = None
        self._changed()

    def _choose_goal(self, goal: int) -> None:
        self.goal = goal
        self._changed()

    def _changed(self, *, lead: bool = False) -> None:
        self._keep()
        if lead:
            self._lead()
        self._draw()
        self._row.show_count(self.so_far, done=self.at is None)

    def _keep(self) -> None:
        nuclei, grid = self._nuclei, self.grid
        if nuclei is None or nuclei.session.closed or nuclei.session.read_only:
            return
        note = None
        if grid is not None:
            area = region_as_plain(grid.area)
            note = {"area": area, "side": grid.side, "counted": self.counted, "goal": self.goal}
        if note is not None or nuclei.session.recall(_NOTE) is not None:
            with suppress(NucLoopError):
                nuclei.session.remember(_NOTE, note)

    def _draw(self) -> None:
        if self._nuclei is None or self.grid is None:
            return
        if self._drawing is None:
            self._drawing = GridDrawing(self._nuclei.viewer, self._nuclei.image, self)
        self._drawing.show(self.grid, self.counted, self.at)

    def _lead(self) -> None:
        """Bring the next square on screen, where it is not already there as a whole."""
        nuclei, grid, at = self._nuclei, self.grid, self.at
        if nuclei is None or grid is None or at is None:
            return
        (top, left), (bottom, right) = grid.squares[at].min(axis=0), grid.squares[at].max(axis=0)
        seen = viewport_of(nuclei.viewer, nuclei.image)
        near = self.counted and grid.side * _AROUND <= min(seen.height, seen.width)
        if near and seen.contains(top, left) and seen.contains(bottom, right):
            return
        camera, layer = camera_of(nuclei.viewer), nuclei.layer
        if not near:
            pixels = max(_AROUND * grid.side, _LEAST_UM / nuclei.mpp)
            camera.zoom = min(canvas_size_of(nuclei.viewer)) / (pixels * float(abs(layer.scale[-1])))
        camera.center = layer.data_to_world(np.array([top + bottom, left + right]) / 2)
        slice_now(nuclei.viewer)
