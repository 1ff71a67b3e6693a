"""What a head is worth on the whole slide, from answers that are no fair sample of it.

The queue asks what is doubtful, and people speak up where they see a mistake. So the share of mistakes among answers
says little of the slide. Here the class of a nucleus, given what both heads say of it, and the chance that somebody
speaks about it, given whether the model was wrong, are fitted together (a selection model: Little and Rubin,
Statistical Analysis with Missing Data, chapter 15). What was asked for, and every nucleus of a place that was looked
through, was chosen without knowledge of the answer, so it tells of the classes alone; what somebody volunteered counts
by the inverse of that chance. Then the classes of all other nuclei are drawn many times, each time with other likely
values of what is not known exactly, and both heads are measured on the whole slide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nucloop.configuration import read_strictly
from nucloop.learning.gain.likely_values import likely_values
from nucloop.learning.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OnSlide", "SlideConfig", "Told", "Untold", "looked_through", "on_slide"]

Values = NDArray[np.float64]
LEAST = 1e-4
"""Least probability at which a head is taken at its word."""
RARE = 0.01
"""Classes that make up less of the slide do not count in the mean: of a handful of nuclei no answer tells."""
NEIGHBOURS = 6
_TINY = 1e-300


@read_strictly
@dataclass(frozen=True, kw_only=True)
class SlideConfig:
    """What is taken for likely before the first answer; wide, so that answers decide where there are any."""

    trust: float = 0.5
    """How much the logarithm of either head's probability counts; together 1 where both are as sure as right."""
    trust_spread: float = 0.4
    shift_spread: float = 0.7
    """Of how much more or less frequent a class is here than the heads think, as a logarithm."""
    outspoken: float = 1.0
    """By how much sooner a mistake is spoken about than what is right, as a logarithm."""
    outspoken_spread: float = 1.5
    alike: float = 1.5
    """Answers that tell no more than one does: neighbours look alike, and so do their mistakes."""
    draws: int = 300
    most: int = 2000
    """Silent nuclei beyond which as many, drawn at random, stand for all."""
    coverage: float = 0.9
    """How often the interval is to hold the truth."""
    seed: int = 0


@dataclass(frozen=True)
class Told:
    """Nuclei of which a person has said the class.

    Parameters
    ----------
    label : (N,) int16
        What the person said.
    said : (N,) int16
        What the model had said when the person spoke.
    asked : (N,) bool
        Chosen without knowledge of the answer: by the queue, or with all that is around.
    before, after : (N, C)
        Probabilities of the classes by the head in use and the new one, fitted without these answers.
    now : (N,) int16
        The new head's class.
    """

    label: NDArray[np.int16]
    said: NDArray[np.int16]
    asked: NDArray[np.bool_]
    before: NDArray[np.floating]
    after: NDArray[np.floating]
    now: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class Untold:
    """All other nuclei: probabilities (M, C) by the head in use and by the new one."""

    before: NDArray[np.floating]
    after: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.before)

    def some(self, most: int, rng: np.random.Generator) -> Untold:
        """Return at most so many, drawn at random."""
        if len(self) <= most:
            return self
        rows = rng.choice(len(self), most, replace=False)
        return Untold(self.before[rows], self.after[rows])


@dataclass(frozen=True)
class OnSlide:
    """Mean class F1 on the whole slide: the low end of an interval, the middle, and the high end, (3,) each."""

    before: NDArray[np.float64]
    after: NDArray[np.float64]

    def sentence(self) -> str:
        """Say it in words."""
        low, middle, high = (f"{value:.2f}" for value in self.after)
        after = f"about {middle}" if low == high else f"about {low} to {high}"
        return f"on this slide F1 {after}, {self.before[1]:.2f} before"


