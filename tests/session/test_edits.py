from __future__ import annotations

import numpy as np
import pytest
from tests.session.conftest import SCHEME, WEIGHTS, Opens, found

from nucloop.classes import ClassScheme
from nucloop.nuclei import UNLABELLED, Nuclei, Origin
from nucloop.session import EditKind, Session, SessionError


def test_what_a_person_adds_is_there_with_an_id_a_class_and_its_origin(session: Session) -> None:
    change = session.add([[10, 20], [30, 40]], "tumour")

    nuclei = session.nuclei(change.added)
    assert change.added.tolist() == [1, 2]
    assert nuclei.yx.tolist() == [[10, 20], [30, 40]]
    assert nuclei.label.tolist() == [1, 1]
    assert nuclei.origin.tolist() == [Origin.ADDED] * 2
    assert session.counts == {"lymphocyte": 0, "tumour": 2, "stroma": 0}


def test_a_nucleus_may_be_added_without_a_class(session: Session) -> None:
    session.add([[1, 1]])
    assert session.labels([1]).tolist() == [UNLABELLED]
    assert (len(session), session.unlabelled) == (1, 1)


def test_moving_needs_no_order_of_ids(session: Session) -> None:
    session.add([[0, 0], [1, 1], [2, 2]])
    session.move([3, 1], [[33, 33], [11, 11]])
    assert session.positions([1, 2, 3]).tolist() == [[11, 11], [1, 1], [33, 33]]


def test_a_nucleus_cannot_be_put_at_two_places(session: Session) -> None:
    session.add([[0, 0]])
    with pytest.raises(ValueError, match="one place only"):
        session.move([1, 1], [[1, 1], [2, 2]])


def test_a_deleted_nucleus_is_gone_and_its_place_still_known(session: Session) -> None:
    session.add([[5, 6], [7, 8]], 0)
    session.delete([1])
    assert session.ids().tolist() == [2]
    assert session.contains([1, 2, 3]).tolist() == [False, True, False]
    assert session.positions([1]).tolist() == [[5, 6]]


def test_edits_of_nuclei_that_are_gone_do_nothing_and_leave_no_trace(session: Session) -> None:
    session.add([[5, 6]], 0)
    session.delete([1])
    changes = [session.delete([1]), session.set_class([1], 2, force=True), session.move([1], [[0, 0]])]
    assert not any(changes)
    assert [edit.kind for edit in session.history()] == [EditKind.ADD, EditKind.DELETE]


def test_an_id_that_was_never_given_is_refused(session: Session) -> None:
    with pytest.raises(ValueError, match="never was a nucleus"):
        session.set_class([1], 0)


@pytest.mark.parametrize("place", [np.nan, np.inf, 1e12])
def test_a_place_that_no_slide_has_is_refused_in_words(session: Session, place: float) -> None:
    with pytest.raises(SessionError, match="where no slide reaches"):
        session.add([[place, 0]])
    assert len(session) == 0


def test_a_persons_class_is_a_correction_or_where_it_agrees_with_the_model_a_confirmation(session: Session) -> None:
    session.begin_run(WEIGHTS, 5).add(found((10, 10), (50, 50)))
    session.set_class([1], "lymphocyte")
    session.set_class([2], "tumour")
    assert session.nuclei().origin.tolist() == [Origin.CONFIRMED, Origin.CORRECTED]


def test_a_brush_leaves_alone_what_a_person_said_and_says_so(session: Session) -> None:
    session.begin_run(WEIGHTS, 5).add(found((10, 10), (50, 50), (90, 90)))
    session.set_class([1], "tumour")

    change = session.set_class([1, 2, 3], "stroma")

    assert session.labels([1, 2, 3]).tolist() == [1, 2, 2]
    assert change.relabelled.tolist() == [2, 3]
    assert change.locked == 1
    assert session.locked([1, 2, 3]).all()


def test_a_key_that_means_it_changes_what_a_person_said(session: Session) -> None:
    session.add([[1, 1]], "tumour")
    assert session.set_class([1], "stroma", force=True).locked == 0
    assert session.labels([1]).tolist() == [2]


def test_a_nucleus_added_without_a_class_is_not_locked(session: Session) -> None:
    session.add([[1, 1]])
    session.set_class([1], 0)
    nuclei = session.nuclei()
    assert (nuclei.label[0], nuclei.origin[0]) == (0, Origin.ADDED)


