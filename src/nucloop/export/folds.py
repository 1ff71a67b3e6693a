"""Folds that no patient, slide or region is divided between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucloop.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from nucloop.geometry import Region

__all__ = ["TEST", "divide", "touching"]

TEST = -1
"""The fold that is never trained on."""


def divide(groups: Mapping[str, NDArray[np.int64]], folds: int | None, test_share: float) -> dict[str, int]:
    """Put every group into one fold, so that the folds have as much as possible of each class alike.

    The largest groups are placed first, each where most is missing; the same groups are always divided the same way.

    Parameters
    ----------
    groups : dict
        For each group the number of its nuclei per class (C,).
    folds : int, optional
        How many; up to five, as far as there are groups, unless said.
    test_share : float
        Share of the nuclei that is set aside as `TEST`, 0 to 0.9.

    Returns
    -------
    dict
        The fold of each group, from 0; `TEST` for those set aside.

    Raises
    ------
    DataError
        If there are fewer groups than parts.
    """
    if not 0 <= test_share <= 0.9:
        raise DataError(f"A test share of {test_share:g} is not possible. Choose 0 to 0.9.")
    aside = int(test_share > 0)
    count = folds if folds is not None else min(5, max(1, len(groups) - aside))
    if count < 1 or len(groups) < count + aside:
        raise DataError(
            f"{len(groups)} group(s) cannot be divided into {count} fold(s){' and a test set' if aside else ''} "
            "without dividing one. Choose fewer folds, or group by slide or region."
        )
    shares = np.array([test_share] * aside + [(1 - test_share) / count] * count)
    total = np.stack(list(groups.values())).sum(axis=0, dtype=np.float64)
    # Every class weighs the same, however rare; an empty group weighs a little.
    weights = {name: np.append(counts / np.maximum(total, 1), 1 / len(groups)) for name, counts in groups.items()}
    filled = np.zeros((len(shares), len(total) + 1))
    placed: dict[str, int] = {}
    ordered = sorted(weights, key=lambda name: (-weights[name].sum(), name))
    for left, name in zip(range(len(ordered), 0, -1), ordered, strict=True):
        empty = np.flatnonzero(filled[:, -1] == 0)
        possible = empty if len(empty) >= left else np.arange(len(shares))
        excess = ((filled[possible] + weights[name]) / shares[possible, None]) ** 2 - (
            filled[possible] / shares[possible, None]
        ) ** 2
        fold = int(possible[np.argmin((excess * shares[possible, None]).sum(axis=1))])
        filled[fold] += weights[name]
        placed[name] = fold - aside if fold >= aside else TEST
    return placed


def touching(regions: Sequence[Region], margin: float) -> list[int]:
    """Give numbers to regions: those nearer than `margin` to each other share one, through others too."""
    import shapely

    areas = [region.shape for region in regions]
    number = list(range(len(areas)))
    tree = shapely.STRtree(areas)
    for one, other in tree.query(areas, predicate="dwithin", distance=margin).T.tolist() if areas else ():
        first, second = sorted((number[one], number[other]))
        number = [first if n == second else n for n in number]
    return number
