import numpy as np
import pytest

from nucloop.classes import ClassScheme
from nucloop.evaluation.readers import compare_readers
from nucloop.geometry import Region
from nucloop.metrics.agreement import agree
from nucloop.nuclei import Nuclei

KI67 = ClassScheme.named("ki67")
MPP = 0.5
LEFT, RIGHT = (Region(np.array([[0.0, x], [0, x + 100], [200, x + 100], [200, x]])) for x in (0, 100))


def two_readers(flips=12):
    rng = np.random.default_rng(5)
    label = rng.integers(0, 2, 120)
    yx = np.stack(np.divmod(np.arange(120), 12), 1) * 16.0 + 6
    other = label.copy()
    other[:flips] = 1 - other[:flips]
    return (
        Nuclei.from_points(KI67, yx, label=label, ids=np.arange(1, 121)),
        Nuclei.from_points(KI67, yx[4:] + 1, label=other[4:], ids=np.arange(1, 117)),
    )


def test_agreement_index_and_places_of_two_readers():
    first, second = two_readers()
    readings = compare_readers(first, second, MPP, regions=[LEFT, RIGHT])
    assert len(readings.agreement.region_kappa) == 2
    assert len(readings.indices) == 2
    kinds = [place.kind for place in readings.places]
    assert (kinds.count("class"), kinds.count("first only"), kinds.count("second only")) == (8, 4, 0)
    whole = compare_readers(first, second, MPP)
    assert whole.agreement.kappa == agree(first, second, MPP).kappa
    assert whole.index.limits is None


def test_classes_without_a_meaning_for_ki67_have_no_index():
    brca = ClassScheme.named("brca-m2c")
    table = Nuclei.from_points(brca, [[1, 1]], label=[0], ids=[1])
    assert compare_readers(table, table, MPP).index is None


@pytest.mark.parametrize("n", [0, 1])
def test_readers_who_marked_next_to_nothing_are_compared_all_the_same(n):
    table = Nuclei.from_points(KI67, np.zeros((n, 2)), label=[0] * n, ids=np.arange(1, n + 1))
    assert compare_readers(table, table, MPP).places == ()
