from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.session.conftest import SCHEME, SLIDE, WEIGHTS, found
from tests.session.test_undo import state

from nucloop.nuclei import Nuclei
from nucloop.session import Session
from nucloop.session.snapshot import Snapshot, read_snapshot

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def long_ago(path: Path) -> tuple[Path, list[tuple[object, ...]]]:
    """A session with a snapshot and edits before and after it, and its state."""
    with Session.open(path, slide=SLIDE, scheme=SCHEME, author="Dr A") as session:
        yx = np.random.default_rng(0).uniform(0, 4000, (150_000, 2))
        session.import_nuclei(Nuclei.from_points(SCHEME, yx, label=0))
        run = session.begin_run(WEIGHTS, 0.1)
        run.add(found((10, 10)))
        session.move([1], [[7, 7]])
        session.remove_class("stroma")
    assert snapshots(path) == [4]
    with Session.open(path, author="Dr B") as session:
        session.set_class([1, 2], 1)
        session.undo()
        session.delete([3])
        expected = state(session)
    assert snapshots(path) == [4]
    return path, expected


def snapshots(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [seq for (seq,) in connection.execute("SELECT seq FROM snapshots")]


def test_opening_goes_on_from_the_snapshot(long_ago: tuple[Path, list[tuple[object, ...]]]) -> None:
    path, expected = long_ago
    with Session.open(path, slide=SLIDE) as session:
        assert state(session) == expected
        assert session.ledger.unsnapped < 20
        assert session.scheme.names == ("lymphocyte", "tumour")
        for _ in range(5):
            session.undo()
        assert len(session) == 0
        for _ in range(5):
            session.redo()
        assert state(session) == expected


@pytest.mark.parametrize(
    "loss",
    [
        "DELETE FROM snapshots",
        "DELETE FROM snapshot_parts WHERE part = 1",
        "UPDATE snapshot_parts SET data = zeroblob(length(data)) WHERE part = 1",
        "UPDATE snapshot_parts SET data = 'x'",
        "UPDATE snapshots SET parts = 1000000000000",
        "UPDATE snapshots SET crc = 'x'",
        "UPDATE snapshots SET seq = 5000",
    ],
)
def test_a_snapshot_may_be_lost_or_damaged_and_nothing_is_missing(
    long_ago: tuple[Path, list[tuple[object, ...]]], loss: str
) -> None:
    path, expected = long_ago
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(loss)
    with Session.open(path) as session:
        assert state(session) == expected


def test_a_snapshot_written_behind_the_scenes_is_whole_while_edits_go_on(path: Path) -> None:
    with Session.open(path, slide=SLIDE, scheme=SCHEME, author="Dr A") as session:
        yx = np.random.default_rng(0).uniform(0, 4000, (100_000, 2))
        session.import_nuclei(Nuclei.from_points(SCHEME, yx, label=0))
        session.snapshot()
        for k in range(50):
            session.set_class([k + 1], 1)
        expected = state(session)
        deadline = time.monotonic() + 60
        while not snapshots(path) and time.monotonic() < deadline:
            time.sleep(0.02)
    with closing(sqlite3.connect(path)) as connection:
        snapshot = read_snapshot(connection, 51)
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.seq, (snapshot.columns["label"] == 0).all()) == (1, True)
    with Session.open(path) as session:
        assert state(session) == expected


def test_an_old_snapshot_gives_way_to_a_new_one(path: Path) -> None:
    with Session.open(path, slide=SLIDE, scheme=SCHEME) as session:
        session.add(np.zeros((1000, 2)))
        session.snapshot()
    first = path.stat().st_size
    for _ in range(5):
        with Session.open(path) as session:
            session.set_class([1], 1, force=True)
            session.undo()
            session.snapshot()
    assert snapshots(path) == [11]
    assert path.stat().st_size < 1.5 * first
