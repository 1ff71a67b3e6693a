"""A shape network on its engine: the outlines of points, from maps sampled there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from nucloop.detection.stage import Stage
from nucloop.models.shape import reach, rings
from nucloop.outlines import Outlines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from nucloop.detection.stage import Window
    from nucloop.models.files.cards import Card
    from nucloop.models.shape import PointShape
    from nucloop.slides import Slide
    from nucloop.slides.tiling import Tile

__all__ = ["Outliner"]

AT_ONCE = 128
"""Nuclei whose rays are followed together: what they see fits a processor's cache."""


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: so much is done at each step only that threads would mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Outliner:
    """Gives points their outlines.

    Parameters
    ----------
    net : PointShape
        The network.
    card : Card
        Its card.
    device : str, optional
        As `nucloop.detection.engines.make_engine` takes it; None where the network runs beside the detector.
    """

    def __init__(self, net: PointShape, card: Card, device: str | None) -> None:
        self.net, self.card, self.mpp = net, card, card.mpp
        self.stage = None if device is None else Stage(net, card, device, 1)
        self._margin = reach(net.config)

    def outlines(
        self,
        slide: Slide,
        tile: Tile,
        seen: tuple[Window, NDArray[np.uint8]],
        yx: NDArray[np.float64],
        mpp: float,
        maps: NDArray[np.float32] | None = None,
    ) -> Outlines:
        """Outlines of points of a tile, on the grid at `mpp`; none reaches beyond the slide.

        Parameters
        ----------
        tile : Tile
            On the grid at `mpp`.
        seen : Window and (H, W, 3) array
            What was read of the slide at `mpp` for the detector; read anew only where this network sees farther.
        yx : (K, 2) array
            Points on the grid at `mpp`.
        mpp : float
            µm per pixel.
        maps : (C, h, w) array, optional
            What the network made of `seen`, where it ran beside the detector.
        """
        if not len(yx):
            return Outlines.none(0)
        window, dense = seen[0], None if maps is None else maps[None]
        if dense is None and self.stage is not None:
            window, dense = self.stage.look(slide, tile, seen, mpp, self._margin)
        if dense is None:
            raise ValueError("a network that runs beside the detector needs what it made of the window")
        points = (yx + 0.5) * (mpp / self.mpp) - 0.5
        found = rings(points, self._radii(dense, points - window.origin)).scaled(self.mpp / mpp)
        end = np.array([slide.box.height, slide.box.width]) * (slide.require_mpp() / mpp) - 0.5
        return Outlines(found.corners.clip(-0.5, end).astype(np.float32), found.ends)

    @torch.inference_mode()
    def _radii(self, maps: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Radii (K, R) of points (K, 2) in a window, from its maps (1, C, h, w)."""
        dense = torch.from_numpy(maps)
        parts = torch.split(torch.from_numpy(points.astype(np.float32)), AT_ONCE)
        with _one_thread():
            looks = self.net.looks(dense)
            radii = torch.cat([self.net.radii(dense, looks, part[None])[-1][0] for part in parts])
        found: NDArray[np.float32] = radii.numpy()
        return found
