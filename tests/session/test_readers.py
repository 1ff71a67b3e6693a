from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.session.conftest import WEIGHTS, Opens, found

from nucloop.nuclei import UNLABELLED, Origin

if TYPE_CHECKING:
    from nucloop.session import Session


@pytest.fixture
def two(session: Session) -> Session:
    """Four nuclei of a model (all lymphocytes); Dr A calls 1 and 2 tumour, Dr B calls 2 and 3 stroma."""
    session.begin_run(WEIGHTS, 5).add(found((10, 10), (30, 30), (50, 50), (70, 70)))
    session.set_class([1, 2], "tumour")
    session.author, session.blinded = "Dr B", True
    session.set_class([2, 3], "stroma")
    return session


IDS = [1, 2, 3, 4]


def test_each_reader_is_heard_beside_the_model(two: Session) -> None:
    assert two.readers == ("Dr A", "Dr B")
    assert two.labels_of("Dr A", IDS).tolist() == [1, 1, 0, 0]
    assert two.labels_of("Dr B", IDS).tolist() == [0, 2, 2, 0]
    assert two.labels_of("nobody", IDS).tolist() == [0, 0, 0, 0]
    assert two.counts_of("Dr B") == {"lymphocyte": 2, "tumour": 0, "stroma": 2}


def test_the_last_word_counts_for_all(two: Session) -> None:
    assert two.labels(IDS).tolist() == [1, 2, 2, 0]


def test_a_blinded_reader_sees_their_own_word_and_nothing_else(two: Session) -> None:
    shown = two.shown(IDS)
    assert shown.label.tolist() == [UNLABELLED, 2, 2, UNLABELLED]
    assert shown.origin.tolist() == [Origin.PREDICTED, Origin.CORRECTED, Origin.CORRECTED, Origin.PREDICTED]
    assert (shown.probability != shown.probability).all()


def test_a_blinded_reader_is_not_held_back_by_anothers_word(two: Session) -> None:
    change = two.set_class(IDS, "lymphocyte")
    assert change.locked == 2
    assert two.labels_of("Dr B", IDS, blinded=True).tolist() == [0, 2, 2, 0]


def test_a_blinded_reader_has_nothing_to_confirm(two: Session) -> None:
    assert not two.confirm(IDS)


def test_a_blinded_reader_undoes_their_own_work_only(two: Session) -> None:
    assert two.undo()
    assert two.undoable is None
    assert two.undo() is None
    two.blinded = False
    assert two.undo()
    assert two.labels(IDS).tolist() == [0, 0, 0, 0]


def test_readers_disagree_where_both_have_spoken_and_differ(two: Session) -> None:
    assert two.disagreements("Dr A", "Dr B").tolist() == [2]
    assert two.spoken_by("Dr B").tolist() == [2, 3]
    two.undo()
    assert two.disagreements("Dr A", "Dr B").tolist() == []


def test_what_readers_said_is_there_after_reopening(two: Session, opened: Opens) -> None:
    session = opened("Dr C")
    assert session.labels_of("Dr A", IDS).tolist() == [1, 1, 0, 0]
    assert session.disagreements("Dr A", "Dr B").tolist() == [2]


def test_confirming_anothers_word_makes_it_ones_own_too(two: Session) -> None:
    two.author, two.blinded = "Dr C", False
    two.confirm(IDS)
    assert two.labels_of("Dr C", IDS).tolist() == [1, 2, 2, 0]
    assert two.nuclei().origin.tolist() == [*[Origin.CORRECTED] * 3, Origin.CONFIRMED]


def test_a_new_head_is_heard_by_readers_where_they_are_silent(two: Session) -> None:
    two.relabel(IDS, [2, 2, 2, 2], [[0, 0, 1]] * 4, weights=WEIGHTS)
    assert two.labels_of("Dr A", IDS).tolist() == [1, 1, 2, 2]
    assert two.model_labels(IDS).tolist() == [2, 2, 2, 2]


def test_an_author_without_a_name_has_the_name_of_the_account(session: Session) -> None:
    session.author = "  "
    assert session.author.strip()
    session.author = " Dr \n A "
    assert session.author == "Dr A"
