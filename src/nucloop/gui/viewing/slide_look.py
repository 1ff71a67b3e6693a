"""The look of the slides of one viewer: which stains are seen, how bright, what is white. Pixels stay as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QObject, Signal

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.napari_private.colour_filter import colour_as_scanned, colour_by
from nucloop.gui.widgets.jobs import Job
from nucloop.ki67.dab import SlideStains, slide_stains
from nucloop.slides.stain_kind import StainKind
from nucloop.slides.stains import H_AND_E, H_DAB, od_to_rgb, rgb_to_od

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

    from nucloop.slides import Slide

    Colour = tuple[int, int, int]

__all__ = ["BRIGHTEST", "Look", "SlideLook", "Stain", "shown_stain"]

BRIGHTEST = 100
"""The brightness at which a slide is twice as bright as it was scanned; at minus that it is half as bright."""
_WHITE = 250.0
_TEXTBOOK = SlideStains(H_DAB, estimated=False, degrees=float("nan"))
_USUAL_MPP = 0.5
"""Good enough to look at colours where the file does not say its resolution."""


class Stain(Enum):
    """A stain that can be seen alone; the value is what a person reads."""

    HAEMATOXYLIN = "Haematoxylin"
    EOSIN = "Eosin"
    DAB = "DAB"


_SECOND = {StainKind.H_E: (Stain.EOSIN,), StainKind.H_DAB: (Stain.DAB,), None: (Stain.EOSIN, Stain.DAB)}


@dataclass(frozen=True)
class Look:
    """How a slide is looked at."""

    stain: Stain | None = None
    """The only one to be seen; None shows all."""
    brightness: int = 0
    """From -BRIGHTEST to BRIGHTEST."""
    balanced: bool = False
    """Whether empty glass is shown white."""

    @property
    def plain(self) -> bool:
        """Whether the slide is seen as it was scanned."""
        return self == Look()


def shown_stain(stain: Stain, stains: SlideStains) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what makes the amount of a stain of optical densities, (3,), and the densities of one unit of it, (3,).

    DAB, and haematoxylin beside it, are the slide's own as the Ki-67 index has them; eosin is the textbook's.
    """
    with_eosin = stain is Stain.EOSIN or (stain is Stain.HAEMATOXYLIN and stains.kind is StainKind.H_E)
    matrix, row = H_AND_E if with_eosin else stains.matrix, 0 if stain is Stain.HAEMATOXYLIN else 1
    return np.linalg.inv(matrix.astype(np.float64))[:, row].astype(np.float32), matrix[row]


class SlideLook(QObject):
    """Knows the look of each image of a viewer and has it drawn."""

    changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._looks: WeakKeyDictionary[Image, Look] = WeakKeyDictionary()
        self._stains: WeakKeyDictionary[Image, SlideStains | None] = WeakKeyDictionary()
        self._glass: WeakKeyDictionary[Image, Colour] = WeakKeyDictionary()
        viewer.dims.events.ndisplay.connect(self._draw_anew)

    def of(self, image: Image | None) -> Look:
        """Return how an image is looked at."""
        return Look() if image is None else self._looks.get(image, Look())

    def can_balance(self, image: Image | None) -> bool:
        """Whether it is known what glass looks like on an image."""
        return image is not None and image in self._glass

    def set_glass(self, image: Image, colour: Colour) -> None:
        """Say what empty glass looks like on an image."""
        self._glass[image] = colour

    def set(self, image: Image, look: Look) -> None:
        """Look at an image in another way."""
        if look != self.of(image):
            self._looks[image] = look
            self._draw(image)
            self.changed.emit()

    def next_stain(self, image: Image) -> None:
        """Show the next stain of an image alone, after the last one all again."""
        known, look = self._stains.get(image), self.of(image)
        order = [None, Stain.HAEMATOXYLIN, *_SECOND[None if known is None else known.kind]]
        at = order.index(look.stain) if look.stain in order else -1
        self.set(image, replace(look, stain=order[(at + 1) % len(order)]))

    def seen(self, image: Image, colour: Colour) -> Colour:
        """Return how a colour of an image is seen, 0 to 255."""
        look, stains, rgb = self.of(image), self._stains.get(image), np.array(colour, np.float64)
        if look.stain is not None and stains is not None:
            unmixing, stain = shown_stain(look.stain, stains)
            rgb = od_to_rgb(max(float(rgb_to_od(rgb) @ unmixing), 0.0) * stain).astype(np.float64)
        red, green, blue = np.clip(rgb * self._gain(image), 0, 255).round().astype(int).tolist()
        return red, green, blue

    def _gain(self, image: Image) -> NDArray[np.float64]:
        """By how much red, green and blue of an image are multiplied, (3,)."""
        look, glass = self.of(image), self._glass.get(image)
        gain = np.full(3, 2.0 ** (look.brightness / BRIGHTEST))
        # a stain alone has a white of its own: no stain at all
        return gain * _WHITE / glass if look.balanced and look.stain is None and glass is not None else gain

    def _draw_anew(self, event: object = None) -> None:
        for image in list(self._looks):
            self._draw(image)

    def _draw(self, image: Image) -> None:
        viewer, look = self._viewer, self.of(image)
        if look.plain or viewer.dims.ndisplay != 2:
            colour_as_scanned(viewer, image)
        elif look.stain is None:
            colour_by(viewer, image, self._gain(image).tolist())
        elif (stains := self._stains_of(image)) is not None:
            colour_by(viewer, image, self._gain(image).tolist(), shown_stain(look.stain, stains))

    def _stains_of(self, image: Image) -> SlideStains | None:
        """Return the stains of an image; None while they are being looked at, after which it is drawn."""
        if image not in self._stains:
            self._stains[image] = None
            try:
                slide = slide_of_layer(image)
            except NucLoopError:
                # what is no slide has no stains of its own
                self._stains[image] = _TEXTBOOK
                return _TEXTBOOK
            job = Job(partial(_look_at_stains, slide), self)
            job.items.connect(lambda items: self._stains_known(image, items[-1]))
            # damaged where it was looked at
            job.ended.connect(lambda _: self._stains_known(image, self._stains.get(image) or _TEXTBOOK))
            job.start()
        return self._stains[image]

    def _stains_known(self, image: Image, stains: SlideStains) -> None:
        if stains is not self._stains.get(image):
            self._stains[image] = stains
            if image in self._viewer.layers:
                self._draw(image)
                self.changed.emit()


def _look_at_stains(slide: Slide) -> Iterator[SlideStains]:
    """Look at the stains of a slide. Runs in a job's thread."""
    with slide:
        yield slide_stains(slide if slide.mpp else slide.with_mpp(_USUAL_MPP))
