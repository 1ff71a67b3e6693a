"""Proposals: what a network of any family says about one window, before anything is suppressed or classified."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nucloop.outlines import Outlines

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Proposals"]


@dataclass(frozen=True)
class Proposals:
    """Nuclei proposed in one window, in its pixels at the network's working resolution.

    Parameters
    ----------
    yx : (K, 2) float64
        Centres (y, x), pixel centres at integers.
    score : (K,) float32
        How sure the network is that there is a nucleus, 0 to 1.
    probability : (K, C) float32, optional
        Of each class of the card's scheme, where the network names classes itself.
    outlines : Outlines, optional
        Where each nucleus ends, where the network knows.
    """

    yx: NDArray[np.float64]
    score: NDArray[np.float32]
    probability: NDArray[np.float32] | None = None
    outlines: Outlines | None = None

    def __post_init__(self) -> None:
        n = len(self.score)
        if self.yx.shape != (n, 2) or self.score.shape != (n,):
            raise ValueError(f"proposals need {n} centres and scores, got {self.yx.shape} and {self.score.shape}")
        if self.probability is not None and (self.probability.ndim != 2 or len(self.probability) != n):
            raise ValueError(f"{n} proposals need {n} rows of probabilities, got {self.probability.shape}")
        if self.outlines is not None and len(self.outlines) != n:
            raise ValueError(f"{n} proposals need {n} outlines, got {len(self.outlines)}")

    def __len__(self) -> int:
        return len(self.score)

    def take(self, rows: ArrayLike) -> Proposals:
        """Rows by boolean mask or row numbers."""
        picked = np.asarray(rows)
        return Proposals(
            self.yx[picked],
            self.score[picked],
            None if self.probability is None else self.probability[picked],
            None if self.outlines is None else self.outlines.take(picked),
        )

    def moved(self, shift: ArrayLike) -> Proposals:
        """Shift everything by (y, x) pixels, such as from a window to its slide."""
        return replace(
            self,
            yx=self.yx + np.asarray(shift, np.float64),
            outlines=None if self.outlines is None else self.outlines.moved(shift),
        )
