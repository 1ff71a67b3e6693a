import numpy as np
import pytest
from scipy.special import expit, logit

from nucloop.classes import ClassScheme
from nucloop.ki67 import Ki67Settings, measure
from nucloop.ki67.dab_threshold import choose_threshold, drawn_thresholds
from nucloop.ki67.index import Index
from nucloop.ki67.uncertainty import ErrorConfig, threshold_variance, with_errors
from nucloop.nuclei import Nuclei

RNG = np.random.default_rng(0)


def density(positive, negative, apart=1.2, seed=0):
    rng = np.random.default_rng(seed)
    return np.r_[apart * rng.lognormal(0, 0.4, positive), 0.1 * rng.lognormal(0, 0.4, negative)]


def test_the_wider_interval_covers_slides_whose_nuclei_were_missed_where_counting_alone_does_not():
    spread, total = ErrorConfig().spread, 400
    wide = counted = 0
    for _ in range(400):
        true = RNG.uniform(0.05, 0.6)
        shown = expit(logit(true) + RNG.normal(0, spread))
        index = Index("a", int(RNG.binomial(total, shown)), 0)
        index = Index("a", index.positive, total - index.positive)
        low, high = with_errors(index, 0.0)
        wide += low <= true <= high
        counted += index.wilson[0] <= true <= index.wilson[1]
    assert wide / 400 >= 0.92
    assert counted / 400 < 0.7


@pytest.mark.parametrize(("positive", "negative"), [(0, 30), (30, 0), (1, 1), (200, 800)])
def test_it_is_an_interval_and_never_narrower_than_wilsons(positive, negative):
    index = Index("a", positive, negative)
    low, high = with_errors(index, 0.01, ErrorConfig(spread=0.0))
    assert 0 <= low <= index.wilson[0]
    assert index.wilson[1] <= high <= 1
    assert with_errors(Index("a", 0, 0), 0.0) == (0.0, 1.0)


def test_it_does_not_vanish_with_more_nuclei():
    low, high = with_errors(Index("a", 200_000, 800_000), 0.0)
    assert high - low > 0.1


def test_two_groups_that_lie_apart_have_a_sure_threshold_and_groups_that_touch_a_loose_one():
    sure, loose = density(60, 140, 1.5), np.random.default_rng(0).lognormal(-1, 0.8, 200)
    spreads = [threshold_variance(d, choose_threshold(d), ErrorConfig()) for d in (sure, loose)]
    assert spreads[0] < 0.001
    assert spreads[1] > 0.01
    chosen = choose_threshold(loose).moved(0.3)
    assert threshold_variance(loose, chosen, ErrorConfig()) == 0, "a person's threshold is taken for certain"


def test_a_threshold_found_again_is_near_the_first_and_the_same_each_time():
    d = density(300, 700)
    found = choose_threshold(d)
    again = drawn_thresholds(found, 100)
    assert np.abs(np.log(again / found.value)).max() < 0.7
    np.testing.assert_array_equal(again, drawn_thresholds(found, 100))
    flat = choose_threshold(np.full(50, 0.05))
    assert not flat.certain
    assert np.std(np.log(drawn_thresholds(flat, 500))) == pytest.approx(0.25, rel=0.1)


def test_a_cutoff_is_certain_by_the_wider_interval_only_and_classes_have_none():
    scheme = ClassScheme.named("ki67")
    d = density(140, 360, apart=3)
    table = Nuclei.from_points(scheme, RNG.uniform(0, 500, (500, 2)), label=(np.arange(500) >= 140).astype(int))
    by_dab = measure(table, Ki67Settings(by_dab=True), 0.5, density=d).ki67
    by_class = measure(table, Ki67Settings.guess(scheme), 0.5).ki67
    assert by_class.slide.value == by_dab.slide.value == pytest.approx(0.28)
    assert by_class.with_errors is None
    low, high = by_dab.with_errors
    assert low < by_dab.slide.wilson[0] < by_dab.slide.wilson[1] < high
    at_20 = [one.cutoffs[1].certain for one in (by_class, by_dab)]
    assert at_20 == [False, False]
    assert by_class.cutoffs[1].by_counting
    assert by_dab.to_dict()["with_errors_95"] == [low, high]
    assert by_dab.to_dict()["slide"]["wilson_95"] == list(by_dab.slide.wilson)
