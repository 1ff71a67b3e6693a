import numpy as np
import pytest

from nucloop.classes import ClassScheme
from nucloop.detection.overlap import new_nuclei
from nucloop.nuclei import Nuclei

SCHEME = ClassScheme.named("brca-m2c")


def nuclei(*yx: tuple[float, float]) -> Nuclei:
    return Nuclei.from_points(SCHEME, yx, label=np.zeros(len(yx), int))


def test_a_nucleus_found_again_is_not_new() -> None:
    found = nuclei((10, 10), (50, 50))
    assert new_nuclei(nuclei((11, 12)), found, 5).yx.tolist() == [[50, 50]]


def test_the_radius_itself_still_counts_as_the_same_nucleus() -> None:
    assert len(new_nuclei(nuclei((0, 0)), nuclei((3, 4), (3, 4.1)), 5)) == 1


def test_a_removed_nucleus_does_not_come_back() -> None:
    removed = np.array([[50, 51]])
    assert new_nuclei(nuclei(), nuclei((10, 10), (50, 50)), 5, removed).yx.tolist() == [[10, 10]]


def test_nuclei_of_one_run_are_not_compared_with_each_other() -> None:
    assert len(new_nuclei(nuclei(), nuclei((10, 10), (11, 11)), 5)) == 2


def test_nothing_found_or_nothing_known_is_fine() -> None:
    assert len(new_nuclei(nuclei((1, 1)), nuclei(), 5)) == 0
    assert len(new_nuclei(nuclei(), nuclei((1, 1)), 5)) == 1


def test_the_new_ones_keep_order_and_columns_and_the_known_stay_as_they_are() -> None:
    found = Nuclei.from_points(SCHEME, [[90, 0], [10, 0], [40, 0]], label=[2, 1, 0], score=[0.9, 0.8, 0.7])
    known = nuclei((10, 0))
    new = new_nuclei(known, found, 2)
    assert new.label.tolist() == [2, 0]
    assert new.score.tolist() == pytest.approx([0.9, 0.7])
    assert known.yx.tolist() == [[10, 0]]


def test_it_agrees_with_a_plain_search_among_many() -> None:
    random = np.random.default_rng(0)
    known, found = random.uniform(0, 400, (500, 2)), random.uniform(100, 300, (300, 2))
    apart = np.linalg.norm(found.astype(np.float32)[:, None] - known.astype(np.float32)[None], axis=-1).min(1) > 6
    new = new_nuclei(nuclei(*known), nuclei(*found), 6)
    np.testing.assert_array_equal(new.yx, found[apart].astype(np.float32))


def test_a_radius_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        new_nuclei(nuclei(), nuclei(), 0)
