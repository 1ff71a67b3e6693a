"""How wide an index must be taken for what counting alone does not know: nuclei not found, and where brown begins.

On the log odds of the index three errors add up: that of counting so many nuclei; that of the threshold, which is found
again on nuclei drawn with replacement; and how far indices of single images lay from those of people who marked every
tumour nucleus, beyond the other two (`ErrorConfig.spread`, measured by ``tools/ki67_end_to_end.py``). The last is one
draw for a whole slide, so it does not shrink with the number of nuclei.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, ndtri

from nucloop.ki67.dab_threshold import DabThreshold, drawn_thresholds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.ki67.index import Index
    from nucloop.metrics.intervals import Interval

__all__ = ["ErrorConfig", "counting_variance", "log_odds", "threshold_variance", "with_errors"]


@dataclass(frozen=True, kw_only=True)
class ErrorConfig:
    """What is known of the errors of an index by DAB."""

    spread: float = 0.34
    """Standard deviation, log odds, of what is found from what people marked, beyond counting and threshold."""
    draws: int = 200
    """Times that the threshold is found again."""
    level: float = 0.95
    seed: int = 0


def log_odds(positive: int, total: int) -> float:
    """Log odds of a share; half a nucleus is added to either side, so that none and all have some too."""
    return float(np.log((positive + 0.5) / (total - positive + 0.5)))


def counting_variance(positive: int, total: int) -> float:
    """Variance of the log odds that counting so many nuclei leaves."""
    return 1 / (positive + 0.5) + 1 / (total - positive + 0.5)


def threshold_variance(density: NDArray[np.float64], threshold: DabThreshold, config: ErrorConfig) -> float:
    """Variance of the log odds of the index when the threshold is found again on nuclei drawn with replacement.

    Parameters
    ----------
    density : (N,) array
        Of the nuclei that count.
    threshold : DabThreshold
        One that a person chose is taken for certain.
    config : ErrorConfig
    """
    if threshold.method == "chosen" or not len(density):
        return 0.0
    values = drawn_thresholds(threshold, config.draws, config.seed)
    ordered, total = np.sort(density), len(density)
    positive = total - np.searchsorted(ordered, values, side="left")
    odds = np.log((positive + 0.5) / (total - positive + 0.5))
    return float(np.mean((odds - log_odds(int(threshold.positive(density).sum()), total)) ** 2))


def with_errors(index: Index, threshold: float, config: ErrorConfig | None = None) -> Interval:
    """Return the interval of an index by DAB that allows for errors of finding and of the threshold.

    Parameters
    ----------
    index : Index
    threshold : float
        Variance from `threshold_variance`.
    config : ErrorConfig, optional

    Returns
    -------
    (low, high)
        Never narrower than Wilson's; (0, 1) when nothing was counted.
    """
    config = config or ErrorConfig()
    low, high = index.wilson
    if not index.total:
        return low, high
    centre = log_odds(index.positive, index.total)
    variance = counting_variance(index.positive, index.total) + threshold + config.spread**2
    half = float(ndtri((1 + config.level) / 2)) * np.sqrt(variance)
    return min(low, float(expit(centre - half))), max(high, float(expit(centre + half)))
