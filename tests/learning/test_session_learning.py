"""Learning and sessions: what people said stays, versions are kept, features follow what is moved."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.errors import DataError
from nucloop.learning.answers import require_enough, what_was_said
from nucloop.learning.examples import Examples
from nucloop.learning.feature_store import FeatureStore
from nucloop.learning.head_files import LearnedHead
from nucloop.learning.lesson import Lesson, head_in_scheme, learn
from nucloop.learning.replay import choose_replay
from nucloop.learning.session_features import SessionFeatures, fill_features
from nucloop.learning.session_heads import SessionHeads, classified, head_in_use, weights_in_use
from nucloop.models.files.cards import Card
from nucloop.models.heads import LinearHead
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines
from nucloop.session import Session, SlideIdentity
from nucloop.session.exchange import newest_weights
from nucloop.slides import slide_from_array

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEME = ClassScheme.named("brca-m2c")
ENCODER = Card(kind="encoder", name="embedded", architecture="test", mpp=0.5, sha256="e" * 64)
SIDE = 1000


def in_memory(author: str = "Ann") -> Session:
    slide = slide_from_array(np.zeros((SIDE, SIDE, 3), np.uint8), mpp=0.5, name="array")
    return Session.in_memory(SlideIdentity.of(slide), SCHEME, author=author)


def filled(session: Session, count: int, seed: int = 0) -> tuple[SessionFeatures, np.ndarray]:
    """Put nuclei into a session that a model calls class 0, with features that tell their true classes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, count)
    yx = rng.uniform(0, SIDE, (count, 2))
    probability = np.tile(np.array([0.8, 0.1, 0.1], np.float32), (count, 1))
    run = session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 0.001)
    ids = run.add(Nuclei.from_points(SCHEME, yx, label=0, score=0.9, probability=probability))
    features = SessionFeatures(session)
    values = 3 * np.eye(8)[truth] + rng.normal(0, 0.3, (count, 8))
    features.store(ENCODER.sha256, 8).put(ids, values)
    return features, truth


@pytest.fixture
def session() -> Iterator[Session]:
    with in_memory() as opened:
        yield opened


def lesson_of(session: Session, features: SessionFeatures, **options: object) -> Lesson:
    return learn(session.nuclei(), features.store(ENCODER.sha256, 8), ENCODER, people=("Ann",), **options)  # type: ignore[arg-type]


def apply(session: Session, lesson: Lesson) -> None:
    heads = SessionHeads(session)
    heads.apply(heads.keep(lesson, "embedded", ENCODER), lesson.learned, lesson.change)


def teach(session: Session, truth: np.ndarray, rows: range) -> None:
    for row in rows:
        session.set_class([row + 1], int(truth[row]), force=True)


def test_a_lesson_says_what_taught_it_and_changes_nothing_by_itself(session):
    features, truth = filled(session, 200)
    teach(session, truth, range(40))
    before = session.nuclei()
    lesson = lesson_of(session, features)

    confirmed = int((truth[:40] == 0).sum())
    assert lesson.said.sentence() == f"{40 - confirmed} corrected and {confirmed} confirmed by Ann"
    assert lesson.gain is not None
    assert lesson.gain.mean_after > 0.9
    assert lesson.learned.card.recipe["author"] == "Ann"
    np.testing.assert_array_equal(session.nuclei().label, before.label)
    assert lesson.change.changed == int((truth[40:] != 0).sum())
    features.close()


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 59), st.sampled_from([-1, 0, 1, 2, 9])), min_size=1, max_size=40), st.data())
def test_nothing_a_person_said_is_ever_changed_by_learning(said, data):
    with in_memory() as session:
        features, truth = filled(session, 60)
        teach(session, truth, range(0, 60, 10))
        for row, label in said:
            author = data.draw(st.sampled_from(["Ann", "Ben"]))
            session.author = author
            if label == 9:
                session.confirm([row + 1])
            else:
                session.set_class([row + 1], label, force=True)
        spoken = session.nuclei().take(session.locked(session.ids()))
        try:
            lesson = lesson_of(session, features)
        except DataError:
            return
        apply(session, lesson)
        after = session.nuclei(spoken.ids)
        np.testing.assert_array_equal(after.label, spoken.label)
        np.testing.assert_array_equal(after.origin, spoken.origin)
        features.close()


