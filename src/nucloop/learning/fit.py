"""Fitting a linear head to what people said: L2-regularised multinomial regression, to convergence.

The minimum is unique, so the head depends on the examples alone, never on a seed or on how far an optimiser came.

A head that is there already is the prior, and is held in two ways: its weights draw the new ones, and on examples of
what it was trained on (replay) the new head is to say what it said, with its own probabilities. Both are at their best
where nothing changes, so without answers the prior comes out again, a few answers move it a little, and many outweigh
it.
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
BIAS_HELD = 10.0
"""The same for a prior without replay."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How a head is fitted. The defaults were chosen on training images of other organs (docs/learning.md)."""

    l2: float = 0.4
    """Penalty on weights of standardised features, per feature."""
    l2_held: float = 0.1
    """The same on their distance from a prior's that a replay set holds as well."""
    replay: float = 100.0
    """How many answers the replay set counts for, however few there are."""
    replay_per_correction: float = 2.0
    """What it counts for in addition for each correction that no confirmation balances."""
    balance: float = 1.0
    """0 weighs all answers alike, 1 all classes alike; in between, rare classes are lifted in part."""
    credit: float = 1.0
    """Answers that each class of a prior counts as having already, when classes are balanced."""

    def __post_init__(self) -> None:
        if not min(self.l2, self.l2_held) > 0:
            raise ValueError(f"the penalty must be positive, got {min(self.l2, self.l2_held)}")
        if min(self.replay, self.replay_per_correction, self.credit) < 0 or not 0 <= self.balance <= 1:
            raise ValueError("replay weights must not be negative, and balance lies between 0 and 1")


class _Start(NamedTuple):
    """What a prior says: its weights and biases (C + 1, F + 1), and which of these rows it knows."""

    rows: NDArray[np.float64]
    known: NDArray[np.bool_]


class _Problem(NamedTuple):
    """Rows to fit: features (N, F), wanted probabilities (N, C + 1) and weights (N,)."""

    x: NDArray[np.float64]
    wanted: NDArray[np.float64]
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

    People mostly correct mistakes. A head fitted to mistakes alone learns the opposite of what it knew, so what the
    prior says of the replay set weighs in with every correction that no confirmation balances.

    Parameters
    ----------
    scheme : ClassScheme
        Classes without any example keep the prior's row, or are never predicted.
    examples : Examples
        What people said.
    replay : Replay, optional
        What the prior was trained on; what does not fit the scheme is left aside. Without a prior these are examples
        of their own classes.
    prior : LinearHead, optional
        The head to trust until the examples outweigh it, of any scheme, for the same encoder. One that was fitted to
        these same examples would count them twice.

    Raises
    ------
    DataError
        If there is nothing to learn from, or everything is of one class.
    """
    config = config or FitConfig()
    features = examples.features.shape[1]
    if prior is not None and prior.features != features:
        raise ValueError(f"the prior reads {prior.features} features, the examples have {features}")
    start = _start(scheme, prior, features)
    problem = _problem(scheme, examples, None if replay is None else replay.in_scheme(scheme), start, config)
    shown: NDArray[np.bool_] = np.count_nonzero(problem.wanted, axis=0) > 0
    _check(scheme, examples, shown[:-1], start.known[:-1])
    mean, spread = _standard(problem.x)
    centre = np.concatenate([start.rows[:, :-1] * spread, (start.rows[:, -1] + start.rows[:, :-1] @ mean)[:, None]], 1)
    rows = np.concatenate([(problem.x - mean) / spread, np.ones((len(problem.x), 1))], 1)
    penalty = _penalty(start, held=len(problem.x) > len(examples), config=config)
    fitted = centre.copy()
    fitted[shown] = _minimise(rows, problem.wanted[:, shown], problem.weight, centre[shown], penalty[shown])
    weight = fitted[:, :-1] / spread
    bias = fitted[:, -1] - weight @ mean
    bias[~shown & ~start.known] = NEVER
    keep = LinearHead.keep if prior is None else prior.keep
    return LinearHead(scheme, weight.astype(np.float32), bias.astype(np.float32), keep)


def _problem(
    scheme: ClassScheme, examples: Examples, replay: Replay | None, start: _Start, config: FitConfig
) -> _Problem:
    if len(examples) and examples.label.max() > len(scheme):
        raise ValueError(f"an example's class is outside the {len(scheme)} of {scheme.name}")
    x, wanted = examples.features.astype(np.float64), np.eye(len(scheme) + 1)[examples.label]
    # what one rare answer says of its class is little, where a prior knows the classes already
    per_class = wanted.sum(0)[examples.label] + (config.credit if start.known.any() else 0)
    lift = (len(examples) / per_class) ** config.balance
    weight = lift * (len(examples) / max(lift.sum(), 1e-9))
    if replay is not None and len(replay):
        unbalanced = max(2 * int(examples.corrected.sum()) - len(examples), 0)
        total = config.replay + config.replay_per_correction * unbalanced
        old = replay.features.astype(np.float64)
        said = np.eye(len(scheme) + 1)[replay.label] if not start.known.any() else _said(start, old)
        x, wanted = np.concatenate([x, old]), np.concatenate([wanted, said])
        weight = np.concatenate([weight, np.full(len(replay), total / len(replay))])
    return _Problem(x, wanted, weight)


def _said(start: _Start, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (N, C + 1) of a prior among the classes it knows."""
    logits = np.where(start.known, x @ start.rows[:, :-1].T + start.rows[:, -1], -np.inf)
    exp = np.exp(logits - logits.max(1, keepdims=True))
    said: NDArray[np.float64] = exp / exp.sum(1, keepdims=True)
    return said


