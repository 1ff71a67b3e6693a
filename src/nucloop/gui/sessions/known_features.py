"""Features of nuclei as the review queue and the gallery take them: of the encoder that was used last, in pieces."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from nucloop.learning.feature_store import FeatureStore
    from nucloop.learning.session_features import SessionFeatures

__all__ = ["features_in_parts", "newest_store", "short_features"]

PART = 32_768
"""Nuclei at a time: all features of a slide may not fit into memory."""
SHORT = 32
"""Directions that are enough to tell how far nuclei are from each other."""


def newest_store(features: SessionFeatures) -> FeatureStore | None:
    """Return the store of the encoder that was used last; None while nothing is kept.

    Raises
    ------
    DataError
        If it cannot be opened.
    """
    about = sorted(features.folder.glob("*/store.json"), key=lambda path: path.parent.stat().st_mtime, reverse=True)
    for path in about:
        with suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(path.read_bytes())
            return features.store(str(known["encoder_sha256"]), int(known["features"]))
    return None


def features_in_parts(store: FeatureStore, ids: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    """Yield the features of ids (N,) part by part, (K, F) each; NaN where they are not known."""
    for first in range(0, len(ids), PART):
        part = ids[first : first + PART]
        rows, found = store.get(part)
        features = np.full((len(part), store.features), np.nan, np.float32)
        features[found] = rows
        yield features


def short_features(store: FeatureStore, ids: NDArray[np.int64], seed: int = 0) -> NDArray[np.float32]:
    """Return features turned at random and cut short, (N, up to 32): distances stay nearly what they were.

    Johnson and Lindenstrauss's lemma; NaN where features are not known.
    """
    if store.features <= SHORT:
        parts = list(features_in_parts(store, ids))
    else:
        turn = np.random.default_rng(seed).normal(size=(store.features, SHORT)).astype(np.float32) / SHORT**0.5
        parts = [features @ turn for features in features_in_parts(store, ids)]
    return np.concatenate(parts) if parts else np.zeros((0, min(store.features, SHORT)), np.float32)
