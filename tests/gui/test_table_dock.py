"""The Nuclei table: measured in the background, sorted, filtered, selected both ways, in step with edits, saved."""

from __future__ import annotations

import csv
import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from tests.gui.conftest import LONG_MS, MPP, SCHEME

from nucloop.classes import ClassScheme
from nucloop.geometry import Region
from nucloop.gui.canvas.docks import open_table_dock
from nucloop.gui.canvas.drawn_regions import add_regions
from nucloop.gui.napari_private.view_state import camera_of
from nucloop.gui.table.figure_model import COLUMNS, FigureModel
from nucloop.gui.table.table_scope import TableScope
from nucloop.measurements.table import FigureTable
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gui.conftest import Bench

    from nucloop.gui.table.table_dock import TableDock

pytestmark = pytest.mark.gui
PLACES = np.array([[y, x] for y in range(100, 420, 80) for x in range(100, 420, 80)], float)
SIDES = 10.0 + np.arange(len(PLACES))


def square(place: Any, side: float) -> Any:
    return np.asarray(place) + np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]) * side / 2


def find(bench: Bench, places: Any = PLACES, sides: Any = SIDES) -> Any:
    """Put nuclei there, each with a square outline, as a model would."""
    n = len(places)
    found = Nuclei.from_points(
        SCHEME,
        places,
        label=np.arange(n) % 2,
        score=np.full(n, 0.9),
        outlines=Outlines.of([square(place, side) for place, side in zip(places, sides, strict=True)]),
    )
    run = bench.session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 2.0)
    ids = run.add(found)
    bench.viewer.layers.selection.active = bench.layer
    bench.settle()
    return ids


@pytest.fixture
def table(bench: Bench) -> TableDock:
    dock = open_table_dock(bench.viewer)
    dock.parts.rows.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    dock.parts.filter.figure.setCurrentIndex(0)
    dock.parts.filter.classes.setCurrentIndex(0)
    dock.parts.model.labels = None
    dock.choose_range(None)
    find(bench)
    bench.viewer.reset_view()
    bench.qtbot.waitUntil(lambda: dock.measuring.nuclei is bench.nuclei, timeout=LONG_MS)
    return dock


def measure(bench: Bench, dock: TableDock, scope: TableScope = TableScope.ALL, *, stains: bool = False) -> None:
    bar = dock.parts.bar
    bar.scopes[scope].click()
    if bar.stains.isChecked() != stains:
        bar.stains.click()
    bar.measure.click()
    rest(bench, dock)


def rest(bench: Bench, dock: TableDock) -> None:
    bench.qtbot.waitUntil(lambda: not dock.measuring.busy and not dock.following.waiting, timeout=LONG_MS)
    bench.settle()


def cell(dock: TableDock, nucleus: int, name: str) -> str:
    (row,) = dock.parts.model.rows_of(np.array([nucleus]))
    return str(dock.parts.model.data(dock.parts.model.index(int(row), COLUMNS.index(name))))


def click_row(bench: Bench, dock: TableDock, row: int) -> None:
    rows = dock.parts.rows
    place = rows.visualRect(dock.parts.model.index(row, 0)).center()
    bench.qtbot.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    bench.settle()


def test_every_nucleus_has_its_row_with_size_and_shape(bench: Bench, table: TableDock) -> None:
    measure(bench, table)
    assert table.parts.model.ids.tolist() == list(range(1, 17))
    assert cell(table, 1, "area_um2") == f"{(10 * MPP) ** 2:.1f}"
    assert cell(table, 16, "perimeter_um") == f"{4 * 25 * MPP:.1f}"
    assert cell(table, 2, "class") == SCHEME.names[1]
    assert table.parts.bar.status.text() == "16 nuclei"
    assert table.parts.rows.isColumnHidden(COLUMNS.index("ring_dab_mean"))


def test_stains_are_measured_when_they_are_asked_for(bench: Bench, table: TableDock) -> None:
    measure(bench, table, stains=True)
    assert float(cell(table, 5, "nucleus_haematoxylin_mean")) > 0
    assert not table.parts.rows.isColumnHidden(COLUMNS.index("ring_dab_mean"))


def test_only_what_is_on_screen_or_in_a_region_is_measured(bench: Bench, table: TableDock) -> None:
    bench.look_at(140, 140, 160)
    seen = bench.nuclei.in_view()
    measure(bench, table, TableScope.VIEW)
    assert 0 < len(seen) < 16
    assert table.parts.model.ids.tolist() == seen.tolist()
    measure(bench, table, TableScope.REGIONS)
    assert "Regions" not in table.parts.messages.text
    assert "region" in table.parts.messages.text
    add_regions(bench.viewer, bench.image, [Region([[90, 90], [90, 190], [110, 190], [110, 90]])])
    measure(bench, table, TableScope.REGIONS)
    assert table.parts.model.ids.tolist() == [1, 2]


