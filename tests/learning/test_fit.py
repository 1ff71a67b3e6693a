from dataclasses import replace

import numpy as np
import pytest

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.errors import DataError
from nucloop.learning.examples import Examples
from nucloop.learning.fit import FitConfig, fit_head
from nucloop.learning.replay import Replay, choose_replay
from nucloop.models.heads import LinearHead

EVEN = [0, 1, 2] * 40


def called_nuclei(head: LinearHead, features: np.ndarray) -> np.ndarray:
    """Which are more likely nuclei than background (N,), whatever the head keeps."""
    return head.probabilities(features)[:, -1] <= 0.5


def accuracy(head: LinearHead, features: np.ndarray, labels: list[int]) -> float:
    return float((head.classify(features)[0] == np.array(labels)).mean())


def with_class(scheme: ClassScheme, name: str) -> ClassScheme:
    return replace(scheme, classes=(*scheme.classes, NucleusClass(name, "#000000")))


def without_class(scheme: ClassScheme, name: str) -> ClassScheme:
    return replace(scheme, classes=tuple(c for c in scheme.classes if c.name != name))


def test_a_head_learns_what_it_is_shown(scheme, shown, cloud):
    head = fit_head(scheme, shown(EVEN))
    assert accuracy(head, cloud(EVEN, seed=9), EVEN) > 0.95
    assert (head.scheme, head.keep) == (scheme, 1.0)


def test_the_fit_has_converged_whatever_it_started_from(scheme, shown):
    examples = shown(EVEN)
    once = fit_head(scheme, examples)
    again = fit_head(scheme, replace(examples, features=examples.features[::-1], label=examples.label[::-1]))
    np.testing.assert_allclose(once.probabilities(examples.features), again.probabilities(examples.features), atol=2e-3)


def test_the_scale_of_a_feature_does_not_matter(scheme, shown):
    examples = shown(EVEN)
    scale = np.geomspace(1e-3, 1e3, examples.features.shape[1], dtype=np.float32)
    scaled = replace(examples, features=examples.features * scale)
    # few rows would be given a common spread on purpose
    many = [replace(e, **{f: np.concatenate([getattr(e, f)] * 50) for f in vars(e)}) for e in (examples, scaled)]
    a, b = (fit_head(scheme, e) for e in many)
    np.testing.assert_array_equal(a.classify(examples.features)[0], b.classify(scaled.features)[0])


def test_a_rare_class_is_not_drowned_by_a_common_one(scheme, shown, cloud):
    head = fit_head(scheme, shown([0] * 300 + [1] * 4 + [2] * 4, noise=0.9))
    assert accuracy(head, cloud([1] * 100, seed=5, noise=0.9), [1] * 100) > 0.6


def test_without_background_examples_every_point_counts_as_a_nucleus(scheme, shown, cloud):
    head = fit_head(scheme, shown(EVEN))
    assert called_nuclei(head, cloud([0, 1, 2, 3, 4]) * 100).all()


def test_deleted_detections_are_recognised_next_time(scheme, shown, cloud):
    head = fit_head(scheme, shown([0, 1, 2, 3] * 30))
    assert called_nuclei(head, cloud([3] * 50, seed=4)).mean() < 0.1
    assert called_nuclei(head, cloud([0, 1, 2] * 20, seed=4)).mean() > 0.9


