from __future__ import annotations

import pytest
from tests.session.conftest import WEIGHTS, found

from nucloop.classes import NucleusClass
from nucloop.session import Change, EditKind, Session


def listen(session: Session) -> list[Change]:
    heard: list[Change] = []
    session.subscribe(heard.append)
    return heard


def test_a_listener_hears_each_edit_once_and_as_the_editor_does(session: Session) -> None:
    heard = listen(session)
    told = [
        session.add([[1, 1], [2, 2]], 1),
        session.move([2], [[9, 9]]),
        session.set_class([1], 2, force=True),
        session.delete([2]),
        session.undo(),
    ]
    assert heard == told
    assert [(c.added.tolist(), c.removed.tolist(), c.moved.tolist(), c.relabelled.tolist()) for c in heard] == [
        ([1, 2], [], [], []),
        ([], [], [2], []),
        ([], [], [], [1]),
        ([], [2], [], []),
        ([2], [], [], []),
    ]
    assert heard[-1].counts == session.counts == {"lymphocyte": 0, "tumour": 1, "stroma": 1}
    assert heard[2].touched.tolist() == [1]


def test_a_listener_hears_of_a_whole_run_when_it_is_undone(session: Session) -> None:
    run = session.begin_run(WEIGHTS, 5)
    run.add(found((10, 10)))
    run.add(found((50, 50)))
    heard = listen(session)
    session.undo()
    assert [c.removed.tolist() for c in heard] == [[1, 2]]


def test_nobody_hears_of_what_is_not_an_edit(session: Session) -> None:
    heard = listen(session)
    assert not session.set_class([], 1)
    assert not session.begin_run(WEIGHTS, 5).add(found()).any()
    session.remember("view", [1, 2])
    assert heard == []


def test_who_ended_listening_hears_no_more(session: Session) -> None:
    heard: list[Change] = []
    end = session.subscribe(heard.append)
    end()
    end()
    session.add([[1, 1]])
    assert heard == []


def test_an_edit_made_by_a_listener_is_told_after_the_one_it_answers(session: Session) -> None:
    def answer(change: Change) -> None:
        if change.kind is EditKind.ADD:
            session.set_class(change.added, 1)

    session.subscribe(answer)
    heard = listen(session)
    session.add([[1, 1]])
    assert [c.kind for c in heard] == [EditKind.ADD, EditKind.SET_CLASS]


def test_a_listener_that_fails_silences_no_other_and_undoes_no_edit(session: Session) -> None:
    def fail(change: Change) -> None:
        raise RuntimeError("the layer is gone")

    session.subscribe(fail)
    heard = listen(session)
    with pytest.raises(RuntimeError, match="the layer is gone"):
        session.add([[1, 1]])
    assert len(heard) == len(session) == 1


def test_a_listener_hears_that_the_classes_changed(session: Session) -> None:
    session.add([[1, 1]], "tumour")
    heard = listen(session)
    session.add_class(NucleusClass("mitosis", "#123456"))
    session.remove_class("tumour", into="mitosis")
    assert [c.classes_changed for c in heard] == [True, True]
    assert heard[1].relabelled.tolist() == [1]
    assert heard[1].counts == {"lymphocyte": 0, "stroma": 0, "mitosis": 1}
