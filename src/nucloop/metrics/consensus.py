"""One set of nuclei from two readers: what they agree on, and what somebody decided where they do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nucloop.metrics.marks import Marks
from nucloop.metrics.naming import equal_where_same
from nucloop.metrics.rules import match
from nucloop.nuclei import UNLABELLED, Nuclei, Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nucloop.metrics.agreement import Disagreement

__all__ = ["Consensus", "Place", "consensus", "place_of"]

Place = tuple[int | None, int | None]
"""A disagreement by the ids of the first and the second reader's nucleus."""


def place_of(disagreement: Disagreement) -> Place:
    """Return the key under which a disagreement is decided."""
    return disagreement.first, disagreement.second


@dataclass(frozen=True)
class Consensus:
    """The nuclei that stand, and how many places are still open.

    Parameters
    ----------
    nuclei : Nuclei
        In the first reader's scheme, numbered by position. Agreed nuclei are confirmed, adjudicated ones corrected.
    open : tuple of Place
        Disagreements that nobody has decided: they are left out.
    """

    nuclei: Nuclei
    open: tuple[Place, ...]


def consensus(
    first: Nuclei,
    second: Nuclei,
    mpp: float,
    decisions: Mapping[Place, int | None] | None = None,
    radius_um: float = 3.0,
) -> Consensus:
    """Put two readers together.

    Parameters
    ----------
    first, second : Nuclei
        With an id each, level-0 pixels.
    mpp : float
        Level-0 µm per pixel.
    decisions : dict, optional
        For disagreements (`place_of`) the label in the first reader's scheme, or None for no nucleus there.
    radius_um : float
        Two marks this near can be one nucleus, µm.

    Raises
    ------
    ValueError
        If a decision is about a place where the readers agree, or that does not exist.
    """
    decided = dict(decisions or {})
    matching = match(Marks.of(second, mpp), Marks.of(first, mpp), radius_um)
    yx: list[list[float]] = []
    labels: list[int] = []
    origins: list[Origin] = []
    open_places: list[Place] = []

    def keep(place: list[float], label: int, origin: Origin) -> None:
        yx.append(place)
        labels.append(label)
        origins.append(origin)

    def ask(key: Place, place: list[float]) -> None:
        if key not in decided:
            open_places.append(key)
            return
        label = decided.pop(key)
        if label is not None:
            keep(place, label, Origin.CORRECTED)

    mine, theirs = equal_where_same(first.scheme, second.scheme)
    for j, i in matching.pairs.tolist():
        middle = ((first.yx[i] + second.yx[j]) / 2).tolist()
        if mine[first.label[i]] == theirs[second.label[j]]:
            keep(middle, int(first.label[i]), Origin.CONFIRMED if first.label[i] != UNLABELLED else Origin.PREDICTED)
        else:
            ask((int(first.ids[i]), int(second.ids[j])), middle)
    for i in np.flatnonzero(matching.missed).tolist():
        ask((int(first.ids[i]), None), first.yx[i].tolist())
    for j in np.flatnonzero(matching.spare).tolist():
        ask((None, int(second.ids[j])), second.yx[j].tolist())
    if decided:
        raise ValueError(f"the readers do not differ at {next(iter(decided))}, so there is nothing to decide")
    nuclei = Nuclei.from_points(first.scheme, np.array(yx).reshape(-1, 2), label=labels, origin=origins)
    return Consensus(nuclei.numbered(), tuple(open_places))