def _penalty(start: _Start, *, held: bool, config: FitConfig) -> NDArray[np.float64]:
    """Penalties (C + 1, F + 1) on the squared distance of weights and biases from where they start."""
    features = start.rows.shape[1] - 1
    penalty = np.full(start.rows.shape, config.l2 * features)
    penalty[:, -1] = BIAS_PENALTY
    if held:
        penalty[start.known, :-1] = config.l2_held * features
    else:
        # with nothing to hold it, a prior's bias follows the classes of the first few answers
        penalty[start.known, -1] = BIAS_HELD
    return penalty


def _check(scheme: ClassScheme, examples: Examples, shown: NDArray[np.bool_], known: NDArray[np.bool_]) -> None:
    if not len(examples):
        raise DataError("There is nothing to learn from yet. Correct, confirm or add some nuclei first.")
    if (shown | known).sum() < 2 and len(scheme) > 1:
        name = scheme.names[int(np.argmax(shown))] if shown.any() else "background"
        raise DataError(
            f"All {len(examples):,} examples are {name}, so there is nothing to tell apart. "
            "Label some nuclei of another class first."
        )


def _start(scheme: ClassScheme, prior: LinearHead | None, features: int) -> _Start:
    start = np.zeros((len(scheme) + 1, features + 1))
    known = np.zeros(len(scheme) + 1, bool)
    shared = None if prior is None else shared_classes(prior.scheme, scheme)
    if prior is not None and shared is not None:
        for old, new in [*shared.pairs, (len(prior.scheme), len(scheme))]:
            start[new] = [*prior.weight[old], prior.bias[old]]
            known[new] = True
    return _Start(start, known)


def _standard(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and spread of each feature, (F,) each; of few rows the spreads are much alike."""
    spread = np.log(np.maximum(x.std(0), 1e-9))
    shrunk = (len(x) * spread + STEADY * spread.mean()) / (len(x) + STEADY)
    return x.mean(0), np.exp(shrunk)


def _minimise(
    rows: NDArray[np.float64],
    wanted: NDArray[np.float64],
    weight: NDArray[np.float64],
    centre: NDArray[np.float64],
    penalty: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the weights (K, F + 1) of least weighted cross-entropy plus penalised distance to `centre`."""
    weighted = wanted * weight[:, None]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(centre.shape)
        logits = rows @ weights.T
        logits -= logits.max(1, keepdims=True)
        exp = np.exp(logits)
        total = exp.sum(1)
        away = penalty * (weights - centre)
        value = weight @ np.log(total) - np.vdot(weighted, logits) + 0.5 * (away * (weights - centre)).sum()
        error = exp * (weight / total)[:, None] - weighted
        return float(value), (error.T @ rows + away).ravel()

    # a gradient this small moves no probability by more than about 1e-3
    options = {"maxiter": 2000, "maxfun": 4000, "maxcor": 20, "gtol": 1e-5 * max(len(rows), 1), "ftol": 1e-10}
    result = minimize(loss, centre.ravel(), jac=True, method="L-BFGS-B", options=options)
    solution: NDArray[np.float64] = result.x.reshape(centre.shape)
    return solution
