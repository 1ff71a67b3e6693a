"""The families of networks that find nuclei, by the name that a card gives: the one door for a new one.

A new family is one file in this room (configuration, network, what its output says), one training task, and one line
here. Command line, dock, evaluation, cards and sessions follow (docs/extending.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from nucloop.models import boxed, denuc, donuseg, fcrn, histonext, hover, patherea
from nucloop.models.proposals import Proposals

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DEFAULT_FAMILY", "FAMILIES", "Family", "Shape", "Trained", "alignment"]

DEFAULT_FAMILY = "denuc"
"""Of cards that name none: those written before there were others."""


class Shape(Protocol):
    """What a family's configuration must say; a network that names classes says also how many: ``classes``."""

    @property
    def mpp(self) -> float:
        """Working resolution, µm per pixel."""

    @property
    def strides(self) -> tuple[int, ...]:
        """Feature maps used: windows begin on multiples of the largest, and their sides are such; see `alignment`."""


def alignment(shape: Shape) -> int:
    """Return the pixels on whose multiples windows begin and end: a shape's own ``align``, or its largest stride."""
    return int(getattr(shape, "align", max(shape.strides)))


class Trained(Protocol):
    """A network of any family: maps RGB (N, 3, H, W), 0 to 255, to (N, C, h, w)."""

    config: Any
    """Its Shape."""
    stride: int
    """Input pixels per output cell."""

    def __call__(self, rgb: Tensor) -> Tensor:
        """Run it."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A kind of network that finds nuclei.

    Parameters
    ----------
    architecture : str
        The published model, as a card says it.
    config : type
        Its configuration, a frozen dataclass that is a `Shape`.
    build : callable
        From a configuration to an untrained network (`Trained`).
    propose : callable
        Given one window's output (C, h, w), the configuration and the least score: the `Proposals`.
    reach : callable
        Given the configuration: how far, in working pixels, a proposal may lie from what it was computed from.
    task : str
        Its training task, as ``module:class`` (see `nucloop.training.task`).
    suppressed : bool
        Whether of two proposals very near each other the better one stays (non-maximum suppression).
    """

    architecture: str
    config: type[Any]
    build: Callable[[Any], nn.Module]
    propose: Callable[[NDArray[np.float32], Any, float], Proposals]
    reach: Callable[[Any], int]
    task: str
    suppressed: bool = True


FAMILIES: dict[str, Family] = {
    "denuc": Family(
        architecture="DeNuC point detector",
        config=denuc.DenucConfig,
        build=denuc.DenucDetector,
        propose=denuc.propose,
        reach=denuc.reach,
        task="nucloop.training.denuc:DenucTask",
    ),
    "patherea": Family(
        architecture="Patherea P2P network",
        config=patherea.PathereaConfig,
        build=patherea.PathereaDetector,
        propose=patherea.propose,
        reach=patherea.reach,
        task="nucloop.training.patherea:PathereaTask",
        suppressed=False,
    ),
    "fcrn": Family(
        architecture="FCRN structured regression",
        config=fcrn.FcrnConfig,
        build=fcrn.FcrnDetector,
        propose=fcrn.propose,
        reach=fcrn.reach,
        task="nucloop.training.fcrn:FcrnTask",
    ),
    "histonext": Family(
        architecture="HistoNeXt",
        config=histonext.HistonextConfig,
        build=histonext.HistonextNet,
        propose=hover.propose,
        reach=hover.reach,
        task="nucloop.training.histonext:HistonextTask",
        suppressed=False,
    ),
    "donuseg": Family(
        architecture="DoNuSeg",
        config=donuseg.DonusegConfig,
        build=donuseg.DonusegNet,
        propose=boxed.propose,
        reach=boxed.reach,
        task="nucloop.training.donuseg:DonusegTask",
        suppressed=False,
    ),
}
