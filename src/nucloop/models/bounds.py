"""What every network's configuration must keep to."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_doubling", "check_mpp", "doubling"]

FINEST_MPP, COARSEST_MPP = 0.05, 4


def doubling(strides: Sequence[int]) -> bool:
    """Whether each stride is twice the one before."""
    return all(b == 2 * a for a, b in pairwise(strides))


def check_doubling(strides: Sequence[int]) -> None:
    """Refuse strides that do not double from one to the next, or none.

    Raises
    ------
    ValueError
        Naming them.
    """
    if not strides or not doubling(strides):
        raise ValueError(f"strides must double from one to the next, got {strides}")


def check_mpp(mpp: float) -> None:
    """Refuse a working resolution at which no nucleus can be told.

    Raises
    ------
    ValueError
        Naming it.
    """
    if not FINEST_MPP <= mpp <= COARSEST_MPP:
        raise ValueError(f"working resolution {mpp} µm/px is outside {FINEST_MPP} to {COARSEST_MPP}")
