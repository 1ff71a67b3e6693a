"""What learning would gain, before it is applied: class F1 before and after, on corrections neither had seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nucloop.errors import DataError
from nucloop.learning.fit import fit_head
from nucloop.learning.folds import assign_folds

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucloop.classes import ClassScheme
    from nucloop.learning.examples import Examples
    from nucloop.learning.fit import FitConfig
    from nucloop.learning.replay import Replay
    from nucloop.models.heads import LinearHead

__all__ = ["Estimate", "HeldOut", "class_f1", "estimate"]


@dataclass(frozen=True)
class HeldOut:
    """What heads say of examples that they were not fitted to: probabilities of the classes, (N, C).

    Parameters
    ----------
    before : (N, C) array or None
        By the head in use; None where there is none.
    after : (N, C) array
        By new ones.
    """

    before: NDArray[np.float32] | None
    after: NDArray[np.float32]


@dataclass(frozen=True)
class Estimate:
    """F1 of each class among held-out examples.

    These are the nuclei that people chose to speak about, mostly mistakes, so the values say whether learning helps,
    not how well the whole slide is classified.

    Parameters
    ----------
    classes : tuple of str
        Class names.
    support : (C,) int64
        Examples of each class.
    before, after : (C,) float64
        F1 with the head as it was and with a new one; NaN for a class without examples.
    folds : int
        How many parts took turns in being held out; 1 when a single part was.
    held_out : HeldOut, optional
        What this rests on, for all examples in their order.
    """

    classes: tuple[str, ...]
    support: NDArray[np.int64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    folds: int
    held_out: HeldOut | None = field(default=None, repr=False, compare=False)

    @property
    def mean_before(self) -> float:
        """Mean over the classes that have examples; NaN where there was no head."""
        return _mean(self.before)

    @property
    def mean_after(self) -> float:
        """Mean over the classes that have examples."""
        return _mean(self.after)

    def sentence(self) -> str:
        """Say it in words."""
        after = f"{self.mean_after:.2f}"
        gain = after if np.isnan(self.mean_before) else f"{self.mean_before:.2f} -> {after}"
        if self.folds == 1:
            return f"F1 {gain} on answers, not on the slide ({self.support.sum():,} from other places)"
        parts = f"cross-validated by region, {self.folds} parts, {self.support.sum():,} answers"
        return f"F1 {gain} on answers, not on the slide ({parts})"


def estimate(
    scheme: ClassScheme,
    examples: Examples,
    groups: NDArray[np.int64],
    *,
    before: LinearHead | None = None,
    seen: NDArray[np.bool_] | None = None,
    replay: Replay | None = None,
    prior: LinearHead | None = None,
    config: FitConfig | None = None,
) -> Estimate:
    """Cross-validate what `fit_head` with the same arguments gives.

    Parameters
    ----------
    groups : (N,) array
        Regions or cells of the examples: one group is never divided between fitting and measuring.
    before : LinearHead, optional
        The head in use, of the same scheme.
    seen : (N,) bool array, optional
        Examples that `before` was fitted to. It would look too good on these, so it is fitted anew without the part
        that is held out.

    Raises
    ------
    DataError
        If the examples lie in one group, or what is left of them without one part is nothing to learn from.
    """
    fold = assign_folds(groups, examples.label)
    folds = int(fold.max()) + 1 if len(fold) else 0
    if folds < 2:
        raise DataError(
            "All corrections lie in one place, so nobody can say what they gain elsewhere. "
            "Correct some nuclei in another region to get an estimate."
        )
    fit = partial(fit_head, scheme, replay=replay, prior=prior, config=config)
    after = _held_out(fit, examples, fold, None)
    was = None
    if before is not None:
        fresh = seen is None or not seen.any()
        was = _say(before, examples) if fresh else _held_out(fit, examples, fold, before, seen)
    nuclei = examples.label < len(scheme)
    truth = examples.label[nuclei]

    def f1(said: NDArray[np.float32] | None) -> NDArray[np.float64]:
        if said is None:
            return np.full(len(scheme), np.nan)
        return class_f1(truth, said[nuclei].argmax(1).astype(np.int16), len(scheme))

    support = examples.counts(len(scheme))[:-1]
    return Estimate(scheme.names, support, f1(was), f1(after), folds, HeldOut(was, after))


def _held_out(
    fit: Callable[[Examples], LinearHead],
    examples: Examples,
    fold: NDArray[np.int64],
    otherwise: LinearHead | None,
    use: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Probabilities (N, C) by heads fitted to the examples (of `use`) outside each one's fold."""
    parts = []
    for number in range(int(fold.max()) + 1):
        rows = fold == number
        try:
            head = fit(examples.take(~rows if use is None else ~rows & use))
        except DataError:
            if otherwise is None:
                raise
            head = otherwise
        parts.append((rows, _say(head, examples.take(rows))))
    said = np.zeros((len(examples), parts[0][1].shape[1]), np.float32)
    for rows, part in parts:
        said[rows] = part
    return said


def _say(head: LinearHead, examples: Examples) -> NDArray[np.float32]:
    return head.classify(examples.features.astype(np.float32))[1]


def class_f1(truth: NDArray[np.int16], label: NDArray[np.int16], classes: int) -> NDArray[np.float64]:
    """F1 of each class (C,) over examples (N,); NaN for a class that is never true."""
    right = np.bincount(truth[truth == label], minlength=classes + 1)[:classes]
    true = np.bincount(truth, minlength=classes + 1)[:classes]
    said = np.bincount(label, minlength=classes + 1)[:classes]
    return np.where(true > 0, 2 * right / np.maximum(true + said, 1), np.nan)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
