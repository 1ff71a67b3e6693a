"""An encoder on its engine and a head: the classes of points, from features sampled there (DeNuC, section 2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from nucloop.detection.stage import Stage, Window
from nucloop.models.encoder import sample_at

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from nucloop.models.files.cards import Card
    from nucloop.models.heads import LinearHead
    from nucloop.slides import Slide
    from nucloop.slides.tiling import Tile

__all__ = ["TURNS", "Classifier"]

TURNS = {1: (0,), 2: (0, 2), 4: (0, 1, 2, 3)}
"""Quarter turns of each number of rotations."""


class Classifier:
    """Gives points their features, and features their classes.

    Parameters
    ----------
    net : Module
        An encoder: `PointEncoder`, `WindowedEncoder` or another with their attributes.
    card : Card
        Its card.
    head : LinearHead
        That reads its features.
    device : str
        As `nucloop.detection.engines.make_engine` takes it.
    rotations : int
        Turns in which it sees a tile.
    """

    def __init__(self, net: nn.Module, card: Card, head: LinearHead, device: str, rotations: int) -> None:
        self.stage, self.head = Stage(net, card, device, 1, TURNS[rotations]), head

    def features(
        self, slide: Slide, tile: Tile, seen: tuple[Window, NDArray[np.uint8]], yx: NDArray[np.float64], mpp: float
    ) -> NDArray[np.float32]:
        """Features (K, F) of points of a tile.

        Parameters
        ----------
        tile : Tile
            On the grid at `mpp`.
        seen : Window and (H, W, 3) array
            What was read of the slide at `mpp` for the detector; read anew only where the encoder sees farther.
        yx : (K, 2) array
            Points on the grid at `mpp`.
        mpp : float
            µm per pixel.
        """
        if not len(yx):
            return np.zeros((0, self.head.features), np.float32)
        window, maps = self.stage.look(slide, tile, seen, mpp)
        dense = torch.from_numpy(maps[0])
        points = (yx + 0.5) * (mpp / self.stage.mpp) - 0.5 - window.origin
        return sample_at(dense, torch.from_numpy(points.astype(np.float32)), self.stage.stride).numpy()
