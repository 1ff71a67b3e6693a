"""The cohort's own session of a slide: where all readers' labels come together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.cohort.bringing import read_result
from nucloop.cohort.sessions import session_of
from nucloop.errors import DataError
from nucloop.session import Session, SlideIdentity

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.cohort.project import Project
    from nucloop.cohort.slide_entry import SlideEntry
    from nucloop.cohort.states import SlideState
    from nucloop.slides import Slide

__all__ = ["AUTHOR", "begin_master", "master_path", "open_master"]

AUTHOR = "nucloop package"
"""Who takes in what others say."""


def master_path(project: Project, entry: SlideEntry) -> Path:
    """Return where the session of a slide lies, there or not."""
    return session_of(project, entry)


def begin_master(project: Project, state: SlideState, slide: Slide) -> None:
    """Make the session of a slide from its result, where there is none.

    Raises
    ------
    DataError
        If the slide is not done.
    SessionError
        If the session cannot be written.
    """
    path = master_path(project, state.entry)
    if path.exists():
        return
    if state.folder is None:
        raise DataError(f"{state.entry.id} is {state.state.value}. Run the cohort first: nucloop cohort run.")
    found = read_result(state.folder)
    with Session.open(path, slide=SlideIdentity.of(slide), scheme=found.nuclei.scheme, author=AUTHOR) as session:
        found.add_to(session)


def open_master(project: Project, entry: SlideEntry) -> Session:
    """Open the session of a slide for taking in what readers say.

    Raises
    ------
    SessionError
        If it is not there, damaged, or open in a window.
    """
    return Session.open(master_path(project, entry), author=AUTHOR)
