import dataclasses

import numpy as np
import pytest

from nucloop.classes import ClassScheme
from nucloop.nuclei import UNLABELLED, Nuclei, Origin

SCHEME = ClassScheme.named("brca-m2c")


def table() -> Nuclei:
    return Nuclei.from_points(
        SCHEME,
        [[5, 1], [2, 2], [2, 1]],
        label=[0, 1, UNLABELLED],
        score=[0.9, 0.8, 0.7],
        probability=[[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.4, 0.3, 0.3]],
        origin=[Origin.PREDICTED, Origin.CORRECTED, Origin.PREDICTED],
    )


def test_numbering_follows_position_whatever_the_order_of_rows():
    forward, backward = table().numbered(), table().take([2, 1, 0]).numbered()
    assert forward.ids.tolist() == backward.ids.tolist() == [1, 2, 3]
    assert np.array_equal(forward.yx, backward.yx)
    assert forward.yx.tolist() == [[2, 1], [2, 2], [5, 1]]


def test_a_table_goes_through_a_data_frame_and_back_without_loss():
    before = table().numbered()
    after = Nuclei.from_frame(before.to_frame(), SCHEME)
    for name in ("ids", "yx", "score", "label", "probability", "origin"):
        assert np.array_equal(getattr(before, name), getattr(after, name))


def test_what_a_person_said_is_certain_and_a_guess_is_as_sure_as_its_probability():
    assert table().confidence[:2].tolist() == pytest.approx([0.7, 1.0])
    assert table().uncertainty[1] == 0
    assert 0 < table().uncertainty[0] < table().uncertainty[2] <= 1


def test_counts_leave_out_nuclei_without_a_class():
    assert table().counts() == {"lymphocyte": 1, "tumour": 1, "stromal": 0}


def test_taking_no_rows_gives_an_empty_table():
    assert len(table().take([])) == 0
    assert len(table().take(np.zeros(3, bool))) == 0


@pytest.mark.parametrize(
    "change",
    [{"yx": [[np.nan, 0]]}, {"yx": [[0, 0]], "label": [3]}, {"yx": [[0, 0]], "label": [-2]}],
)
def test_impossible_coordinates_and_labels_are_refused(change):
    with pytest.raises(ValueError, match=r"finite|label"):
        Nuclei.from_points(SCHEME, **change)


def test_tables_of_two_schemes_are_not_mixed():
    other = Nuclei.empty(ClassScheme.named("ocelot"))
    with pytest.raises(ValueError, match="one class scheme"):
        Nuclei.concatenate([table(), other], SCHEME)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("origin", np.array([-1, 0], np.int8)),
        ("origin", np.array([5, 0], np.uint8)),
        ("origin", np.array([0.5, 0])),
        ("label", np.array([70_000, 0])),
        ("label", np.array([np.nan, 0])),
        ("ids", np.array([0.5, 1])),
        ("ids", np.array([2.0**63, 1])),
        ("score", np.array(["a", "b"])),
    ],
)
def test_no_value_becomes_another_by_the_type_it_is_kept_in(column, values):
    scheme = ClassScheme.named("ocelot")
    with pytest.raises(ValueError, match=r"whole numbers|numbers are needed"):
        Nuclei.from_points(scheme, np.zeros((2, 2)), **{column: values})
    plain = Nuclei.from_points(scheme, np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"whole numbers|numbers are needed"):
        dataclasses.replace(plain, **{column: values})


def test_columns_come_in_the_types_they_are_kept_in_whatever_was_given():
    plain = Nuclei.from_points(ClassScheme.named("ocelot"), np.zeros((2, 2)))
    given = dataclasses.replace(
        plain, origin=np.array([1, 4], np.int64), score=np.array([0.5, np.nan]), label=np.array([0, -1], np.int8)
    )
    assert given.origin.dtype == np.uint8
    assert given.score.dtype == np.float32
    assert given.label.dtype == np.int16
    assert given.origin.tolist() == [1, 4]
