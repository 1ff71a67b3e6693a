import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucloop.classes import ClassScheme
from nucloop.evaluation.comparison import ComparisonConfig, FilePair, compare
from nucloop.evaluation.live import LiveConfig, by_rule, threshold_curve, with_ids
from nucloop.formats import SlideInfo, write_nuclei
from nucloop.geometry import Region
from nucloop.metrics.rules import RULES
from nucloop.nuclei import Nuclei

SCHEME = ClassScheme.named("brca-m2c")
OTHER = ClassScheme.named("patherea-ki67")
MPP = 0.5
SLIDE = SlideInfo(name="slide", height=300, width=300, mpp=MPP)
SQUARE = Region(np.array([[20.0, 20], [20, 140], [140, 140], [140, 20]]))


def nuclei(seed, n=120, side=160, scheme=SCHEME):
    rng = np.random.default_rng(seed)
    return Nuclei.from_points(
        scheme,
        rng.uniform(0, side, (n, 2)),
        label=rng.integers(-1, len(scheme), n),
        score=rng.random(n),
        ids=np.arange(1, n + 1),
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("regions", [(), (SQUARE,)])
def test_every_figure_equals_that_of_the_command_on_the_same_files(tmp_path, rule, regions):
    found, truth = nuclei(1), nuclei(2)
    paths = [write(tmp_path / name, table) for name, table in (("found.csv", found), ("truth.csv", truth))]
    *_, by_file = compare([FilePair("a", *paths)], ComparisonConfig(rule=rule, regions=regions))

    live = by_rule(found, truth, MPP, LiveConfig(rule=rule, regions=regions, classes=by_file.names))

    expected = by_file.report()
    mine = json.loads(json.dumps(live.report()))
    for key in ("detection", "classes", "mean_f1", "rule", "radius_um", "confusion", "hovernet"):
        assert mine[key] == expected[key], key


def write(path, table):
    write_nuclei(path, table, SLIDE)
    return path


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_after_any_edits_it_equals_a_new_comparison(seed):
    rng = np.random.default_rng(seed)
    found, truth = nuclei(seed, 60, 80), nuclei(seed + 1, 60, 80)
    live = by_rule(found, truth, MPP)
    left = found
    for _ in range(6):
        rows = rng.choice(len(left), min(5, len(left)), replace=False)
        if rng.random() < 0.3:
            live.follow(left.take([]), left.ids[rows])
            left = left.take(np.setdiff1d(np.arange(len(left)), rows))
            continue
        new = rng.random() < 0.3
        edited = Nuclei.from_points(
            SCHEME,
            rng.uniform(0, 80, (len(rows), 2)),
            label=rng.integers(-1, 3, len(rows)),
            ids=1000 * (1 + rng.integers(1, 10**6)) + rows if new else left.ids[rows],
        )
        live.follow(edited)
        kept = left if new else left.take(np.setdiff1d(np.arange(len(left)), rows))
        left = Nuclei.concatenate([kept, edited], SCHEME)
        anew = by_rule(left, truth, MPP)
        assert live.report() == anew.report()


@pytest.mark.parametrize("rule", ["boolean", "score-greedy"])
def test_the_cells_of_the_confusion_matrix_hold_exactly_those_that_are_counted_there(rule):
    live = by_rule(nuclei(3), nuclei(4), MPP, LiveConfig(rule=rule))
    confusion = live.score.confusion
    for row in range(len(confusion)):
        for column in range(len(confusion)):
            cell = live.cell(row, column)
            counts = {len(ids) for ids in (cell.found, cell.truth) if len(ids)} or {0}
            assert counts == {confusion[row, column]}, (row, column)


def test_classes_are_the_same_when_their_names_are_whatever_the_scheme():
    found = Nuclei.from_points(SCHEME, [[10, 10], [50, 50]], label=[0, 1], ids=[1, 2])
    lower = ClassScheme("mine", (SCHEME.classes[1], SCHEME.classes[0]))
    truth = Nuclei.from_points(lower, [[10, 10], [50, 50]], label=[1, 0], ids=[7, 8])
    live = by_rule(found, truth, MPP)
    assert live.score.mean_f1 == 1.0
    assert live.names == lower.names


def test_a_reference_without_classes_counts_detection_alone():
    truth = with_ids(Nuclei.from_points(ClassScheme("one", SCHEME.classes[:1]), [[10, 10], [90, 90]]))
    assert truth.ids.tolist() == [1, 2]
    live = by_rule(nuclei(5), truth, MPP)
    assert live.names == ()
    assert live.score.mean_f1 is None


def test_the_curve_ends_where_the_figures_stand():
    found, truth = nuclei(6), nuclei(7)
    config = LiveConfig()
    curve = threshold_curve(found, truth, MPP, config)
    assert curve.f1[0] == by_rule(found, truth, MPP, config).score.detection.f1
    of_class = threshold_curve(found, truth, MPP, config, "tumour")
    assert of_class.f1[0] == by_rule(found, truth, MPP, config).score.classes[SCHEME.index("tumour")].f1
    unscored = Nuclei.from_points(SCHEME, found.yx, ids=found.ids)
    assert threshold_curve(unscored, truth, MPP, config) is None
