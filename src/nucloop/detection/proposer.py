"""A detector of any family on its engine: windows of pixels in, proposals out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nucloop.detection.contrast import REACH_UM
from nucloop.detection.points import suppress_non_maxima
from nucloop.detection.stage import Stage, align_up
from nucloop.models.files.cards import family_of, scheme_of
from nucloop.models.shape import reach
from nucloop.models.shared import share_backbone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import nn

    from nucloop.detection.spec import InferenceConfig
    from nucloop.detection.stage import Window
    from nucloop.models.files.cards import Card
    from nucloop.models.proposals import Proposals
    from nucloop.models.shape import PointShape
    from nucloop.slides import Slide
    from nucloop.slides.tiling import Tile

__all__ = ["Proposer"]

SUPPRESSION_UM = 3.5
"""Of two detections nearer than this the better one stays, where the family needs that and nobody says otherwise."""


class Proposer:
    """Proposes nuclei in windows of a slide.

    Parameters
    ----------
    net : Module
        Of the card's family (`nucloop.models.families.Trained`).
    card : Card
        Its card.
    device : str
        As `nucloop.detection.engines.make_engine` takes it.
    config : InferenceConfig
        Batch, threshold and suppression.
    shape : (PointShape, Card), optional
        A shape network that is to run beside it if it has the same backbone.

    Attributes
    ----------
    scheme : ClassScheme or None
        The classes it names itself.
    threshold : float
        Score from which a proposal counts.
    shares : bool
        Whether the shape network runs beside it.
    """

    def __init__(
        self,
        net: nn.Module,
        card: Card,
        device: str,
        config: InferenceConfig,
        shape: tuple[PointShape, Card] | None = None,
    ) -> None:
        self.card, self.family, self.scheme = card, family_of(card), scheme_of(card)
        joined = None if shape is None else share_backbone(net, shape[0])
        self.shares, self._beside = joined is not None, 0
        if shape is None or joined is None:
            self.stage = Stage(net, card, device, config.batch)
        else:
            # as far as either sees, and by a name of its own among converted networks
            both = replace(card, halo=max(card.halo, shape[1].halo), sha256=card.sha256 + shape[1].sha256)
            self.stage, self._beside = Stage(joined, both, device, config.batch), shape[0].width
        self.threshold = config.threshold or card.threshold
        self.mpp, self.align = self.stage.mpp, self.stage.align
        self._shape = self.stage.shape
        needed = SUPPRESSION_UM if self.family.suppressed else 0.0
        self._radius = (needed if config.suppression_um is None else config.suppression_um) / self.mpp
        margin = self._radius + self.family.reach(self._shape)
        if shape is not None and self.shares:
            margin = max(margin, reach(shape[0].config))
        if config.contrast:
            # the network sees as far as its halo; what is left of a point's surroundings comes on top of it
            margin = max(margin, REACH_UM / self.mpp + 1 - self.stage.card.halo)
        self._margin = align_up(margin, self.align)

    @property
    def batch(self) -> int:
        """Windows that it takes at a time."""
        return 1 if self.stage.engine.cpu else self.stage.batch

    def window(self, slide: Slide, tile: Tile) -> Window:
        """Return what it must see to know a tile's nuclei, those beyond it included that decide which of them stay.

        The tile is given on the detector's own grid.
        """
        return self.stage.window(slide, tile, self.mpp, self._margin)

    def __call__(self, rgb: NDArray[np.uint8]) -> Iterator[tuple[Proposals, NDArray[np.float32] | None]]:
        """Map windows (N, H, W, 3) to the proposals of each, in its own pixels; worse ones of one nucleus are gone.

        With the shape network's maps (C, h, w) of the window, where that runs beside.
        """
        for output in self.stage(rgb):
            own, maps = output, None
            if self.shares:
                own, maps = output[: -self._beside], output[-self._beside :]
            found = self.family.propose(own, self._shape, self.threshold)
            if self._radius:
                found = found.take(suppress_non_maxima(found.yx.astype(np.float32), found.score, self._radius))
            yield found, maps
