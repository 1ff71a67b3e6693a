"""The figures of one slide: counts and densities by class and region, tissue, the Ki-67 index, and what looks wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.cohort.settings import CohortSettings
from nucloop.errors import NucLoopError
from nucloop.geometry import first_of
from nucloop.ki67.class_giver import model_knows
from nucloop.ki67.dab import dab_of_slide, slide_stains
from nucloop.ki67.measurement import Ki67Settings, measure
from nucloop.ki67.regions import sampled
from nucloop.ki67.words import H_E_WORDS
from nucloop.region_names import named
from nucloop.slides.stain_kind import StainKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nucloop.formats.slide_info import Weights
    from nucloop.geometry import Region
    from nucloop.ki67.index import Index
    from nucloop.nuclei import Nuclei
    from nucloop.slides import Slide
    from nucloop.slides.quality import Quality

__all__ = ["counts_by_region", "ki67_figures", "quality_figures"]


def quality_figures(quality: Quality, nuclei: Nuclei) -> dict[str, Any]:
    """Return areas, shares of ink and folds, focus, stain and the flags that follow."""
    return {
        "tissue_mm2": round(quality.tissue.tissue_mm2, 4),
        "pen": round(quality.pen, 4),
        "folds": round(quality.folds, 4),
        "windows": len(quality.windows),
        "out_of_focus": len(quality.blurred),
        "stain": "" if quality.stain is None else quality.stain.value,
        "flags": [*quality.flags(), *([] if len(nuclei) else ["no nuclei"])],
    }


def counts_by_region(nuclei: Nuclei, regions: Sequence[Region], mpp: float) -> list[dict[str, Any]]:
    """Return for each region its name, area in mm² and nuclei by class; a nucleus counts in the first that holds it."""
    by_name = named(regions)
    owner = first_of(nuclei.yx, by_name.values()) if by_name else np.zeros(0, np.intp)
    return [
        {"name": name, "mm2": region.area * mpp**2 / 1e6, "counts": nuclei.take(owner == k).counts()}
        for k, (name, region) in enumerate(by_name.items())
    ]


def ki67_figures(
    slide: Slide,
    nuclei: Nuclei,
    regions: Sequence[Region],
    weights: Weights,
    kind: StainKind | None,
    settings: CohortSettings | None = None,
) -> dict[str, Any] | None:
    """Return the Ki-67 index and, by DAB, H-score and Allred's, of the slide and of each region, with intervals.

    DAB is that within the outline of a nucleus, where it has one. None where neither classes nor DAB tell the index.
    """
    asked = settings or CohortSettings()
    guess = Ki67Settings.guess(nuclei.scheme, kind, believed=model_knows(weights))
    guess = replace(guess, by_dab=guess.by_dab or asked.dab, threshold=asked.dab_threshold, grades=asked.grades)
    if not len(nuclei):
        return None
    if guess.by_dab and kind is not StainKind.H_DAB:
        if not asked.dab:
            return None
        if kind is StainKind.H_E:
            return {"index": None, "why": H_E_WORDS}
    density = _densities(slide, nuclei) if guess.by_dab else None
    outlined = None if nuclei.outlines is None else nuclei.outlines.there
    try:
        result = measure(nuclei, guess, slide.require_mpp(), sampled(named(regions)) or None, density, outlined)
    except NucLoopError as error:
        return {"index": None, "why": str(error)}
    figures = _index(result.ki67.slide) | {
        "by": "DAB" if guess.by_dab else "classes",
        "threshold": None if result.threshold is None else result.threshold.value,
        "regions": {index.name: _index(index) for index in result.ki67.regions},
    }
    if result.intensity is not None:
        figures["with_errors_95"] = result.ki67.with_errors
        figures["by_outline"] = result.by_outline
        figures["intensity"] = result.intensity.to_dict()
    return figures


def _densities(slide: Slide, nuclei: Nuclei) -> NDArray[np.float64]:
    density = np.full(len(nuclei), np.nan)
    for rows, values in dab_of_slide(slide, nuclei.yx, slide_stains(slide), outlines=nuclei.outlines):
        density[rows] = values
    return density


def _index(index: Index) -> dict[str, Any]:
    low, high = index.wilson
    return {"index": index.value, "low": low, "high": high, "positive": index.positive, "counted": index.total}
