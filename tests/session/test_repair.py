"""One damaged edit does not cost the whole session, and copies are kept of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.session.conftest import SCHEME, SLIDE
from tests.session.test_hostile_files import put_patch, rewrite
from typer.testing import CliRunner

from nucloop.cli import app
from nucloop.session import DamagedSession, Session, schema
from nucloop.session.keeping.copies import FOLDER, copies_of, keep_copy
from nucloop.session.keeping.repair import repair

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def edited(path: Path) -> Path:
    """Six edits: three nuclei, a class, its undo, a deletion, another nucleus."""
    with Session.open(path, slide=SLIDE, scheme=SCHEME, author="Dr A") as session:
        session.add([[1, 1], [2, 2], [3, 3]], 0)
        session.set_class([1], 1, force=True)
        session.undo()
        session.delete([3])
        session.add([[9, 9]], 2)
        session.remember("regions", [1])
    return path


def wrong_sum(path: Path) -> None:
    rewrite(path, "UPDATE edits SET crc = crc + 1 WHERE seq = 4")


def no_patch(path: Path) -> None:
    put_patch(path, 4, b"nonsense")


def missing(path: Path) -> None:
    rewrite(path, "DELETE FROM edits WHERE seq = 4")


def by_nobody(path: Path) -> None:
    rewrite(path, "UPDATE edits SET reader = 77 WHERE seq = 4")


@pytest.mark.parametrize("damage", [wrong_sum, no_patch, missing, by_nobody])
def test_what_lies_before_the_damage_goes_on_and_the_file_is_kept_as_it_was(edited: Path, damage: object) -> None:
    damage(edited)  # type: ignore[operator]
    before = edited.read_bytes()
    with pytest.raises(DamagedSession):
        Session.open(edited, read_only=True)
    said = repair(edited)
    assert (said.kept, said.lost, said.nuclei) == (3, 2, 3)
    assert said.aside.read_bytes() == before
    with Session.open(edited, slide=SLIDE, author="Dr A") as session:
        assert session.counts == {"lymphocyte": 3, "tumour": 0, "stroma": 0}
        assert session.recall("regions") == [1]
        assert session.redo()  # the undo of the third edit is known
        session.add([[5, 5]], 0)
    with Session.open(edited, read_only=True) as session:
        assert len(session) == 4


def test_where_nothing_is_whole_the_file_stays_as_it_is(edited: Path) -> None:
    rewrite(edited, "UPDATE edits SET crc = crc + 1 WHERE seq = 1")
    before = edited.read_bytes()
    with pytest.raises(DamagedSession, match="first edit"):
        repair(edited)
    assert edited.read_bytes() == before
    assert [one.name for one in edited.parent.glob("*.part")] == []


def test_pages_torn_out_of_the_file_cost_no_more_than_what_stood_on_them(path: Path) -> None:
    with Session.open(path, slide=SLIDE, scheme=SCHEME, author="Dr A") as session:
        for k in range(300):
            session.add([[k, k]] * 40, 0)
    data = bytearray(path.read_bytes())
    middle = len(data) * 2 // 3 // 4096 * 4096
    data[middle : middle + 4096] = bytes(4096)
    path.write_bytes(data)
    said = repair(path)
    assert said.kept > 50
    with Session.open(path, slide=SLIDE, author="Dr A") as session:
        assert len(session) == 40 * said.kept


def test_the_command_says_what_became_of_it_and_leaves_a_whole_session_alone(edited: Path) -> None:
    before = edited.read_bytes()
    whole = CliRunner().invoke(app, ["repair", str(edited)])
    assert "is whole (3 nuclei, 5 edits)" in whole.output
    assert edited.read_bytes() == before
    wrong_sum(edited)
    saved = CliRunner().invoke(app, ["repair", str(edited)])
    assert "goes on with 3 nuclei after 3 edits; 2 after them cannot" in saved.output


def test_a_session_that_is_opened_again_is_copied_once_a_day_and_three_copies_are_kept(edited: Path) -> None:
    assert copies_of(edited) == []
    for _ in range(2):
        Session.open(edited, slide=SLIDE, author="Dr A").close()
    (copy,) = copies_of(edited)
    with Session.open(copy, read_only=True) as session:
        assert len(session) == 3
    for day in range(1, 6):
        (edited.parent / FOLDER / f"a.svs 2026-01-0{day}.nucloop").write_bytes(b"")
    copy.unlink()
    keep_copy(edited)
    assert len(copies_of(edited)) == 3


def test_a_session_without_an_edit_leaves_no_copy(path: Path) -> None:
    for _ in range(2):
        Session.open(path, slide=SLIDE, scheme=SCHEME, author="Dr A").close()
    assert not (path.parent / FOLDER).exists()


def test_a_copy_is_kept_before_the_format_changes(edited: Path) -> None:
    with closing(sqlite3.connect(edited, isolation_level=None)) as connection:
        for name in ("outlines_never_change", "outlines_never_go"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DROP TABLE outlines")
        connection.execute("PRAGMA user_version = 2")
    Session.open(edited, slide=SLIDE, author="Dr A").close()
    assert any(f"before format {schema.VERSION}" in one.name for one in copies_of(edited))
