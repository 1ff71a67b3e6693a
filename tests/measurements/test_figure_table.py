"""The table of figures: filled in parts, sorted, filtered, counted; and neighbours that only stand around."""

import numpy as np
import pytest

from nucloop.measurements.measuring import measured
from nucloop.measurements.shapes import SHAPE_FIGURES
from nucloop.measurements.stains import STAIN_FIGURES
from nucloop.measurements.table import FIGURES, FigureTable
from nucloop.outlines import Outlines
from nucloop.slides import slide_from_levels


def square(y, x, side):
    return np.array([[y, x], [y, x + side], [y + side, x + side], [y + side, x]], float)


def table_of(areas, labels=None):
    ids = np.arange(1, len(areas) + 1) * 10
    table = FigureTable(ids, np.zeros(len(ids)) if labels is None else labels)
    table.put(ids, {"area_um2": np.asarray(areas, float)})
    return table


def test_every_figure_has_a_title_and_what_is_not_measured_is_nan():
    table = FigureTable([3, 5], [0, 1])
    assert tuple(table.columns) == (*SHAPE_FIGURES, *STAIN_FIGURES)
    assert len({figure.title for figure in FIGURES.values()}) == len(FIGURES)
    assert all(np.isnan(values).all() for values in table.columns.values())


def test_figures_reach_the_rows_of_their_nuclei_in_any_order():
    table = FigureTable([3, 5, 9], [0, 1, 0])
    table.put(np.array([9, 4, 3]), {"area_um2": np.array([90.0, 40.0, 30.0])})
    assert table.columns["area_um2"][[0, 2]].tolist() == [30, 90]
    assert np.isnan(table.columns["area_um2"][1])


def test_rows_are_sorted_with_what_is_not_measured_last_either_way():
    table = table_of([3, np.nan, 1, 2])
    assert table.ordered(table.chosen(), "area_um2").tolist() == [2, 3, 0, 1]
    assert table.ordered(table.chosen(), "area_um2", descending=True).tolist() == [0, 3, 2, 1]
    assert table.ordered(table.chosen(), None, descending=True).tolist() == [3, 2, 1, 0]


def test_rows_are_left_out_by_class_and_by_a_range_with_its_ends():
    table = table_of([1, 2, 3, 4, np.nan], [0, 1, 0, 1, -1])
    assert table.chosen((1,)).tolist() == [1, 3]
    assert table.chosen(None, "area_um2", 2, 3).tolist() == [1, 2]
    assert table.chosen((-1,), "area_um2", 0).tolist() == []
    assert table.chosen((-1,), "area_um2").tolist() == [4]


def test_nuclei_come_and_go_without_touching_the_others():
    table = table_of([1, 2, 3], [0, 1, 2])
    table.add(np.array([15, 20, 5]), np.array([2, 2, 2], np.int16))
    assert table.ids.tolist() == [5, 10, 15, 20, 30]
    assert table.label.tolist() == [2, 0, 2, 1, 2]
    assert table.stale.tolist() == [True, False, True, False, False]
    table.drop([10, 11, 15])
    assert table.ids.tolist() == [5, 20, 30]
    assert table.columns["area_um2"][1:].tolist() == [2, 3]


def test_a_histogram_counts_every_nucleus_once_in_its_class():
    values = np.random.default_rng(0).normal(50, 10, 1000)
    values[0] = 1e6
    table = table_of([*values, np.nan], [*np.repeat([0, 1], 500), 1])
    edges, counts = table.histogram("area_um2")
    assert {label: int(bins.sum()) for label, bins in counts.items()} == {0: 500, 1: 500}
    # one wild outline does not squeeze all others into the first bar
    assert edges[-1] < 100
    assert counts[0][-1] >= 1


def test_a_histogram_of_equal_or_missing_figures_has_a_width():
    edges, counts = table_of([4, 4, 4]).histogram("area_um2")
    assert edges[0] < 4 < edges[-1]
    assert counts[0].sum() == 3
    assert table_of([np.nan]).histogram("area_um2")[1] == {}


def test_a_part_is_measured_as_it_is_among_all_its_neighbours():
    rng = np.random.default_rng(1)
    picture = rng.integers(60, 250, (120, 120, 3), dtype=np.uint8)
    outlines = Outlines.of([square(20, 20, 14), square(20, 36, 14), None, square(70, 70, 20)])

    def figures(wanted):
        table = FigureTable([1, 2, 3, 4], [0, 0, 0, 0])
        slide = slide_from_levels([picture], name="field").with_mpp(0.25)
        for rows, values in measured(outlines, 0.25, slide, wanted=wanted):
            table.put(rows + 1, values)
        return table.columns

    everything, part = figures(None), figures(np.array([True, False, True, False]))
    for name in FIGURES:
        assert part[name][0] == pytest.approx(everything[name][0])
        assert np.isnan(part[name][1:]).all()
    # alone its ring would reach where the neighbour is
    (alone,) = [
        values["ring_eosin_mean"][0]
        for rows, values in measured(
            outlines.take([0]), 0.25, slide_from_levels([picture], name="field").with_mpp(0.25)
        )
        if "ring_eosin_mean" in values
    ]
    assert alone != pytest.approx(part["ring_eosin_mean"][0])
