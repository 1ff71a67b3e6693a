"""Fitting a linear head to what people said: L2-regularised multinomial regression, to convergence.

The minimum is unique, so the head depends on the examples alone, never on a seed or on how far an optimiser came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import minimize

from nucloop.configuration import read_strictly
from nucloop.errors import DataError
from nucloop.learning.replay import shared_classes
from nucloop.learning.threads import one_thread
from nucloop.models.heads import LinearHead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme
    from nucloop.learning.examples import Examples
    from nucloop.learning.replay import Replay

__all__ = ["FitConfig", "fit_head"]

NEVER = -30.0
"""Bias of a class that nobody has shown: its probability is nil."""
STEADY = 20
"""Rows' worth of trust in a spread common to all features: few examples say little of each one's own."""
BIAS_PENALTY = 0.01


@read_strictly
@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How a head is fitted. The defaults were chosen on training images of other organs (docs/learning.md)."""

    l2: float = 0.4
    """Penalty on weights of standardised features, per feature."""
    replay: float = 200.0
    """How many examples the replay set counts for, however few corrections there are."""
    replay_per_correction: float = 2.0
    """What it counts for in addition for each correction that no confirmation balances."""
    balance: float = 1.0
    """0 weighs all examples alike, 1 all classes alike; in between, rare classes are lifted in part."""

    def __post_init__(self) -> None:
        if not self.l2 > 0:
            raise ValueError(f"the penalty must be positive, got {self.l2}")
        if min(self.replay, self.replay_per_correction) < 0 or not 0 <= self.balance <= 1:
            raise ValueError("replay weights must not be negative, and balance lies between 0 and 1")


class _Problem(NamedTuple):
    """Rows to fit: features, classes and weights."""

    x: NDArray[np.float64]
    y: NDArray[np.intp]
    weight: NDArray[np.float64]


@one_thread()
def fit_head(
    scheme: ClassScheme,
    examples: Examples,
    *,
    replay: Replay | None = None,
    prior: LinearHead | None = None,
    config: FitConfig | None = None,
) -> LinearHead:
    """Fit a head of `scheme` to examples.

    People mostly correct mistakes. A head fitted to mistakes alone learns the opposite of what it knew, so the replay
    set weighs in with every correction that no confirmation balances, and weights are drawn to the prior's.

    Parameters
    ----------
    scheme : ClassScheme
        Classes without any example keep the prior's row, or are never predicted.
    examples : Examples
        What people said.
    replay : Replay, optional
        What the shipped head was trained on; what does not fit the scheme is left aside.
    prior : LinearHead, optional
        Where to start, of any scheme, for the same encoder.

    Raises
    ------
    DataError
        If there is nothing to learn from, or everything is of one class.
    """
    config = config or FitConfig()
    replay = None if replay is None else replay.in_scheme(scheme)
    problem = _problem(scheme, examples, replay, config)
    shown = np.bincount(problem.y, minlength=len(scheme) + 1) > 0
    if prior is not None and prior.features != problem.x.shape[1]:
        raise ValueError(f"the prior reads {prior.features} features, the examples have {problem.x.shape[1]}")
    start, known = _start(scheme, prior, problem.x.shape[1])
    _check(scheme, examples, shown[:-1], known[:-1])
    mean, spread = _standard(problem.x)
    centre = np.concatenate([start[:, :-1] * spread, (start[:, -1] + start[:, :-1] @ mean)[:, None]], 1)
    rows = np.concatenate([(problem.x - mean) / spread, np.ones((len(problem.x), 1))], 1)
    penalty = np.full(rows.shape[1], config.l2 * problem.x.shape[1])
    penalty[-1] = BIAS_PENALTY
    fitted = centre.copy()
    fitted[shown] = _minimise(rows, problem, centre[shown], penalty, np.cumsum(shown) - 1)
    weight = fitted[:, :-1] / spread
    bias = fitted[:, -1] - weight @ mean
    bias[~shown & ~known] = NEVER
    keep = LinearHead.keep if prior is None else prior.keep
    return LinearHead(scheme, weight.astype(np.float32), bias.astype(np.float32), keep)


