"""95% intervals: bootstrap over images or regions, and Wilson's for a proportion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from nucloop.metrics.scoring import FieldScore

__all__ = ["BootstrapConfig", "bootstrap", "f1_intervals", "paired_intervals", "wilson"]

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class BootstrapConfig:
    """How an interval is drawn from the data themselves."""

    samples: int = 2000
    """Times that as many images as there are, are drawn with replacement."""
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1 or not 0 < self.level < 1:
            raise ValueError(f"a bootstrap needs samples and a level between 0 and 1, got {self}")


def bootstrap(
    units: NDArray[np.float64],
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    config: BootstrapConfig | None = None,
) -> NDArray[np.float64] | None:
    """Percentile interval of a figure that follows from sums over units (images, regions).

    Parameters
    ----------
    units : (U, ...) array
        What each unit adds to the sums.
    figure : callable
        From sums (B, ...) to figures (B, F).
    config : BootstrapConfig, optional

    Returns
    -------
    (F, 2) array, or None
        Lower and upper ends; None with fewer than two units, which cannot differ.
    """
    config = config or BootstrapConfig()
    count = len(units)
    if count < 2:
        return None
    rng = np.random.default_rng(config.seed)
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=config.samples)
    sums = np.tensordot(drawn.astype(np.float64), units, axes=1)
    tail = (1 - config.level) / 2
    return np.quantile(figure(sums), [tail, 1 - tail], axis=0).T


def f1_intervals(fields: Sequence[FieldScore], config: BootstrapConfig | None = None) -> dict[str, Any] | None:
    """95% intervals of the pooled F1 by drawing fields with replacement.

    Returns
    -------
    dict or None
        ``detection``, ``mean`` (None without classes) and ``classes``, each as [low, high]; None with fewer than two
        fields.
    """
    if len(fields) < 2:
        return None
    ends = bootstrap(_units(fields), _f1, config)
    return None if ends is None else _by_name(ends, fields[0].names)


def paired_intervals(
    first: Sequence[FieldScore], second: Sequence[FieldScore], config: BootstrapConfig | None = None
) -> dict[str, Any] | None:
    """95% intervals of how much higher the second's pooled F1 is; the same images are drawn for both.

    Parameters
    ----------
    first, second : sequence of FieldScore
        Of the same images in the same order, with the same classes.

    Returns
    -------
    dict or None
        As `f1_intervals` gives it. Where an interval does not hold 0, the two differ on such images.
    """
    if len(first) != len(second) or any(a.names != b.names for a, b in zip(first, second, strict=True)):
        raise ValueError("two detectors are compared on the same images and classes")
    if len(first) < 2:
        return None
    units = np.stack([_units(first), _units(second)], 1)

    def gained(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return _f1(sums[:, 1]) - _f1(sums[:, 0])

    ends = bootstrap(units, gained, config)
    return None if ends is None else _by_name(ends, first[0].names)


def _units(fields: Sequence[FieldScore]) -> NDArray[np.float64]:
    """Lay out counts (U, 1 + C, 3) of detection and of each class in each field."""
    return np.array([[(c.tp, c.fp, c.fn) for c in (field.detection, *field.classes)] for field in fields], np.float64)


def _f1(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 of detection, of each class and, where there are classes, their mean, from sums (B, 1 + C, 3)."""
    f1 = 2 * sums[..., 0] / np.maximum(2 * sums[..., 0] + sums[..., 1] + sums[..., 2], 1)
    mean = f1[:, 1:].mean(1, keepdims=True) if f1.shape[1] > 1 else f1[:, :0]
    return np.concatenate([f1, mean], axis=1)


def _by_name(ends: NDArray[np.float64], names: Sequence[str]) -> dict[str, Any]:
    rows = ends.tolist()
    return {
        "detection": rows[0],
        "mean": rows[-1] if names else None,
        "classes": {name: rows[1 + k] for k, name in enumerate(names)},
    }


def wilson(successes: int, total: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion; (0, 1) when nothing was counted.

    Raises
    ------
    ValueError
        If there are more successes than trials, or less than none.
    """
    if not 0 <= successes <= total:
        raise ValueError(f"{successes} of {total} is not a proportion")
    if total == 0:
        return 0.0, 1.0
    z = float(ndtri((1 + level) / 2))
    share = successes / total
    centre = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z * float(np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))) / (1 + z**2 / total)
    # The ends of certainty are exact, whatever rounding leaves.
    low = 0.0 if successes == 0 else max(centre - half, 0.0)
    high = 1.0 if successes == total else min(centre + half, 1.0)
    return low, high
