import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucloop.errors import DataError
from nucloop.learning.answers import Answers
from nucloop.learning.fit import fit_head
from nucloop.learning.folds import assign_folds, group_by_cell
from nucloop.learning.gain.estimate import class_f1, estimate
from nucloop.models.heads import LinearHead

EVEN = [0, 1, 2] * 20


def test_cells_of_a_grid_are_the_groups():
    rng = np.random.default_rng(0)
    spread, crowded = rng.uniform(0, 40_000, (500, 2)), rng.uniform(0, 50, (500, 2))
    assert len(np.unique(group_by_cell(spread, 0.25))) >= 10
    # 12 µm of tissue are one place
    assert len(np.unique(group_by_cell(crowded, 0.25))) == 1
    assert len(group_by_cell(np.zeros((0, 2)), None)) == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=60))
def test_no_group_is_ever_divided_between_folds(pairs):
    groups, label = (np.array(column) for column in zip(*pairs, strict=True))
    fold = assign_folds(groups, label.astype(np.int16))
    for group in np.unique(groups):
        assert len(np.unique(fold[groups == group])) == 1
    assert set(fold) == set(range(min(5, len(np.unique(groups)))))
    np.testing.assert_array_equal(fold, assign_folds(groups, label.astype(np.int16)))


def test_folds_share_out_the_classes():
    label = np.repeat([0, 1], [50, 50]).astype(np.int16)
    fold = assign_folds(np.arange(100) // 5, label)
    assert [int(label[fold == k].sum()) for k in range(5)] == [10] * 5


def test_the_estimate_says_what_learning_gains(scheme, shown):
    examples = shown(EVEN)
    turned = fit_head(scheme, shown([1, 2, 0] * 20))
    upside_down = LinearHead(scheme, np.roll(turned.weight, 1, 0), np.roll(turned.bias, 1))

    gain = estimate(scheme, examples, np.arange(60) // 6, before=upside_down)

    assert gain.mean_before < 0.5 < 0.95 < gain.mean_after
    np.testing.assert_array_equal(gain.support, [20, 20, 20])
    assert gain.sentence() == (
        f"F1 {gain.mean_before:.2f} -> {gain.mean_after:.2f} on answers, not on the slide "
        "(cross-validated by region, 5 parts, 60 answers)"
    )
    assert gain.after.tolist() == estimate(scheme, examples, np.arange(60) // 6, before=upside_down).after.tolist()


def test_a_head_is_not_praised_for_what_it_was_fitted_to(scheme, shown):
    # labels that mean nothing: only a head that has seen them can know them
    examples = shown(list(np.random.default_rng(3).integers(0, 3, 60)), noise=0)
    examples.features[:] = np.random.default_rng(4).normal(size=examples.features.shape)
    used = fit_head(scheme, examples)
    groups = np.arange(60) // 6

    flattered = estimate(scheme, examples, groups, before=used)
    honest = estimate(scheme, examples, groups, before=used, seen=np.ones(60, bool))

    assert flattered.mean_before > honest.mean_before + 0.05
    assert honest.mean_before == honest.mean_after


def test_a_first_head_has_no_before(scheme, shown):
    gain = estimate(scheme, shown(EVEN), np.arange(60) // 6)
    assert np.isnan(gain.before).all()
    assert gain.sentence().startswith(f"F1 {gain.mean_after:.2f} on answers")


def test_corrections_in_one_place_give_no_estimate(scheme, shown):
    with pytest.raises(DataError, match=r"lie in one place.*another region"):
        estimate(scheme, shown(EVEN), np.zeros(60, np.int64))


def test_deleted_detections_teach_but_are_not_measured(scheme, shown):
    gain = estimate(scheme, shown([0, 1, 2, 3] * 15), np.arange(60) // 6)
    assert gain.support.sum() == 45


def test_f1_counts_misses_and_false_alarms():
    f1 = class_f1(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    np.testing.assert_allclose(f1, [2 / 3, 2 / 3, np.nan])


@pytest.mark.parametrize(
    ("answers", "mistakes_only"),
    [
        (Answers(corrected=40, added=2, confirmed=0, imported=0), True),
        (Answers(corrected=40, added=0, confirmed=3, imported=0), True),
        (Answers(corrected=40, added=0, confirmed=30, imported=0), False),
        (Answers(corrected=0, added=5, confirmed=0, imported=0), False),
        (Answers(corrected=1, added=0, confirmed=0, imported=0), False),
    ],
)
def test_answers_that_are_mistakes_alone_are_called_so(answers, mistakes_only):
    assert answers.mistakes_only == mistakes_only