def test_confirming_speaks_for_the_models_classes_and_leaves_out_those_without(session: Session) -> None:
    session.begin_run(WEIGHTS, 5).add(found((10, 10), (50, 50), label=[0, UNLABELLED]))
    change = session.confirm([1, 2])
    assert change.relabelled.tolist() == [1]
    assert session.nuclei().origin.tolist() == [Origin.CONFIRMED, Origin.PREDICTED]
    assert not session.confirm([1, 2])


def test_the_same_class_again_is_no_edit(session: Session) -> None:
    session.add([[1, 1]], 1)
    change = session.set_class([1], 1, force=True)
    assert not change
    assert change.counts == session.counts
    assert len(session.history()) == 1


def test_an_import_keeps_origin_score_and_probability(session: Session) -> None:
    table = Nuclei.from_points(
        SCHEME,
        [[1, 1], [2, 2]],
        label=[1, 2],
        score=[0.25, 0.5],
        probability=[[0, 1, 0], [0.5, 0.25, 0.25]],
        origin=[Origin.IMPORTED, Origin.PREDICTED],
    )
    session.import_nuclei(table, source="other.csv")

    nuclei = session.nuclei()
    for name in ("yx", "label", "score", "probability", "origin"):
        np.testing.assert_array_equal(getattr(nuclei, name), getattr(table, name))
    assert session.labels_of("Dr A", [1, 2], blinded=True).tolist() == [1, UNLABELLED]
    assert session.history()[0].details == {"source": "other.csv"}


def test_an_import_knows_nuclei_that_are_there_and_speaks_about_those_that_are_free(session: Session) -> None:
    session.begin_run(WEIGHTS, 5).add(found((10, 10), (50, 50)))
    session.set_class([2], "stroma")
    table = Nuclei.from_points(SCHEME, [[51, 50], [11, 10], [90, 90]], label=[1, 1, 1], origin=Origin.IMPORTED)

    change = session.import_nuclei(table, radius_px=5)

    assert (change.added.tolist(), change.relabelled.tolist(), change.locked) == ([3], [1], 1)
    assert session.labels([1, 2, 3]).tolist() == [1, 2, 1]
    session.undo()
    assert session.labels(session.ids()).tolist() == [0, 2]


def test_an_import_of_unknown_classes_is_refused_by_name(session: Session) -> None:
    other = Nuclei.from_points(ClassScheme.named("ki67"), [[1, 1]], label=[0])
    with pytest.raises(SessionError, match="The session has no class"):
        session.import_nuclei(other)
    assert len(session) == 0


def test_what_was_exported_comes_back_the_same(session: Session, opened: Opens, tmp_path) -> None:
    from nucloop.formats import read_nuclei, write_nuclei

    session.add([[1, 2], [3, 4]], 1)
    write_nuclei(tmp_path / "a.csv", session.nuclei(), session.slide.info)

    table = read_nuclei(tmp_path / "a.csv", session.scheme)
    session.import_nuclei(table)

    assert session.nuclei([3, 4]).label.tolist() == [1, 1]
    assert session.nuclei([3, 4]).yx.tolist() == [[1, 2], [3, 4]]


def test_the_journal_says_who_did_what_when_and_with_which_weights(session: Session) -> None:
    session.begin_run(WEIGHTS, 5, threshold=0.4).add(found((10, 10)))
    session.author = "Dr B"
    session.delete([1])

    run, deletion = session.history()
    assert (run.kind, run.author, run.nuclei, run.in_force) == (EditKind.MODEL_RUN, "Dr A", 1, True)
    assert run.details == {"weights": WEIGHTS, "radius_px": 5, "threshold": 0.4}
    assert (deletion.kind, deletion.author) == (EditKind.DELETE, "Dr B")
    assert run.time < deletion.time
    assert run.time.endswith("+00:00")


def test_a_hundred_thousand_nuclei_are_relabelled_in_a_small_entry(session: Session) -> None:
    random = np.random.default_rng(0)
    yx = random.uniform(0, 4000, (150_000, 2))
    session.import_nuclei(Nuclei.from_points(SCHEME, yx, label=random.integers(0, 3, len(yx))))
    some = random.choice(len(yx), 100_000, replace=False) + 1

    session.set_class(some, "tumour")

    assert (session.labels(some) == 1).all()
    assert len(session.ledger.journal.patch(2)) < 200_000
