"""Files of older formats, as those versions wrote them, open as the present one with every edit in place."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.session.conftest import SCHEME, SLIDE

from nucloop.nuclei import Nuclei, Origin
from nucloop.outlines import Outlines
from nucloop.session import DamagedSession, EditKind, Session, SessionError, opening
from nucloop.session import schema as present
from nucloop.session.codec import pack
from nucloop.session.connection import connect

if TYPE_CHECKING:
    from pathlib import Path

NO_ROWS = {"gaps": np.zeros(0, np.uint32)}
ADDED = pack(
    {
        "first": np.zeros(1, np.int64),
        "+yx": np.array([10, 20, 30, 40], np.float32),
        "+label": np.array([0, 1], np.int16),
        "+origin": np.array([3, 3], np.uint8),
        "+speaker": np.array([1, 1], np.uint8),
        "+said1": np.array([0, 1], np.int16),
        **NO_ROWS,
    },
    raw={"+yx"},
)
CHANGED = pack(
    {
        "first": np.zeros(1, np.int64),
        "gaps": np.array([2], np.uint32),
        "-label": np.array([1], np.int16),
        "-speaker": np.array([1], np.uint8),
        "-said2": np.array([-2], np.int16),
        "=label": np.array([2], np.int16),
        "=speaker": np.array([2], np.uint8),
        "=said2": np.array([2], np.int16),
    }
)
PALETTE = {"scheme": SCHEME.to_dict(), "codes": [0, 1, 2], "next": 3, "former": [[], [], []]}


@pytest.fixture
def old(path: Path) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA application_id = {present.APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        connection.execute(
            "CREATE TABLE edits (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, author TEXT NOT NULL, time TEXT NOT "
            "NULL, target INTEGER, nuclei INTEGER NOT NULL, details TEXT NOT NULL, patch BLOB NOT NULL)"
        )
        about = [("slide", SLIDE.to_json()), ("classes", json.dumps(PALETTE)), ("note:view", "[1, 2]")]
        connection.executemany("INSERT INTO about VALUES (?, ?)", about)
        edits = [
            (1, "add", "Dr Z", "2025-01-01T10:00:00+00:00", None, 2, "{}", ADDED),
            (2, "set class", "Dr A", "2025-01-01T10:00:01+00:00", None, 1, "{}", CHANGED),
            (3, "undo", "Dr Z", "2025-01-01T10:00:02+00:00", 2, 1, "{}", b""),
            (4, "redo", "Dr A", "2025-01-01T10:00:03+00:00", 2, 1, "{}", b""),
        ]
        connection.executemany("INSERT INTO edits VALUES (?, ?, ?, ?, ?, ?, ?, ?)", edits)
    return path


@pytest.fixture
def second(old: Path) -> Path:
    """The same session as format 2 has it: without a table of outlines."""
    with Session.open(old):
        pass
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("DROP TABLE outlines")
        connection.execute("PRAGMA user_version = 2")
        tables = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        assert tables == present.TABLES_2
    return old


def check(session: Session) -> None:
    nuclei = session.nuclei()
    assert nuclei.yx.tolist() == [[10, 20], [30, 40]]
    assert nuclei.label.tolist() == [0, 2]
    assert nuclei.origin.tolist() == [Origin.ADDED] * 2
    assert session.readers == ("Dr Z", "Dr A")
    assert session.labels_of("Dr Z", [1, 2]).tolist() == [0, 1]
    assert session.disagreements("Dr Z", "Dr A").tolist() == [2]
    assert [(e.seq, e.kind, e.author) for e in session.history()] == [
        (1, EditKind.ADD, "Dr Z"),
        (2, EditKind.SET_CLASS, "Dr A"),
        (3, EditKind.UNDO, "Dr Z"),
        (4, EditKind.REDO, "Dr A"),
    ]
    assert session.recall("view") == [1, 2]


def test_an_old_session_opens_with_everything_and_goes_on(old: Path) -> None:
    with Session.open(old, slide=SLIDE, author="Dr Z") as session:
        check(session)
        session.add([[5, 5]], 1)
    with Session.open(old) as session:
        assert len(session) == 3
        for _ in range(3):
            session.undo()
        assert len(session) == 0
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (present.VERSION,)


def test_an_old_session_can_be_looked_at_without_being_changed(old: Path) -> None:
    before = old.read_bytes()
    with Session.open(old, slide=SLIDE, read_only=True) as session:
        check(session)
    assert old.read_bytes() == before


def test_an_old_session_that_cannot_be_brought_up_to_date_stays_as_it_is(old: Path) -> None:
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("UPDATE edits SET patch = 'text' WHERE seq = 2")
    with pytest.raises(DamagedSession, match="format 1 cannot be brought up to date"):
        Session.open(old)
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM edits").fetchone() == (4,)


def test_a_session_of_format_2_opens_and_takes_outlines(second: Path) -> None:
    square = np.array([[0, 0], [0, 4], [4, 4], [4, 0]], np.float32)
    table = Nuclei.from_points(SCHEME, [[2, 2]], origin=Origin.IMPORTED, outlines=Outlines.of([square]))
    with Session.open(second, slide=SLIDE, author="Dr Z") as session:
        check(session)
        assert session.nuclei(outlines=True).outlines is None
        session.import_nuclei(table)
    with Session.open(second) as session:
        assert session.nuclei(outlines=True).outlines.ends.tolist() == [0, 0, 0, 4]
    with closing(sqlite3.connect(second)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (present.VERSION,)


def test_a_session_of_format_2_is_looked_at_as_it_is_and_not_copied(
    second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nucloop.session.opening._in_memory", pytest.fail)
    before = second.read_bytes()
    with Session.open(second, slide=SLIDE, read_only=True) as session:
        check(session)
        assert session.nuclei(outlines=True).outlines is None
    assert second.read_bytes() == before


def test_an_outline_without_a_table_of_outlines_is_damage(second: Path) -> None:
    with Session.open(second, read_only=True) as session:
        session.ledger.state.columns.write(np.array([0]), {"outline": np.array([1])})
        with pytest.raises(DamagedSession, match="no such table: outlines"):
            session.nuclei(outlines=True)


def test_a_full_disk_when_only_opening_speaks_of_no_edit(second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_room(target: str, *, uri: bool) -> sqlite3.Connection:
        connection = connect(target, uri=uri)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
        return connection

    with closing(sqlite3.connect(second, isolation_level=None)) as connection:
        connection.execute("VACUUM")
    with monkeypatch.context() as patched:
        patched.setattr(opening, "connect", without_room)
        with pytest.raises(
            SessionError, match=r"was not opened, because the disk is full\. Nothing in it is lost\. Make"
        ):
            Session.open(second)
    with Session.open(second) as session:
        assert len(session)
