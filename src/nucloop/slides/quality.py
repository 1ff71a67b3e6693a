"""How good a slide is to look at: tissue, glass, ink and folds at low power, and focus; in figures and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nucloop.slides.box import Box
from nucloop.slides.stain_kind import StainKind, stain_kind
from nucloop.slides.tissue import FocusConfig, Ground, TissueMap, focus_of, map_tissue, sample_places, window_at

if TYPE_CHECKING:
    from nucloop.slides.slide import Slide

__all__ = ["FLAG_WORDS", "Quality", "look_at_quality", "share_words"]

_PEN, _FOLD, _BLUR, _LITTLE = 0.005, 0.05, 0.25, 0.05
FLAG_WORDS = (
    f"ink on more than {_PEN:.1%} of the slide; folds in more than {_FOLD:.0%} of the tissue; more than {_BLUR:.0%} of "
    f"up to {FocusConfig().windows} windows out of focus; less than {_LITTLE} mm² of tissue"
)
"""When a slide is flagged."""


@dataclass(frozen=True)
class Quality:
    """What was seen of a slide.

    Parameters
    ----------
    tissue : TissueMap
    windows : tuple of Box
        Where focus was looked at, level-0 pixels.
    focus : tuple of float
        Of each window, as `focus_of` has it.
    stain : StainKind or None
        What the slide is stained with; None where these windows do not tell.
    sharp : float
        A window with less is out of focus.
    """

    tissue: TissueMap
    windows: tuple[Box, ...]
    focus: tuple[float, ...]
    stain: StainKind | None
    sharp: float = FocusConfig.sharp

    @property
    def pen(self) -> float:
        """Part of the slide with ink on it."""
        return self.tissue.share(Ground.PEN)

    @property
    def folds(self) -> float:
        """Part of the tissue that is folded."""
        return self.tissue.share(Ground.FOLD, Ground.TISSUE, Ground.FOLD)

    @property
    def blurred(self) -> tuple[Box, ...]:
        """The windows that are out of focus, level-0 pixels."""
        return tuple(box for box, focus in zip(self.windows, self.focus, strict=True) if focus < self.sharp)

    def flags(self) -> list[str]:
        """Say what should make a person look at the slide; nothing where all is well."""
        dull, area = len(self.blurred), round(self.tissue.tissue_mm2, 4)
        flags = {
            f"ink on {self.pen:.1%} of the slide": round(self.pen, 4) > _PEN,
            f"folds in {self.folds:.0%} of the tissue": round(self.folds, 4) > _FOLD,
            f"{dull} of {len(self.windows)} windows out of focus": dull > _BLUR * len(self.windows),
            f"{area:.2f} mm² of tissue": area < _LITTLE,
        }
        return [words for words, raised in flags.items() if raised]


def look_at_quality(slide: Slide, tissue: TissueMap | None = None, config: FocusConfig | None = None) -> Quality:
    """Look at a slide at low power, and at its focus in some windows.

    Parameters
    ----------
    slide : Slide
    tissue : TissueMap, optional
        Where it is known already.
    config : FocusConfig, optional

    Raises
    ------
    SlideError
        If the slide does not say its resolution, or is damaged.
    """
    config = config or FocusConfig()
    tissue = tissue or map_tissue(slide)
    places = sample_places(slide, tissue, config)
    windows = [window_at(slide, place, config) for place in places]
    kind = stain_kind(np.concatenate([one.reshape(-1, 3) for one in windows])) if windows else None
    step = config.mpp / slide.require_mpp()
    boxes = tuple(Box(*(round(side * step) for side in place)) for place in places)
    return Quality(tissue, boxes, tuple(focus_of(window) for window in windows), kind, config.sharp)


def share_words(share: float) -> str:
    """Say a share so that little is not nothing.

    >>> share_words(0.123), share_words(0.0123), share_words(0.0004), share_words(0.0)
    ('12%', '1.2%', 'less than 0.1%', '0%')
    """
    if 0 < share < 0.0005:
        return "less than 0.1%"
    return f"{100 * share:.1f}%" if 0 < share < 0.0995 else f"{100 * share:.0f}%"
