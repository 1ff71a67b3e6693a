"""A session file of a few kilobytes can be made so that its rows have no end, or claim more than there is."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.session.conftest import SCHEME, SLIDE
from tests.session.test_hostile_files import rewrite

from nucloop.session import DamagedSession, Session
from nucloop.session.connection import Room, connect
from nucloop.session.keeping.repair import repair

if TYPE_CHECKING:
    from pathlib import Path

LEVELS, CELLS = 12, 200


@pytest.fixture
def edited(path: Path) -> Path:
    with Session.open(path, slide=SLIDE, scheme=SCHEME, author="Dr A") as session:
        session.add([[1, 1], [2, 2]], 0)
        session.set_class([1], 1, force=True)
    return path


def pages(path: Path, table: str) -> tuple[int, int]:
    """Return the size of a page, and the number of a table's first one, which begins its tree."""
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute(f"SELECT rootpage FROM sqlite_master WHERE name = '{table}'").fetchone()
    return int(size), int(root)


def inner_page(size: int, child: int) -> bytes:
    """Return a page of a tree, all of whose branches lead to one page."""
    page, cell = bytearray(size), 6
    start = size - CELLS * cell
    struct.pack_into(">BHHHBI", page, 0, 5, 0, CELLS, start, 0, child)
    for k in range(CELLS):
        struct.pack_into(">IBB", page, start + k * cell, child, 0x81, 0)
        struct.pack_into(">H", page, 12 + 2 * k, start + k * cell)
    return bytes(page)


def make_endless(path: Path, table: str) -> None:
    """Put a tree between a table and its rows, every page of it pointing to the next one many times."""
    size, root = pages(path, table)
    data = bytearray(path.read_bytes())
    rows, count = bytes(data[(root - 1) * size : root * size]), len(data) // size
    data[(root - 1) * size : root * size] = inner_page(size, count + 1)
    for k in range(1, LEVELS):
        data += inner_page(size, count + k + 1)
    data += rows
    struct.pack_into(">I", data, 28, len(data) // size)
    path.write_bytes(data)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("table", ["edits", "readers", "outlines"])
@pytest.mark.parametrize("read_only", [False, True])
def test_rows_without_end_are_a_sentence_soon(edited: Path, table: str, read_only: bool) -> None:
    if table == "outlines":
        rewrite(edited, "INSERT INTO outlines VALUES (1, 1, 1, x'00')")
    make_endless(edited, table)
    with pytest.raises(DamagedSession, match="is damaged"):
        Session.open(edited, read_only=read_only)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("table", ["kept", "readers", "outlines"])
def test_a_repair_of_rows_without_end_comes_to_an_end(edited: Path, table: str) -> None:
    rewrite(edited, "INSERT INTO kept VALUES ('ab', x'00')")
    rewrite(edited, "INSERT INTO outlines VALUES (1, 1, 1, x'00')")
    make_endless(edited, table)
    assert repair(edited).kept == 2
    with Session.open(edited) as session:
        assert len(session) == 2


def test_rows_that_share_their_pages_have_no_more_than_the_file(edited: Path) -> None:
    with closing(connect(str(edited), uri=False)) as connection:
        room = Room(connection, edited)
        room.take(edited.stat().st_size)
        with pytest.raises(DamagedSession, match="larger than the whole"):
            room.take(1)


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH ':memory:' AS other",
        "CREATE VIEW everything AS SELECT * FROM edits",
        "CREATE TEMP TABLE edits (seq)",
        "CREATE VIRTUAL TABLE words USING fts5(word)",
        "SELECT load_extension('other')",
        "SELECT randomblob(1000000000)",
    ],
)
def test_a_session_s_connection_does_nothing_that_no_session_needs(edited: Path, statement: str) -> None:
    with closing(connect(str(edited), uri=False)) as connection, pytest.raises(sqlite3.DatabaseError, match="not auth"):
        connection.execute(statement)


def test_a_foreign_trigger_could_not_do_anything_even_if_it_passed(edited: Path) -> None:
    with closing(sqlite3.connect(edited)) as connection:
        connection.execute("CREATE TRIGGER x AFTER INSERT ON about BEGIN DELETE FROM readers; END")
    with closing(connect(str(edited), uri=False)) as connection:
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            connection.execute("INSERT INTO about VALUES ('a', 'b')")
        assert connection.execute("SELECT count(*) FROM readers").fetchone() == (1,)
