from __future__ import annotations

import pytest
from tests.session.conftest import WEIGHTS, Opens, found

from nucloop.classes import ClassScheme, NucleusClass
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


def test_a_merged_class_keeps_what_people_said_and_models_that_know_it_mean_the_other(
    session: Session, opened: Opens
) -> None:
    session.begin_run(WEIGHTS, 5).add(found((10, 10), (50, 50), label=[1, 2]))
    session.confirm([1])
    before = session.nuclei().probability

    session.remove_class("tumour", into="stroma")

    table = session.nuclei()
    assert table.origin.tolist() == [Origin.CONFIRMED, Origin.PREDICTED]
    assert session.labels_of("Dr A", [1], blinded=True).tolist() == [1]
    assert table.probability[:, 1] == pytest.approx(before[:, 1] + before[:, 2], abs=2e-3)
    session = opened()
    session.begin_run(WEIGHTS, 5).add(found((90, 90), label=[1]))
    assert session.counts == {"lymphocyte": 0, "stroma": 3}
    session.undo()
    session.undo()
    assert session.nuclei().probability == pytest.approx(before, abs=2e-3)
    assert session.labels([1, 2]).tolist() == [1, 2]


def test_a_model_s_nuclei_of_a_deleted_class_come_without_one_and_a_file_s_are_asked_about(session: Session) -> None:
    session.remove_class("tumour")
    assert session.missing_classes(found((1, 1)).scheme) == []
    session.begin_run(WEIGHTS, 5).add(found((10, 10), (50, 50), label=[1, 2]))
    assert session.labels([1, 2]).tolist() == [UNLABELLED, 1]
    with pytest.raises(SessionError, match="The session has no class tumour"):
        session.import_nuclei(found((90, 90), label=[1]))
    session.add_class(NucleusClass("tumour", "#ff0000"))
    session.begin_run(WEIGHTS, 5).add(found((70, 70), label=[1]))
    assert session.counts["tumour"] == 1


def test_classes_in_another_order_leave_every_nucleus_its_own(session: Session, opened: Opens) -> None:
    session.begin_run(WEIGHTS, 5).add(found((10, 10), (50, 50), label=[0, 2]))
    change = session.order_classes(["stroma", "lymphocyte", "tumour"])
    assert change.labels_now == (1, 2, 0)
    session = opened()
    assert session.counts == {"stroma": 1, "lymphocyte": 1, "tumour": 0}
    assert session.labels([1, 2]).tolist() == [1, 0]
    session.undo()
    assert session.scheme.names == ("lymphocyte", "tumour", "stroma")


def test_a_class_takes_a_key_and_the_one_that_had_it_gets_its_key(session: Session, opened: Opens) -> None:
    assert session.scheme.keys == (1, 2, 3)
    session.set_class_key("stroma", 1)
    session = opened()
    assert session.scheme.keys == (3, 2, 1)
    session.undo()
    assert session.scheme.keys == (1, 2, 3)
    session.set_class_key("tumour", 9)
    session.add_class(MITOSIS)
    assert session.scheme.keys == (1, 9, 2, 3)


def test_a_chosen_scheme_renames_what_is_the_same_and_keeps_what_anybody_has_said(
    session: Session, opened: Opens
) -> None:
    session.add([[1, 1]], "tumour")
    session.add([[9, 9]], "lymphocyte")
    session.delete([2])
    nucls = ClassScheme.named("nucls")

    session.choose_scheme(nucls)

    session = opened()
    assert session.scheme.names == ("tumour", "stromal", "lymphocyte", "other")
    assert session.scheme.name == "nucls"
    session.choose_scheme(ClassScheme.named("lizard"))
    assert session.scheme.names == (*ClassScheme.named("lizard").names, "tumour")
    assert session.counts["tumour"] == 1
    for _ in range(3):
        session.undo()
    assert session.scheme.names == ("lymphocyte", "tumour", "stroma")
    assert session.counts == {"lymphocyte": 1, "tumour": 1, "stroma": 0}


def test_a_blinded_reader_deletes_no_class_that_others_have_given(session: Session) -> None:
    session.add([[1, 1]], "tumour")
    session.author, session.blinded = "Dr B", True
    with pytest.raises(SessionError, match="Stop working blinded first"):
        session.remove_class("tumour", into="stroma")
    session.remove_class("lymphocyte")
    assert session.scheme.names == ("tumour", "stroma")


def test_what_hangs_on_a_class_is_told_before_it_goes(session: Session) -> None:
    session.begin_run(WEIGHTS, 5).add(found((10, 10), (50, 50), label=[1, 1]))
    session.confirm([1])
    use = session.use_of("tumour")
    assert (use.nuclei, use.said, use.by_people) == (2, {"Dr A": 1}, 1)
    assert session.name_now("tumour") == "tumour"
    session.change_class("tumour", NucleusClass("neoplastic", "#d55e00"))
    assert session.name_now("tumour") == "neoplastic"
    assert session.name_now("nothing") is None


def test_what_a_model_calls_by_a_class_that_a_chosen_scheme_lacks_gets_none(session: Session, opened: Opens) -> None:
    model = session.scheme
    session.choose_scheme(ClassScheme("two", (MITOSIS, session.scheme.classes[1])))
    session = opened()
    assert session.missing_classes(model) == []
    session.begin_run(WEIGHTS, 5).add(found((10, 10), (50, 50), (90, 90), label=[0, 1, 2]))
    assert session.nuclei().label.tolist() == [-1, 1, -1]
    session.add_class(model.classes[0])
    session.begin_run(WEIGHTS, 5).add(found((130, 130), label=[0]))
    assert session.nuclei().label.tolist()[-1] == 2, "it is known again"
