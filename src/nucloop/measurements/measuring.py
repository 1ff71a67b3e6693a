"""Everything that is measured of nuclei, part by part: sizes and shapes first, which are quick, then stains."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np

from nucloop.measurements.shapes import AT_A_TIME, shape_figures
from nucloop.measurements.stains import StainConfig, stain_figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from nucloop.outlines import Outlines
    from nucloop.slides import Slide

__all__ = ["measured"]


def measured(
    outlines: Outlines,
    mpp: float,
    slide: Slide | None = None,
    config: StainConfig | None = None,
    wanted: NDArray[np.bool_] | None = None,
) -> Iterator[tuple[NDArray[np.intp], dict[str, NDArray[np.float64]]]]:
    """Measure nuclei; yield row numbers (K,) and their figures (K,), a nucleus once for shape and once for stains.

    Parameters
    ----------
    outlines : Outlines
        Of N nuclei, level-0 pixels.
    mpp : float
        Level-0 µm per pixel.
    slide : Slide, optional
        For the stains; closed at the end. Without it they are not measured.
    config : StainConfig, optional
    wanted : (N,) bool, optional
        Which nuclei are measured; the others are there only to be left out of rings. All by default.

    Raises
    ------
    SlideError
        If the slide cannot be read.
    """
    there = outlines.there if wanted is None else outlines.there & wanted
    rows = np.flatnonzero(there)
    with nullcontext() if slide is None else slide:
        for first in range(0, len(rows), AT_A_TIME):
            part = rows[first : first + AT_A_TIME]
            yield part, shape_figures(outlines.take(part), mpp)
        if slide is not None:
            yield from stain_figures(slide, outlines, config, wanted)
