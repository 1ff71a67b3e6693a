"""What a person says about the nuclei of one layer: classes, additions, deletions, confirmations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from nucloop.errors import NucLoopError
from nucloop.gui.layer.points_style import DIAMETER_UM
from nucloop.gui.layer.viewport import viewport_of
from nucloop.gui.napari_private.view_state import canvas_size_of
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.nuclei import UNLABELLED
from nucloop.session import outlining

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.session import Change

__all__ = ["Corrections"]

HIT_PIXELS = 8
"""A nucleus is meant by a place on screen this near, or nearer than its own size."""
_HIT_SIZE = 0.7


class Corrections(QObject):
    """Turns what a person does into edits of the session, each of them once; the layer follows by itself.

    Parameters
    ----------
    nuclei : NucleiLayer
        Whose nuclei are corrected.
    """

    said = Signal(object)
    """A Message."""
    class_changed = Signal(int)
    """The current class is another one."""
    answered = Signal(object)
    """Ids of nuclei that were given a class or confirmed, (N,)."""

    def __init__(self, nuclei: NucleiLayer) -> None:
        super().__init__(nuclei)
        self.nuclei = nuclei
        self.pixel: tuple[float, float] | None = None
        """Where the mouse is on the canvas, (x, y); None while it is elsewhere."""
        self.asked: Callable[[], int | None] = lambda: None
        """Which nucleus a person is being asked about, by its id; None while nothing is asked."""
        self.lock = True
        """Whether brush and lasso leave alone what a person has said."""

    @property
    def cursor(self) -> tuple[float, float] | None:
        """Where the mouse is on the slide now, (y, x) in level-0 pixels, also when the slide has moved under it."""
        if self.pixel is None:
            return None
        seen = viewport_of(self.nuclei.viewer, self.nuclei.image)
        height, width = canvas_size_of(self.nuclei.viewer)
        x, y = self.pixel
        return seen.top + y / height * seen.height, seen.left + x / width * seen.width

    @property
    def current(self) -> int:
        """The class that brush, lasso and new nuclei give."""
        return self.nuclei.current_label

    @current.setter
    def current(self, label: int) -> None:
        if label != self.nuclei.current_label:
            self.nuclei.current_label = label
            self.class_changed.emit(label)

    def step_class(self, by: int) -> None:
        """Make the next (+1) or previous (-1) class the current one."""
        self.current = (max(self.current, -1 if by > 0 else 0) + by) % len(self.nuclei.session.scheme)

    def hit(self, yx: ArrayLike) -> int | None:
        """Return the nucleus that a place means, (y, x) in level-0 pixels; hidden ones cannot be meant."""
        nuclei = self.nuclei
        if nuclei.loaded.afar:
            return None
        reach = max(_HIT_SIZE * DIAMETER_UM / nuclei.mpp, HIT_PIXELS * viewport_of(nuclei.viewer, nuclei.image).pixel)
        near = nuclei.session.near(yx, reach)
        visible = near if not len(near) else near[np.isin(near, nuclei.visible_ids(np.sort(near)))]
        return int(visible[0]) if len(visible) else None

    def targets(self) -> NDArray[np.int64]:
        """Return the nuclei that a key means: several selected ones, else the one under the cursor or selected.

        While a question is asked a key answers it, wherever the mouse is, unless the person has selected other nuclei.
        """
        selected, asked = self.nuclei.selected, self.asked()
        if asked is not None and set(selected.tolist()) <= {asked}:
            return np.array([asked], np.int64)
        if len(selected) > 1 or self.cursor is None:
            return selected
        under = self.hit(self.cursor)
        return selected if under is None else np.array([under], np.int64)

    def give_key(self, key: int) -> None:
        """Give the targets the class with a number key, 1 to 9."""
        keys = self.nuclei.session.scheme.keys
        if key in keys:
            self.give_class(keys.index(key))
        else:
            self._hint(f"No class has the key {key}.")

    def give_class(self, label: int) -> None:
        """Give the targets a class, which becomes the current one; without targets it only becomes that."""
        if label >= len(self.nuclei.session.scheme):
            return
        self.current = label if label != UNLABELLED else self.current
        targets = self._required_targets()
        if targets is not None:
            self.do(lambda: self.nuclei.session.set_class(targets, label, force=True))
            self.answered.emit(targets)

    def paint(self, ids: NDArray[np.int64]) -> None:
        """Give many nuclei the current class, as a brush or a lasso does; locked ones keep theirs."""
        change = self.do(lambda: self.nuclei.session.set_class(ids, self.current, force=not self.lock))
        if change is not None and change.locked:
            locked = f"{change.locked:,} {'nucleus was' if change.locked == 1 else 'nuclei were'}"
            self.said.emit(Message(f"{locked} left alone, as a person has said what they are. Unlock to change them."))
        if change is not None:
            self.answered.emit(ids)

    def add_here(self) -> None:
        """Add a nucleus of the current class under the cursor."""
        place = self.cursor
        if place is None:
            self._hint("Point at the place where a nucleus is missing, then press the key.")
        elif self.nuclei.loaded.afar:
            self._hint("Zoom in to add nuclei one by one.")
        else:
            self.do(lambda: self._add(place))

    def _add(self, place: tuple[float, float]) -> Change:
        self.nuclei.session.require_on_slide([place])
        return self.nuclei.session.add([place], self.current)

    def draw_around(self, ring: NDArray[np.floating]) -> None:
        """Take a drawn ring (K, 2), level-0 pixels, for the outline of the nucleus there; where none is, add one."""
        nuclei = self.nuclei
        if nuclei.loaded.afar:
            self._hint("Zoom in to draw outlines.")
            return
        change = self.do(
            lambda: outlining.draw_around(
                nuclei.session,
                ring,
                nuclei.mpp,
                selected=nuclei.selected,
                visible=nuclei.visible_ids,
                label=self.current,
            )
        )
        if change is not None:
            nuclei.outlines.show_drawn()

    def cut_along(self, line: NDArray[np.floating]) -> None:
        """Split the nucleus that a drawn line (K, 2), level-0 pixels, crosses."""
        nuclei = self.nuclei
        change = self.do(
            lambda: outlining.cut_along(
                nuclei.session, line, nuclei.mpp, selected=nuclei.selected, visible=nuclei.visible_ids
            )
        )
        if change is not None:
            nuclei.outlines.show_drawn()

    def merge(self) -> None:
        """Make one nucleus of the selected ones, which is selected then."""
        self.do(lambda: outlining.merge(self.nuclei.session, self.nuclei.selected))

    def delete(self) -> None:
        """Delete the targets."""
        targets = self._required_targets()
        if targets is not None:
            self.do(lambda: self.nuclei.session.delete(targets))

    def confirm(self) -> None:
        """Say that the targets have the right class."""
        targets = self._required_targets()
        if targets is not None:
            self.do(lambda: self.nuclei.session.confirm(targets))
            self.answered.emit(targets)

    def confirm_in_view(self) -> None:
        """Say that all nuclei on screen have the right class."""
        seen = self.nuclei.in_view()
        change = self.do(lambda: self.nuclei.session.confirm(seen))
        if change is not None:
            count = len(change.relabelled)
            text = f"{count:,} nuclei on screen confirmed." if count else "Nothing on screen was left to confirm."
            self.said.emit(Message(text, Tone.GOOD if count else Tone.INFO))
            self.answered.emit(seen)

    def select_in_view(self) -> None:
        """Select all nuclei on screen; once more selects none."""
        seen = self.nuclei.in_view()
        self.nuclei.select([] if np.array_equal(seen, self.nuclei.selected) else seen)

    def clear_selection(self) -> None:
        """Select nothing but the nucleus in question, if one is asked about."""
        asked = self.asked()
        self.nuclei.select([] if asked is None else [asked])

    def move(self, ids: NDArray[np.int64], shift: NDArray[np.floating]) -> None:
        """Move nuclei by (dy, dx) level-0 pixels."""
        session = self.nuclei.session
        places = session.positions(ids) + shift

        def move() -> Change:
            session.require_on_slide(places)
            return session.move(ids, places)

        if self.do(move) is None:
            self.nuclei.push()

    def undo(self) -> None:
        """Take back the newest step, whatever it was."""
        if self.do(self.nuclei.session.undo) is None:
            self._hint("There is nothing to undo.")

    def redo(self) -> None:
        """Do again what was undone last."""
        if self.do(self.nuclei.session.redo) is None:
            self._hint("There is nothing to redo.")

    def _required_targets(self) -> NDArray[np.int64] | None:
        targets = self.targets()
        if len(targets):
            return targets
        afar = self.nuclei.loaded.afar
        self._hint(
            "Too many nuclei are on screen to mean one of them. Zoom in, or use the brush or the lasso."
            if afar
            else "No nucleus is under the cursor, and none is selected."
        )
        return None

    def do(self, edit: Callable[[], Change | None]) -> Change | None:
        """Make an edit; None, and a word about it, where it cannot be made."""
        try:
            change = edit()
        except NucLoopError as error:
            self.said.emit(Message(str(error), Tone.ERROR))
            return None
        if change:
            self.said.emit(None)
        return change

    def _hint(self, text: str) -> None:
        self.said.emit(Message(text))