def test_the_regions_in_which_nuclei_lie_stand_in_a_column_that_follows(bench: Bench, table: TableDock) -> None:
    column = COLUMNS.index("region")
    measure(bench, table)
    assert table.parts.rows.isColumnHidden(column), "no region is drawn"
    left = np.array([[80, 80], [80, 200], [420, 200], [420, 80]], float)
    top = np.array([[80, 80], [80, 420], [120, 420], [120, 80]], float)
    add_regions(bench.viewer, bench.image, [Region(left, name="front"), Region(top, kind="stroma")])
    bench.qtbot.waitUntil(lambda: not table.parts.rows.isColumnHidden(column), timeout=LONG_MS)
    assert [cell(table, nucleus, "region") for nucleus in range(1, 6)] == ["front; stroma 2"] * 2 + ["stroma 2"] * 2 + [
        "front"
    ]
    table.parts.rows.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    first, last = table.parts.model.ids[[0, -1]]
    assert cell(table, first, "region") == "stroma 2"
    assert cell(table, last, "region") == "", "those in none last"
    table.parts.rows.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    bench.session.move([5], [[300.0, 300.0]])
    bench.qtbot.waitUntil(lambda: cell(table, 5, "region") == "", timeout=LONG_MS)
    rest(bench, table)


def test_nuclei_without_outlines_are_spoken_of(bench: Bench, table: TableDock) -> None:
    bench.find([[300.5, 55.5]])
    measure(bench, table)
    assert table.parts.bar.status.text() == "16 nuclei, 1 more have no outline"
    bench.session.undo()
    bench.session.undo()
    bench.find([[300.5, 55.5]])
    measure(bench, table)
    assert "no outline" in table.parts.messages.text
    assert "Outlines" in table.parts.messages.text


