"""Which nuclei the gallery shows, and in which order."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from nucloop.gui.nuclei_layer import NucleiLayer

__all__ = ["EVERY_CLASS", "Order", "nuclei_in_order"]

EVERY_CLASS = -2


class Order(Enum):
    """How crops are sorted; the value is what a person reads."""

    UNSURE = "Least sure first"
    SURE = "Surest first"
    SIMILAR = "Like the selected one"
    PLACE = "By place"


def nuclei_in_order(
    nuclei: NucleiLayer,
    label: int,
    order: Order,
    like: int | None = None,
    features_of: Callable[[NDArray[np.int64]], Iterator[NDArray[np.floating]]] | None = None,
) -> NDArray[np.int64]:
    """Return ids of nuclei of a class (UNLABELLED and EVERY_CLASS too), sorted.

    Parameters
    ----------
    nuclei : NucleiLayer
        Whose session, and whose reader's labels.
    label : int
        The class.
    order : Order
        How to sort. SIMILAR without a nucleus to compare with sorts as UNSURE does.
    like : int, optional
        The nucleus to compare with.
    features_of : callable, optional
        Takes ids (N,), yields their features part by part, (K, F) each, NaN where they are not known. Without features
        the class probabilities are compared.
    """
    table = nuclei.shown()
    if label != EVERY_CLASS:
        table = table.take(table.label == label)
    if not len(table) or order is Order.PLACE:
        return table.ids
    if order is Order.SIMILAR and like is not None:
        one = np.array([like], np.int64)
        known = None if features_of is None else next(features_of(one))[0]
        if features_of is None or known is None or not np.isfinite(known).all():
            known = np.nan_to_num(nuclei.shown(one).probability)[0]
            distance = _distance(np.nan_to_num(table.probability), known)
        else:
            distance = np.concatenate([_distance(part, known) for part in features_of(table.ids)])
        return table.ids[np.argsort(distance, kind="stable")]
    uncertainty = np.nan_to_num(table.uncertainty, nan=1.0)
    return table.ids[np.argsort(uncertainty if order is Order.SURE else -uncertainty, kind="stable")]


def _distance(rows: NDArray[np.floating], one: NDArray[np.floating]) -> NDArray[np.float32]:
    """One minus the cosine of the angle between each row and one, (N,); unknown rows come last."""
    rows, one = rows.astype(np.float32), one.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(one)
    return np.nan_to_num(1 - rows @ one / np.maximum(lengths, 1e-12), nan=np.inf).astype(np.float32)
