from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucloop.classes import ClassScheme
from nucloop.learning.diversity import Diversity
from nucloop.learning.queue import QueueConfig, ReviewQueue
from nucloop.nuclei import Nuclei, Origin

SCHEME = ClassScheme.named("brca-m2c")
SURE = [0.98, 0.01, 0.01]
TORN = [0.5, 0.48, 0.02]


def table(probability: list[list[float]], **columns: object) -> Nuclei:
    p = np.array(probability, np.float32).reshape(-1, 3)
    given = {"label": p.argmax(1), "ids": np.arange(10, 10 + len(p)), "probability": p} | columns
    return Nuclei.from_points(SCHEME, np.zeros((len(p), 2)), **given)


def drain(queue: ReviewQueue) -> list[int]:
    ids = []
    while (suggestion := queue.next()) is not None:
        ids.append(suggestion.id)
    return ids


def test_the_nucleus_the_model_wavers_about_comes_first_and_says_so():
    queue = ReviewQueue(table([SURE, TORN, SURE]), config=QueueConfig(rarity=0.2))
    first = queue.next()
    assert first.id == 11
    assert first.why == "the model wavers: lymphocyte 50%, tumour 48%"


def test_rare_classes_come_before_common_ones():
    config = QueueConfig(uncertainty=0)
    queue = ReviewQueue(table([SURE] * 30 + [[0.01, 0.01, 0.98]]), config=config)
    queue.answer(range(10, 30), [0] * 20)
    queue.answer([30], [1])
    suggestion = queue.next()
    assert suggestion.id == 40
    assert suggestion.why == "perhaps stromal, of which there are 0 answers"


def test_one_answer_is_one_and_not_several():
    queue = ReviewQueue(table([SURE] * 30 + [[0.01, 0.01, 0.98]] * 2), config=QueueConfig(uncertainty=0))
    queue.answer(range(10, 30), [0] * 20)
    queue.answer([40], [2])
    assert queue.next().why == "perhaps stromal, of which there is 1 answer"


def test_what_is_unlike_anything_labelled_comes_before_what_is_like_it():
    features = np.zeros((20, 4), np.float32)
    features[:, 0] = np.arange(20) % 2 * 5
    features += np.random.default_rng(0).normal(0, 0.1, features.shape)
    queue = ReviewQueue(table([SURE] * 20), features, config=QueueConfig(uncertainty=0, rarity=0))
    queue.answer([10], [0])
    suggestion = queue.next()
    assert suggestion.id % 2 == 1
    assert suggestion.why == "unlike anything labelled so far"


def test_disagreement_between_readers_comes_before_everything_even_when_both_have_spoken():
    nuclei = table([TORN, SURE, TORN], origin=[Origin.PREDICTED, Origin.CONFIRMED, Origin.CONFIRMED])
    queue = ReviewQueue(nuclei, disputed=[11])
    first = queue.next()
    assert (first.id, first.why) == (11, "two readers disagree")
    # number 12 was spoken about, and nobody disagrees
    assert drain(queue) == [10]


