import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucloop.classes import ClassScheme
from nucloop.errors import DataError
from nucloop.geometry import Region
from nucloop.ki67.counting import Ki67Config, Ki67Mapping, hot_spot, measure_ki67
from nucloop.ki67.index import Index, cells_for_precision
from nucloop.ki67.words import cutoff_words
from nucloop.metrics.intervals import wilson
from nucloop.nuclei import Nuclei

KI67 = ClassScheme.named("ki67")
PATHEREA = ClassScheme.named("patherea-ki67")


def square(y, x, side):
    return Region(np.array([[y, x], [y, x + side], [y + side, x + side], [y + side, x]], float))


def spread(seed, n, positive, corner=(0, 0), side=100):
    """Nuclei at random in a square, the first of them positive."""
    yx = np.random.default_rng(seed).uniform(0, side, (n, 2)) + corner
    return Nuclei.from_points(KI67, yx, label=(np.arange(n) >= positive).astype(int))


def test_of_patherees_five_classes_only_tumour_is_counted():
    nuclei = Nuclei.from_points(PATHEREA, np.zeros((6, 2)), label=[0, 1, 2, 3, 4, -1])
    mapping = Ki67Mapping.guess(PATHEREA)
    assert mapping.positive == {"tumour positive"}
    assert mapping.states(nuclei).tolist() == [1, 0, -1, -1, -1, -1]
    assert Ki67Mapping.guess(KI67).states(Nuclei.from_points(KI67, np.zeros((2, 2)), label=[0, 1])).tolist() == [1, 0]


def test_any_scheme_can_be_mapped_and_one_that_does_not_say_is_refused():
    scheme = ClassScheme.named("brca-m2c")
    with pytest.raises(DataError, match="do not say which are Ki-67 positive"):
        Ki67Mapping.guess(scheme)
    mapping = Ki67Mapping(frozenset({"tumour"}), frozenset({"lymphocyte", "stromal"}))
    nuclei = Nuclei.from_points(scheme, np.zeros((3, 2)), label=[0, 1, 2])
    assert mapping.states(nuclei).tolist() == [0, 1, 0]
    with pytest.raises(DataError, match="have no class lymphocyte, stromal, tumour"):
        mapping.states(Nuclei.empty(KI67))
    with pytest.raises(ValueError, match="positive and negative"):
        Ki67Mapping(frozenset({"a"}), frozenset({"a"}))
    with pytest.raises(ValueError, match="needs a positive and a negative class"):
        Ki67Mapping(frozenset({"a"}), frozenset())


def test_the_index_is_given_per_region_in_sum_and_on_average():
    nuclei = Nuclei.concatenate([spread(0, 40, 10), spread(1, 10, 5, (0, 200)), spread(2, 30, 30, (0, 400))], KI67)
    regions = {"a": square(0, 0, 100), "b": square(0, 200, 100), "empty": square(900, 900, 10)}
    result = measure_ki67(nuclei, Ki67Mapping.guess(KI67), 0.5, regions)

    assert [(i.name, i.positive, i.negative) for i in result.regions] == [("a", 10, 30), ("b", 5, 5), ("empty", 0, 0)]
    assert (result.slide.positive, result.slide.total, result.slide.value) == (15, 50, 0.3)
    assert result.average == pytest.approx((0.25 + 0.5) / 2)
    assert result.region_interval is None, "two regions do not tell how regions differ"
    assert result.regions[2].value is None
    assert measure_ki67(nuclei, Ki67Mapping.guess(KI67), 0.5).slide.total == 80


def test_a_nucleus_in_two_regions_is_counted_once_for_the_slide():
    nuclei = spread(0, 20, 10)
    regions = {"a": square(0, 0, 100), "again": square(-5, -5, 200)}
    result = measure_ki67(nuclei, Ki67Mapping.guess(KI67), 0.5, regions)
    assert [i.total for i in result.regions] == [20, 20]
    assert result.slide.total == 20


def test_nothing_counted_gives_no_index_and_no_error():
    result = measure_ki67(Nuclei.empty(KI67), Ki67Mapping.guess(KI67), 0.5)
    assert (result.slide.value, result.average, result.hot_spot, result.region_interval) == (None, None, None, None)
    assert result.slide.wilson == (0.0, 1.0)
    assert not any(cutoff.certain for cutoff in result.cutoffs)
    assert result.still_needed == cells_for_precision(0.5, 0.05)
    assert [r.missing for r in result.requirements] == [500, 1000, 3]


