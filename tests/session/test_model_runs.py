from __future__ import annotations

import numpy as np
import pytest
from tests.session.conftest import SCHEME, WEIGHTS, Opens, found

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.nuclei import Nuclei, Origin
from nucloop.session import EditKind, Session, SessionError


def detect(session: Session, *yx: tuple[float, float]) -> list[int]:
    return session.begin_run(WEIGHTS, 5).add(found(*yx)).tolist()


def test_a_second_run_adds_what_is_new_and_says_which_that_is(session: Session) -> None:
    assert detect(session, (10, 10), (50, 50)) == [1, 2]
    assert detect(session, (90, 90), (11, 10), (50, 52)) == [3, 0, 0]
    assert len(session) == 3


def test_tiles_of_one_run_are_not_compared_with_each_other(session: Session) -> None:
    run = session.begin_run(WEIGHTS, 5)
    run.add(found((10, 10)))
    run.add(found((12, 10)))
    assert (len(session), run.found, run.new) == (2, 2, 2)


def test_a_running_model_leaves_alone_what_a_person_adds_meanwhile(session: Session) -> None:
    run = session.begin_run(WEIGHTS, 5)
    run.add(found((10, 10)))
    session.add([[50, 50]], 1)
    assert run.add(found((51, 50), (90, 90))).tolist() == [0, 3]


def test_a_deleted_nucleus_is_not_brought_back(session: Session, opened: Opens) -> None:
    detect(session, (10, 10), (50, 50))
    session.delete([1])
    assert detect(session, (10, 11), (50, 50)) == [0, 0]
    session = opened()
    assert detect(session, (10, 11)) == [0]


def test_a_deletion_that_was_undone_or_a_run_that_was_holds_nobody_back(session: Session) -> None:
    detect(session, (10, 10))
    session.undo()
    assert detect(session, (10, 10)) == [2]


def test_a_moved_nucleus_is_not_found_again_at_its_old_place(session: Session, opened: Opens) -> None:
    detect(session, (10, 10))
    session.move([1], [[2000, 40]])
    session = opened()
    assert detect(session, (10, 10), (2000, 41), (80, 80)) == [0, 0, 2]
    session.undo()
    session.undo()
    assert session.positions([1]).tolist() == [[10, 10]]
    assert detect(session, (2000, 41)) == [3]


def test_what_a_person_placed_and_moved_does_not_block_its_old_place(session: Session) -> None:
    session.add([[10, 10]])
    session.move([1], [[40, 40]])
    assert detect(session, (10, 10)) == [2]


def test_a_run_that_finds_nothing_new_leaves_no_trace(session: Session) -> None:
    detect(session, (10, 10))
    assert detect(session, (10, 10)) == [0]
    assert detect(session) == []
    assert len(session.history()) == 1


def test_a_run_that_was_undone_goes_no_further(session: Session) -> None:
    run = session.begin_run(WEIGHTS, 5)
    run.add(found((10, 10)))
    session.undo()
    assert not run.is_open
    with pytest.raises(SessionError, match="was undone, so it goes no further"):
        run.add(found((50, 50)))
    session.redo()
    assert run.add(found((50, 50))).tolist() == [2]


def test_a_new_head_relabels_whom_nobody_has_spoken_about(session: Session) -> None:
    detect(session, (10, 10), (50, 50), (90, 90))
    session.set_class([2], "tumour")
    session.add([[5, 5]])

    change = session.relabel(
        [3, 2, 1, 4], [2, 2, 2, 0], [[0.25, 0.25, 0.5]] * 4, weights={"head": {"sha256": "ff"}}, corrections=1
    )

    nuclei = session.nuclei()
    assert nuclei.label.tolist() == [2, 1, 2, 0]
    assert nuclei.origin.tolist() == [Origin.PREDICTED, Origin.CORRECTED, Origin.PREDICTED, Origin.PREDICTED]
    assert nuclei.probability.tolist() == [[0.25, 0.25, 0.5]] * 4
    assert (change.kind, change.locked) == (EditKind.NEW_HEAD, 1)
    assert session.history()[-1].details == {"weights": {"head": {"sha256": "ff"}}, "corrections": 1}
    session.undo()
    assert session.nuclei().label.tolist() == [0, 1, 0, -1]
    assert np.isnan(session.nuclei().probability[3]).all()


def test_a_new_head_overrules_people_only_when_it_is_told_to(session: Session) -> None:
    session.add([[1, 1]], 1)
    session.relabel([1], [2], [[0, 0, 1]], weights=WEIGHTS, force=True)
    assert session.nuclei().origin.tolist() == [Origin.PREDICTED]
    assert session.labels([1]).tolist() == [2]


def test_a_model_of_other_classes_is_understood_by_their_names(session: Session) -> None:
    head = ClassScheme("head", (NucleusClass("stroma", "#000000"), NucleusClass("Tumour", "#000000")))
    table = Nuclei.from_points(head, [[1, 1]], label=[0], probability=[[0.75, 0.25]])
    session.begin_run(WEIGHTS, 5).add(table)
    nuclei = session.nuclei()
    assert nuclei.label.tolist() == [2]
    np.testing.assert_array_equal(nuclei.probability, [[np.nan, 0.25, 0.75]])


def test_a_model_with_a_class_the_session_lacks_is_refused_before_anything_changes(session: Session) -> None:
    table = Nuclei.from_points(ClassScheme("x", (NucleusClass("mitosis", "#000000"),)), [[1, 1]], label=[0])
    with pytest.raises(SessionError, match="no class mitosis"):
        session.begin_run(WEIGHTS, 5).add(table)
    assert len(session) == 0
    assert SCHEME.names == session.scheme.names


def test_probabilities_keep_three_digits(session: Session, opened: Opens) -> None:
    p = np.random.default_rng(0).dirichlet((1, 1, 1), 50)
    yx = np.arange(100).reshape(50, 2) * 40
    session.begin_run(WEIGHTS, 5).add(Nuclei.from_points(SCHEME, yx, label=p.argmax(1), probability=p))
    kept = session.nuclei().probability
    np.testing.assert_allclose(kept, p, rtol=1e-3)
    np.testing.assert_array_equal(opened().nuclei().probability, kept)
