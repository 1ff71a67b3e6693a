import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from nucloop.classes import ClassScheme
from nucloop.metrics.agreement import agree, bland_altman, cohens_kappa, disagreements
from nucloop.metrics.consensus import consensus, place_of
from nucloop.nuclei import Nuclei, Origin

SCHEME = ClassScheme.named("brca-m2c")


def readers(seed=0, n=200, wrong=0.2):
    """Two readers of the same nuclei, far apart, who sometimes differ; each marks ten that the other does not."""
    rng = np.random.default_rng(seed)
    yx = np.stack(np.divmod(np.arange(n + 20), 20), 1) * 40.0
    label = rng.integers(0, 3, n + 20)
    other = np.where(rng.random(n + 20) < wrong, rng.integers(0, 3, n + 20), label)
    first = Nuclei.from_points(SCHEME, yx[: n + 10], label=label[: n + 10], ids=np.arange(1, n + 11))
    rows = np.r_[0:n, n + 10 : n + 20]
    moved = yx[rows] + rng.uniform(-2, 2, (len(rows), 2))
    second = Nuclei.from_points(SCHEME, moved, label=other[rows], ids=np.arange(1001, 1001 + len(rows)))
    return first, second, label[:n], other[:n]


def test_kappa_over_matched_nuclei_is_that_of_scikit_learn():
    first, second, a, b = readers()
    result = agree(first, second, 0.5)
    assert result.kappa == pytest.approx(cohen_kappa_score(a, b))
    for k, name in enumerate(SCHEME.names):
        assert result.class_kappa[name] == pytest.approx(cohen_kappa_score(a == k, b == k))
    assert result.observed == pytest.approx((a == b).mean())
    low, high = result.kappa_interval
    assert low < result.kappa < high
    assert result.kappa_interval == agree(first, second, 0.5).kappa_interval


def test_f1_is_the_same_both_ways_and_precision_and_recall_change_places():
    first, second, _, _ = readers()
    result = agree(first, second.take(slice(0, 150)), 0.5)
    forth, back = result.first_by_second.detection, result.second_by_first.detection
    assert forth.f1 == back.f1
    assert (forth.precision, forth.recall) == (back.recall, back.precision)
    assert forth.precision > forth.recall


def test_regions_have_a_kappa_each_and_give_the_interval():
    first, second, _, _ = readers()
    units = tuple((np.round(nuclei.yx[:, 0] / 40) // 4).astype(int) for nuclei in (first, second))
    result = agree(first, second, 0.5, units=units)
    assert len(result.region_kappa) == max(map(max, units)) + 1
    assert result.kappa == agree(first, second, 0.5).kappa
    assert result.kappa_interval[0] < result.kappa < result.kappa_interval[1]
    assert result.kappa_interval != agree(first, second, 0.5).kappa_interval
    assert result.to_dict()["kappa_interval_95"] == list(result.kappa_interval)
    outside = tuple(np.where(unit > 0, -1, unit) for unit in units)
    assert agree(first, second, 0.5, units=outside).kappa == result.region_kappa[0]


def test_readers_who_give_one_class_only_have_no_kappa():
    one = Nuclei.from_points(SCHEME, [[0, 0], [50, 50]], label=0, ids=[1, 2])
    result = agree(one, one, 0.5)
    assert (result.kappa, result.kappa_interval, result.observed) == (None, None, 1.0)
    nobody = agree(Nuclei.empty(SCHEME), Nuclei.empty(SCHEME), 0.5)
    assert (nobody.kappa, nobody.observed, nobody.first_by_second.detection.f1) == (None, None, 0.0)


def test_kappa_is_not_defined_where_one_reader_gives_one_class_only():
    a, b = np.array([0, 0, 1, 1, 1, 0]), np.zeros(6, int)
    yx = np.arange(6)[:, None] * [50.0, 0] + 5
    first, second = (Nuclei.from_points(SCHEME, yx, label=label) for label in (a, b))
    result = agree(first, second, 0.5)
    # the formula gives 0, as if they had agreed by chance alone
    assert cohen_kappa_score(a, b) == 0
    assert (result.kappa, result.kappa_interval) == (None, None)
    assert set(result.class_kappa.values()) == {None}
    assert result.observed == 0.5


def test_kappa_of_a_table_of_the_literature():
    # Cohen's own example as Fleiss, Cohen and Everitt (1969) give it: observed 0.70, chance 0.41
    assert cohens_kappa(np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])) == pytest.approx(0.492, abs=5e-4)


def test_bland_altman_gives_bias_and_limits_of_agreement():
    result = bland_altman([0.2, 0.4, 0.6], [0.1, 0.4, 0.5])
    assert result.bias == pytest.approx(0.2 / 3)
    spread = 1.96 * np.std([0.1, 0, 0.1], ddof=1)
    assert result.limits == pytest.approx((0.2 / 3 - spread, 0.2 / 3 + spread), abs=1e-5)
    assert result.mean.tolist() == pytest.approx([0.15, 0.4, 0.55])
    assert bland_altman([0.3], [0.2]).limits is None
    with pytest.raises(ValueError, match="come in pairs"):
        bland_altman([0.1], [0.1, 0.2])


def test_every_disagreement_is_listed_with_both_readers_words():
    first = Nuclei.from_points(SCHEME, [[0, 0], [100, 0], [200, 0]], label=[0, 1, 2], ids=[1, 2, 3])
    second = Nuclei.from_points(SCHEME, [[1, 0], [101, 0], [300, 0]], label=[0, 2, 1], ids=[7, 8, 9])
    found = disagreements(first, second, 0.5)
    assert [(d.kind, d.first, d.second, d.first_label, d.second_label) for d in found] == [
        ("class", 2, 8, 1, 2),
        ("first only", 3, None, 2, None),
        ("second only", None, 9, None, 1),
    ]
    assert [(d.y, d.x) for d in found] == [(100, 0), (200, 0), (300, 0)]


def test_a_consensus_is_what_both_say_and_what_was_decided():
    first, second, a, b = readers()
    found = disagreements(first, second, 0.5)
    untouched = consensus(first, second, 0.5)
    assert len(untouched.nuclei) == (a == b).sum()
    assert set(untouched.open) == {place_of(d) for d in found}
    assert (untouched.nuclei.origin == Origin.CONFIRMED).all()

    decisions = {place_of(d): (0 if d.kind == "class" else None) for d in found}
    done = consensus(first, second, 0.5, decisions)
    assert done.open == ()
    assert len(done.nuclei) == 200
    assert (done.nuclei.origin == Origin.CORRECTED).sum() == (a != b).sum()
    agree_now = agree(done.nuclei, first, 0.5)
    assert agree_now.first_by_second.detection.fn == 0
    with pytest.raises(ValueError, match="nothing to decide"):
        consensus(first, second, 0.5, {(1, None): 0, **decisions})
