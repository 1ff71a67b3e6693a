"""Where the session of a slide lies in a cohort: one rule for runs, packages and the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.cohort.places import is_address

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.cohort.project import Project
    from nucloop.cohort.slide_entry import SlideEntry

__all__ = ["session_of"]


def session_of(project: Project, entry: SlideEntry) -> Path:
    """Return where the session of a slide lies, there or not.

    It is in the cohort's own folder, called as the file of the slide, or by its id where several slides have files of
    one name. A session that was there before the cohort, beside the slide, goes on where it is.
    """
    # who hands out work does without the rest of sessions
    from nucloop.session import session_path

    name = entry.file_name
    own = session_path(entry.id if name.casefold() in project.shared_names else name, project.sessions)
    if own.exists() or is_address(entry.path):
        return own
    beside = session_path(entry.path)
    return beside if beside.exists() else own
