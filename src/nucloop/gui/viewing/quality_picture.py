"""Tissue and quality of a slide as a picture of few colours, and in words beside these colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nucloop.slides.quality import share_words
from nucloop.slides.tissue import Ground

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.slides.quality import Quality

__all__ = ["BLUR", "COLOURS", "QualityWords", "quality_picture", "quality_words"]

BLUR = max(Ground) + 1
"""The value of windows that are out of focus; all others are those of `Ground`."""
COLOURS = {Ground.TISSUE.value: "#009e73", Ground.FOLD.value: "#e69f00", Ground.PEN.value: "#cc79a7", BLUR: "#f0e442"}
"""By value; glass is not coloured. People who see few colours can tell these apart."""


class QualityWords(NamedTuple):
    """A colour, and what it says of the slide."""

    colour: str
    words: str


def quality_picture(quality: Quality) -> NDArray[np.uint8]:
    """Return the map, (h, w), with the windows that are out of focus on it."""
    picture, step = quality.tissue.ground.copy(), quality.tissue.step
    for box in quality.blurred:
        top, left = int(box.y / step), int(box.x / step)
        bottom, right = (int(np.ceil(end / step)) for end in (box.y + box.height, box.x + box.width))
        picture[top:bottom, left:right] = BLUR
    return picture


def quality_words(quality: Quality) -> list[QualityWords]:
    """Say what there is of each colour."""
    tissue = quality.tissue
    dull, windows = len(quality.blurred), len(quality.windows)
    share = tissue.share(Ground.TISSUE) + tissue.share(Ground.FOLD)
    lines = {
        Ground.TISSUE.value: f"{share_words(share)} of this slide: tissue, {tissue.tissue_mm2:,.2f} mm²",
        Ground.FOLD.value: f"{share_words(quality.folds)} of the tissue: folds" if quality.folds else "No folds",
        Ground.PEN.value: f"{share_words(quality.pen)} of this slide: ink of a pen" if quality.pen else "No ink",
        BLUR: f"{dull} of {windows} windows: out of focus" if dull else f"None of {windows} windows is out of focus",
    }
    return [QualityWords(COLOURS[value], words) for value, words in lines.items()]