def looked_through(yx: NDArray[np.floating], spoken: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell of which nuclei (N,) every neighbour was spoken about as well: there nobody chose by what is wrong."""
    if spoken.sum() <= NEIGHBOURS:
        return np.zeros(len(yx), bool)
    rows = np.flatnonzero(spoken)
    nearest = cKDTree(yx).query(yx[rows], k=NEIGHBOURS + 1)[1]
    through = np.zeros(len(yx), bool)
    through[rows] = spoken[nearest].all(1)
    return through


@one_thread()
def on_slide(told: Told, untold: Untold, config: SlideConfig | None = None) -> OnSlide:
    """Estimate what two heads are worth on the whole slide.

    The same answers always give the same figures.

    Parameters
    ----------
    told : Told
        N nuclei that people have spoken about.
    untold : Untold
        All others.
    """
    config = config or SlideConfig()
    rng = np.random.default_rng(config.seed)
    some = untold.some(config.most, rng)
    model = _Model(told, some, len(untold) / max(len(some), 1), config)
    values = likely_values(model.cost, model.start, config.draws, rng)
    scores = np.array([model.scores(one, rng) for one in values])
    ends = [(1 - config.coverage) / 2, 0.5, (1 + config.coverage) / 2]
    before, after = np.quantile(scores, ends, axis=0).T
    return OnSlide(before, after)


class _Model:
    """How likely the answers, and the silence about the others, are with some values of what is not known.

    Values (C + 4,) are: trust in either head, shifts of the classes, the logarithm of the rate at which right nuclei
    are spoken about, and by how much sooner wrong ones are.
    """

    def __init__(self, told: Told, untold: Untold, weight: float, config: SlideConfig) -> None:
        self._told, self._untold, self._weight = told, untold, weight
        self._classes = told.before.shape[1]
        self._of_told, self._of_untold = _classes_of(told), _classes_of(untold)
        self._kept, self._alike = untold.before.argmax(1), config.alike
        wrong = told.said != told.label
        self._wrong, self._right = int((wrong & ~told.asked).sum()), int((~wrong & ~told.asked).sum())
        rate = np.log(max(self._right, 0.5) / (len(told) + weight * len(untold)))
        trust, shift = [config.trust_spread] * 2, [config.shift_spread] * self._classes
        self.start = np.array([config.trust] * 2 + [0.0] * self._classes + [rate, config.outspoken])
        self._spread = np.array([*trust, *shift, 2.0, config.outspoken_spread])

    def cost(self, values: Values) -> float:
        """Return the negative logarithm of how likely it all is."""
        right, wrong = np.exp(values[-2]), np.exp(values[-2] + values[-1])
        p = self._of_told(values)[np.arange(len(self._told)), self._told.label]
        likely = np.log(p + _TINY).sum()
        likely += self._right * np.log(-np.expm1(-right) + _TINY) + self._wrong * np.log(-np.expm1(-wrong) + _TINY)
        as_said = self._of_untold(values)[np.arange(len(self._kept)), self._kept]
        silence = as_said * np.exp(-right) + (1 - as_said) * np.exp(-wrong)
        likely += self._weight * np.log(silence + _TINY).sum()
        return float(0.5 * (((values - self.start) / self._spread) ** 2).sum() - likely / self._alike)

    def scores(self, values: Values, rng: np.random.Generator) -> tuple[float, float]:
        """Draw the classes of all silent nuclei, and return the mean class F1 of both heads on the slide."""
        p = self._of_untold(values)
        # where mistakes are spoken about, silence says that it is none
        silent = np.full(p.shape, np.exp(-np.exp(values[-2] + values[-1])))
        silent[np.arange(len(p)), self._kept] = np.exp(-np.exp(values[-2]))
        p *= silent
        ends = np.cumsum(p / np.maximum(p.sum(1, keepdims=True), _TINY), axis=1)
        drawn = (rng.random(len(p))[:, None] > ends[:, :-1]).sum(1)
        told, untold = self._told, self._untold
        return (
            self._f1(drawn, told.before.argmax(1), untold.before.argmax(1)),
            self._f1(drawn, told.now, untold.after.argmax(1)),
        )

    def _f1(self, drawn: NDArray[np.int64], told: NDArray[np.integer], untold: NDArray[np.integer]) -> float:
        n = self._classes
        table = np.bincount(n * self._told.label.astype(np.int64) + told, minlength=n * n).astype(float)
        table += self._weight * np.bincount(n * drawn + untold, minlength=n * n)
        table = table.reshape(n, n)
        true = table.sum(1)
        there = true >= RARE * true.sum()
        f1 = 2 * np.diag(table)[there] / (true + table.sum(0))[there]
        return float(f1.mean())


def _classes_of(nuclei: Told | Untold) -> Callable[[Values], NDArray[np.float64]]:
    """Return what gives the probabilities (N, C) of nuclei's classes by some values."""
    before, after = (np.log(np.maximum(p.astype(np.float64), LEAST)) for p in (nuclei.before, nuclei.after))

    def classes(values: Values) -> NDArray[np.float64]:
        logit = values[0] * before + values[1] * after + values[2:-2]
        exp: NDArray[np.float64] = np.exp(logit - logit.max(1, keepdims=True))
        exp /= exp.sum(1, keepdims=True)
        return exp

    return classes
