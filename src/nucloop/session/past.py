"""What a session was at an earlier moment: the nuclei as they were after one of its edits."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nucloop.session.connection import connect
from nucloop.session.journal import Journal
from nucloop.session.ledger import Ledger
from nucloop.session.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from nucloop.nuclei import Nuclei
    from nucloop.session.history import EditKind
    from nucloop.session.memory import Edit
    from nucloop.session.session import Session

__all__ = ["Moment", "last_moment", "past_nuclei"]

MOST_SEARCHED = 20_000
"""Edits that are looked through for the last of a kind."""


@dataclass(frozen=True)
class Moment:
    """A place in the journal: right after the edit `seq`; 0 is before everything."""

    seq: int
    time: str
    """UTC, ISO 8601; empty for the beginning."""


def last_moment(session: Session, *kinds: EditKind) -> Moment | None:
    """Return when an edit of these kinds that is in force was last done; None when there is none."""
    newest: list[Edit] = session.history(MOST_SEARCHED)
    for edit in reversed(newest):
        if edit.kind in kinds and edit.in_force:
            return Moment(edit.seq, edit.time)
    return None


def past_nuclei(session: Session, seq: int) -> Callable[[], Nuclei]:
    """Prepare to look back; what is returned may be called in another thread, and takes as long as opening does.

    Parameters
    ----------
    session : Session
    seq : int
        The edit after which the nuclei are wanted, from 0.

    Returns
    -------
    callable
        Gives the nuclei by the last word about each at that moment; their ids are those they have now.
    """
    path = session.path
    # one in memory has no other way in, and SQLite lets threads share a connection
    own = session.ledger.journal.connection

    def look_back() -> Nuclei:
        if path is None:
            return _nuclei_at(Journal(own, None), seq)
        with closing(connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return _nuclei_at(Journal(connection, path), seq)

    return look_back


def _nuclei_at(journal: Journal, seq: int) -> Nuclei:
    ledger = Ledger.begun(journal)
    ledger.restore(seq)
    return View(ledger.state).nuclei()
