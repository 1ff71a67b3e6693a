"""Outlines that were learned and wait to be applied: what nuclei would look like, and what would change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines
from nucloop.session.outlining import give_outlines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nucloop.formats.slide_info import Weights
    from nucloop.session import Change, Session

__all__ = ["FoundOutlines", "OutlineChange", "OutlineProposal", "OutlineStep"]


@dataclass(frozen=True)
class OutlineStep:
    """How far learning is."""

    text: str
    done: int = 0
    total: int = 0
    """0 while nobody knows."""
    seconds_left: float | None = None
    """None until it can be told."""


@dataclass(frozen=True)
class FoundOutlines:
    """Outlines of the nuclei in one tile."""

    nuclei: Nuclei
    """With their outlines; some have none."""
    done: int
    """Nuclei looked at, these included."""
    total: int


@dataclass(frozen=True)
class OutlineChange:
    """What applying a proposal would do, in numbers of nuclei."""

    first: int
    """Have no outline yet."""
    other: int
    """Get one in place of another."""
    drawn: int
    """Keep what a person drew."""
    unseen: int
    """The network sees no nucleus there: they keep what they have."""

    def sentence(self) -> str:
        """Say it.

        >>> OutlineChange(3, 1, 2, 0).sentence()
        '3 nuclei would get their first outline, 1 another one. 2 keep the one that a person drew.'
        """
        said = f"{self.first:,} nuclei would get their first outline, {self.other:,} another one."
        if self.drawn:
            said += f" {self.drawn:,} keep the one that a person drew."
        if self.unseen:
            said += f" At {self.unseen:,} the network sees no nucleus: they stay as they are."
        return said


class OutlineProposal:
    """Outlines that a network found for nuclei of a session; the session knows nothing of them until `apply`.

    Parameters
    ----------
    found : iterable of Nuclei
        Of the session, each once, where they were when they were looked at, with outlines.
    weights : dict
        The network, with its sha256.
    """

    def __init__(self, found: Iterable[Nuclei], weights: Weights) -> None:
        self._parts, self.weights = list(found), weights
        self._found: Nuclei | None = None

    def add(self, found: Nuclei) -> None:
        """Take in the nuclei of one more tile."""
        self._parts.append(found)
        self._found = None

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def over(self, session: Session, nuclei: Nuclei) -> Nuclei:
        """Return nuclei of the session, with the outlines that they have, as they would look with those proposed."""
        found = self._all()
        if found is None or not len(nuclei):
            return nuclei
        outlines = Outlines.none(len(nuclei)) if nuclei.outlines is None else nuclei.outlines
        place = np.searchsorted(found.ids, nuclei.ids).clip(0, len(found) - 1)
        proposed = _outlines(found).take(place)
        takes = (found.ids[place] == nuclei.ids) & (found.yx[place] == nuclei.yx).all(1) & proposed.there
        takes &= [not who for who in session.drawn_by(nuclei.ids)]
        both = Outlines.concatenate([outlines, proposed])
        return replace(nuclei, outlines=both.take(np.arange(len(nuclei)) + len(nuclei) * takes))

    def change(self, session: Session) -> OutlineChange:
        """Count what `apply` would do to the nuclei that are there now."""
        found = self._all()
        if found is None:
            return OutlineChange(0, 0, 0, 0)
        found = found.take(session.contains(found.ids))
        drawn = np.array([bool(who) for who in session.drawn_by(found.ids)], bool)
        there = _outlines(found).there
        had = session.has_outline(found.ids)
        changes = there & ~drawn
        numbers = (changes & ~had, changes & had, drawn, ~there & ~drawn)
        return OutlineChange(*(int(np.count_nonzero(number)) for number in numbers))

    def apply(self, session: Session) -> Change | None:
        """Give the session's nuclei these outlines, as one step for undo; None where nothing was proposed.

        Raises
        ------
        SessionError
            If the session cannot be written.
        """
        found = self._all()
        return None if found is None else give_outlines(session, found, self.weights)

    def _all(self) -> Nuclei | None:
        if self._found is None and self._parts:
            found = Nuclei.concatenate(self._parts, self._parts[0].scheme)
            self._found = found.take(np.argsort(found.ids, kind="stable"))
        return self._found


def _outlines(nuclei: Nuclei) -> Outlines:
    return Outlines.none(len(nuclei)) if nuclei.outlines is None else nuclei.outlines
