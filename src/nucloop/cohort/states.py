"""How far a cohort is: which slides are done, stale, failed, or not begun."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from nucloop.cohort.failures import Failure, read_failures
from nucloop.cohort.keys import key_maker, model_hashes
from nucloop.cohort.places import size_and_time
from nucloop.cohort.result import kept_keys, result_folder
from nucloop.cohort.slide_entry import SlideEntry

if TYPE_CHECKING:
    from nucloop.cohort.project import Project

__all__ = ["SlideState", "State", "counts_of", "has_changed", "states_of"]


class State(StrEnum):
    """How far a slide is."""

    DONE = "done"
    """Its result is whole, and made with today's settings and networks from the slide as it is."""
    STALE = "stale"
    """Its result was made with other settings or networks, or from the slide as it was."""
    FAILED = "failed"
    NOT_STARTED = "not started"


@dataclass(frozen=True)
class SlideState:
    """A slide, and how far it is."""

    entry: SlideEntry
    state: State
    key: str
    """Of the result that it has or should have."""
    folder: Path | None = None
    """Where its result lies; a stale one if there is no other."""
    older: frozenset[str] = frozenset()
    """Keys of results that are stale."""
    failure: Failure | None = None

    @property
    def sentence(self) -> str:
        """Why there is no result, or why it is stale; empty where all is well."""
        if self.state is State.DONE:
            return ""
        if self.failure is not None:
            return self.failure.sentence
        if self.entry.trouble:
            return self.entry.trouble
        return "Settings, networks or the slide have changed since." if self.state is State.STALE else ""


def states_of(project: Project) -> list[SlideState]:
    """Return the state of every slide, in the project's order.

    Raises
    ------
    WeightsError
        If a network is not there.
    """
    key_of = key_maker(project.settings, model_hashes(project.settings))
    results, failures = project.results, read_failures(project.failures)
    kept = kept_keys(results)
    return [_state(results, entry, key_of(entry), kept.get(entry.id, set()), failures) for entry in project.slides]


def _state(results: Path, entry: SlideEntry, key: str, keys: set[str], failures: dict[str, Failure]) -> SlideState:
    failure = failures.get(entry.id)
    failure = failure if failure is not None and failure.key == key else None
    older = frozenset(keys - {key})
    newest = key if key in keys else min(older, default=None)
    folder = None if newest is None else result_folder(results, entry.id, newest)
    if key in keys and not has_changed(entry):
        return SlideState(entry, State.DONE, key, folder, older)
    if failure is not None or entry.trouble:
        return SlideState(entry, State.FAILED, key, folder, older, failure)
    return SlideState(entry, State.STALE if keys else State.NOT_STARTED, key, folder, older)


def has_changed(entry: SlideEntry) -> bool:
    """Whether a file has another size or time than when it was looked at; one that is away for now has not."""
    now = size_and_time(entry.path)
    return any(now) and bool(entry.modified) and now != (entry.bytes, entry.modified)


def counts_of(states: list[SlideState]) -> dict[str, int]:
    """Return how many slides are in each state, those that occur, in the order of `State`."""
    numbers = {state.value: sum(one.state is state for one in states) for state in State}
    return {name: number for name, number in numbers.items() if number}