@settings(max_examples=60, deadline=None)
@given(share=st.integers(0, 20), half_width=st.sampled_from([0.02, 0.05, 0.1]))
def test_so_many_cells_and_not_one_less_give_the_wanted_precision(share, half_width):
    n = cells_for_precision(share / 20, half_width)
    z = 1.959964

    def half(count):
        p = share / 20
        return z * np.sqrt(p * (1 - p) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)

    assert half(n) <= half_width + 1e-9
    assert n == 1 or half(n - 1) > half_width
    if n % 20 == 0:
        low, high = wilson(n * share // 20, n)
        assert high - low <= 2 * half_width + 1e-9


def test_the_cells_still_needed_are_those_not_counted_yet():
    index = Index("a", 60, 240)
    assert index.still_needed(0.05) == max(cells_for_precision(0.2, 0.05) - 300, 0) == 0
    assert index.still_needed(0.02) == cells_for_precision(0.2, 0.02) - 300 > 1000
    with pytest.raises(ValueError, match="cannot be known"):
        cells_for_precision(0.2, 0.0)


@settings(max_examples=60, deadline=None)
@given(total=st.integers(1, 300), part=st.floats(0, 1), cutoff=st.sampled_from([0.05, 0.2, 0.3]))
def test_so_many_flips_and_not_one_less_move_an_index_across_a_cutoff(total, part, cutoff):
    positive = round(part * total)
    state = Index("a", positive, total - positive).cutoff(cutoff)

    def above(k):
        return k / total >= cutoff - 1e-12

    assert state.above == above(positive)
    step = -1 if state.above else 1
    assert above(positive + step * state.flips) != state.above
    assert above(positive + step * (state.flips - 1)) == state.above


def test_an_interval_from_region_to_region_needs_five_regions():
    corners = [(0, 200 * k) for k in range(5)]
    shares = (2, 4, 6, 8, 10)
    nuclei = Nuclei.concatenate(
        [spread(k, 20, n, corner) for k, (n, corner) in enumerate(zip(shares, corners, strict=True))], KI67
    )
    regions = {str(k): square(*corner, 100) for k, corner in enumerate(corners)}
    low, high = measure_ki67(nuclei, Ki67Mapping.guess(KI67), 0.5, regions).region_interval
    assert 0.1 <= low < 0.3 < high <= 0.5
    del regions["4"]
    assert measure_ki67(nuclei, Ki67Mapping.guess(KI67), 0.5, regions).region_interval is None


def test_counting_error_alone_makes_no_cutoff_certain():
    near, far = Index("a", 21, 79).cutoff(0.2), Index("b", 210, 190).cutoff(0.2)
    assert (near.above, near.by_counting, near.flips) == (True, False, 2)
    assert (far.above, far.by_counting, far.certain) == (True, True, False)
    assert "certain" not in cutoff_words(far)
    assert "as far as counting goes" in cutoff_words(far)
    wide = Index("b", 210, 190).cutoff(0.2, (0.15, 0.8))
    assert (wide.by_counting, wide.certain) == (True, False)
    assert "not certain" in cutoff_words(wide)
    assert Index("b", 210, 190).cutoff(0.2, (0.3, 0.8)).certain
    assert Index("c", 2, 398).cutoff(0.05).by_counting
    assert Index("d", 1, 4).cutoff(0.2).above  # equal counts as above


def test_a_cutoff_within_the_interval_is_not_certain():
    near = Index("a", 21, 79).cutoff(0.2, (0.1, 0.4))
    assert (near.above, near.certain, near.flips) == (True, False, 2)


def test_the_hot_spot_is_where_positive_nuclei_crowd():
    quiet, hot = spread(0, 900, 90, (0, 0), 4000), spread(1, 150, 120, (2600, 1400), 400)
    nuclei = Nuclei.concatenate([quiet, hot], KI67)
    result = measure_ki67(nuclei, Ki67Mapping.guess(KI67), 0.5)
    spot = result.hot_spot
    assert 2400 < spot.y < 3200
    assert 1200 < spot.x < 2000
    assert spot.index.value > 0.6 > result.slide.value
    inside = np.hypot(*((nuclei.yx - (spot.y, spot.x)) * 0.5).T) <= spot.radius_um
    assert inside.sum() == spot.index.total >= 100
    assert hot_spot(quiet.yx[:50], np.ones(50, bool), 0.5) is None
    assert hot_spot(quiet.yx, np.zeros(900, bool), 0.5, Ki67Config(hot_spot_cells=5)).index.positive == 0
    assert hot_spot(quiet.yx, np.zeros(900, bool), 0.5, Ki67Config(hot_spot_um=10)) is None


def test_the_report_holds_what_is_shown():
    regions = {str(k): square(0, 200 * k, 100) for k in range(3)}
    nuclei = Nuclei.concatenate([spread(k, 200, 20 * (k + 1), (0, 200 * k)) for k in range(3)], KI67)
    result = measure_ki67(nuclei, Ki67Mapping.guess(KI67), 0.5, regions)
    report = result.to_dict()
    assert report["slide"]["index"] == pytest.approx(0.2)
    assert report["hottest_region"]["name"] == "2"
    assert [r["missing"] for r in report["requirements"]] == [0, 400, 0]
    assert [c["above"] for c in report["cutoffs"]] == [True, True, False]
    assert report["still_needed"] == {"half_width": 0.05, "nuclei": 0}
    assert report["hot_spot"]["total"] >= 100
