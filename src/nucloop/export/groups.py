"""Which patches belong together: those of one patient, one slide, or regions that overlap."""

from __future__ import annotations

import hashlib
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

_LAST_BYTES = 1_000_000


def groups_of(sources: Sequence[Source], group_by: str, cut: CutConfig) -> list[list[str]]:
    """Return, for every source, the group of each of its regions; a slide given twice is one slide.

    Two patients are one where their names differ in letter case and blanks only, two slides are one where their files
    are copies of each other, whatever they are called.

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
    slides = _as_first_met([_slide_of(source) for source in sources])
    patients = _as_first_met([(source.patient, " ".join(source.patient.split()).casefold()) for source in sources])
    _refuse_two_patients(sources, slides, patients)
    return [
        [patient] * max(len(source.regions), 1)
        if group_by == "patient" and patient
        else [slide] * max(len(source.regions), 1)
        if group_by != "region"
        else _region_groups(number, sources, slides, cut)
        for number, (source, slide, patient) in enumerate(zip(sources, slides, patients, strict=True))
    ]


def _as_first_met(named: Sequence[tuple[str, str]]) -> list[str]:
    """Return for each (name, what tells it apart) the name of the first that is the same."""
    first: dict[str, str] = {}
    return [first.setdefault(key, name.strip()) for name, key in named]


def _refuse_two_patients(sources: Sequence[Source], slides: list[str], patients: list[str]) -> None:
    known: dict[str, str] = {}
    for source, slide, patient in zip(sources, slides, patients, strict=True):
        said = known.setdefault(slide, patient)
        if said != patient:
            raise DataError(f"{source.slide.name} belongs to two patients, {said!r} and {patient!r}.")


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


def _slide_of(source: Source) -> tuple[str, str]:
    """Name of a slide, and what is the same for copies of its file and nothing else: size, beginning and end.

    The beginning alone may be white paper in two slides.
    """
    about, path = SlideInfo.of(source.slide), source.slide.path
    name = f"{about.name} {about.sha256[:8]}" if about.sha256 else about.name
    if path is None or not path.exists():
        return name, name
    digest = hashlib.sha256()
    if path.is_file():
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LAST_BYTES))
            digest.update(f"{size} {about.sha256}".encode() + file.read(_LAST_BYTES))
    else:
        files = sorted(
            (one.relative_to(path).as_posix(), one.stat().st_size) for one in path.rglob("*") if one.is_file()
        )
        digest.update(repr(files).encode())
    return name, digest.hexdigest()
