"""Heads: from a nucleus's features to its class. Linear, over the classes of a scheme and background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nucloop.classes import ClassScheme

__all__ = ["LinearHead"]


@dataclass(frozen=True)
class LinearHead:
    """Class probabilities as the softmax of a matrix product (DeNuC, section 2.2).

    Parameters
    ----------
    scheme : ClassScheme
        The classes.
    weight : (C + 1, F) float32
        One row per class, the last for background.
    bias : (C + 1,) float32
        Likewise.
    keep : float
        A point counts as a nucleus while its background probability is at most this. By default no point is rejected:
        on a stain that the head has not seen, what it takes for background are mostly nuclei that the detector found.
    """

    scheme: ClassScheme
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    keep: float = 1.0

    def __post_init__(self) -> None:
        rows = len(self.scheme) + 1
        if self.weight.ndim != 2 or self.weight.shape[0] != rows or self.bias.shape != (rows,):
            raise ValueError(
                f"a head over {len(self.scheme)} classes and background needs {rows} rows, "
                f"got weight {self.weight.shape} and bias {self.bias.shape}"
            )
        if not (np.isfinite(self.weight).all() and np.isfinite(self.bias).all()):
            raise ValueError("its weights are no numbers (NaN or infinite)")
        if not 0 <= self.keep <= 1:
            raise ValueError(f"keep {self.keep} is no probability from 0 to 1")

    @property
    def features(self) -> int:
        """Length of the feature vectors it reads."""
        return int(self.weight.shape[1])

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Softmax over classes and background: (K, F) features to (K, C + 1)."""
        logits = features.astype(np.float32) @ self.weight.T + self.bias
        exp = np.exp(logits - logits.max(1, keepdims=True))
        result: NDArray[np.float32] = exp / exp.sum(1, keepdims=True)
        return result

    def classify(
        self, features: NDArray[np.float32]
    ) -> tuple[NDArray[np.int16], NDArray[np.float32], NDArray[np.bool_]]:
        """Labels (K,), probabilities among the classes (K, C), and which points are nuclei at all (K,)."""
        p = self.probabilities(features)
        among = p[:, :-1] / np.maximum(p[:, :-1].sum(1, keepdims=True), 1e-12)
        return among.argmax(1).astype(np.int16), among, p[:, -1] <= self.keep