@pytest.mark.parametrize("from_nothing", [False, True])
def test_learning_twice_from_the_same_answers_gives_the_same_head(session, from_nothing):
    features, truth = filled(session, 200)
    heads = SessionHeads(session)
    teach(session, truth, range(40))
    weight = np.random.default_rng(1).normal(0, 1, (4, 8)).astype(np.float32)
    shipped = LearnedHead(
        LinearHead(SCHEME, weight, np.zeros(4, np.float32)), replace(ENCODER, encoder_sha256="e" * 64)
    )
    examples = Examples(
        np.arange(1, 41), weight[np.arange(40) % 4], np.arange(40, dtype=np.int16) % 4, np.zeros(40, bool)
    )
    before = None if from_nothing else replace(shipped, replay=choose_replay(SCHEME, examples))

    once = lesson_of(session, features, before=before)
    apply(session, once)
    again = lesson_of(session, features, before=heads.load(heads.current()), version=heads.next_number)

    np.testing.assert_array_equal(again.learned.head.weight, once.learned.head.weight)
    np.testing.assert_array_equal(again.learned.head.bias, once.learned.head.bias)
    features.close()


def test_applying_is_one_step_and_undo_goes_back_to_the_version_before(session):
    features, truth = filled(session, 200)
    heads = SessionHeads(session)
    teach(session, truth, range(20))
    apply(session, lesson_of(session, features, version=heads.next_number))
    first = session.nuclei().label
    teach(session, truth, range(20, 60))
    apply(session, lesson_of(session, features, version=heads.next_number))

    assert [version.number for version in heads.versions()] == [1, 2]
    assert heads.current().number == 2
    session.undo()
    assert heads.current().number == 1
    np.testing.assert_array_equal(session.nuclei().label[60:], first[60:])
    session.redo()
    assert heads.current().number == 2
    assert heads.load(heads.versions()[0]).card.name == "version 1"
    features.close()


def test_the_journal_says_of_a_head_whether_people_taught_it_on_this_slide(session):
    features, truth = filled(session, 200)
    teach(session, truth, range(40))
    lesson = lesson_of(session, features)
    heads = SessionHeads(session)
    apply(session, lesson)
    assert newest_weights(session)["head"]["taught"] == "on this slide"
    assert weights_in_use(session) == {"head": newest_weights(session)["head"]}
    other = LearnedHead(lesson.learned.head, replace(lesson.learned.card, name="of another slide", stains=["H&E"]))
    change = replace(lesson.change, label=(lesson.change.label + 1) % 3)
    heads.apply(heads.take_in(other, "embedded", ENCODER), other, change)
    assert "taught" not in newest_weights(session)["head"]
    assert newest_weights(session)["head"]["stains"] == "H&E"
    features.close()


def test_versions_are_there_again_when_the_session_is_opened_again(tmp_path: Path):
    slide = SlideIdentity.of(slide_from_array(np.zeros((SIDE, SIDE, 3), np.uint8), mpp=0.5, name="array"))
    path = tmp_path / "slide.nucloop"
    with Session.open(path, slide=slide, scheme=SCHEME, author="Ann") as session:
        features, truth = filled(session, 100)
        teach(session, truth, range(30))
        apply(session, lesson_of(session, features))
        features.close()
    with Session.open(path, slide=slide) as session:
        assert SessionHeads(session).current().taught.endswith("by Ann")
        features = SessionFeatures(session)
        assert len(features.store(ENCODER.sha256, 8)) == 100
        assert features.folder.parent == tmp_path / "slide.nucloop-features"
        features.close()


