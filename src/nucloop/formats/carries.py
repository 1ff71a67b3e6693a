"""What each format can carry, and what an export leaves out because it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nucloop.nuclei import Origin

if TYPE_CHECKING:
    from nucloop.formats.document import Document
    from nucloop.outlines import Outlines

__all__ = ["Carries", "left_out"]


@dataclass(frozen=True, kw_only=True)
class Carries:
    """What survives in a format; what is False is lost, and an export says so.

    Parameters
    ----------
    ids, fractions, unlabelled, score, probability, origin, notes, outlines, cells, regions, slide, weights : bool
        The nuclei's ids, places between pixels, nuclei without a class, the detector's score, the class probabilities,
        who gave the class, author/time/model, the nuclei's outlines, those of the cells around them, drawn areas, what
        is known of the slide, and the weights that made the nuclei.
    classes : str, optional
        Name of the built-in scheme that the format is bound to; None when it carries any.
    """

    ids: bool = False
    fractions: bool = True
    unlabelled: bool = True
    score: bool = False
    probability: bool = False
    origin: bool = False
    notes: bool = False
    outlines: bool = False
    cells: bool = False
    regions: bool = False
    slide: bool = False
    weights: bool = False
    classes: str | None = None
    microns: bool = False
    """Whether places may stand in it in µm."""
    measurements: bool = False
    """Whether figures of nuclei, such as their area, may stand in it."""

    def lost(self) -> list[str]:
        """Name what the format cannot carry, for a person who chooses one."""
        names = {
            "ids": "ids",
            "fractions": "places between pixels",
            "unlabelled": "nuclei without a class",
            "score": "detection scores",
            "probability": "class probabilities",
            "origin": "who gave the class",
            "notes": "author, time and model",
            "outlines": "outlines of nuclei",
            "cells": "outlines of whole cells",
            "regions": "regions",
            "slide": "what is known of the slide",
            "weights": "which weights were used",
        }
        return [words for name, words in names.items() if not getattr(self, name)]


def left_out(document: Document, carries: Carries) -> list[str]:
    """Say what of this document the format cannot carry, one phrase for each kind of thing that is there."""
    nuclei = document.nuclei
    finite = np.isfinite(nuclei.probability).any(axis=1)
    there = {
        "ids": (int((nuclei.ids != 0).sum()), "the ids of {:,} nuclei"),
        "fractions": (
            int((nuclei.yx != np.rint(nuclei.yx)).any(axis=1).sum()),
            "the places of {:,} nuclei between pixels (rounded to whole pixels)",
        ),
        "unlabelled": (document.unlabelled, "{:,} nuclei without a class (not written at all)"),
        "score": (int(np.isfinite(nuclei.score).sum()), "the detection scores of {:,} nuclei"),
        "probability": (int(finite.sum()), "the class probabilities of {:,} nuclei"),
        "origin": (int((nuclei.origin != Origin.IMPORTED).sum()), "who gave the class of {:,} nuclei"),
        "notes": (len(document.notes) and len(nuclei), "author, time and model of {:,} nuclei"),
        "measurements": (len(document.measurements) and len(nuclei), "the measurements of {:,} nuclei"),
        "outlines": (_outlined(nuclei.outlines), "the outlines of {:,} nuclei"),
        "cells": (_outlined(nuclei.cell_outlines), "the outlines of the cells around {:,} nuclei"),
        "regions": (len(document.regions), "{:,} regions"),
        "slide": (int(document.slide is not None), "what is known of the slide"),
        "weights": (int(bool(document.weights)), "which weights were used"),
    }
    return [words.format(count) for name, (count, words) in there.items() if count and not getattr(carries, name)]


def _outlined(outlines: Outlines | None) -> int:
    return 0 if outlines is None else int(outlines.there.sum())
