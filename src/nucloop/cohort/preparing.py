"""Making a cohort, and looking anew at slides that have changed or could not be opened."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from nucloop.cohort.project import Project, open_project, save_project
from nucloop.cohort.settings import CohortSettings
from nucloop.cohort.states import has_changed
from nucloop.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nucloop.cohort.slide_entry import SlideEntry

__all__ = ["init", "looked_at_anew"]


def init(
    source: Path, folder: Path, settings: CohortSettings | None = None, *, mpp: float | None = None
) -> Iterator[tuple[SlideEntry, int]]:
    """Make a cohort of a folder or list of slides, or bring one up to date; results stay.

    Parameters
    ----------
    source : Path
        As `slides_of` takes it.
    folder : Path
        Of the cohort.
    settings : CohortSettings, optional
        What slides are worked on with; without it those of an existing cohort stay.
    mpp : float, optional
        µm per pixel of slides that do not say.

    Yields
    ------
    SlideEntry, int
        Each slide once it was looked at, and how many there are.

    Raises
    ------
    DataError
        If there is no slide, or the folder cannot be written.
    """
    from nucloop.cohort.listing import look_at_all, slides_of

    if not source.exists():
        raise DataError(f"There is no {source}. Name a folder of slides, or a list of them.")
    known = (folder / "project.yaml").exists()
    slides: Sequence[SlideEntry] = ()
    if known:
        # a list that is damaged is made anew
        with suppress(DataError):
            slides = open_project(folder).slides
    listed = slides_of(source, slides)
    entries = []
    for entry in look_at_all(listed, mpp):
        entries.append(entry)
        yield entry, len(listed)
    save_project(folder, settings or (None if known else CohortSettings()), entries)


def looked_at_anew(project: Project) -> Project:
    """Open the slides again that could not be opened or whose files have changed, and keep what was found."""
    odd = [k for k, one in enumerate(project.slides) if one.trouble or has_changed(one)]
    if not odd:
        return project
    from nucloop.cohort.listing import Listed, look_at_all

    old = [project.slides[k] for k in odd]
    listed = [Listed(one.path, one.id, one.patient, one.mpp, one.image, one.regions, one.labels) for one in old]
    slides = list(project.slides)
    for k, entry in zip(odd, look_at_all(listed, None), strict=True):
        slides[k] = entry
    save_project(project.folder, None, slides)
    return open_project(project.folder) if slides != list(project.slides) else replace(project, slides=tuple(slides))
