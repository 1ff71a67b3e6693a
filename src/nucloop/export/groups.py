"""Which patches belong together: those of one patient, one slide, or regions that overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.errors import DataError
from nucloop.export.folds import touching
from nucloop.formats import SlideInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucloop.export.cutting import CutConfig
    from nucloop.export.sources import Source

__all__ = ["GROUPS", "groups_of"]

GROUPS = ("patient", "slide", "region")
"""What a fold boundary can be kept from dividing."""


def groups_of(sources: Sequence[Source], group_by: str, cut: CutConfig) -> list[list[str]]:
    """Return, for every source, the group of each of its regions; a slide given twice is one slide.

    Parameters
    ----------
    sources : sequence of Source
        Annotated slides.
    group_by : str
        One of `GROUPS`. A slide without a patient is its own patient.
    cut : CutConfig
        How far from a region a patch may show tissue.

    Raises
    ------
    DataError
        If one slide is given for two patients.
    """
    slides = [_fingerprint(source) for source in sources]
    patients: dict[str, str] = {}
    for source, slide in zip(sources, slides, strict=True):
        said = patients.setdefault(slide, source.patient)
        if said != source.patient:
            raise DataError(f"{source.slide.name} belongs to two patients, {said!r} and {source.patient!r}.")
    return [
        [source.patient] * max(len(source.regions), 1)
        if group_by == "patient" and source.patient
        else [slide] * max(len(source.regions), 1)
        if group_by != "region"
        else _region_groups(number, sources, slides, cut)
        for number, (source, slide) in enumerate(zip(sources, slides, strict=True))
    ]


def _region_groups(number: int, sources: Sequence[Source], slides: list[str], cut: CutConfig) -> list[str]:
    """Name the groups of a source's regions: those that overlap, in any source of the same slide, are one."""
    same = [k for k, slide in enumerate(slides) if slide == slides[number]]
    source = sources[number]
    if not all(sources[k].regions for k in same):
        return [slides[number]] * max(len(source.regions), 1)
    first = sum(len(sources[k].regions) for k in same if k < number)
    margin = 0.0 if cut.blank else (cut.size or 0) * cut.mpp / source.slide.require_mpp()
    numbers = touching([region for k in same for region in sources[k].regions], margin)
    return [f"{slides[number]} region {numbers[first + k]}" for k in range(len(source.regions))]


def _fingerprint(source: Source) -> str:
    """Name of a slide, the same for the same file under two names."""
    about = SlideInfo.of(source.slide)
    return f"{about.name} {about.sha256[:8]}" if about.sha256 else about.name
