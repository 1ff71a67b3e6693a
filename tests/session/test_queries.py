from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.session.conftest import SCHEME, SLIDE, WEIGHTS, Opens, found

from nucloop.nuclei import Nuclei
from nucloop.session import Session


@pytest.fixture
def crowd(session: Session) -> Session:
    """5,000 nuclei: imported, some moved far, some deleted, some added one by one."""
    random = np.random.default_rng(1)
    yx = random.uniform(0, 4000, (5000, 2)).astype(np.float32)
    session.import_nuclei(Nuclei.from_points(SCHEME, yx, label=random.integers(0, 3, 5000)))
    session.move(np.arange(1, 301), random.uniform(0, 4000, (300, 2)))
    session.delete(np.arange(200, 500))
    for _ in range(20):
        session.add(random.uniform(0, 4000, (1, 2)))
    return session


BOXES = [(0, 0, 4000, 4000), (1000, 1000, 300, 200), (-500, -500, 900, 900), (3990, 3990, 1e9, 1e9), (5, 5, 0, 10)]


@pytest.mark.parametrize("again", [False, True])
def test_a_box_holds_what_a_plain_search_finds_also_after_reopening(crowd: Session, opened: Opens, again: bool) -> None:
    session = opened() if again else crowd
    nuclei = session.nuclei()
    for top, left, height, width in BOXES:
        low, high = np.array([top, left]), np.array([top + height, left + width])
        inside = ((nuclei.yx >= low) & (nuclei.yx < high)).all(1)
        np.testing.assert_array_equal(session.in_box(top, left, height, width), nuclei.ids[inside])


def test_those_near_a_place_come_nearest_first(crowd: Session) -> None:
    nuclei = crowd.nuclei()
    for place in np.random.default_rng(2).uniform(0, 4000, (30, 2)):
        distance = np.hypot(*(nuclei.yx - place).T)
        order = np.argsort(distance)
        np.testing.assert_array_equal(crowd.near(place, 150), nuclei.ids[order][distance[order] <= 150])
        assert crowd.nearest(place, 4000) == nuclei.ids[order[0]]


def test_nothing_is_near_where_there_is_nothing(session: Session) -> None:
    assert session.nearest((5, 5), 10) is None
    session.add([[5, 15.5]])
    assert session.nearest((5, 5), 10) is None
    assert session.nearest((5, 5), 10.5) == 1


def test_a_moved_nucleus_is_found_at_its_new_place_once(session: Session) -> None:
    session.add([[10, 10]])
    session.move([1], [[900, 900]])
    session.move([1], [[12, 12]])
    assert session.in_box(0, 0, 2000, 2000).tolist() == [1]
    assert session.near((10, 10), 50).tolist() == [1]
    assert session.in_box(890, 890, 20, 20).tolist() == []


def test_a_lasso_takes_what_it_goes_around(session: Session) -> None:
    session.add([[5, 5], [15, 5], [5, 16], [50, 50]])
    # the second lies on its line
    assert session.in_polygon([[0, 0], [0, 20], [20, 0]]).tolist() == [1, 2]
    assert session.in_polygon([[0, 0], [1, 1]]).tolist() == []


def test_a_lasso_that_crosses_itself_takes_what_it_goes_around_an_odd_number_of_times(session: Session) -> None:
    session.add([[2, 10], [18, 10], [10, 2], [100, 100], [116, 100]])
    assert session.in_polygon([[0, 0], [20, 20], [20, 0], [0, 20]]).tolist() == [1, 2]
    angle = np.arange(5) * (4 * np.pi / 5)
    star = np.stack([100 + 20 * np.cos(angle), 100 + 20 * np.sin(angle)], 1)
    assert session.in_polygon(star).tolist() == [5]


def test_density_counts_every_nucleus_of_a_box_by_class(crowd: Session) -> None:
    picture = crowd.density(0, 0, 4000, 4000, (8, 10))
    assert picture.shape == (4, 8, 10)
    assert picture.sum((1, 2)).tolist() == [*crowd.counts.values(), crowd.unlabelled]
    assert picture[:, 2, 3].sum() == len(crowd.in_box(1000, 1200, 500, 400))


def test_places_where_a_person_removed_nuclei_are_known_by_box(session: Session) -> None:
    session.begin_run(WEIGHTS, 5).add(found((10, 10), (500, 500)))
    session.delete([1])
    session.move([2], [[900, 900]])
    assert session.removed_near(0, 0, 1000, 1000).tolist() == [[10, 10], [500, 500]]
    assert session.removed_near(0, 0, 100, 100).tolist() == [[10, 10]]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-3000, 3000, width=32), st.floats(-3000, 3000, width=32)), max_size=40),
    st.tuples(*[st.floats(-3000, 3000, width=32)] * 2, *[st.floats(0, 3000, width=32)] * 2),
)
def test_a_box_anywhere_holds_its_points(yx: list[tuple[float, float]], box: tuple[float, ...]) -> None:
    with Session.in_memory(SLIDE, SCHEME) as session:
        for place in yx:
            session.add([place])
        top, left, height, width = box
        expected = [k + 1 for k, (y, x) in enumerate(yx) if top <= y < top + height and left <= x < left + width]
        assert session.in_box(*box).tolist() == expected
