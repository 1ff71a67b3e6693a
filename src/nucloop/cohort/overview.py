"""How far each slide of a cohort is, with models and with people, and its figures: a row for whoever looks after it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from nucloop.cohort.marks import IN_REVIEW, READ, Mark, read_marks
from nucloop.cohort.sessions import session_of
from nucloop.cohort.states import SlideState, State, states_of
from nucloop.cohort.table import figures_of
from nucloop.session.glance import SessionGlance, glance_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nucloop.cohort.project import Project
    from nucloop.cohort.slide_entry import SlideEntry

__all__ = ["Overview", "Stage", "overviews"]

_AT_ONCE = 50


class Stage(StrEnum):
    """How far a slide is. What a person has said comes before what a run has done."""

    NOT_STARTED = "not started"
    FAILED = "failed"
    STALE = "stale"
    """Nuclei were detected with other settings or networks, or on the slide as it was."""
    DETECTED = "detected"
    IN_REVIEW = "in review"
    """A person has said so, or has corrected nuclei in its session."""
    DONE = "done"
    """A person has said so."""


_OF_RUNS = {
    State.NOT_STARTED: Stage.NOT_STARTED,
    State.FAILED: Stage.FAILED,
    State.STALE: Stage.STALE,
    State.DONE: Stage.DETECTED,
}


@dataclass(frozen=True)
class Overview:
    """A slide of a cohort, and all that is known of it."""

    state: SlideState
    """Of the runs."""
    mark: Mark
    session: SessionGlance | None = None
    """None where there is no session, or nobody has looked yet."""
    row: dict[str, Any] = field(default_factory=dict)
    """Its figures, as in the table of all slides; empty where there is no result that stands, or nobody has looked."""

    @property
    def entry(self) -> SlideEntry:
        """The slide."""
        return self.state.entry

    @property
    def stage(self) -> Stage:
        """How far it is."""
        if self.mark.state == READ:
            return Stage.DONE
        if self.mark.state == IN_REVIEW or (self.session is not None and self.session.readers):
            return Stage.IN_REVIEW
        if self.state.state is State.NOT_STARTED and self.session is not None and self.session.detected:
            return Stage.DETECTED
        # of a result that is damaged the figures say so
        return Stage.FAILED if self.row.get("state") == State.FAILED else _OF_RUNS[self.state.state]

    @property
    def by(self) -> str:
        """Whose word it is that it is in review or done; who corrected last where nobody has said so."""
        if self.mark.state:
            return self.mark.by
        return self.session.readers[0] if self.session is not None and self.session.readers else ""

    @property
    def sentence(self) -> str:
        """What a person should know of it: why there is no result, or what looks wrong."""
        told = self.row.get("sentence") or self.state.sentence
        return "; ".join(str(one) for one in (told, self.row.get("flags")) if one)


def overviews(project: Project, known: Mapping[str, dict[str, Any]] | None = None) -> Iterator[list[Overview]]:
    """Yield all slides at once, in the cohort's order, and then some at a time with figures and sessions.

    Parameters
    ----------
    project : Project
    known : dict, optional
        Figures by the name of their result, where they were read before: a result never changes.

    Raises
    ------
    WeightsError
        If a network is not there.
    """
    known, marks = known or {}, read_marks(project)
    slides = [Overview(one, marks.get(one.entry.id, Mark(one.entry.id))) for one in states_of(project)]
    slides = [replace(one, row=known.get(_result(one), {})) for one in slides]
    yield slides
    for begin in range(0, len(slides), _AT_ONCE):
        yield [
            replace(one, row=one.row or figures_of(one.state), session=glance_at(session_of(project, one.entry)))
            for one in slides[begin : begin + _AT_ONCE]
        ]


def _result(one: Overview) -> str:
    return one.state.folder.name if one.state.state is State.DONE and one.state.folder is not None else ""