class TestForgetting:
    @pytest.fixture
    def shipped(self, scheme, shown) -> tuple[LinearHead, Replay]:
        """A head of classes that lie on axes 0, 1 and 2, with background on axis 3."""
        examples = shown([0, 1, 2, 3] * 50, seed=7)
        return fit_head(scheme, examples), choose_replay(scheme, examples, 25)

    def test_twenty_corrections_of_one_kind_do_not_make_a_head_forget(self, scheme, shown, cloud, shipped):
        head, replay = shipped
        # nuclei that look like nothing before (axis 5) are of class 2
        corrections = shown([5] * 20, corrected=True)
        corrections = replace(corrections, label=np.full(20, 2, np.int16))

        learned = fit_head(scheme, corrections, replay=replay, prior=head)

        assert accuracy(learned, cloud([5] * 30, seed=3), [2] * 30) > 0.9
        assert accuracy(learned, cloud(EVEN, seed=3), EVEN) > 0.9
        assert called_nuclei(learned, cloud([3] * 30, seed=3)).mean() < 0.2

    def test_correcting_nothing_but_mistakes_does_not_turn_a_head_around(self, scheme, shown, cloud, shipped):
        head, replay = shipped
        rng = np.random.default_rng(0)
        truth = rng.integers(0, 3, 3000)
        features = cloud(truth, seed=11, noise=1.2)
        wrong = head.classify(features)[0] != truth
        mistakes = Examples(
            np.arange(1, wrong.sum() + 1), features[wrong], truth[wrong].astype(np.int16), np.ones(wrong.sum(), bool)
        )

        learned = fit_head(scheme, mistakes, replay=replay, prior=head)

        test = cloud(truth, seed=12, noise=1.2)
        assert accuracy(learned, test, truth) > accuracy(head, test, truth) - 0.1
        assert accuracy(fit_head(scheme, mistakes), test, truth) < accuracy(learned, test, truth) - 0.1

    def test_a_few_answers_leave_a_head_as_good_as_it_was(self, scheme, shown, cloud):
        # classes as unequal as on slides, and so near each other that how often they occur decides
        rng = np.random.default_rng(3)
        before = rng.choice(4, 600, p=[0.05, 0.7, 0.15, 0.1]).tolist()
        examples = shown(before, seed=1, noise=1.3)
        head, replay = fit_head(scheme, examples, config=FitConfig(balance=0)), choose_replay(scheme, examples, 40)
        truth = rng.choice(3, 2000, p=[0.05, 0.75, 0.2])
        test = cloud(truth, seed=2, noise=1.3)

        for seed in range(5):
            few = rng.choice(3, 5, p=[0.05, 0.75, 0.2])
            seen = cloud(few, seed=10 + seed, noise=1.3)
            said = Examples(np.arange(1, 6), seen, few.astype(np.int16), head.classify(seen)[0] != few)
            learned = fit_head(scheme, said, replay=replay, prior=head)
            assert accuracy(learned, test, truth) > accuracy(head, test, truth) - 0.01

    def test_an_answer_that_a_head_expected_moves_it_hardly(self, scheme, shown, cloud, shipped):
        head, replay = shipped
        learned = fit_head(scheme, shown([1], noise=0), replay=replay, prior=head)
        features = cloud(EVEN, seed=3)
        np.testing.assert_allclose(learned.probabilities(features), head.probabilities(features), atol=0.01)

    def test_many_answers_outweigh_a_head_that_is_wrong(self, scheme, shown, cloud, shipped):
        head, replay = shipped
        # here the classes of axes 0 and 1 have changed places
        answers = shown([0, 1, 2] * 150, seed=5)
        turned = np.array([1, 0, 2], np.int16)
        learned = fit_head(scheme, replace(answers, label=turned[answers.label]), replay=replay, prior=head)
        assert accuracy(learned, cloud(EVEN, seed=3), turned[EVEN].tolist()) > 0.9

    def test_a_class_nobody_corrected_is_still_known(self, scheme, shown, cloud, shipped):
        head, _ = shipped
        learned = fit_head(scheme, shown([0, 1] * 10), prior=head)
        assert accuracy(learned, cloud([2] * 40, seed=3), [2] * 40) > 0.9

    def test_a_new_class_is_learned_beside_the_old_ones(self, scheme, shown, cloud, shipped):
        head, replay = shipped
        wider = with_class(scheme, "mitosis")
        corrections = shown([4] * 12, corrected=True)
        corrections = replace(corrections, label=np.full(12, 3, np.int16))

        learned = fit_head(wider, corrections, replay=replay, prior=head)

        assert accuracy(learned, cloud([4] * 40, seed=3), [3] * 40) > 0.9
        assert accuracy(learned, cloud(EVEN, seed=3), EVEN) > 0.9

    def test_a_new_class_without_examples_is_never_predicted(self, scheme, shown, cloud, shipped):
        learned = fit_head(with_class(scheme, "mitosis"), shown(EVEN), prior=shipped[0])
        assert learned.probabilities(cloud(list(range(8)) * 5) * 3)[:, 3].max() < 1e-3

    def test_a_removed_class_is_gone_and_the_others_stay(self, scheme, shown, cloud, shipped):
        head, replay = shipped
        fewer = without_class(scheme, scheme.names[0])
        examples = shown([1, 2] * 10)
        examples = replace(examples, label=examples.label - 1)

        learned = fit_head(fewer, examples, replay=replay, prior=head)

        assert learned.scheme.names == scheme.names[1:]
        assert accuracy(learned, cloud([1, 2] * 30, seed=3), [0, 1] * 30) > 0.95
        assert called_nuclei(learned, cloud([3] * 30, seed=3)).mean() < 0.2

    def test_another_schemes_classes_are_left_aside_but_background_stays(self, shown, cloud, shipped):
        head, replay = shipped
        ki67 = ClassScheme.named("ki67")
        learned = fit_head(ki67, shown([0, 1] * 20), replay=replay, prior=head)
        assert called_nuclei(learned, cloud([3] * 30, seed=3)).mean() < 0.2
        assert len(replay.in_scheme(ki67)) == 25


def test_nothing_to_learn_from_is_a_sentence(scheme, shown):
    with pytest.raises(DataError, match=r"nothing to learn from yet\. Correct, confirm or add"):
        fit_head(scheme, shown([]))


def test_examples_of_one_class_alone_are_a_sentence(scheme, shown):
    with pytest.raises(DataError, match=f"All 3 examples are {scheme.names[1]}, .* another class first"):
        fit_head(scheme, shown([1, 1, 1]))


def test_a_head_of_another_encoder_is_no_prior(scheme, shown):
    other = LinearHead(scheme, np.zeros((4, 99), np.float32), np.zeros(4, np.float32))
    with pytest.raises(ValueError, match="the prior reads 99 features, the examples have 8"):
        fit_head(scheme, shown(EVEN), prior=other)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="penalty must be positive"):
        FitConfig(l2=0)
    with pytest.raises(ValueError, match="balance lies between 0 and 1"):
        FitConfig(balance=1.5)