def test_features_of_a_session_that_was_deleted_are_never_taken_for_those_of_a_new_one(tmp_path: Path):
    slide = SlideIdentity.of(slide_from_array(np.zeros((SIDE, SIDE, 3), np.uint8), mpp=0.5, name="array"))
    path = tmp_path / "slide.nucloop"
    for count in (50, 30):
        with Session.open(path, slide=slide, scheme=SCHEME) as session:
            features, _ = filled(session, count)
            assert len(features.store(ENCODER.sha256, 8)) == count
            features.close()
        path.unlink()
    assert len(list((tmp_path / "slide.nucloop-features").iterdir())) == 1


def test_features_of_what_is_moved_are_forgotten_also_when_they_come_later(session):
    features, _ = filled(session, 10)
    store = features.store(ENCODER.sha256, 8)
    session.move([3], [[5.0, 5.0]])
    assert store.missing(session.ids()).tolist() == [3]
    features.put_later(ENCODER.sha256, np.array([3, 0, 4]), np.ones((3, 8)))
    features.flush()
    assert store.missing(session.ids()).tolist() == [3], "these are of the place where it was"
    features.begin()
    store.put(np.array([3]), np.ones((1, 8)))
    features.settle()
    assert len(store.missing(session.ids())) == 0
    features.close()


def test_a_nucleus_that_moves_just_before_its_features_are_written_has_none(session, monkeypatch):
    features, _ = filled(session, 10)
    store, ids = features.store(ENCODER.sha256, 8), session.ids()
    write = FeatureStore.put
    ready, go_on = threading.Event(), threading.Event()

    def put(self: FeatureStore, *values: np.ndarray) -> int:
        ready.set()
        go_on.wait()
        return write(self, *values)

    monkeypatch.setattr(FeatureStore, "put", put)
    features.put_later(ENCODER.sha256, np.array([3, 4]), np.ones((2, 8)))
    ready.wait()
    session.move([3], [[5.0, 5.0]])
    go_on.set()
    features.flush()
    assert store.missing(ids).tolist() == [3]
    features.close()


def test_a_fault_while_features_are_kept_is_raised_to_who_waits_for_them(session, monkeypatch):
    features, _ = filled(session, 10)

    def put(self: FeatureStore, *values: np.ndarray) -> int:
        raise ZeroDivisionError("a fault of the program")

    monkeypatch.setattr(FeatureStore, "put", put)
    for wait in (features.flush, features.close):
        features.put_later(ENCODER.sha256, np.array([3]), np.ones((1, 8)))
        with pytest.raises(ZeroDivisionError, match="a fault of the program"):
            wait()
    features.close()


def test_features_that_cannot_be_kept_are_no_fault_but_said(session, monkeypatch):
    features, _ = filled(session, 10)

    def put(self: FeatureStore, *values: np.ndarray) -> int:
        raise DataError("The disk is full.")

    monkeypatch.setattr(FeatureStore, "put", put)
    features.put_later(ENCODER.sha256, np.array([3]), np.ones((1, 8)))
    features.flush()
    assert features.trouble == "The disk is full."
    features.close()


def test_nuclei_that_are_found_later_get_the_classes_of_the_learned_head(session):
    features, truth = filled(session, 200)
    assert head_in_use(session, ENCODER.sha256) is None
    teach(session, truth, range(60))
    apply(session, lesson_of(session, features))
    head = head_in_use(session, ENCODER.sha256)
    found = Nuclei.from_points(SCHEME, [[1.0, 1.0], [2.0, 2.0]], label=0, score=0.7)
    assert classified(found, 3 * np.eye(8)[[1, 2]], head).label.tolist() == [1, 2]
    outlined = replace(found, outlines=Outlines.of([[[0, 0], [0, 2], [2, 1]], None]))
    assert classified(outlined, 3 * np.eye(8)[[1, 2]], head).outlines is outlined.outlines
    assert head_in_use(session, "f" * 64) is None, "it reads another encoder"
    features.close()


