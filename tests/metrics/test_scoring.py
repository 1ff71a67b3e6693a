import numpy as np
import pytest

from nucloop.classes import ClassScheme
from nucloop.metrics.curve import f1_curve
from nucloop.metrics.intervals import BootstrapConfig, bootstrap, f1_intervals, wilson
from nucloop.metrics.marks import Marks
from nucloop.metrics.points import Counts
from nucloop.metrics.rules import RULES, match
from nucloop.metrics.scoring import FieldScore, per_image, pooled, rule_title, score_field
from nucloop.nuclei import Nuclei

NAMES = ("a", "b")


def field():
    """Six references and six predictions: two right, one of the wrong class, one unnamed, two spare, two missed."""
    truth = Marks.at([[0, 0], [0, 10], [0, 20], [0, 30], [0, 40], [0, 50]], [0, 1, 0, 1, 0, 1])
    found = Marks.at([[0, 1], [0, 11], [0, 21], [0, 31], [50, 0], [50, 9]], [0, 1, 1, -1, 0, 1])
    return found, truth


def test_each_class_is_matched_on_its_own_and_the_confusion_on_all_together():
    score = score_field(*field(), NAMES, 3.0)
    assert score.detection == Counts(tp=4, fp=2, fn=2)
    assert score.classes == (Counts(tp=1, fp=1, fn=2), Counts(tp=1, fp=2, fn=2))
    assert score.confusion_names == ("a", "b", "no class", "nothing")
    assert score.confusion.tolist() == [[1, 1, 0, 1], [0, 1, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0]]
    assert score.mean_f1 == pytest.approx((2 / 5 + 2 / 6) / 2)


def test_hovernets_figures_weigh_wrong_classes_twice():
    score = score_field(*field(), NAMES, 3.0)
    assert score.f_d == score.detection.f1 == pytest.approx(8 / 12)
    # a: one right, no other nucleus called a, one a called b, one false alarm, one miss
    assert score.f_c(0) == pytest.approx(2 * 1 / (2 * 1 + 2 * 0 + 2 * 1 + 1 + 1))
    assert score.f_c(1) == pytest.approx(2 * 1 / (2 * 1 + 2 * 1 + 2 * 1 + 1 + 1))


def test_pooled_counts_weigh_nuclei_and_averages_weigh_images():
    small = FieldScore(("a",), Counts(tp=1), (Counts(tp=1),), np.zeros((3, 3), np.int64))
    large = FieldScore(("a",), Counts(tp=9, fp=9, fn=9), (Counts(tp=0, fp=5, fn=5),), np.zeros((3, 3), np.int64))
    nothing = FieldScore.nothing(("a",))
    fields = [small, large, nothing]
    assert pooled(fields).detection == Counts(tp=10, fp=9, fn=9)
    assert per_image(fields) == {"detection": 0.75, "mean": 0.5, "classes": {"a": 0.5}}
    assert per_image([nothing]) == {"detection": None, "mean": None, "classes": {"a": None}}
    with pytest.raises(ValueError, match="same classes"):
        small + FieldScore.nothing(("b",))


def test_marks_take_their_classes_by_name():
    scheme = ClassScheme.named("brca-m2c")
    nuclei = Nuclei.from_points(scheme, [[1, 2], [3, 4], [5, 6]], label=[0, 2, -1])
    marks = Marks.of(nuclei, 0.5, ["stromal", "tumour"])
    assert marks.yx.tolist() == [[0.5, 1], [1.5, 2], [2.5, 3]]
    assert marks.label.tolist() == [-1, 0, -1]
    assert Marks.of(nuclei, 1.0).label.tolist() == [0, 2, -1]
    with pytest.raises(ValueError, match="finite"):
        Marks.at([[np.nan, 0]])
    with pytest.raises(ValueError, match="columns of 1 rows"):
        Marks.at([[0, 0]], [1, 2])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(4))
def test_a_curve_has_the_counts_of_matching_anew_at_each_threshold(rule, seed):
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(2):
        score = rng.integers(0, 10, 60) / 10
        score[:3] = np.nan  # without a score: always counted
        pairs.append((Marks.at(rng.uniform(0, 25, (60, 2)), score=score), Marks.at(rng.uniform(0, 25, (40, 2)))))
    thresholds = [0.7, 0.0, 0.25, 0.5, 2.0]

    curve = f1_curve(pairs, 3.0, thresholds, rule)

    assert curve.threshold.tolist() == sorted(thresholds)
    for k, threshold in enumerate(curve.threshold):
        wanted = Counts()
        for found, truth in pairs:
            wanted += match(found.take(~(found.score < threshold)), truth, 3.0, rule).counts
        assert (curve.tp[k], curve.fp[k], curve.fn[k]) == (wanted.tp, wanted.fp, wanted.fn)
    assert curve.best[1] == curve.f1.max()


def test_an_interval_holds_the_figure_and_narrows_with_more_images():
    def fields(n):
        rng = np.random.default_rng(0)
        counts = [Counts(*rng.integers(1, 20, 3).tolist()) for _ in range(n)]
        return [FieldScore(("a",), c, (c,), np.zeros((3, 3), np.int64)) for c in counts]

    widths = []
    for n in (5, 80):
        ends, f1 = f1_intervals(fields(n)), pooled(fields(n)).detection.f1
        low, high = ends["detection"]
        assert low < f1 < high
        assert ends["classes"]["a"] == ends["mean"] == [low, high]
        widths.append(high - low)
    assert widths[1] < widths[0] / 2
    assert f1_intervals(fields(5)) == f1_intervals(fields(5))


def test_one_image_has_no_interval_and_equal_images_one_without_width():
    one = FieldScore((), Counts(tp=3, fp=1), (), np.zeros((2, 2), np.int64))
    assert f1_intervals([one]) is None
    assert f1_intervals([one, one]) == {"detection": [6 / 7, 6 / 7], "mean": None, "classes": {}}
    assert bootstrap(np.ones((1, 1)), lambda sums: sums) is None
    with pytest.raises(ValueError, match="level between 0 and 1"):
        BootstrapConfig(level=95)


def test_wilsons_interval_is_that_of_the_literature():
    # Newcombe 1998, table I, method 3
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == (0.0, pytest.approx(0.1611, abs=5e-5))
    assert wilson(29, 29) == (pytest.approx(0.8830, abs=5e-5), 1.0)
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="not a proportion"):
        wilson(3, 2)


def test_the_title_of_a_score_names_rule_and_flaw():
    assert rule_title("boolean") == "boolean one-to-one, pooled over images"
    assert rule_title("greedy-many") == "greedy many-to-one (flawed: overestimates), pooled over images"
