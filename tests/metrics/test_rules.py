import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from nucloop.metrics import rules
from nucloop.metrics.grid import PointGrid
from nucloop.metrics.marks import Marks
from nucloop.metrics.pairing import candidates_within, most_pairs
from nucloop.metrics.points import Counts
from nucloop.metrics.rules import RULES, match

# As in Figure 3 of Patherea: two nuclei, one found, one missed, and a false alarm beyond the first one's circle.
FIGURE_REFERENCE = [[0, 0], [0, 10]]
FIGURE_PREDICTED = [[0, 2], [0, -4]]


def counts(predicted, reference, rule, radius=3.0, score=None):
    return match(Marks.at(predicted, score=score), Marks.at(reference), radius, rule).counts


def random_marks(seed, n, m, side=30.0):
    rng = np.random.default_rng(seed)
    # whole and half numbers, so that equal distances and distances of exactly the radius occur
    found = Marks.at(rng.integers(0, side * 2, (n, 2)) / 2, rng.integers(0, 3, n), rng.integers(0, 5, n) / 5)
    return found, Marks.at(rng.integers(0, side * 2, (m, 2)) / 2, rng.integers(0, 3, m))


def test_an_assignment_on_raw_distances_loses_a_nucleus_that_was_found():
    assert counts(FIGURE_PREDICTED, FIGURE_REFERENCE, "boolean") == Counts(tp=1, fp=1, fn=1)
    assert counts(FIGURE_PREDICTED, FIGURE_REFERENCE, "hungarian-distance") == Counts(tp=0, fp=2, fn=2)


def test_many_predictions_on_one_nucleus_are_one_hit_except_by_the_flawed_greedy_rule():
    predicted, reference = [[0, 0], [0, 1], [0, 2]], [[0, 0]]
    for rule in ("boolean", "score-greedy", "hungarian-distance"):
        assert counts(predicted, reference, rule) == Counts(tp=1, fp=2, fn=0)
    assert counts(predicted, reference, "greedy-many") == Counts(tp=3, fp=0, fn=0)


def test_the_surest_prediction_takes_the_nearest_free_reference_first():
    predicted, reference = [[0, 1.4], [0, 3]], [[0, 0], [0, 2.5]]
    # the surer one takes the nearer reference, which the other needs
    assert counts(predicted, reference, "score-greedy", 2.0, score=[0.9, 0.5]) == Counts(tp=1, fp=1, fn=1)
    assert counts(predicted, reference, "score-greedy", 2.0, score=[0.5, 0.9]) == Counts(tp=2)
    assert counts(predicted, reference, "boolean", 2.0) == Counts(tp=2)


def test_flawed_rules_say_so_where_they_are_shown():
    assert RULES["hungarian-distance"].label == "Hungarian on raw distances (flawed: underestimates)"
    assert RULES["greedy-many"].label == "greedy many-to-one (flawed: overestimates)"
    assert not RULES["boolean"].flaw
    assert not RULES["score-greedy"].flaw


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(0, 40), m=st.integers(0, 40), side=st.sampled_from([5.0, 15.0, 40.0]))
def test_no_one_to_one_rule_finds_more_than_the_boolean_one_and_greedy_many_never_less(seed, n, m, side):
    predicted, reference = random_marks(seed, n, m, side)
    best = match(predicted, reference, 3.0).counts
    allowed = cdist(predicted.yx, reference.yx) <= 3
    assert best.tp == allowed[linear_sum_assignment(~allowed)].sum()
    for rule in ("score-greedy", "hungarian-distance"):
        other = match(predicted, reference, 3.0, rule).counts
        assert other.tp <= best.tp
        assert (other.tp + other.fp, other.tp + other.fn) == (n, m)
    assert match(predicted, reference, 3.0, "greedy-many").counts.f1 >= best.f1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), side=st.sampled_from([4.0, 12.0]))
def test_of_the_largest_matchings_the_nearest_is_taken_and_the_order_of_rows_is_no_matter(seed, side):
    predicted, reference = random_marks(seed, 14, 12, side)
    pairs = match(predicted, reference, 3.0).pairs
    apart = cdist(predicted.yx, reference.yx)
    cost = np.where(apart <= 3, apart - 1000, 0)
    least = cost[linear_sum_assignment(cost)].sum()
    assert cost[pairs[:, 0], pairs[:, 1]].sum() == pytest.approx(least)

    rng = np.random.default_rng(seed)
    p, r = rng.permutation(14), rng.permutation(12)
    again = match(predicted.take(p), reference.take(r), 3.0).pairs

    def places(a, b, rows):
        return sorted((*a.yx[i], a.label[i], *b.yx[j], b.label[j]) for i, j in rows)

    assert places(predicted, reference, pairs) == places(predicted.take(p), reference.take(r), again)