def test_a_class_that_was_added_is_learned_and_an_old_version_still_works(session):
    features, truth = filled(session, 200)
    teach(session, truth, range(40))
    apply(session, lesson_of(session, features))
    session.add_class(NucleusClass("apoptotic", "#123456"))
    session.set_class(np.arange(1, 11), 3, force=True)
    old = SessionHeads(session).load(SessionHeads(session).versions()[0])
    lesson = lesson_of(session, features, before=old, version=2)
    assert lesson.learned.head.scheme.names[-1] == "apoptotic"
    apply(session, lesson)
    widened = head_in_scheme(old.head, session.scheme)
    assert widened is not None
    assert set(widened.classify(3 * np.eye(8, dtype=np.float32)[:3])[0].tolist()) == {0, 1, 2}
    assert head_in_scheme(old.head, ClassScheme.named("ki67")) is None
    features.close()


def test_a_head_that_was_learned_before_a_class_was_renamed_goes_on_giving_it(session):
    features, truth = filled(session, 200)
    teach(session, truth, range(60))
    apply(session, lesson_of(session, features))
    session.change_class(SCHEME.names[1], NucleusClass("renamed", "#123456"))
    session.order_classes(session.scheme.names[::-1])
    head = head_in_use(session, ENCODER.sha256)
    assert head is not None
    label = head.classify(3 * np.eye(8, dtype=np.float32)[:3])[0]
    assert [head.scheme.names[k] for k in label] == [SCHEME.names[0], "renamed", SCHEME.names[2]]
    lesson = lesson_of(
        session, features, before=SessionHeads(session).load(SessionHeads(session).versions()[0]), version=2
    )
    apply(session, lesson)
    assert session.counts["renamed"] > 0
    features.close()


def test_too_few_answers_are_refused_with_what_to_do(session):
    features, _ = filled(session, 10)
    with pytest.raises(DataError, match="Correct some classes in the Correct dock"):
        lesson_of(session, features)
    session.confirm([1])
    with pytest.raises(DataError, match="Only 1 nucleus has an answer"):
        require_enough(what_was_said(session.nuclei()), SCHEME)
    features.close()


def test_imported_classes_teach_only_when_asked(session):
    labels = [0, 1, 2]
    session.import_nuclei(Nuclei.from_points(SCHEME, np.eye(3, 2) * 50, label=labels, origin=4))
    nuclei = session.nuclei()
    assert what_was_said(nuclei).total == 0
    assert what_was_said(nuclei, imported=True).imported == 3


def test_missing_features_are_computed_once():
    from nucloop.learning.featurise import encoder_stage
    from nucloop.models.encoder import EncoderConfig, PointEncoder

    net = PointEncoder(EncoderConfig(backbone="shufflenet_v2_x0_5", strides=(8, 16), channels=8, mpp=0.5)).eval()
    stage = encoder_stage(net, Card(kind="encoder", name="tiny", architecture="test", mpp=0.5, halo=32), "torch-cpu")
    rng = np.random.default_rng(0)
    slide = slide_from_array(rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8), mpp=0.5, name="array")
    with Session.in_memory(SlideIdentity.of(slide), SCHEME) as session:
        session.add(rng.uniform(0, SIDE, (20, 2)), 1)
        features = SessionFeatures(session)
        store = features.store("a" * 64, 8)
        *_, last = fill_features(store, session.nuclei(), slide, stage)
        assert (last.done, last.total) == (20, 20)
        assert list(fill_features(store, session.nuclei(), slide, stage)) == []
        features.close()


def test_nuclei_beside_the_slide_are_left_out_of_a_lesson_and_that_is_said(session):
    features, truth = filled(session, 40)
    teach(session, truth, range(0, 40, 2))
    far = session.add([[1e5, 1e5]], int(truth[0])).added
    session.set_class(far, int(truth[0]), force=True)
    run = session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 2.0)
    run.add(Nuclei.from_points(session.scheme, [[-9000, 4], [2e5, 4]], label=0, score=0.9))
    lesson = lesson_of(session, features)
    assert lesson.said.total == 20
    assert (
        lesson.change.left_out()
        == " 2 nuclei lie outside the slide, where there is nothing to see, and stay as they are."
    )
