"""The power is cut: what had reached the disk by the last acknowledged edit is all that a session needs."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.session.conftest import SCHEME, SLIDE, WEIGHTS, found

from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines
from nucloop.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CUTS = 200
EDITS = 120
SQUARE = np.array([[0, 0], [0, 4], [4, 4], [4, 0]], np.float32)


@dataclass(frozen=True)
class Moment:
    """What was there when an edit had been acknowledged."""

    file: bytes
    logged: int
    """Bytes of the log, all of which SQLite has had written through to the disk."""
    edits: int
    labels: tuple[int, ...]


def works(session: Session, rng: np.random.Generator) -> Iterator[Callable[[], object]]:
    """Yield edits of every kind, in some order."""
    while True:
        ids, places = session.ids(), rng.uniform(10, 3000, (int(rng.integers(1, 40)), 2))
        label = rng.integers(0, 3, len(places))
        outlines = Outlines.of([SQUARE + place for place in places])
        table = Nuclei.from_points(SCHEME, places, label=label, outlines=outlines)
        some = rng.choice(ids, min(len(ids), 20), replace=False) if len(ids) else ids
        kinds: list[Callable[[], object]] = [
            lambda places=places: session.add(places, 1),
            lambda some=some, label=int(label[0]): session.set_class(some, label, force=True),
            lambda some=some: session.delete(some[:2]),
            lambda some=some: session.confirm(some),
            lambda table=table: session.import_nuclei(table),
            lambda places=places: session.begin_run(WEIGHTS, 2.0).add(found(*map(tuple, places))),
            session.undo,
            session.redo,
        ]
        yield kinds[int(rng.integers(len(kinds)))]


def worked(session: Session, path: Path, seed: int) -> tuple[list[Moment], bytes]:
    """Edit, with the log brought into the file now and then; return every moment, and the log in the end."""
    log, moments, logs = path.with_name(path.name + "-wal"), [], []
    rng = np.random.default_rng(seed)
    for edit, _ in zip(works(session, rng), range(EDITS), strict=False):
        edit()
        logs.append(log.read_bytes())
        ids = session.ids()
        moments.append(
            Moment(path.read_bytes(), len(logs[-1]), session.ledger.history.last, tuple(session.labels(ids).tolist()))
        )
    return moments, logs[-1]


@pytest.mark.parametrize("checkpointed", [False, True], ids=["in the log alone", "partly in the file"])
def test_no_cut_of_the_log_takes_back_what_was_acknowledged(session: Session, path: Path, checkpointed: bool) -> None:
    connection = session.ledger.journal.connection
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert session._housekeeper is not None
    # the file changes when the test says so, not in between
    session._housekeeper.edited = lambda: None  # type: ignore[method-assign]
    if checkpointed:
        session.add(np.random.default_rng(0).uniform(0, 3000, (500, 2)), 0)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    moments, log = worked(session, path, seed=int(checkpointed))
    places, cut = random.Random(0), path.with_name("cut.nucloop")
    for _ in range(CUTS // 2):
        at = places.randint(moments[0].logged, len(log))
        said = [moment for moment in moments if moment.logged <= at][-1]
        cut.write_bytes(said.file)
        # behind the cut is what was on that part of the disk before
        rest = bytes(len(log) - at) if places.random() < 0.5 else b""
        cut.with_name("cut.nucloop-wal").write_bytes(log[:at] + rest)
        with Session.open(cut, slide=SLIDE, read_only=places.random() < 0.5) as kept:
            assert kept.ledger.history.last >= said.edits
            if kept.ledger.history.last == said.edits:
                assert tuple(kept.labels(kept.ids()).tolist()) == said.labels
        for one in (*path.parent.glob("cut.*"), *path.parent.glob(".cut.*")):
            one.unlink()
