import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucloop.classes import ClassScheme
from nucloop.learning.relabel import relabel
from nucloop.models.heads import LinearHead
from nucloop.nuclei import Nuclei, Origin

SCHEME = ClassScheme.named("brca-m2c")
HEAD = LinearHead(SCHEME, 3 * np.eye(4, dtype=np.float32), np.zeros(4, np.float32))


def table(origins: list[int], labels: list[int]) -> Nuclei:
    n = len(origins)
    return Nuclei.from_points(
        SCHEME, np.zeros((n, 2)), ids=np.arange(10, 10 + n), label=labels, origin=np.array(origins, np.uint8)
    )


def test_nuclei_get_the_class_the_head_says():
    nuclei = table([0, 0, 0], [0, 0, 2])

    change = relabel(HEAD, nuclei, np.eye(4, dtype=np.float16)[[0, 1, 2]])

    np.testing.assert_array_equal(change.ids, [10, 11, 12])
    np.testing.assert_array_equal(change.label, [0, 1, 2])
    np.testing.assert_allclose(change.probability.sum(1), 1, rtol=1e-5)
    assert (len(change), change.changed, change.unknown) == (3, 1, 0)


def test_nuclei_without_features_stay_as_they_are_and_are_counted():
    nuclei = table([0, 0, int(Origin.ADDED), 0], [0, 0, 0, 0])
    found = np.array([True, False, False, True])

    change = relabel(HEAD, nuclei, np.eye(4, dtype=np.float32)[[1, 2]], found)

    np.testing.assert_array_equal(change.ids, [10, 13])
    np.testing.assert_array_equal(change.label, [1, 2])
    assert change.unknown == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([int(o) for o in Origin]), st.integers(-1, 2)), max_size=40), st.integers())
def test_nothing_a_person_said_is_ever_changed(rows, seed):
    nuclei = table([o for o, _ in rows], [label for _, label in rows])
    rng = np.random.default_rng(abs(seed))
    found = rng.random(len(nuclei)) < 0.8
    change = relabel(HEAD, nuclei, rng.normal(size=(int(found.sum()), 4)).astype(np.float16), found)

    assert not set(change.ids) & set(nuclei.ids[nuclei.human])
    assert set(change.ids) == set(nuclei.ids[~nuclei.human & found])


def test_features_of_others_and_heads_of_another_scheme_are_refused():
    nuclei = table([0], [0])
    with pytest.raises(ValueError, match="are not those of 1 nuclei and this head"):
        relabel(HEAD, nuclei, np.zeros((2, 4)))
    other = LinearHead(ClassScheme.named("ki67"), np.zeros((3, 4), np.float32), np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="the head speaks of"):
        relabel(other, nuclei, np.zeros((1, 4)))
