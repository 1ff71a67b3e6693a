"""Which nuclei the layer holds: all while they are few, else those in view and around it, and from afar none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nucloop.gui.napari_private.view_state import camera_of, canvas_size_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from nucloop.session import Session

__all__ = ["LEAST_DISC", "MOST_POINTS", "LoadedNuclei", "Viewport", "choose", "viewport_of"]

MOST_POINTS = 6_000
"""More than these in view are shown by a picture of their density."""
FEW_POINTS = 1_000
"""Discs of more nuclei than these are not shown where they would lie on each other like sand."""
LEAST_DISC = 2.0
"""Diameter of a nucleus's disc on screen, pixels, below which that is so: nuclei side by side are hardly apart."""
EASY_POINTS = 2_000
"""napari draws this many points, and takes one edit of them, while nobody notices."""
_MARGINS = (0.5, 0.2)
"""How much of the view is held beyond each of its sides; the first that is not too many."""
_LEAST_MARGIN = 0.05


@dataclass(frozen=True)
class Viewport:
    """A rectangle of an image, level-0 pixels."""

    top: float
    left: float
    height: float
    width: float
    pixel: float = 1.0
    """Level-0 pixels per pixel of the screen."""

    def grown(self, share: float) -> Viewport:
        """Return a viewport larger by a share of its size on each side."""
        dy, dx = share * self.height, share * self.width
        return Viewport(self.top - dy, self.left - dx, self.height + 2 * dy, self.width + 2 * dx, self.pixel)

    def covers(self, other: Viewport) -> bool:
        """Whether another viewport lies within this one."""
        return (
            self.top <= other.top
            and self.left <= other.left
            and other.top + other.height <= self.top + self.height
            and other.left + other.width <= self.left + self.width
        )

    def contains(self, y: float, x: float) -> bool:
        """Whether a place lies in it."""
        return self.top <= y < self.top + self.height and self.left <= x < self.left + self.width

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Top, left, height and width."""
        return self.top, self.left, self.height, self.width


@dataclass(frozen=True)
class LoadedNuclei:
    """What the layer holds.

    Parameters
    ----------
    ids : (N,) int64
        Ascending; none while the nuclei are seen from afar.
    viewport : Viewport or None
        Where all nuclei are held; None is everywhere.
    afar : bool
        Whether there are so many in view that a picture of their density stands for them.
    """

    ids: NDArray[np.int64]
    viewport: Viewport | None = None
    afar: bool = False
    near: bool = True
    """Whether discs were large enough to be apart; else it serves no view nearer or farther."""

    def serves(self, seen: Viewport, near: bool) -> bool:
        """Whether it will do for another view, in which discs are apart or not."""
        return not self.afar and near == self.near and (self.viewport is None or self.viewport.covers(seen))


def choose(session: Session, seen: Viewport, near: bool, most: int = MOST_POINTS) -> LoadedNuclei:
    """Choose the nuclei to hold for a view: whatever there is, at most `most`, and few where discs are not apart."""
    if len(session) <= min(EASY_POINTS if near else FEW_POINTS, most):
        return LoadedNuclei(session.ids(), near=near)
    ids = session.in_box(*seen.box)
    if len(ids) > (most if near else FEW_POINTS):
        return LoadedNuclei(np.zeros(0, np.int64), seen, afar=True, near=near)
    for margin in _MARGINS:
        viewport = seen.grown(margin)
        more = session.in_box(*viewport.box)
        if len(more) <= min(EASY_POINTS, most):
            return LoadedNuclei(more, viewport, near=near)
    viewport = seen.grown(_LEAST_MARGIN)
    return LoadedNuclei(session.in_box(*viewport.box), viewport, near=near)


def viewport_of(viewer: ViewerModel, image: Image) -> Viewport:
    """Return what is on screen in the pixels of an image, whether the image reaches there or not."""
    half = np.array(canvas_size_of(viewer)) / camera_of(viewer).zoom / 2
    centre = np.array(camera_of(viewer).center[-2:])
    corners = [centre + half * (dy, dx) for dy in (-1, 1) for dx in (-1, 1)]
    places = np.array([np.asarray(image.world_to_data(corner), np.float64)[-2:] for corner in corners])
    low, size = places.min(0), np.ptp(places, axis=0)
    pixel = float(size.max() / max(canvas_size_of(viewer)))
    return Viewport(float(low[0]), float(low[1]), float(size[0]), float(size[1]), pixel)
