"""Replay: some features of what a head was first trained on, so that twenty corrections do not make it forget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nucloop.classes import ClassJoin, ClassScheme, join
from nucloop.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nucloop.learning.examples import Examples

__all__ = ["Replay", "choose_replay", "shared_classes"]

MOST_ROWS = 100_000
FEATURES, LABEL = "replay_features", "replay_label"
"""Tensors that carry it in a head's file."""


@dataclass(frozen=True)
class Replay:
    """Examples of a head's own classes.

    Parameters
    ----------
    scheme : ClassScheme
        The classes that `label` speaks of.
    features : (N, F) float16
        Of the head's encoder.
    label : (N,) int16
        Rows of `scheme`; its length stands for background.
    """

    scheme: ClassScheme
    features: NDArray[np.float16]
    label: NDArray[np.int16]

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.label.shape != (len(self.features),):
            raise ValueError(f"replay features {self.features.shape} do not fit labels {self.label.shape}")
        if len(self.label) > MOST_ROWS:
            raise ValueError(f"a replay set has at most {MOST_ROWS:,} rows, got {len(self.label):,}")
        if len(self.label) and not 0 <= self.label.min() <= self.label.max() <= len(self.scheme):
            raise ValueError("a replay label is outside its classes")
        if not np.isfinite(self.features).all():
            raise ValueError("replay features must be finite numbers")

    def __len__(self) -> int:
        return len(self.label)

    def in_scheme(self, scheme: ClassScheme) -> Replay:
        """Return what still holds in another scheme: background, and the classes that both have, if several."""
        joined = shared_classes(self.scheme, scheme)
        rows = [-1] * len(self.scheme) if joined is None else joined.table()[:-1]
        label = np.array([*rows, len(scheme)], np.int16)[self.label]
        return Replay(scheme, self.features[label >= 0], label[label >= 0])

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """Return what a head's file keeps of it."""
        return {FEATURES: self.features, LABEL: self.label}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]], scheme: ClassScheme, name: str) -> Replay | None:
        """Read it from a head's file; None where there is none.

        Raises
        ------
        WeightsError
            If it does not fit the head.
        """
        if FEATURES not in tensors:
            return None
        try:
            return cls(scheme, tensors[FEATURES].astype(np.float16), tensors[LABEL].astype(np.int16))
        except (KeyError, ValueError) as error:
            raise WeightsError(f"The replay set of {name} is damaged ({error}). Copy the file again.") from error


def shared_classes(old: ClassScheme, new: ClassScheme) -> ClassJoin | None:
    """Join the classes of two schemes; None when they share none, or a single one of several.

    One shared class alone is taken for chance ("other" is in many schemes).
    """
    joined = join(old.classes, new.classes)
    return joined if len(joined.pairs) >= min(2, len(old), len(new)) else None


def choose_replay(scheme: ClassScheme, examples: Examples, per_class: int = 250, seed: int = 0) -> Replay:
    """Draw at most `per_class` examples of each class and of background, the same ones every time."""
    rng = np.random.default_rng(seed)
    rows = [
        np.sort(rng.permutation(np.flatnonzero(examples.label == label))[:per_class])
        for label in range(len(scheme) + 1)
    ]
    picked = np.concatenate(rows)
    largest = float(np.finfo(np.float16).max)
    features = np.clip(examples.features[picked], -largest, largest).astype(np.float16)
    return Replay(scheme, features, examples.label[picked])
