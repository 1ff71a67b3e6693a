"""How strongly nuclei are stained: the H-score and the Allred score, from grades of DAB, with their thresholds.

H-score (McCarty and others, 1985): percent of 1+, twice that of 2+ and three times that of 3+, 0 to 300. Allred score
(Allred and others, 1998): 0 to 5 for the share of positive nuclei and 0 to 3 for their mean grade, 0 or 2 to 8 in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.metrics.intervals import BootstrapConfig, Interval, bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Allred", "HScore", "Intensity", "default_grades", "measure_intensity"]

STEPS = (2.0, 3.0)
"""2+ and 3+ begin at so many times the density from which a nucleus is positive, unless a person says otherwise."""
SHARES = (1 / 100, 1 / 10, 1 / 3, 2 / 3)
"""Allred: a share of at most these has 1, 2, 3 and 4 points; a larger one 5."""
_WEIGHTS = np.array([0.0, 100.0, 200.0, 300.0])


@dataclass(frozen=True)
class Allred:
    """Allred's score: points for the share of positive nuclei, and for how strongly these are stained."""

    proportion: int
    intensity: int

    @property
    def total(self) -> int:
        """Both together: 0, or 2 to 8."""
        return self.proportion + self.intensity


@dataclass(frozen=True)
class HScore:
    """The H-score of one region.

    Parameters
    ----------
    name : str
    counts : (int, int, int, int)
        Nuclei that are negative, 1+, 2+ and 3+.
    interval : (low, high) or None
        95% by drawing nuclei with replacement; None where none is counted.
    """

    name: str
    counts: tuple[int, int, int, int]
    interval: Interval | None = None

    @property
    def total(self) -> int:
        """Nuclei that are counted."""
        return sum(self.counts)

    @property
    def value(self) -> float | None:
        """The score, 0 to 300; None where nothing is counted."""
        return float(_WEIGHTS @ self.counts / self.total) if self.total else None

    @property
    def allred(self) -> Allred | None:
        """Allred's score; None where nothing is counted."""
        if not self.total:
            return None
        positive = self.total - self.counts[0]
        if not positive:
            return Allred(0, 0)
        # an average between two grades is the stronger one, as in 1.5 to 2
        mean = sum(grade * count for grade, count in enumerate(self.counts)) / positive
        return Allred(1 + sum(positive > share * self.total for share in SHARES), int(mean + 0.5))

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        allred = self.allred
        return {
            "name": self.name,
            "h_score": self.value,
            "h_score_95": None if self.interval is None else list(self.interval),
            "allred": None if allred is None else allred.total,
            "allred_proportion": None if allred is None else allred.proportion,
            "allred_intensity": None if allred is None else allred.intensity,
            "grades": list(self.counts),
        }


@dataclass(frozen=True)
class Intensity:
    """Scores of all regions and of each, and where the grades begin.

    Parameters
    ----------
    slide : HScore
        All regions together; a nucleus in two regions is counted once.
    regions : tuple of HScore
    thresholds : (float, float, float)
        Optical densities of DAB from which a nucleus is 1+, 2+ and 3+.
    region_interval : (low, high) or None
        95% interval of `slide` by drawing regions with replacement; None with fewer than two.
    """

    slide: HScore
    regions: tuple[HScore, ...]
    thresholds: tuple[float, float, float]
    region_interval: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for reports."""
        return {
            "thresholds": list(self.thresholds),
            "slide": self.slide.to_dict(),
            "regions": [region.to_dict() for region in self.regions],
            "region_interval_95": None if self.region_interval is None else list(self.region_interval),
        }


def default_grades(threshold: float) -> tuple[float, float]:
    """Return where 2+ and 3+ begin when nobody says otherwise, from where nuclei are positive."""
    return STEPS[0] * threshold, STEPS[1] * threshold


def measure_intensity(
    density: NDArray[np.float64],
    thresholds: tuple[float, float, float],
    regions: Sequence[tuple[str, NDArray[np.bool_]]],
    config: BootstrapConfig | None = None,
) -> Intensity:
    """Grade nuclei and score them.

    Parameters
    ----------
    density : (N,) array
        Optical density of DAB of each nucleus; NaN is not counted.
    thresholds : (float, float, float)
        From which density on a nucleus is 1+, 2+ and 3+; ascending.
    regions : sequence of (name, (N,) bool)
        Which nuclei lie in each.
    config : BootstrapConfig, optional

    Raises
    ------
    ValueError
        If the thresholds do not ascend.
    """
    if not 0 < thresholds[0] <= thresholds[1] <= thresholds[2]:
        raise ValueError(f"the thresholds of 1+, 2+ and 3+ must ascend, got {thresholds}")
    config = config or BootstrapConfig()
    counted = np.isfinite(density)
    grade = np.searchsorted(thresholds, density, side="right")

    def scored(name: str, rows: NDArray[np.bool_]) -> HScore:
        counts = np.bincount(grade[rows & counted], minlength=4)
        return HScore(name, tuple(counts.tolist()), _by_nuclei(counts, config))

    anywhere = np.logical_or.reduce([rows for _, rows in regions])
    each = tuple(scored(name, rows) for name, rows in regions)
    units = np.array([one.counts for one in each if one.total], np.float64).reshape(-1, 4)
    drawn = bootstrap(units, lambda sums: (sums @ _WEIGHTS / np.maximum(sums.sum(1), 1))[:, None], config)
    between = None if drawn is None else (float(drawn[0, 0]), float(drawn[0, 1]))
    return Intensity(scored("slide", anywhere), each, thresholds, between)


def _by_nuclei(counts: NDArray[np.int64], config: BootstrapConfig) -> Interval | None:
    """Draw as many nuclei as there are with replacement: which ones does not matter, only how many of each grade."""
    total = int(counts.sum())
    if not total:
        return None
    drawn = np.random.default_rng(config.seed).multinomial(total, counts / total, size=config.samples)
    tail = (1 - config.level) / 2
    low, high = np.quantile(drawn @ _WEIGHTS / total, [tail, 1 - tail])
    return float(low), float(high)
