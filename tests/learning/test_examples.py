import numpy as np
import pytest

from nucloop.learning.examples import gather, is_taught
from nucloop.learning.replay import choose_replay
from nucloop.nuclei import UNLABELLED, Nuclei, Origin

ORIGINS = [Origin.PREDICTED, Origin.CONFIRMED, Origin.CORRECTED, Origin.ADDED, Origin.IMPORTED]


@pytest.fixture
def nuclei(scheme) -> Nuclei:
    n = len(ORIGINS)
    return Nuclei.from_points(
        scheme, np.arange(2 * n).reshape(n, 2), label=[0, 1, 2, 0, 1], ids=np.arange(1, n + 1), origin=ORIGINS
    )


def test_only_what_people_confirmed_corrected_or_added_teaches(nuclei):
    examples = gather(nuclei, np.arange(10.0).reshape(5, 2))

    np.testing.assert_array_equal(examples.ids, [2, 3, 4])
    np.testing.assert_array_equal(examples.label, [1, 2, 0])
    np.testing.assert_array_equal(examples.features, [[2, 3], [4, 5], [6, 7]])
    np.testing.assert_array_equal(examples.corrected, [False, True, False])


def test_imported_labels_teach_only_when_a_person_says_so(nuclei):
    np.testing.assert_array_equal(is_taught(nuclei, imported=True), [False, True, True, True, True])


def test_an_added_nucleus_without_a_class_teaches_nothing(scheme):
    nuclei = Nuclei.from_points(scheme, np.zeros((1, 2)), label=[UNLABELLED], origin=Origin.ADDED)
    assert len(gather(nuclei, np.zeros((1, 2)))) == 0


def test_deleted_detections_teach_background(nuclei, scheme):
    examples = gather(nuclei, np.zeros((5, 2)), background=np.ones((2, 2)))
    np.testing.assert_array_equal(examples.label, [1, 2, 0, 3, 3])
    np.testing.assert_array_equal(examples.counts(len(scheme)), [1, 1, 1, 2])


def test_features_of_other_nuclei_are_refused(nuclei):
    with pytest.raises(ValueError, match="5 nuclei need as many feature rows, got 4"):
        gather(nuclei, np.zeros((4, 2)))


def test_a_replay_set_is_bounded_balanced_and_the_same_every_time(scheme, shown):
    examples = shown([0] * 100 + [1] * 7 + [3] * 30)

    replay = choose_replay(scheme, examples, per_class=10)

    np.testing.assert_array_equal(np.bincount(replay.label), [10, 7, 0, 10])
    np.testing.assert_array_equal(replay.features, choose_replay(scheme, examples, per_class=10).features)