def test_a_click_on_a_header_sorts_and_shows_its_histogram(bench: Bench, table: TableDock) -> None:
    measure(bench, table)
    header = table.parts.rows.horizontalHeader()
    column = COLUMNS.index("perimeter_um")
    place = QPoint(header.sectionViewportPosition(column) + header.sectionSize(column) // 2, header.height() // 2)
    for expected in (list(range(1, 17)), list(range(16, 0, -1))):
        bench.qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        assert table.parts.model.ids.tolist() == expected
    assert table.figure == "perimeter_um"
    assert sum(int(bins.sum()) for bins in table.parts.filter.histogram.counts.values()) == 16


def test_rows_are_left_out_by_class_and_by_a_drag_over_the_histogram(bench: Bench, table: TableDock) -> None:
    measure(bench, table)
    box = table.parts.filter.classes
    box.setCurrentIndex(box.findData(1))
    box.activated.emit(0)
    assert table.parts.model.ids.tolist() == list(range(2, 17, 2))
    histogram = table.parts.filter.histogram
    low, high = ((side * MPP) ** 2 for side in (13.5, 18.5))
    left, right = (QPoint(round(histogram.x_of(value)), 40) for value in (low, high))
    bench.qtbot.mousePress(histogram, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, left)
    bench.qtbot.mouseMove(histogram, right)
    bench.qtbot.mouseRelease(histogram, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, right)
    assert table.parts.model.ids.tolist() == [6, 8]
    assert table.parts.bar.status.text() == "2 of 16 nuclei"
    bench.qtbot.mouseClick(histogram, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, left)
    assert len(table.parts.model.ids) == 8


def test_a_range_can_be_typed(bench: Bench, table: TableDock) -> None:
    measure(bench, table)
    bench.qtbot.keyClicks(table.parts.filter.low, str((20.5 * MPP) ** 2))
    bench.qtbot.keyClick(table.parts.filter.low, Qt.Key.Key_Return)
    assert table.parts.model.ids.tolist() == [12, 13, 14, 15, 16]
    table.parts.filter.all.click()
    assert len(table.parts.model.ids) == 16


def test_a_row_leads_to_its_nucleus_and_a_nucleus_to_its_row(bench: Bench, table: TableDock) -> None:
    measure(bench, table)
    click_row(bench, table, 2)
    assert bench.nuclei.selected.tolist() == [3]
    assert np.allclose(camera_of(bench.viewer).center[-2:], PLACES[2] * MPP)
    bench.click(PLACES[9])
    rest(bench, table)
    assert table.parts.rows.selected.tolist() == [10]


def test_a_number_key_gives_the_selected_rows_a_class(bench: Bench, table: TableDock) -> None:
    measure(bench, table)
    click_row(bench, table, 0)
    bench.qtbot.keyClick(table.parts.rows, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    bench.qtbot.keyClick(table.parts.rows, Qt.Key.Key_3)
    bench.settle()
    assert bench.session.labels([1, 2, 3]).tolist() == [2, 2, 0]
    assert cell(table, 1, "class") == SCHEME.names[2]
    bench.qtbot.keyClick(table.parts.rows, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    bench.settle()
    assert cell(table, 1, "class") == SCHEME.names[0]


def test_deleted_nuclei_leave_the_table_and_come_back_measured(bench: Bench, table: TableDock) -> None:
    measure(bench, table)
    bench.session.delete([4, 7])
    rest(bench, table)
    assert not np.isin([4, 7], table.parts.model.ids).any()
    bench.session.undo()
    rest(bench, table)
    assert len(table.parts.model.ids) == 16
    assert cell(table, 4, "area_um2") == f"{(13 * MPP) ** 2:.1f}"
    assert not table.measuring.table.stale.any()


def test_a_moved_nucleus_is_marked_and_measured_anew_where_it_is(bench: Bench, table: TableDock) -> None:
    measure(bench, table, stains=True)
    before = cell(table, 5, "nucleus_haematoxylin_mean"), cell(table, 12, "nucleus_haematoxylin_mean")
    bench.session.move([5], [PLACES[4] + 30])
    assert table.measuring.table.stale[4]
    rest(bench, table)
    assert not table.measuring.table.stale.any()
    assert cell(table, 5, "nucleus_haematoxylin_mean") != before[0]
    assert cell(table, 12, "nucleus_haematoxylin_mean") == before[1]


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.geojson"])
def test_the_rows_that_are_shown_are_saved(bench: Bench, table: TableDock, tmp_path: Path, name: str) -> None:
    measure(bench, table)
    table.choose_range(((20.5 * MPP) ** 2, np.inf))
    table.save(tmp_path / name)
    bench.qtbot.waitUntil(lambda: table._saving is None, timeout=LONG_MS)
    areas = sorted(read_areas(tmp_path / name))
    assert areas == pytest.approx([(side * MPP) ** 2 for side in SIDES[11:]])
    assert name in table.parts.messages.text


def read_areas(path: Path) -> list[float]:
    if path.suffix == ".geojson":
        features = json.loads(path.read_text())["features"]
        assert all(one["geometry"]["type"] == "Polygon" for one in features)
        return [one["properties"]["measurements"]["Nucleus: Area µm^2"] for one in features]
    if path.suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        return list(parquet.read_table(path)["area_um2"].to_pylist())
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return [float(row["area_um2"]) for row in csv.DictReader(lines)]


def test_a_name_that_is_no_table_is_refused_with_a_sentence(bench: Bench, table: TableDock, tmp_path: Path) -> None:
    measure(bench, table)
    table.save(tmp_path / "rows.docx")
    assert "rows.docx" in table.parts.messages.text
    assert not (tmp_path / "rows.docx").exists()


def test_a_hundred_thousand_rows_are_sorted_filtered_and_selected_while_nobody_notices(bench: Bench) -> None:
    n = 100_000
    rng = np.random.default_rng(2)
    filled = FigureTable(np.arange(1, n + 1), rng.integers(0, 3, n))
    filled.put(filled.ids, {name: rng.uniform(0, 100, n) for name in filled.columns})
    dock = open_table_dock(bench.viewer)
    dock.measuring.table = filled
    longest = 0.0
    for act in (
        dock._show_rows,
        lambda: dock.parts.rows.sortByColumn(4, Qt.SortOrder.DescendingOrder),
        lambda: dock.choose_range((20.0, 80.0)),
        dock.parts.rows.selectAll,
        lambda: dock.parts.rows.select(filled.ids[5000:5003]),
        dock.measuring.figures_changed.emit,
    ):
        begin = time.thread_time()
        act()
        longest = max(longest, time.thread_time() - begin)
    assert len(dock.parts.model.ids) == pytest.approx(60_000, rel=0.02)
    assert longest < 0.2


def test_the_model_shows_classes_that_the_scheme_lacks_as_none() -> None:
    model = FigureModel()
    model.show_table(FigureTable([1], [-1]), ClassScheme.named("brca-m2c"))
    assert model.data(model.index(0, 1)) == "no class"
