from __future__ import annotations

import pytest
from tests.session.conftest import WEIGHTS, Opens, found

from nucloop.classes import NucleusClass
from nucloop.nuclei import UNLABELLED, Origin
from nucloop.session import Session, SessionError

MITOSIS = NucleusClass("mitosis", "#123456")


def test_an_added_class_can_be_given_at_once(session: Session, opened: Opens) -> None:
    session.add_class(MITOSIS)
    session.add([[1, 1]], "mitosis")
    session = opened()
    assert session.scheme.names == ("lymphocyte", "tumour", "stroma", "mitosis")
    assert session.counts["mitosis"] == 1
    assert session.nuclei().probability.shape == (1, 4)


def test_renaming_touches_no_nucleus_and_models_still_know_the_class(session: Session, opened: Opens) -> None:
    session.begin_run(WEIGHTS, 5).add(found((1, 1)))
    change = session.change_class("lymphocyte", NucleusClass("immune", "#0000ff"))
    assert not len(change.touched)
    session = opened()
    assert session.counts == {"immune": 1, "tumour": 0, "stroma": 0}
    session.begin_run(WEIGHTS, 5).add(found((50, 50)))
    assert session.counts["immune"] == 2
    session.undo()
    session.undo()
    assert session.scheme.names[0] == "lymphocyte"


def test_a_removed_class_leaves_its_nuclei_without_one(session: Session, opened: Opens) -> None:
    session.begin_run(WEIGHTS, 5).add(found((10, 10), (50, 50), label=[1, 2]))
    session.confirm([1])

    session.remove_class("tumour")

    assert session.labels([1, 2]).tolist() == [UNLABELLED, 1]
    assert session.nuclei().origin.tolist() == [Origin.PREDICTED] * 2
    assert session.labels_of("Dr A", [1]).tolist() == [UNLABELLED]
    assert (session.unlabelled, session.counts) == (1, {"lymphocyte": 0, "stroma": 1})
    session = opened()
    assert session.labels([1, 2]).tolist() == [UNLABELLED, 1]
    session.undo()
    assert session.labels([1, 2]).tolist() == [1, 2]
    assert session.labels_of("Dr A", [1], blinded=True).tolist() == [1]
    assert session.nuclei().origin.tolist() == [Origin.CONFIRMED, Origin.PREDICTED]


def test_a_class_can_be_merged_into_another_also_for_deleted_nuclei(session: Session) -> None:
    session.add([[1, 1], [2, 2]], "tumour")
    session.delete([2])
    session.remove_class("tumour", into="stroma")
    assert session.scheme.names == ("lymphocyte", "stroma")
    assert session.labels([1, 2]).tolist() == [1, 1]
    assert session.counts == {"lymphocyte": 0, "stroma": 1}


def test_a_new_class_of_a_removed_ones_name_is_another_class(session: Session, opened: Opens) -> None:
    session.add([[1, 1]], "tumour")
    session.remove_class("tumour")
    session.add_class(NucleusClass("tumour", "#ff0000"))
    session.add([[9, 9]], "tumour")
    assert opened().labels([1, 2]).tolist() == [UNLABELLED, 2]


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda s: s.add_class(NucleusClass("Tumour", "#000000")), "There is a class 'Tumour' already"),
        (lambda s: s.change_class("tumour", NucleusClass("Stroma", "#000000")), "another class 'Stroma' already"),
        (lambda s: s.remove_class("nothing"), "The session has no class 'nothing'. Its classes are lymphocyte"),
        (lambda s: s.set_class([1], "nothing"), "The session has no class 'nothing'"),
    ],
)
def test_an_impossible_change_of_classes_is_refused_in_words(session: Session, edit, sentence: str) -> None:
    session.add([[1, 1]])
    with pytest.raises(SessionError, match=sentence):
        edit(session)
    assert len(session.history()) == 1


def test_the_last_class_stays(session: Session) -> None:
    session.remove_class("tumour")
    session.remove_class("stroma")
    with pytest.raises(SessionError, match="lymphocyte is the only class and must stay"):
        session.remove_class("lymphocyte")


def test_a_session_takes_a_bounded_number_of_classes(session: Session) -> None:
    for k in range(97):
        session.add_class(NucleusClass(f"c{k}", "#000000"))
    with pytest.raises(SessionError, match="1 to 100 classes"):
        session.add_class(NucleusClass("one more", "#000000"))
