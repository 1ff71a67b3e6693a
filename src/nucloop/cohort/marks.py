"""What people say of whole slides: in review, done, and tags; one small file a slide, so that several can say it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nucloop.cohort.project import Project

__all__ = ["IN_REVIEW", "READ", "Mark", "mark_slides", "read_marks", "tag_slides"]

IN_REVIEW, READ = "in review", "done"


@dataclass(frozen=True)
class Mark:
    """What was said of a slide."""

    slide: str
    state: str = ""
    """`IN_REVIEW`, `READ`, or empty."""
    by: str = ""
    """Whose word the state is."""
    when: str = ""
    """UTC, ISO 8601."""
    tags: tuple[str, ...] = ()


_READER = TypeAdapter(Mark)


def read_marks(project: Project) -> dict[str, Mark]:
    """Return what was said, by slide; files that are no marks are passed over."""
    found = {}
    for path in (project.folder / "marks").glob("*.json"):
        with suppress(OSError, ValueError, ValidationError):
            mark = _READER.validate_python(json.loads(path.read_bytes()))
            found[mark.slide] = mark
    return found


def mark_slides(project: Project, slides: Iterable[str], state: str, by: str) -> list[Mark]:
    """Say how far a person is with slides; an empty state takes back what was said. Return the marks as they are now.

    Raises
    ------
    DataError
        If it cannot be written; slides before the first that could not are marked.
    """
    # who only reads marks does without the rest of sessions, and of what writes files
    from nucloop.session.people import tidy_name

    when = datetime.now(UTC).isoformat(timespec="seconds")
    said = Mark("", state, tidy_name(by), when) if state else Mark("")
    return [_kept(project, replace(said, slide=slide, tags=_mark(project, slide).tags)) for slide in slides]


def tag_slides(project: Project, slides: Iterable[str], add: Iterable[str], remove: Iterable[str] = ()) -> list[Mark]:
    """Put tags on slides and take others off; return the marks as they are now.

    Raises
    ------
    DataError
        As of `mark_slides`.
    """
    from nucloop.session.people import tidy_name

    more, less = [tag for tag in map(tidy_name, add) if tag], set(remove)
    marks = []
    for slide in slides:
        before = _mark(project, slide)
        tags = dict.fromkeys([*(tag for tag in before.tags if tag not in less), *more])
        marks.append(_kept(project, replace(before, tags=tuple(tags))))
    return marks


def _place(project: Project, slide: str) -> Path:
    return project.folder / "marks" / f"{slide}.json"


def _mark(project: Project, slide: str) -> Mark:
    """Read a mark anew: somebody else may have said something meanwhile."""
    with suppress(OSError, ValueError, ValidationError):
        return _READER.validate_python(json.loads(_place(project, slide).read_bytes()))
    return Mark(slide)


def _kept(project: Project, mark: Mark) -> Mark:
    from nucloop.formats.atomic import replacing

    with replacing(_place(project, mark.slide)) as file:
        file.write(json.dumps(asdict(mark), ensure_ascii=False).encode())
    return mark
