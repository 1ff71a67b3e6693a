"""Values of what is not known exactly, each as often as it is likely: importance sampling around the likeliest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["likely_values"]

Values = NDArray[np.float64]
FREEDOM = 5.0
"""Degrees of freedom of the t distribution that is drawn from: its tails are wider than any that are asked for."""
TRIED = 3
"""Values that are drawn for each that is returned."""
STEP = 1e-2
FLATTEST = 1e-2


def likely_values(
    cost: Callable[[Values], float], start: Values, draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw values (draws, V) whose density is exp(-cost), up to a factor.

    Parameters
    ----------
    cost : callable
        Smooth, of values (V,).
    start : (V,) array
        Where the search for the likeliest begins.
    """
    best = minimize(cost, start, method="L-BFGS-B").x
    sizes, directions = np.linalg.eigh(_curvature(cost, best))
    root = directions / np.sqrt(np.maximum(sizes, FLATTEST))
    count, length = TRIED * draws, len(start)
    steps = rng.standard_normal((count, length)) / np.sqrt(rng.chisquare(FREEDOM, count) / FREEDOM)[:, None]
    values = best + steps @ root.T
    drawn_from = -0.5 * (FREEDOM + length) * np.log1p((steps**2).sum(1) / FREEDOM)
    weight = np.array([-cost(one) for one in values]) - drawn_from
    share = np.exp(weight - weight.max())
    chosen: NDArray[np.float64] = values[rng.choice(count, draws, p=share / share.sum())]
    return chosen


def _curvature(cost: Callable[[Values], float], at: Values) -> NDArray[np.float64]:
    """Return the second derivatives (V, V), by differences."""
    eye = STEP * np.eye(len(at))
    here = cost(at)
    beside = np.array([cost(at + one) + cost(at - one) - 2 * here for one in eye])
    second = np.diag(beside)
    for i in range(len(at)):
        for j in range(i):
            both = cost(at + eye[i] + eye[j]) + cost(at - eye[i] - eye[j]) - 2 * here
            second[i, j] = second[j, i] = (both - beside[i] - beside[j]) / 2
    result: NDArray[np.float64] = second / STEP**2
    return result
