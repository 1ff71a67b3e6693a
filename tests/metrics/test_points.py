import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from nucloop.metrics.points import Counts, count_matches, match_points


def test_a_far_prediction_never_takes_a_near_ones_match():
    # reference at 0 and 2; predictions at 1 (near both) and 2.9: only the pairing (1-0, 2.9-2) keeps both
    assert len(match_points([[0, 1], [0, 2.9]], [[0, 0], [0, 2]], 1.0)) == 2


def test_each_point_is_used_once():
    assert count_matches([[0, 0], [0, 0.1]], [[0, 0]], 1.0) == Counts(tp=1, fp=1, fn=0)


def test_the_radius_itself_still_counts():
    assert len(match_points([[0, 3.0]], [[0, 0]], 3.0)) == 1
    assert len(match_points([[0, 3.01]], [[0, 0]], 3.0)) == 0


@pytest.mark.parametrize("seed", range(5))
def test_as_many_pairs_are_found_as_an_assignment_on_the_boolean_matrix(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 40, (60, 2)), rng.uniform(0, 40, (50, 2))
    allowed = cdist(a, b) <= 3
    rows, columns = linear_sum_assignment(~allowed)
    pairs = match_points(a, b, 3.0)
    assert len(pairs) == allowed[rows, columns].sum()
    assert allowed[pairs[:, 0], pairs[:, 1]].all()
    assert len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1])) == len(pairs)


def test_nothing_to_match_gives_zeros_not_errors():
    assert count_matches(np.zeros((0, 2)), np.zeros((0, 2)), 3.0) == Counts()
    assert Counts().f1 == 0
    assert count_matches([[0, 0]], np.zeros((0, 2)), 3.0) == Counts(fp=1)


def test_a_radius_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        match_points([[0, 0]], [[0, 0]], 0)


def test_scores_follow_from_the_counts():
    counts = Counts(tp=6, fp=2, fn=4) + Counts(tp=0, fp=1, fn=0)
    assert (counts.precision, counts.recall, counts.f1) == pytest.approx((6 / 9, 0.6, 12 / 19))