def test_an_answer_moves_the_next_question_elsewhere_before_any_new_head():
    features = np.repeat(np.eye(3, 4, dtype=np.float32), 10, 0) * 5
    features += np.random.default_rng(0).normal(0, 0.05, features.shape)
    queue = ReviewQueue(table([TORN] * 30), features)
    groups = []
    for _ in range(3):
        row = queue.next().id - 10
        queue.answer([row + 10], [0])
        groups.append(row // 10)
    assert sorted(groups) == [0, 1, 2]


def test_a_new_head_changes_what_is_asked():
    nuclei = table([TORN, SURE])
    queue = ReviewQueue(nuclei)
    queue.update(nuclei.probability[::-1].copy())
    assert queue.next().id == 11


def test_only_nuclei_in_the_regions_are_asked_about():
    queue = ReviewQueue(table([TORN] * 4), allowed=np.array([False, True, False, True]))
    assert len(queue) == 2
    assert sorted(drain(queue)) == [11, 13]


def test_without_a_head_and_without_answers_there_is_still_a_question():
    nuclei = table([[np.nan] * 3] * 3, label=[-1] * 3)
    assert ReviewQueue(nuclei).next().why == "nothing is known yet: any answer helps"


def test_nuclei_without_features_are_asked_about_too():
    features = np.full((6, 4), np.nan, np.float32)
    features[:4] = np.random.default_rng(0).normal(size=(4, 4))
    queue = ReviewQueue(table([TORN] * 6), features)
    queue.answer([10, 15], [0, 1])
    assert sorted(drain(queue)) == [11, 12, 13, 14]


def test_what_was_asked_before_the_program_was_closed_is_not_asked_again():
    nuclei = table([TORN] * 5)
    queue = ReviewQueue(nuclei)
    first = {queue.next().id, queue.next().id}
    assert set(queue.asked) == first
    assert first.isdisjoint(drain(ReviewQueue(nuclei, asked=queue.asked.tolist())))


def test_an_answer_that_is_undone_may_be_asked_for_again():
    queue = ReviewQueue(table([TORN] * 2))
    first = queue.next()
    queue.answer([first.id], [1])
    queue.take_back([first.id], [1])
    assert sorted(drain(queue)) == [10, 11]


def test_an_empty_session_has_nothing_to_ask():
    queue = ReviewQueue(Nuclei.empty(SCHEME), np.zeros((0, 4)))
    queue.answer([5], [0])
    assert queue.next() is None


def test_a_scheme_of_one_class_can_be_reviewed():
    nuclei = Nuclei.from_points(ClassScheme.named("nucleus"), np.zeros((2, 2)), ids=[1, 2], probability=[[1.0], [1.0]])
    assert sorted(drain(ReviewQueue(nuclei))) == [1, 2]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.booleans(), st.booleans()), min_size=1, max_size=25),
    st.lists(st.integers(8, 36), max_size=10),
    st.integers(0, 5),
)
def test_every_nucleus_is_asked_about_once_and_the_order_is_always_the_same(rows, answered, seed):
    origin, allowed, disputed = (np.array(column) for column in zip(*rows, strict=True))
    rng = np.random.default_rng(seed)
    nuclei = table(rng.dirichlet([1, 1, 1], len(rows)).tolist(), origin=origin.astype(np.uint8))
    nuclei = replace(nuclei, ids=rng.permutation(nuclei.ids))
    kwargs = {"disputed": nuclei.ids[disputed].tolist(), "allowed": allowed, "config": QueueConfig(seed=seed)}
    features = rng.normal(size=(len(rows), 4))

    orders = []
    for _ in range(2):
        queue = ReviewQueue(nuclei, features, **kwargs)
        queue.answer(answered, [0] * len(answered))
        orders.append(drain(queue))

    assert orders[0] == orders[1]
    open_ = allowed & ((origin == 0) | disputed) & ~np.isin(nuclei.ids, answered)
    assert sorted(orders[0]) == sorted(nuclei.ids[open_])


def test_distances_are_kept_up_to_date_one_answer_at_a_time():
    features = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    one_by_one, at_once = Diversity(features), Diversity(features)
    for row in range(100):
        one_by_one.label(np.array([row]))
    at_once.label(np.arange(100))
    np.testing.assert_allclose(one_by_one.scores(), at_once.scores(), atol=1e-3)
    assert one_by_one.scores()[:100].max() < 0.01 < one_by_one.scores()[100:].min()
    assert one_by_one.scores().max() == 1


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="the same 2 nuclei"):
        ReviewQueue(table([TORN] * 2), np.zeros((3, 4)))
    with pytest.raises(ValueError, match="not one row for each nucleus"):
        ReviewQueue(table([TORN] * 2)).update(np.zeros((3, 3), np.float32))
    with pytest.raises(ValueError, match="must not be negative"):
        QueueConfig(rarity=-1)