@pytest.mark.parametrize("seed", range(3))
def test_a_dense_crowd_is_matched_as_completely_as_a_sparse_one(seed, monkeypatch):
    monkeypatch.setattr("nucloop.metrics.pairing.MOST_DENSE", 4)
    predicted, reference = random_marks(seed, 80, 70, 12.0)
    allowed = cdist(predicted.yx, reference.yx) <= 3
    assert match(predicted, reference, 3.0).counts.tp == allowed[linear_sum_assignment(~allowed)].sum()


@pytest.mark.parametrize("entries", [0, 1 << 40])
@pytest.mark.parametrize("seed", range(4))
def test_distances_capped_for_whole_slides_give_the_least_capped_total(seed, entries, monkeypatch):
    rng = np.random.default_rng(seed)
    predicted, reference = Marks.at(rng.uniform(0, 60, (40, 2))), Marks.at(rng.uniform(0, 60, (50, 2)))
    cap = 3.0 * rules.CAPPED_RADII
    capped = np.minimum(cdist(predicted.yx, reference.yx), cap)
    rows, columns = linear_sum_assignment(capped)
    within = capped[rows, columns] <= 3
    monkeypatch.setattr(rules, "LARGEST_MATRIX", 0)
    near = candidates_within(predicted, reference, cap)
    monkeypatch.setattr(rules, "LARGEST_MATRIX", entries)
    chosen = rules._least_capped_distance(near, cap)
    assert near.distance[chosen].sum() + cap * (40 - len(chosen)) == pytest.approx(capped[rows, columns].sum())
    assert (near.distance[chosen] <= 3).sum() == within.sum()


def test_a_radius_of_whole_pixels_still_counts_itself_in_microns():
    # 3.0 / 0.2 is less than 15 in floating point, and 0.2 times many a column more than it should be
    columns = np.arange(0, 40_000, 40)
    found = Marks.at(np.stack([np.zeros(1000), columns * 0.2], 1))
    truth = Marks.at(np.stack([np.zeros(1000), (columns + 15) * 0.2], 1))
    assert match(found, truth, 3.0).counts == Counts(tp=1000)
    assert match(found, truth, 2.999).counts.tp == 0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.integers(0, 12))
def test_a_grid_knows_its_neighbours_after_any_edits(seed, steps):
    rng = np.random.default_rng(seed)
    yx = rng.uniform(-20, 20, (30, 2))
    grid, here = PointGrid(yx.copy(), 3.0), dict(enumerate(yx))
    for _ in range(steps):
        rows = rng.choice(36, rng.integers(1, 4), replace=False)
        if rng.random() < 0.3:
            grid.remove(rows)
            for row in rows:
                here.pop(row, None)
        else:
            points = rng.uniform(-20, 20, (len(rows), 2))
            grid.place(rows, points)
            here |= dict(zip(rows.tolist(), points, strict=True))
    asked = rng.uniform(-22, 22, (10, 2))
    which, rows, distance = grid.neighbours(asked)
    wanted = {
        (k, row): np.hypot(*(point - q))
        for k, q in enumerate(asked) for row, point in here.items() if np.hypot(*(point - q)) <= 3
    }  # fmt: skip
    assert dict(zip(zip(which.tolist(), rows.tolist(), strict=True), distance, strict=True)) == pytest.approx(wanted)


def test_neighbours_are_looked_up_in_batches_when_the_crowd_is_great(monkeypatch):
    yx = np.random.default_rng(0).uniform(0, 5, (200, 2))
    whole = PointGrid(yx, 2.0).neighbours(yx)
    monkeypatch.setattr("nucloop.metrics.grid.MOST_AT_ONCE", 500)
    for a, b in zip(whole, PointGrid(yx, 2.0).neighbours(yx), strict=True):
        np.testing.assert_array_equal(a, b)


def test_nothing_is_matched_with_nothing_by_any_rule():
    for rule in RULES:
        assert counts(np.zeros((0, 2)), np.zeros((0, 2)), rule) == Counts()
        assert counts([[0, 0]], np.zeros((0, 2)), rule) == Counts(fp=1)
        assert counts(np.zeros((0, 2)), [[0, 0]], rule) == Counts(fn=1)
    assert len(most_pairs(candidates_within(Marks.at([]), Marks.at([]), 1.0), Marks.at([]), Marks.at([]))) == 0


def test_an_unknown_rule_or_radius_names_what_can_be_chosen():
    with pytest.raises(ValueError, match="choose one of boolean, score-greedy, hungarian-distance, greedy-many"):
        counts([[0, 0]], [[0, 0]], "munkres")
    with pytest.raises(ValueError, match="must be positive"):
        counts([[0, 0]], [[0, 0]], "hungarian-distance", radius=-1)
    with pytest.raises(ValueError, match="too far from the origin"):
        counts([[0, 1e12]], [[0, 0]], "boolean")
