from __future__ import annotations

import numpy as np
from tests.session.conftest import SCHEME, WEIGHTS, Opens, found

from nucloop.nuclei import Nuclei, Origin
from nucloop.session import Direction, EditKind, Session


def state(session: Session) -> list[tuple[object, ...]]:
    n = session.nuclei()
    return list(zip(n.ids.tolist(), n.yx.tolist(), n.label.tolist(), n.origin.tolist(), strict=True))


def test_everything_can_be_undone_and_done_again_also_after_reopening(session: Session, opened: Opens) -> None:
    states = [state(session)]

    def then(_: object) -> None:
        states.append(state(session))

    then(session.add([[1, 1], [9, 9]], 0))
    then(session.begin_run(WEIGHTS, 5).add(found((50, 50), (60, 60))))
    then(session.set_class([3], 2))
    then(session.move([4], [[70, 70]]))
    then(session.delete([1]))
    then(session.import_nuclei(found((100, 100))))
    then(session.relabel([4, 5], [1, 1], np.full((2, 3), 0.5), weights=WEIGHTS))
    then(session.confirm([2, 3, 4, 5]))
    session = opened()
    assert state(session) == states[-1]

    for expected in reversed(states[:-1]):
        session.undo()
        session = opened()
        assert state(session) == expected
    assert session.undo() is None
    for expected in states[1:]:
        session.redo()
        session = opened()
        assert state(session) == expected
    assert session.redo() is None


def test_a_new_edit_ends_redo_and_takes_nothing_out_of_the_journal(session: Session) -> None:
    session.add([[1, 1]])
    session.undo()
    session.add([[2, 2]])

    assert session.redoable is None
    assert session.redo() is None
    assert session.ids().tolist() == [2]
    assert [(e.kind, e.in_force) for e in session.history()] == [
        (EditKind.ADD, False),
        (EditKind.UNDO, True),
        (EditKind.ADD, True),
    ]


def test_ids_come_back_as_they_were_and_are_never_given_twice(session: Session) -> None:
    session.add([[1, 1]])
    session.undo()
    session.redo()
    assert session.ids().tolist() == [1]
    session.undo()
    session.add([[1, 1]])
    assert session.ids().tolist() == [2]


def test_a_thousand_edits_are_undone_one_by_one(session: Session) -> None:
    session.add(np.zeros((10, 2)), 0)
    for k in range(1000):
        session.set_class([k % 10 + 1], (k // 10 + 1) % 3, force=True)
    for _ in range(1000):
        session.undo()
    assert session.counts["lymphocyte"] == 10
    assert session.undoable is not None
    assert session.undoable.kind is EditKind.ADD


def test_undo_says_what_it_took_back_and_who_did(session: Session) -> None:
    session.add([[1, 1]], 1)
    session.author = "Dr B"
    change = session.undo()
    assert change is not None
    assert (change.kind, change.way, change.author) == (EditKind.ADD, Direction.UNDONE, "Dr B")
    assert change.removed.tolist() == [1]
    assert change.counts["tumour"] == 0
    redone = session.redo()
    assert redone is not None
    assert (redone.way, redone.added.tolist()) == (Direction.REDONE, [1])


def test_a_model_run_of_many_tiles_is_one_step_with_a_persons_edits_in_between(session: Session) -> None:
    run = session.begin_run(WEIGHTS, 5)
    run.add(found((10, 10), (20, 20)))
    session.set_class([1], 2)
    session.delete([2])
    run.add(found((30, 30)))

    undone = [session.undo() for _ in range(3)]

    assert [c.kind for c in undone if c] == [EditKind.DELETE, EditKind.SET_CLASS, EditKind.MODEL_RUN]
    assert len(session) == 0
    for _ in range(3):
        session.redo()
    assert session.ids().tolist() == [1, 3]
    assert session.nuclei().origin.tolist() == [Origin.CORRECTED, Origin.PREDICTED]


def test_tiles_that_come_in_do_not_end_redo(session: Session, opened: Opens) -> None:
    run = session.begin_run(WEIGHTS, 5)
    run.add(found((10, 10)))
    session.set_class([1], 2)
    session.undo()
    run.add(found((30, 30)))
    session = opened()
    session.redo()
    assert session.labels([1, 2]).tolist() == [2, 0]


def test_a_deletion_outlives_undo_and_redo_of_the_run_that_found_the_nucleus(session: Session) -> None:
    run = session.begin_run(WEIGHTS, 5)
    run.add(found((10, 10)))
    session.add([[90, 90]])
    run.add(found((30, 30)))
    session.delete([1])
    session.undo()
    session.redo()
    for _ in range(3):
        session.undo()
    for _ in range(3):
        session.redo()
    assert session.ids().tolist() == [2, 3]


def test_undo_of_a_large_import_leaves_everything_else(session: Session) -> None:
    session.add([[1, 1]], 1)
    yx = np.random.default_rng(0).uniform(0, 4000, (50_000, 2))
    session.import_nuclei(Nuclei.from_points(SCHEME, yx, label=0))
    session.set_class([1], 2, force=True)
    session.undo()
    session.undo()
    assert (len(session), session.counts["tumour"]) == (1, 1)
    assert session.in_box(0, 0, 4000, 4000).tolist() == [1]
