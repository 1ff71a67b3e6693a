"""A Ki-67 index: positive tumour nuclei of all, its interval, and where it stands to a cut-off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from nucloop.metrics.intervals import Interval, wilson

__all__ = ["Cutoff", "Index", "cells_for_precision"]


@dataclass(frozen=True)
class Cutoff:
    """Where an index stands to a cut-off; an index equal to it counts as above."""

    value: float
    above: bool
    certain: bool
    """Whether an interval that allows for more than counting lies on the same side as a whole."""
    by_counting: bool
    """Whether Wilson's does, which allows for nothing but how few nuclei were counted."""
    errors_known: bool
    """Whether there is an interval that allows for more than counting."""
    flips: int
    """So many nuclei counted the other way would move the index across; 0 when nothing is counted."""


@dataclass(frozen=True)
class Index:
    """A Ki-67 index.

    Parameters
    ----------
    name : str
        Of the region, or what was added up.
    positive, negative : int
        Tumour nuclei.
    """

    name: str
    positive: int
    negative: int

    @property
    def total(self) -> int:
        """Tumour nuclei counted."""
        return self.positive + self.negative

    @property
    def value(self) -> float | None:
        """Positive of all, 0 to 1; None when nothing was counted."""
        return self.positive / self.total if self.total else None

    @property
    def wilson(self) -> Interval:
        """Wilson's 95% interval: what counting these many nuclei leaves open."""
        return wilson(self.positive, self.total)

    def cutoff(self, value: float, interval: Interval | None = None) -> Cutoff:
        """Say where the index stands to a cut-off.

        Parameters
        ----------
        value : float
        interval : (low, high), optional
            One that allows for errors of finding nuclei and of telling them apart; without it nothing is certain.
        """
        if not self.total:
            return Cutoff(value, above=False, certain=False, by_counting=False, errors_known=False, flips=0)
        needed = int(np.ceil(value * self.total - 1e-9))
        above = self.positive >= needed
        by_counting = _on_one_side(self.wilson, value)
        certain = interval is not None and by_counting and _on_one_side(interval, value)
        flips = self.positive - needed + 1 if above else needed - self.positive
        return Cutoff(value, above, certain, by_counting, interval is not None, flips)

    def still_needed(self, half_width: float) -> int:
        """Nuclei still to count until the interval is at most `half_width` (0.05: five points) to either side."""
        share = 0.5 if self.value is None else self.value
        return max(cells_for_precision(share, half_width) - self.total, 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "name": self.name,
            "positive": self.positive,
            "negative": self.negative,
            "total": self.total,
            "index": self.value,
            "wilson_95": list(self.wilson),
        }


def _on_one_side(interval: Interval, value: float) -> bool:
    return interval[0] >= value or interval[1] < value


def cells_for_precision(share: float, half_width: float, level: float = 0.95) -> int:
    """Nuclei to count so that half of Wilson's interval is at most `half_width`, for an index of `share`.

    Raises
    ------
    ValueError
        If `share` is not between 0 and 1, or `half_width` not between 0 and 0.5.
    """
    if not 0 <= share <= 1 or not 0 < half_width < 0.5:
        raise ValueError(f"an index of {share} cannot be known to {half_width}")
    z = float(ndtri((1 + level) / 2))
    low, high = 0, int(np.ceil(z**2 / (2 * half_width) ** 2)) + 1
    while high - low > 1:
        middle = (low + high) // 2
        wide = z * np.sqrt(share * (1 - share) / middle + z**2 / (4 * middle**2)) / (1 + z**2 / middle)
        low, high = (middle, high) if wide > half_width else (low, middle)
    return high
