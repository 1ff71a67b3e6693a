"""Which nuclei the gallery shows, and in which order."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.nuclei import Nuclei

    Ids = NDArray[np.int64]
    Features = Callable[[Ids], Iterator[NDArray[np.floating]]]

__all__ = ["EVERY_CLASS", "Order", "in_order", "nuclei_of_class"]

EVERY_CLASS = -2
MANY = 100_000


class Order(Enum):
    """How crops are sorted; the value is what a person reads."""

    UNSURE = "Least sure first"
    SURE = "Surest first"
    DOUBTED = "The model says otherwise first"
    SIMILAR = "Like the selected one"
    PLACE = "By place"


def nuclei_of_class(nuclei: NucleiLayer, label: int) -> Nuclei:
    """Return the nuclei that are shown to be of a class (UNLABELLED and EVERY_CLASS too)."""
    table = nuclei.shown()
    return table if label == EVERY_CLASS else table.take(table.label == label)


def in_order(table: Nuclei, order: Order, like: Nuclei | None = None, features_of: Features | None = None) -> Ids:
    """Return the ids of nuclei, sorted; for very many this takes a while, so call it in a job.

    Parameters
    ----------
    table : Nuclei
        What to sort.
    order : Order
        How. SIMILAR without a nucleus to compare with sorts as UNSURE does. DOUBTED goes by the model's probability of
        the class that a nucleus has, whoever gave it, the least first: what people may have got wrong comes early.
    like : Nuclei, optional
        The one nucleus to compare with.
    features_of : callable, optional
        Takes ids (N,), yields their features part by part, (K, F) each, NaN where they are not known. Without features
        the class probabilities are compared.
    """
    if not len(table) or order is Order.PLACE:
        return table.ids
    if order is Order.SIMILAR and like is not None:
        return table.ids[_sorted(_differences(table, like, features_of))]
    if order is Order.DOUBTED:
        return table.ids[_sorted(np.nan_to_num(table.model_probability, nan=2.0))]
    uncertainty = np.nan_to_num(table.uncertainty, nan=1.0)
    return table.ids[_sorted(uncertainty if order is Order.SURE else -uncertainty)]


def _sorted(values: NDArray[np.float32]) -> NDArray[np.intp]:
    # equal ones keep their order where that costs nothing
    return np.argsort(values, kind="stable" if len(values) < MANY else None)


def _differences(table: Nuclei, like: Nuclei, features_of: Features | None) -> NDArray[np.float32]:
    """How far each nucleus is from one, (N,)."""
    if features_of is not None:
        known = next(features_of(like.ids))[0]
        if np.isfinite(known).all():
            return np.concatenate([_distance(part, known) for part in features_of(table.ids)])
    return _distance(np.nan_to_num(table.probability), np.nan_to_num(like.probability)[0])


def _distance(rows: NDArray[np.floating], one: NDArray[np.floating]) -> NDArray[np.float32]:
    """One minus the cosine of the angle between each row and one, (N,); unknown rows come last."""
    rows, one = rows.astype(np.float32), one.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(one)
    return np.nan_to_num(1 - rows @ one / np.maximum(lengths, 1e-12), nan=np.inf).astype(np.float32)
