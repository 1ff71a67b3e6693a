"""Outlines of nuclei in a session: kept in the file, moved with their nuclei, and never in anybody's way."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.session.conftest import SCHEME, SLIDE, WEIGHTS, found
from tests.session.test_hostile_files import rewrite

from nucloop.nuclei import Nuclei, Origin
from nucloop.outlines import Outlines
from nucloop.session import DamagedSession, EditKind, Session
from nucloop.session.codec import pack
from nucloop.session.exchange import document_of, read_session
from nucloop.session.outlining import draw_outline
from nucloop.session.past import past_nuclei

if TYPE_CHECKING:
    from pathlib import Path

    from tests.session.conftest import Opens

SQUARE = np.array([[-2, -2], [-2, 2], [2, 2], [2, -2]], np.float32)
TRIANGLE = np.array([[-9, 0], [5, 7], [5, -7]], np.float32)


def outlined(*yx: tuple[float, float], label: int = 0, cells: bool = False) -> Nuclei:
    """Nuclei of a file, a square around each."""
    table = Nuclei.from_points(SCHEME, yx, label=label, origin=Origin.IMPORTED)
    return replace(
        table,
        outlines=Outlines.of([place + SQUARE for place in table.yx]),
        cell_outlines=Outlines.of([place + TRIANGLE for place in table.yx]) if cells else None,
    )


def square(y: float, x: float) -> list[list[float]]:
    return (SQUARE + np.array([y, x])).tolist()


def ring(session: Session, identity: int, member: str = "outlines") -> list[list[float]] | None:
    outlines = getattr(session.nuclei([identity], outlines=True), member)
    return None if outlines is None or outlines[0] is None else outlines[0].tolist()


def test_a_second_run_gives_outlines_to_those_that_have_none_and_changes_nothing_else(opened: Opens) -> None:
    session = opened()
    plain = session.begin_run(WEIGHTS, 3.0).add(found((10, 10), (30, 30), (50, 50), (70, 70))).tolist()
    session.set_class([plain[0]], 2, force=True)
    session.move([plain[1]], [[31, 31]])
    draw_outline(session, plain[2], SQUARE * 3 + 50)
    session.delete([plain[3]])
    before = session.nuclei()
    places = [(10, 11), (31, 32), (50, 50), (70, 70), (90, 90)]
    again = replace(found(*places, label=1), outlines=Outlines.of([SQUARE + place for place in places]))
    run = session.begin_run(WEIGHTS, 3.0)

    ids = run.add(again)

    assert ids.tolist() == [0, 0, 0, 0, 5]
    assert (run.found, run.new, run.outlined) == (5, 1, 2)
    session = opened()
    assert [ring(session, k) for k in plain[:3]] == [square(10, 11), square(31, 32), (SQUARE * 3 + 50).tolist()]
    after = session.nuclei(plain[:3])
    for name in ("yx", "label", "origin", "score"):
        assert getattr(after, name).tolist() == getattr(before, name).tolist()
    # and a third run finds nothing to do
    third = session.begin_run(WEIGHTS, 3.0)
    third.add(again)
    assert (third.new, third.outlined) == (0, 0)
    session.undo()
    assert ring(session, plain[0]) is None
    assert session.drawn_by([plain[2]]) == ["Dr A"]
    session.redo()
    assert ring(session, plain[0]) == square(10, 11)


def test_of_two_found_for_one_nucleus_one_gives_the_outline(session: Session) -> None:
    session.begin_run(WEIGHTS, 3.0).add(found((10, 10)))
    pair = replace(found((10, 9), (10, 11)), outlines=Outlines.of([SQUARE + 9, SQUARE + 11]))
    run = session.begin_run(WEIGHTS, 3.0)
    assert run.add(pair).tolist() == [0, 0]
    assert run.outlined == 1
    assert ring(session, 1) is not None


def test_outlines_come_only_when_asked_for(session: Session) -> None:
    session.import_nuclei(outlined((10, 10), cells=True))

    assert session.nuclei().outlines is None
    assert session.shown().outlines is None
    assert ring(session, 1) == square(10, 10)
    assert ring(session, 1, "cell_outlines") == (TRIANGLE + 10).tolist()


def test_a_session_without_outlines_has_no_column_for_them(session: Session) -> None:
    session.begin_run(WEIGHTS, 2.0).add(found((1, 1), (9, 9)))
    session.import_nuclei(replace(outlined((50, 50)), outlines=Outlines.none(1)))

    assert not {"outline", "cell"} & set(session.ledger.state.columns.names)
    assert session.nuclei(outlines=True).outlines is None


def test_what_a_model_finds_keeps_its_outline_where_it_is_new(opened: Opens) -> None:
    session = opened()
    session.add([[30, 30]])
    tile = replace(found((10, 10), (30, 31), (50, 50)), outlines=Outlines.of([SQUARE + 10, SQUARE + 30, None]))

    ids = session.begin_run(WEIGHTS, 3.0).add(tile)

    assert ids.tolist() == [2, 0, 3]
    session = opened()
    assert [ring(session, k) for k in (1, 2, 3)] == [square(30, 30), square(10, 10), None]
    session.undo()
    session.redo()
    assert ring(session, 2) == square(10, 10)


def test_an_outline_moves_with_its_nucleus_and_back_to_the_last_bit(session: Session) -> None:
    table = outlined((10, 10), (20, 20))
    odd = Outlines.of([ring + np.float32(1 / 3) for ring in table.outlines or ()])
    session.import_nuclei(replace(table, outlines=odd, cell_outlines=odd))
    session.move([1], [[100, 50]])

    np.testing.assert_allclose(ring(session, 1), square(100 + 1 / 3, 50 + 1 / 3), atol=1e-5)
    np.testing.assert_allclose(ring(session, 1, "cell_outlines"), square(100 + 1 / 3, 50 + 1 / 3), atol=1e-5)
    assert ring(session, 2) == odd[1].tolist()
    session.undo()
    assert ring(session, 1) == odd[0].tolist()


def test_a_deleted_nucleus_comes_back_with_its_outline(opened: Opens) -> None:
    opened().import_nuclei(outlined((10, 10), (20, 20)))
    session = opened()
    session.delete([1])
    assert session.nuclei(outlines=True).outlines.ends.tolist() == [0, 4]
    session = opened()
    session.undo()
    assert ring(session, 1) == square(10, 10)


def test_a_nucleus_without_an_outline_gets_that_of_the_file_although_its_class_is_locked(opened: Opens) -> None:
    session = opened()
    session.add([[10, 10], [20, 20], [30, 30]], "stroma")
    session.move([2], [[40, 40]])

    change = session.import_nuclei(outlined((11, 10), (40, 41), (90, 90)), radius_px=3)

    assert (change.outlined.tolist(), change.added.tolist(), change.relabelled.tolist()) == ([1, 2], [4], [])
    assert change.locked == 2
    session = opened()
    assert session.labels([1, 2, 3]).tolist() == [2, 2, 2]
    assert ring(session, 1) == square(11, 10)
    assert ring(session, 2) == square(40, 41)
    assert ring(session, 3) is None
    session.move([2], [[41, 41]])
    assert ring(session, 2) == square(41, 42)
    session.undo()
    assert session.undo().outlined.tolist() == [1, 2]
    assert ring(session, 1) is None


def test_an_outline_that_is_there_is_not_replaced_and_the_other_is_not_kept(session: Session, path: Path) -> None:
    session.import_nuclei(outlined((10, 10)))
    session.import_nuclei(outlined((11, 11), (50, 50)), radius_px=3)

    assert ring(session, 1) == square(10, 10)
    assert ring(session, 2) == square(50, 50)
    assert not session.import_nuclei(outlined((12, 12)), radius_px=3)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT sum(count) FROM outlines").fetchone() == (2,)


def test_ids_taken_over_keep_their_outlines(session: Session) -> None:
    table = replace(outlined((10, 10), (20, 20)), ids=np.array([5, 3]))
    assert session.import_nuclei(table).added.tolist() == [3, 5]
    assert ring(session, 3) == square(20, 20)
    assert ring(session, 5) == square(10, 10)


def test_many_outlines_come_back_in_order_from_many_blocks(opened: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nucloop.session.outlines.BLOCK_CORNERS", 20)
    rng = np.random.default_rng(0)
    yx = rng.integers(0, 4000, (300, 2))
    rings = [None if k % 5 == 0 else place + rng.integers(-9, 9, (3 + k % 30, 2)) for k, place in enumerate(yx)]
    table = Nuclei.from_points(SCHEME, yx, origin=Origin.IMPORTED, outlines=Outlines.of(rings))
    opened().import_nuclei(table)
    session = opened()
    session.snapshot()
    session = opened()

    some = rng.permutation(300)[:100]
    for ids in (np.arange(300), some):
        got = session.nuclei(ids + 1, outlines=True).outlines
        np.testing.assert_array_equal(got.corners, table.outlines.take(ids).corners)
        np.testing.assert_array_equal(got.ends, table.outlines.take(ids).ends)


def test_the_past_and_a_reader_of_the_file_have_the_outlines_too(session: Session, path: Path) -> None:
    session.import_nuclei(outlined((10, 10)))
    session.author, session.blinded = "Dr B", True

    assert read_session(path).nuclei.outlines[0].tolist() == square(10, 10)
    assert document_of(session).nuclei.outlines[0].tolist() == square(10, 10)
    assert len(past_nuclei(session, 1)()) == 1


def test_a_reader_that_looks_on_sees_outlines_that_come_later(session: Session, path: Path) -> None:
    session.add([[1, 1]])
    with Session.open(path, read_only=True) as other:
        session.import_nuclei(outlined((10, 10)))
        other.refresh()
        assert ring(other, 2) == square(10, 10)


def test_an_import_that_cannot_be_written_leaves_no_outlines(session: Session, path: Path) -> None:
    session.ledger.journal.connection.execute("PRAGMA max_page_count = 40")
    big = outlined(*((k, k) for k in range(20_000)))

    with pytest.raises(Exception, match="disk is full"):
        session.import_nuclei(big)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM outlines").fetchone() == (0,)
    assert session.import_nuclei(outlined((1, 1))).kind is EditKind.IMPORT
    assert ring(session, 1) == square(1, 1)


@pytest.fixture
def kept(path: Path) -> Path:
    with Session.open(path, slide=SLIDE, scheme=SCHEME) as session:
        session.import_nuclei(outlined((10, 10), (20, 20)))
    return path


def put_block(path: Path, data: object, **others: object) -> None:
    rewrite(path, "UPDATE outlines SET data = ?, crc = ?", data, zlib.crc32(data) if isinstance(data, bytes) else 0)
    for name, value in others.items():
        rewrite(path, f"UPDATE outlines SET {name} = ?", value)


CORNERS = np.zeros(16, np.float32)
HOSTILE = {
    "a text": ("corners", {}),
    "no blob at all": (b"", {}),
    "counts out of proportion": (
        pack({"counts": np.full(2, 2**31, np.uint32), "corners": CORNERS}, raw={"corners"}),
        {},
    ),
    "an outline of two corners": (
        pack({"counts": np.array([6, 2], np.uint32), "corners": CORNERS}, raw={"corners"}),
        {},
    ),
    "corners that are no numbers": (
        pack({"counts": np.array([4, 4], np.uint32), "corners": CORNERS + np.float32("nan")}, raw={"corners"}),
        {},
    ),
    "corners from nothing": (pack({"counts": np.array([4, 4], np.uint32), "corners": CORNERS}), {}),
    "a count of another kind": (pack({"counts": np.array([4, 4], np.uint32), "corners": CORNERS}), {"count": "two"}),
    "a count too large": (pack({"counts": np.array([4, 4], np.uint32), "corners": CORNERS}), {"count": 2**62}),
    "other numbers": (pack({"counts": np.array([4, 4], np.uint32), "corners": CORNERS}), {"first": 7}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_outlines_that_somebody_forged_are_refused_in_words_and_the_nuclei_are_there(kept: Path, name: str) -> None:
    data, others = HOSTILE[name]
    put_block(kept, data, **others)

    with Session.open(kept) as session:
        assert len(session.nuclei()) == 2
        session.set_class([1], 1, force=True)
        with pytest.raises(DamagedSession, match=r"outline.*Nothing in it was changed"):
            session.nuclei(outlines=True)


def test_two_nuclei_cannot_claim_one_outline(kept: Path) -> None:
    with Session.open(kept) as session:
        session.ledger.state.columns["outline"][:] = 1
        with pytest.raises(DamagedSession, match="same outline"):
            session.nuclei(outlines=True)


@pytest.mark.parametrize("statement", ["UPDATE outlines SET count = 1", "DELETE FROM outlines"])
def test_outlines_are_only_ever_added(kept: Path, statement: str) -> None:
    with closing(sqlite3.connect(kept)) as connection, pytest.raises(sqlite3.IntegrityError, match="only ever added"):
        connection.execute(statement)
