"""New classes for every nucleus that nobody has spoken about, as one change to be taken and undone in one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nucloop.learning.threads import one_thread

if TYPE_CHECKING:
    from nucloop.models.heads import LinearHead
    from nucloop.nuclei import Nuclei

__all__ = ["Relabelling", "relabel", "unseen"]

CHUNK = 8192
"""Rows at a time: they stay in the cache, and a million take no more memory than these."""


@dataclass(frozen=True)
class Relabelling:
    """What a head says of nuclei.

    Parameters
    ----------
    ids : (K,) int64
        Nuclei that no person has spoken about and whose features are known.
    label : (K,) int16
        Their classes.
    probability : (K, C) float32
        Among the classes.
    changed : int
        How many of them get another class than they had.
    unknown : int
        Nuclei that stay as they are because their features are not known: those beside the slide.
    """

    ids: NDArray[np.int64]
    label: NDArray[np.int16]
    probability: NDArray[np.float32]
    changed: int
    unknown: int

    def __len__(self) -> int:
        return len(self.ids)

    def left_out(self) -> str:
        """Say how many nuclei stay as they are, after a sentence; nothing when all were classified."""
        return unseen(self.unknown)


def unseen(count: int) -> str:
    """Say of so many nuclei, after a sentence, that they lie beside the slide; nothing when there are none."""
    if not count:
        return ""
    lie = "1 nucleus lies" if count == 1 else f"{count:,} nuclei lie"
    return f" {lie} outside the slide, where there is nothing to see, and stay as they are."


@one_thread()
def relabel(
    head: LinearHead, nuclei: Nuclei, features: NDArray[np.floating], found: NDArray[np.bool_] | None = None
) -> Relabelling:
    """Classify the nuclei that no person has spoken about.

    Parameters
    ----------
    nuclei : Nuclei
        N of them, in the head's scheme.
    features : (M, F) array
        Of those nuclei for which `found` holds, in their order, as `FeatureStore.get` returns them.
    found : (N,) bool array, optional
        All of them when absent.
    """
    if nuclei.scheme.names != head.scheme.names:
        raise ValueError(f"the head speaks of {head.scheme.names}, the nuclei of {nuclei.scheme.names}")
    found = np.ones(len(nuclei), bool) if found is None else found
    if found.shape != (len(nuclei),) or features.shape != (int(found.sum()), head.features):
        raise ValueError(f"features {features.shape} are not those of {int(found.sum())} nuclei and this head")
    silent = ~nuclei.human
    rows = np.flatnonzero(silent & found)
    source = (np.cumsum(found) - 1)[rows]
    label = np.empty(len(rows), np.int16)
    probability = np.empty((len(rows), len(head.scheme)), np.float32)
    for k in range(0, len(rows), CHUNK):
        part = slice(k, k + CHUNK)
        label[part], probability[part], _ = head.classify(features[source[part]].astype(np.float32))
    changed = int((label != nuclei.label[rows]).sum())
    return Relabelling(nuclei.ids[rows], label, probability, changed, int((silent & ~found).sum()))
