"""A session file may come from anywhere: by mail, from a shared folder, or from somebody who means harm."""

from __future__ import annotations

import json
import pickle
import sqlite3
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.session.conftest import SCHEME, SLIDE

from nucloop.session import DamagedSession, Session
from nucloop.session.codec import CodecError, Packed, pack
from nucloop.session.patch import Patch
from nucloop.session.snapshot import write_snapshot

if TYPE_CHECKING:
    from pathlib import Path

MANY = 2**40


@pytest.fixture
def edited(path: Path) -> Path:
    with Session.open(path, slide=SLIDE, scheme=SCHEME, author="Dr A") as session:
        session.add([[1, 1], [2, 2]], 0)
        session.set_class([1], 1, force=True)
        session.undo()
    return path


def rewrite(path: Path, statement: str, *values: object) -> None:
    """Change a session behind its back, its own guards taken away and put back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement, values)
        for _, sql in guards:
            connection.execute(sql)


def put_patch(path: Path, seq: int, blob: bytes) -> None:
    rewrite(path, f"UPDATE edits SET patch = ?, crc = ? WHERE seq = {seq}", blob, zlib.crc32(blob))


def blob(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(4, "little") + text + data


ONE = np.array([0], np.int64).tobytes()
BOMB = zlib.compress(bytes(50_000_000), 9)
PLACES = np.zeros(4, np.float32)

BLOBS: dict[str, bytes] = {
    "a pickle": pickle.dumps({"a": 1}),
    "cut off": blob({"first": ["<i8", 1, "raw", 8]}, ONE)[:-3],
    "no json": b"\x04\0\0\0{{{{",
    "deep json": blob({})[:4] + b"[" * 100_000,
    "a list": blob([1, 2, 3]),
    "another type": blob({"first": ["|O", 1, "raw", 8]}, ONE),
    "a negative length": blob({"first": ["<i8", -1, "raw", -8]}, ONE),
    "a zlib bomb": blob({"first": ["<i8", 1, "raw", 8], "gaps": ["<u4", 1, "zlib", len(BOMB)]}, ONE + BOMB),
    "many nuclei from nothing": blob(
        {"first": ["<i8", 1, "raw", 8], "+yx": ["<f4", 2 * MANY, "one", 4]}, ONE + bytes(4)
    ),
    "many rows from nothing": blob({"first": ["<i8", 1, "raw", 8], "gaps": ["<u4", MANY, "one", 4]}, ONE + b"\1\0\0\0"),
    "a column out of proportion": blob(
        {
            "first": ["<i8", 1, "raw", 8],
            "+yx": ["<f4", 4, "raw", 16],
            "+score": ["<f4", MANY, "one", 4],
            "gaps": ["<u4", 0, "raw", 0],
        },
        ONE + PLACES.tobytes() + bytes(4),
    ),
}


def packed(**arrays: np.ndarray) -> bytes:
    base = {"first": np.zeros(1, np.int64), "+yx": PLACES, "gaps": np.zeros(0, np.uint32)}
    named = {name.replace("add_", "+").replace("new_", "=").replace("old_", "-"): a for name, a in arrays.items()}
    return pack(base | named, raw={"+yx"})


BLOBS |= {
    "no place at all": packed(**{"+yx": np.full(4, np.nan, np.float32)}),
    "a place beyond every slide": packed(**{"+yx": np.full(4, 1e30, np.float32)}),
    "an unknown column": packed(add_secret=np.zeros(2, np.uint8)),
    "a reader beyond number": packed(add_said9999=np.zeros(2, np.int16)),
    "an impossible class": packed(add_label=np.full(2, 3000, np.int16)),
    "an impossible origin": packed(add_origin=np.array([0, 9], np.uint8)),
    "nuclei that do not exist": packed(gaps=np.array([50], np.uint32)),
    "one nucleus twice": packed(gaps=np.array([1, 0], np.uint32)),
    "no old values": packed(gaps=np.array([1], np.uint32), new_label=np.zeros(1, np.int16)),
    "ids out of order": packed(first=np.array([7], np.int64)),
}


@pytest.mark.parametrize("name", BLOBS)
def test_a_malformed_entry_is_a_sentence_and_takes_no_memory(edited: Path, name: str) -> None:
    put_patch(edited, 1, BLOBS[name])
    with pytest.raises(DamagedSession, match="is damaged"):
        Session.open(edited)


def test_a_well_formed_entry_of_the_same_making_is_read(edited: Path) -> None:
    put_patch(edited, 1, packed(add_label=np.zeros(2, np.int16)))
    with Session.open(edited) as session:
        assert session.counts["lymphocyte"] == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE edits SET patch = zeroblob(length(patch)) WHERE seq = 1",
        "UPDATE edits SET patch = 'text' WHERE seq = 1",
        "DELETE FROM edits WHERE seq = 2",
        "UPDATE edits SET kind = 'format disk' WHERE seq = 2",
        "UPDATE edits SET kind = 'undo' WHERE seq = 2",
        "UPDATE edits SET step = 77 WHERE seq = 3",
        "UPDATE edits SET step = 'x' WHERE seq = 3",
        "UPDATE edits SET reader = 0 WHERE seq = 2",
        "UPDATE edits SET reader = 5 WHERE seq = 2",
        "UPDATE edits SET kind = 'classes' WHERE seq = 2",
        "UPDATE readers SET number = 4",
        "UPDATE about SET value = '[[[[' WHERE key = 'slide'",
        "UPDATE about SET value = '{\"info\": 3}' WHERE key = 'slide'",
        "UPDATE about SET value = '{}' WHERE key = 'classes'",
        "DELETE FROM about",
        "CREATE VIEW everything AS SELECT * FROM edits",
        "CREATE TRIGGER surprise AFTER INSERT ON edits BEGIN DELETE FROM about; END",
        "ALTER TABLE kept ADD COLUMN more TEXT",
        "PRAGMA application_id = 5",
        "PRAGMA user_version = 0",
    ],
)
def test_a_journal_that_cannot_be_right_is_a_sentence(edited: Path, statement: str) -> None:
    rewrite(edited, statement)
    with pytest.raises(DamagedSession, match="is damaged"):
        Session.open(edited, slide=SLIDE)


@pytest.mark.parametrize(
    "change", ["UPDATE edits SET nuclei = 0", "DELETE FROM edits", "INSERT OR REPLACE INTO edits SELECT * FROM edits"]
)
def test_the_journal_itself_refuses_to_forget(edited: Path, change: str) -> None:
    with closing(sqlite3.connect(edited)) as connection:
        if change.startswith("INSERT"):
            connection.execute("PRAGMA recursive_triggers = ON")
        with pytest.raises(sqlite3.IntegrityError, match="only ever added to"):
            connection.execute(change)


def test_a_malformed_note_is_a_sentence(edited: Path) -> None:
    rewrite(edited, "INSERT INTO about VALUES ('note:view', ?)", "[" * 100_000)
    with Session.open(edited) as session, pytest.raises(DamagedSession, match="what it remembers as view"):
        session.recall("view")


def test_kept_weights_that_have_changed_are_not_given_out(edited: Path) -> None:
    with Session.open(edited) as session:
        sha256 = session.keep_weights(b"a head")
    rewrite(edited, "UPDATE kept SET data = ?", b"another head")
    with Session.open(edited) as session, pytest.raises(DamagedSession, match="have changed"):
        session.kept_weights(sha256)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64, np.float16, np.float32])
@pytest.mark.parametrize("values", [[], [3], [3, 3, 3], list(range(100)), [1, 5] * 100])
def test_arrays_come_back_as_they_were(dtype: type, values: list[int]) -> None:
    array = np.array(values, dtype)
    back = Packed(pack({"a": array})).array("a", dtype, len(array))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == dtype


def test_nan_comes_back_and_equal_values_are_kept_once() -> None:
    blob = pack({"a": np.full(1000, np.nan, np.float32)})
    assert len(blob) < 100
    assert np.isnan(Packed(blob).array("a", np.float32, 1000)).all()


def test_a_patch_that_changes_nothing_is_empty() -> None:
    assert Patch().encode() == b""
    assert len(Patch.decode(b"", 5, first_time=True)) == 0
    with pytest.raises(CodecError):
        Patch.decode(b"x", 5, first_time=True)


def test_an_edit_by_nobody_is_damage_also_when_a_snapshot_comes_after_it(edited: Path) -> None:
    with Session.open(edited, author="Dr A") as session:
        write_snapshot(session.ledger.journal.connection, session.ledger.snapshot())
    rewrite(edited, "UPDATE edits SET reader = 9 WHERE seq = 1")
    with pytest.raises(DamagedSession, match="edit 1 is by nobody"):
        Session.open(edited)


def test_a_file_whose_errors_cannot_be_read_either_is_a_sentence(edited: Path) -> None:
    with closing(sqlite3.connect(edited, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        broken = "UPDATE sqlite_master SET name = CAST(x'fffe41' AS TEXT), sql = 'nonsense' WHERE name = 'kept'"
        connection.execute(broken)
    with pytest.raises(DamagedSession, match="is damaged"):
        Session.open(edited)


@pytest.mark.parametrize("name", ["Dr \udce9 A", "Dr\x00A", "\ud800", "a\nb"])
def test_a_name_that_no_file_can_hold_is_kept_in_letters_that_it_can(path: Path, name: str) -> None:
    with Session.open(path, slide=SLIDE, scheme=SCHEME, author=name) as session:
        session.add([[1, 1]], 0)
        session.author.encode()
    with Session.open(path, author=name) as session:
        session.add([[2, 2]], 0)
        assert session.readers == (session.author,)