def _problem(scheme: ClassScheme, examples: Examples, replay: Replay | None, config: FitConfig) -> _Problem:
    if len(examples) and examples.label.max() > len(scheme):
        raise ValueError(f"an example's class is outside the {len(scheme)} of {scheme.name}")
    x, y = examples.features.astype(np.float64), examples.label.astype(np.intp)
    weight = np.ones(len(y))
    if replay is not None and len(replay):
        corrected = int(examples.corrected.sum())
        unbalanced = max(2 * corrected - len(examples), 0)
        total = config.replay + config.replay_per_correction * unbalanced
        x = np.concatenate([x, replay.features.astype(np.float64)])
        y = np.concatenate([y, replay.label.astype(np.intp)])
        weight = np.concatenate([weight, np.full(len(replay), total / len(replay))])
    per_class = np.bincount(y, weight, len(scheme) + 1)
    lift = (weight.sum() / np.maximum(per_class, 1e-9)) ** config.balance
    lifted = weight * lift[y]
    return _Problem(x, y, lifted * (weight.sum() / max(lifted.sum(), 1e-9)))


def _check(scheme: ClassScheme, examples: Examples, shown: NDArray[np.bool_], known: NDArray[np.bool_]) -> None:
    if not len(examples):
        raise DataError("There is nothing to learn from yet. Correct, confirm or add some nuclei first.")
    if (shown | known).sum() < 2 and len(scheme) > 1:
        name = scheme.names[int(np.argmax(shown))] if shown.any() else "background"
        raise DataError(
            f"All {len(examples):,} examples are {name}, so there is nothing to tell apart. "
            "Label some nuclei of another class first."
        )


def _start(
    scheme: ClassScheme, prior: LinearHead | None, features: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Weights and biases (C + 1, F + 1) to be drawn to, and which of these rows a prior knows."""
    start = np.zeros((len(scheme) + 1, features + 1))
    known = np.zeros(len(scheme) + 1, bool)
    shared = None if prior is None else shared_classes(prior.scheme, scheme)
    if prior is not None and shared is not None:
        for old, new in [*shared.pairs, (len(prior.scheme), len(scheme))]:
            start[new] = [*prior.weight[old], prior.bias[old]]
            known[new] = True
    return start, known


def _standard(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and spread of each feature, (F,) each; of few rows the spreads are much alike."""
    spread = np.log(np.maximum(x.std(0), 1e-9))
    shrunk = (len(x) * spread + STEADY * spread.mean()) / (len(x) + STEADY)
    return x.mean(0), np.exp(shrunk)


def _minimise(
    rows: NDArray[np.float64],
    problem: _Problem,
    centre: NDArray[np.float64],
    penalty: NDArray[np.float64],
    number: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the weights (K, F + 1) of least weighted cross-entropy plus penalised distance to `centre`."""
    truth = np.zeros((len(rows), len(centre)))
    truth[np.arange(len(rows)), number[problem.y]] = 1

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(centre.shape)
        logits = rows @ weights.T
        logits -= logits.max(1, keepdims=True)
        exp = np.exp(logits)
        total = exp.sum(1)
        away = penalty * (weights - centre)
        value = problem.weight @ (np.log(total) - (logits * truth).sum(1)) + 0.5 * (away * (weights - centre)).sum()
        error = (exp / total[:, None] - truth) * problem.weight[:, None]
        return float(value), (error.T @ rows + away).ravel()

    # a gradient this small moves no probability by more than about 1e-3
    options = {"maxiter": 2000, "maxfun": 4000, "maxcor": 20, "gtol": 1e-5 * max(len(rows), 1), "ftol": 1e-10}
    result = minimize(loss, centre.ravel(), jac=True, method="L-BFGS-B", options=options)
    solution: NDArray[np.float64] = result.x.reshape(centre.shape)
    return solution
