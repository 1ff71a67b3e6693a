"""Which slides differ from the others of their cohort, and in what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["FAR", "with_outliers"]

FAR = 3.5
"""A slide this many robust standard deviations (from the median, by the median deviation) away is an outlier."""
_FEWEST = 8
"""With fewer slides nobody can tell what is usual."""


def with_outliers(slides: pd.DataFrame) -> pd.DataFrame:
    """Add the columns outlier, how far the farthest figure lies from the cohort's median, and outlier_in, in words."""
    far, words = np.zeros(len(slides)), np.full(len(slides), "", object)
    for name, values, shown in _figures(slides):
        deviation = _deviations(values)
        usual = np.nanmedian(shown) if np.isfinite(shown).any() else np.nan
        for row in np.flatnonzero(deviation > np.maximum(far, FAR)):
            words[row] = f"{name} {shown[row]:,.4g}, the median is {usual:,.4g}"
        far = np.maximum(far, deviation)
    return slides.assign(outlier=np.round(far, 2), outlier_in=words)


def _figures(slides: pd.DataFrame) -> list[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """Return what is compared: name, values as they are compared, values as they are shown."""

    def column(name: str) -> NDArray[np.float64]:
        return slides[name].to_numpy(np.float64, na_value=np.nan) if name in slides else np.full(len(slides), np.nan)

    area, dense, nuclei = column("tissue_mm2"), column("per_mm2"), column("nuclei")
    found = [("tissue, mm²:", np.log(area + 0.01), area), ("nuclei per mm²:", np.log(dense + 10), dense)]
    with np.errstate(divide="ignore", invalid="ignore"):
        for name in slides.columns:
            if name.startswith("n_"):
                share = np.where(nuclei > 0, column(name) / nuclei, np.nan)
                found.append((f"part of {name[2:]}:", np.arcsin(np.sqrt(share)), share))
    index, score = column("ki67"), column("h_score")
    found.append(("Ki-67 index:", np.arcsin(np.sqrt(index)), index))
    return [*found, ("H-score:", np.arcsin(np.sqrt(score / 300)), score)]


def _deviations(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    if known.sum() < _FEWEST:
        return np.zeros(len(values))
    middle = np.median(values[known])
    spread = 1.4826 * np.median(np.abs(values[known] - middle))
    # a cohort in which half of the slides are equal has no spread of its own
    spread = max(spread, 0.02)
    return np.where(known, np.abs(values - middle) / spread, 0.0)
