"""The threshold that parts negative from positive nuclei by DAB, found on their histogram.

It is Otsu's on the logarithm of the density: positive nuclei vary much more than negative ones, and on the plain
density Otsu's threshold lies far too high.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from nucloop.errors import DataError

__all__ = ["DabThreshold", "ThresholdConfig", "choose_threshold", "drawn_thresholds"]

Method = Literal["otsu", "valley"]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ThresholdConfig:
    """When a threshold can be found, and what is taken otherwise."""

    default: float = 0.4
    """Threshold where the nuclei fall into no two groups, optical density."""
    separation: float = 0.66
    """Part of the variance (on the logarithm) that two groups explain; one bell-shaped group gives 0.64."""
    difference: float = 0.25
    """Optical density by which the means of the two groups differ at least; negative nuclei differ by less."""
    default_spread: float = 0.25
    """Standard deviation of the default's logarithm: thresholds that are found differ so much from slide to slide."""


@dataclass(frozen=True)
class DabThreshold:
    """The density from which a nucleus is positive, and the histogram it was found on.

    Parameters
    ----------
    value : float
        Optical density.
    method : str
        ``otsu``, ``valley``, ``default`` (no two groups) or ``chosen`` (by a person).
    separation : float
        Part of the variance of the logarithm that the two groups explain, 0 to 1.
    edges : (B + 1,) array
        Of the histogram, optical density, equal steps on the logarithm.
    counts : (B,) array
        Nuclei in each bin.
    """

    value: float
    method: str
    separation: float
    edges: FloatArray
    counts: NDArray[np.int64]

    @property
    def certain(self) -> bool:
        """Whether the nuclei fall into two groups, so that the threshold means something."""
        return self.method != "default"

    def positive(self, density: FloatArray) -> NDArray[np.bool_]:
        """Which nuclei are positive."""
        return np.asarray(density >= self.value)

    def moved(self, value: float) -> DabThreshold:
        """Return the same histogram with a threshold that a person chose."""
        return DabThreshold(float(value), "chosen", self.separation, self.edges, self.counts)


_FLOOR = 0.1
"""Added before the logarithm: below this, density is noise of the camera."""
_BINS = 128


def choose_threshold(
    density: FloatArray, method: Method = "otsu", config: ThresholdConfig | None = None
) -> DabThreshold:
    """Find the density that parts negative from positive nuclei.

    Parameters
    ----------
    density : (N,) array
        Of every nucleus, from `dab_of_slide`.
    method : str
        ``otsu`` (of the logarithm), or ``valley``: the lowest place between the two highest peaks.
    config : ThresholdConfig, optional
        `default` is taken, and the method says so, where the nuclei fall into no two groups.

    Raises
    ------
    DataError
        If there is no nucleus.
    """
    config = config or ThresholdConfig()
    if not len(density):
        raise DataError("There are no nuclei to find a DAB threshold from. Detect nuclei first.")
    logs = np.log(np.maximum(density, 0) + _FLOOR)
    counts, edges = np.histogram(logs, _BINS)
    value, separation = (float(one) for one in _otsu(counts, edges))
    used: str = method
    if method == "valley":
        lowest = _valley(counts, edges)
        value = value if lowest is None else lowest
        used = "otsu" if lowest is None else "valley"
    positive = logs >= value
    apart = float(density[positive].mean() - density[~positive].mean()) if 0 < positive.sum() < len(logs) else 0.0
    if separation < config.separation or apart < config.difference:
        value, used = float(np.log(config.default + _FLOOR)), "default"
    return DabThreshold(float(np.exp(value) - _FLOOR), used, separation, np.exp(edges) - _FLOOR, counts)


def drawn_thresholds(
    threshold: DabThreshold, draws: int, seed: int = 0, config: ThresholdConfig | None = None
) -> FloatArray:
    """Find a threshold again on as many nuclei, drawn with replacement from its histogram.

    Returns
    -------
    (draws,) array
        Optical densities. Of a threshold that was not found, what else it could have been by `default_spread`.
    """
    config, rng = config or ThresholdConfig(), np.random.default_rng(seed)
    if not threshold.certain:
        return np.asarray(threshold.value * np.exp(rng.normal(0, config.default_spread, draws)))
    counts = threshold.counts
    drawn = rng.multinomial(int(counts.sum()), counts / counts.sum(), draws)
    return np.asarray(np.exp(_otsu(drawn, np.log(threshold.edges + _FLOOR))[0]) - _FLOOR)


def _otsu(counts: NDArray[np.int64], edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Edge of the best split of histograms (..., B) in two, and the part of the variance that it explains, (...)."""
    middle, total = (edges[1:] + edges[:-1]) / 2, counts.sum(-1, keepdims=True)
    share = np.cumsum(counts, -1) / total
    mass = np.cumsum(counts * middle, -1) / total
    below, above, mean = share[..., :-1], 1 - share[..., :-1], mass[..., -1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.nan_to_num((mean * below - mass[..., :-1]) ** 2 / (below * above), nan=0.0, posinf=0.0)
    whole = (counts * (middle - mean) ** 2).sum(-1) / total[..., 0]
    best = between == between.max(-1, keepdims=True)
    # Empty bins between two groups split them equally well: take the middle of the gap.
    first, last = best.argmax(-1), best.shape[-1] - 1 - best[..., ::-1].argmax(-1)
    return (edges[first + 1] + edges[last + 1]) / 2, between.max(-1) / np.maximum(whole, 1e-12)


def _valley(counts: NDArray[np.int64], edges: FloatArray) -> float | None:
    """Lowest place between the two peaks that it parts deepest; None with a single peak."""
    smooth = gaussian_filter1d(counts.astype(np.float64), 5, mode="constant")
    padded = np.r_[0.0, smooth, 0.0]
    peaks = np.flatnonzero((padded[1:-1] >= padded[:-2]) & (padded[1:-1] > padded[2:]))
    deepest: tuple[float, float] | None = None
    for i, left in enumerate(peaks.tolist()):
        for right in peaks[i + 1 :].tolist():
            low = left + int(np.argmin(smooth[left : right + 1]))
            depth = float(min(smooth[left], smooth[right]) - smooth[low])
            if deepest is None or depth > deepest[0]:
                deepest = depth, float((edges[low] + edges[low + 1]) / 2)
    return None if deepest is None else deepest[1]
