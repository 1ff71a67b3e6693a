"""Optical density of DAB in nuclei, remembered by id, so that only those that are new or moved are measured again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucloop.ki67.dab import SlideStains, dab_of_slide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from nucloop.outlines import Outlines
    from nucloop.slides import Slide

__all__ = ["Densities", "measured"]


class Densities:
    """What was measured, by id; a nucleus that has moved counts as not measured."""

    def __init__(self) -> None:
        self.stains: SlideStains | None = None
        self._value: NDArray[np.float64] = np.zeros(0)
        self._yx: NDArray[np.float32] = np.zeros((0, 2), np.float32)

    def of(self, ids: NDArray[np.int64], yx: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the density of nuclei, (N,); NaN where it is not known."""
        self._make_room(ids)
        same = (self._yx[ids] == yx).all(1)
        return np.where(same, self._value[ids], np.nan)

    def keep(self, ids: NDArray[np.int64], yx: NDArray[np.float32], values: NDArray[np.float64]) -> None:
        """Remember what was measured at places (N, 2)."""
        self._make_room(ids)
        self._yx[ids], self._value[ids] = yx, values

    def forget(self, ids: NDArray[np.int64]) -> None:
        """Take nuclei for not measured: their outlines are others."""
        self._make_room(ids)
        self._value[ids] = np.nan

    def _make_room(self, ids: NDArray[np.int64]) -> None:
        most = int(ids.max()) + 1 if len(ids) else 0
        if most > len(self._value):
            room = most + most // 4
            value, yx = np.full(room, np.nan), np.full((room, 2), np.nan, np.float32)
            value[: len(self._value)], yx[: len(self._yx)] = self._value, self._yx
            self._value, self._yx = value, yx


def measured(
    slide: Slide,
    ids: NDArray[np.int64],
    yx: NDArray[np.float32],
    stains: SlideStains | None,
    outlines: Outlines | None = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float64]]]:
    """Measure nuclei window by window; yield ids, places and densities."""
    for rows, values in dab_of_slide(slide, yx, stains, outlines=outlines):
        yield ids[rows], yx[rows], values
