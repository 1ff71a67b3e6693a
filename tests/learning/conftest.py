"""Small worlds in which what is right is known: each class is a cloud of features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from nucloop.classes import ClassScheme
from nucloop.learning.examples import Examples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

F = 8


@pytest.fixture
def scheme() -> ClassScheme:
    return ClassScheme.named("brca-m2c")


@pytest.fixture
def cloud() -> Callable[..., NDArray[np.float32]]:
    """Features (N, F) of nuclei of these labels: the class's axis is 2, everything has noise."""

    def make(labels: Sequence[int], seed: int = 0, noise: float = 0.5) -> NDArray[np.float32]:
        rng = np.random.default_rng(seed)
        return (2 * np.eye(F)[np.asarray(labels, int)] + rng.normal(0, noise, (len(labels), F))).astype(np.float32)

    return make


@pytest.fixture
def shown(cloud) -> Callable[..., Examples]:
    """Examples of these labels, with ids from 1."""

    def make(labels: Sequence[int], seed: int = 0, *, corrected: bool = False, noise: float = 0.5) -> Examples:
        n = len(labels)
        ids = np.arange(1, n + 1, dtype=np.int64)
        return Examples(ids, cloud(labels, seed, noise), np.array(labels, np.int16), np.full(n, corrected))

    return make
