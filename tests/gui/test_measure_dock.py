"""Measuring as a person does: choose a reference, correct, and read figures that are the command line's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from tests.gui.conftest import LONG_MS, MPP, SCHEME, Bench, at_rest, on_screen
from typer.testing import CliRunner

from nucloop.cli import app
from nucloop.formats import SlideInfo, write_nuclei
from nucloop.geometry import Region
from nucloop.gui.canvas.docks import open_measure_dock
from nucloop.gui.canvas.drawn_regions import add_regions, regions_layer
from nucloop.gui.measure.measure_controls import Since
from nucloop.gui.measure.references import RingMark
from nucloop.gui.measure.rings import RING_STYLE, Ring
from nucloop.gui.napari_private.view_state import camera_of
from nucloop.metrics.rules import RULES
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines
from nucloop.session.outlining import draw_outline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nucloop.gui.measure.measure_dock import MeasureDock

pytestmark = pytest.mark.gui
A, B, C, D = (200, 200), (200, 260), (260, 200), (260, 260)
MISSED = (230, 330)
TRUTH = [A, B, C, MISSED]
"""D is a false alarm."""
TRUE_LABELS = [0, 1, 0, 2]


class Measured(Bench):
    """A bench with the Measure dock open."""

    measure: MeasureDock

    def read(self, name: str = "detection") -> list[str]:
        """Return a row of the table: F1, change, precision, recall, TP, FP, FN."""
        table = self.measure.parts.table
        rows = {table.words(row)[0]: table.words(row)[1:] for row in range(table.rowCount())}
        return rows[name]

    def wait(self) -> None:
        self.settle()
        self.qtbot.waitUntil(lambda: not self.measure.measuring.busy, timeout=LONG_MS)

    def choose(self, box: Any, place: int) -> None:
        """Choose an entry of a combo box as a click does."""
        box.setCurrentIndex(place)
        box.activated.emit(place)
        self.wait()

    def compare_with(self, title: str) -> None:
        self.qtbot.waitUntil(lambda: self.measure.parts.controls.reference.findText(title) > 0, timeout=LONG_MS)
        self.choose(self.measure.parts.controls.reference, self.measure.parts.controls.reference.findText(title))

    def rings(self) -> list[str]:
        layer = self.measure.rings.layer
        return [] if layer is None else list(layer.features["what"])


@pytest.fixture
def bench(bench: Bench) -> Iterator[Measured]:
    bench.__class__ = Measured
    assert isinstance(bench, Measured)
    bench.measure = open_measure_dock(bench.viewer)
    bench.find([A, B, C, D])
    names = np.array(SCHEME.names, object)
    bench.viewer.add_points(
        TRUTH, name="truth", scale=(MPP, MPP), units="um", features={"class": names[TRUE_LABELS]}, visible=False
    )
    bench.viewer.layers.selection.active = bench.layer
    bench.look_at(230, 260, 300)
    yield bench
    # the dock stays for the next test
    parts = bench.measure.parts
    bench.choose(parts.controls.rule, 0)
    bench.choose(parts.since, 0)
    parts.controls.radius.setValue(3.0)
    bench.measure.measuring.compare_with(None)


def truth() -> Nuclei:
    return Nuclei.from_points(SCHEME, TRUTH, label=TRUE_LABELS)


def test_without_a_reference_the_dock_says_what_to_do(bench: Measured) -> None:
    assert bench.measure.parts.hint.isVisible()
    assert "Choose what the nuclei are compared with" in bench.measure.parts.hint.text()
    assert not bench.measure.parts.table.isVisible()


def test_choosing_a_layer_gives_figures_and_rings(bench: Measured) -> None:
    bench.compare_with("truth")
    assert bench.read() == ["0.750", "", "0.750", "0.750", "3", "1", "1"]
    assert bench.read("tumour") == ["0.000", "", "0.000", "0.000", "0", "0", "1"]
    assert sorted(bench.rings()) == ["False alarm", "Missed"]
    layer = bench.measure.rings.layer
    assert layer is not None
    assert {tuple(place) for place in layer.data} == {MISSED, D}
    assert str(layer.symbol[bench.rings().index("Missed")]) == RING_STYLE[Ring.MISS][0]
    assert bench.viewer.layers.selection.active is bench.layer
    assert not layer.editable


def test_figures_and_rings_follow_every_edit_and_its_undo(bench: Measured) -> None:
    bench.compare_with("truth")
    bench.hover(B)
    bench.key(Qt.Key.Key_2)
    assert bench.read("tumour")[0] == "1.000"
    bench.hover(D)
    bench.key(Qt.Key.Key_D)
    assert bench.read()[4:] == ["3", "0", "1"]
    assert bench.rings() == ["Missed"]
    bench.hover(MISSED)
    bench.key(Qt.Key.Key_3)
    bench.key(Qt.Key.Key_A)
    assert bench.read() == ["1.000", "", "1.000", "1.000", "4", "0", "0"]
    assert bench.rings() == []
    for _ in range(3):
        bench.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert bench.read() == ["0.750", "", "0.750", "0.750", "3", "1", "1"]
    assert sorted(bench.rings()) == ["False alarm", "Missed"]


@pytest.mark.parametrize("rule", RULES)
def test_every_number_in_the_dock_is_the_command_lines_on_the_same_data(
    bench: Measured, tmp_path: Path, rule: str
) -> None:
    rng = np.random.default_rng(3)
    bench.find(rng.uniform(20, 480, (150, 2)), rng.integers(0, 3, 150))
    theirs = Nuclei.from_points(SCHEME, rng.uniform(20, 480, (160, 2)), label=rng.integers(0, 3, 160))
    info = SlideInfo(name="field", height=512, width=512, mpp=MPP)
    write_nuclei(tmp_path / "theirs.csv", theirs, info)
    bench.measure.compare_with_file(tmp_path / "theirs.csv")
    bench.wait()
    bench.choose(bench.measure.parts.controls.rule, bench.measure.parts.controls.rule.findData(rule))
    bench.measure.parts.controls.radius.setValue(5.0)
    bench.wait()
    bench.hover(A)
    bench.key(Qt.Key.Key_2)
    bench.wait()

    write_nuclei(tmp_path / "mine.csv", bench.session.nuclei(), info)
    out = tmp_path / "figures.json"
    command = [
        "score",
        tmp_path / "mine.csv",
        tmp_path / "theirs.csv",
        "--radius-um",
        "5",
        "--rule",
        rule,
        "--json",
        out,
    ]
    assert CliRunner().invoke(app, [str(word) for word in command]).exit_code == 0
    report = json.loads(out.read_text())
    for name, counts in {"detection": report["detection"], **report["classes"]}.items():
        shares = [f"{counts[key]:.3f}" for key in ("f1", "precision", "recall")]
        assert bench.read(name) == [shares[0], "", *shares[1:], *(str(counts[key]) for key in ("tp", "fp", "fn"))]
    assert bench.read("mean")[0] == f"{report['mean_f1']:.3f}"
    assert bench.measure.parts.confusion._counts.tolist() == report["confusion"]["reference_by_predicted"]
    shown = bench.measure.report()
    for key in ("detection", "classes", "mean_f1", "confusion", "hovernet", "rule", "radius_um"):
        assert shown[key] == report[key]
    assert bench.measure.parts.controls.flaw.isVisible() == bool(RULES[rule].flaw)


def test_agreement_in_the_dock_is_the_command_lines(bench: Measured, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    places = np.stack(np.divmod(np.arange(100), 10), 1) * 45.0 + 20
    bench.find(places, rng.integers(0, 3, 100))
    info = SlideInfo(name="field", height=512, width=512, mpp=MPP)
    theirs = Nuclei.from_points(SCHEME, places[5:] + 1, label=rng.integers(0, 3, 95))
    for name, table in (("mine", bench.session.nuclei()), ("theirs", theirs)):
        write_nuclei(tmp_path / f"{name}.csv", table, info)
    bench.measure.compare_with_file(tmp_path / "theirs.csv")
    bench.wait()
    bench.measure.parts.agreement_section.expand()
    bench.measure.adjudicating.start()
    bench.qtbot.waitUntil(lambda: bench.measure.adjudicating.readings is not None, timeout=LONG_MS)
    words = ["agree", *(str(tmp_path / f"{name}.csv") for name in ("mine", "theirs")), "--json", str(tmp_path / "f")]
    assert CliRunner().invoke(app, words).exit_code == 0
    readings = bench.measure.adjudicating.readings
    assert readings is not None
    assert json.loads(json.dumps(readings.to_dict())) == json.loads((tmp_path / "f").read_text())
    assert f"kappa {readings.agreement.kappa:.3f}" in bench.measure.parts.agreement.summary.text()
    bench.measure.parts.agreement_section.collapse()


def test_a_click_on_a_cell_selects_its_nuclei_and_puts_them_first_in_the_queue(bench: Measured) -> None:
    bench.compare_with("truth")
    grid = bench.measure.parts.confusion
    at_rest(bench.qtbot, lambda: on_screen(grid))
    bench.qtbot.mouseClick(grid, Qt.MouseButton.LeftButton, pos=grid.rect_of(1, 0).center())
    assert bench.nuclei.selected.tolist() == [2]
    assert "called lymphocyte, tumour in the reference" in bench.measure.parts.strip.what.text()
    bench.push(bench.measure.parts.strip.review)
    review = bench.correcting.review
    assert review is not None
    assert review.question is not None
    assert review.question.id == 2
    bench.key(Qt.Key.Key_2)
    assert bench.label(2) == 1
    assert bench.read("tumour")[0] == "1.000"


def test_misses_are_shown_one_after_another(bench: Measured) -> None:
    bench.compare_with("truth")
    grid = bench.measure.parts.confusion
    at_rest(bench.qtbot, lambda: on_screen(grid))
    bench.qtbot.mouseClick(grid, Qt.MouseButton.LeftButton, pos=grid.rect_of(2, 4).center())
    strip = bench.measure.parts.strip
    assert not strip.review.isVisible()
    bench.push(strip.next)
    np.testing.assert_allclose(camera_of(bench.viewer).center[-2:], np.array(MISSED) * MPP)
    assert strip.count.text() == "1 of 1"


def test_changes_since_detection_and_since_a_chosen_moment_are_shown(bench: Measured) -> None:
    bench.compare_with("truth")
    bench.hover(D)
    bench.key(Qt.Key.Key_D)
    since = bench.measure.parts.since
    bench.choose(since, since.findData(Since.DETECTION))
    assert bench.read()[:2] == ["0.857", "+10.7"]
    bench.choose(since, since.findData(Since.NOW))
    assert since.currentData() is Since.CHOSEN
    assert bench.read()[:2] == ["0.857", "0.0"]
    bench.hover(A)
    bench.key(Qt.Key.Key_D)
    assert bench.read()[1] == "−19.0"
    bench.choose(since, since.findData(Since.LEARNING))
    assert "Nothing was learned here yet" in bench.measure.parts.messages.text
    assert bench.read()[1] == ""


def test_only_what_lies_inside_drawn_regions_is_counted(bench: Measured) -> None:
    bench.compare_with("truth")
    box = [[150, 150], [150, 300], [230, 300], [230, 150]]
    bench.viewer.add_shapes([np.array(box)], shape_type="polygon", name="Regions", scale=(MPP, MPP), units="um")
    bench.push(bench.measure.parts.controls.regions)
    bench.wait()
    assert bench.read()[4:] == ["2", "0", "0"]
    bench.push(bench.measure.parts.controls.regions)


def test_what_is_ignored_is_left_out_over_the_whole_slide_and_the_dock_says_so(bench: Measured) -> None:
    bench.compare_with("truth")
    before = bench.read()
    said = bench.measure.parts.controls.left_out
    assert not said.isVisible()
    corners = np.array([[0, 0], [0, 512], [512, 512], [512, 0]], float)
    half = corners * (0.5, 1)
    add_regions(bench.viewer, bench.image, [Region(half, kind="ignore")])
    bench.qtbot.waitUntil(said.isVisible, timeout=LONG_MS)
    bench.wait()
    assert said.text() == "1 ignored region is left out of all figures, on both sides."
    found, truth = bench.measure.measuring.sides()
    counted = bench.measure.measuring.score.detection
    assert counted.tp + counted.fp == int((found.yx[:, 0] > 256).sum())
    assert counted.tp + counted.fn == int((truth.yx[:, 0] > 256).sum())
    assert counted.tp + counted.fp < len(found)
    assert bench.measure.report()["ignored_regions"] == 1
    regions_layer(bench.viewer, bench.image).remove([0])
    bench.qtbot.waitUntil(lambda: not said.isVisible(), timeout=LONG_MS)
    bench.wait()
    assert bench.read() == before


def test_a_curve_of_f1_against_the_threshold_is_drawn(bench: Measured) -> None:
    bench.compare_with("truth")
    bench.measure.parts.curve_section.toggleButton().click()
    bench.qtbot.waitUntil(lambda: bench.measure.parts.curve.isVisible() and len(bench.measure.parts.curve.x) > 0)
    curve = bench.measure.parts.curve
    assert curve.y[0] == pytest.approx(0.75)
    assert curve.y[curve.x > 0.91].max() == 0


def test_the_table_is_copied_and_saved_with_rule_and_radius(bench: Measured, tmp_path: Path) -> None:
    bench.compare_with("truth")
    bench.push(bench.measure.parts.copy)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:4] == ["run", "dataset", "images", "what"]
    assert lines[1].split("\t")[3:6] == ["detection", "0.7500", "0.7500"]
    bench.measure.save_table(tmp_path / "t.csv")
    assert "boolean one-to-one" in (tmp_path / "t.csv").read_text()
    bench.measure.save_picture(tmp_path / "t.png")
    assert (tmp_path / "t.png").stat().st_size > 1000
    bench.measure.save_table(tmp_path / "no" / "such" / "t.csv")


def test_a_reference_that_is_edited_or_deleted_is_followed(bench: Measured) -> None:
    bench.compare_with("truth")
    layer = bench.viewer.layers["truth"]
    layer.add([D])
    bench.wait()
    bench.qtbot.waitUntil(lambda: bench.read()[4:] == ["4", "0", "1"], timeout=LONG_MS)
    bench.viewer.layers.remove(layer)
    bench.qtbot.waitUntil(lambda: bench.measure.parts.hint.isVisible(), timeout=LONG_MS)
    assert not [layer for layer in bench.viewer.layers if RingMark in layer.metadata]


def test_a_file_that_cannot_be_read_is_a_sentence(bench: Measured, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("nothing\n1\n")
    bench.measure.compare_with_file(tmp_path / "bad.csv")
    assert "no columns y and x" in bench.measure.parts.messages.text


def test_another_reader_of_the_session_is_a_reference_and_places_are_decided(bench: Measured) -> None:
    bench.session.author = "Dr B"
    bench.session.set_class([1, 2, 3], 1, force=True)
    bench.session.author = "Dr A"
    bench.session.set_class([1, 2], 1, force=True)
    bench.session.set_class([3], 2, force=True)
    bench.compare_with("Reader Dr B")
    assert bench.read()[4:] == ["3", "0", "0"]
    assert bench.read("tumour")[4:] == ["2", "0", "1"]

    bench.measure.parts.agreement_section.toggleButton().click()
    box = bench.measure.parts.agreement
    bench.qtbot.waitUntil(lambda: "They differ at 1 place." in box.summary.text(), timeout=LONG_MS)
    bench.push(box.begin)
    bench.qtbot.waitUntil(lambda: box.question.text() == "You say stromal, they say tumour.", timeout=LONG_MS)
    ring = bench.measure.agreement.ring.layer
    assert ring in bench.viewer.layers
    assert ring.data.tolist() == [bench.session.positions([3])[0].tolist()], "the nucleus in question is ringed"
    assert [name for name, one in box.others.items() if one.isVisible()] == ["lymphocyte"], "all else is offered too"
    # an edit in between compares anew, and asks on
    bench.measure.adjudicating.start()
    bench.qtbot.waitUntil(lambda: bench.measure.adjudicating.readings is not None, timeout=LONG_MS)
    assert box.question.text() == "You say stromal, they say tumour."
    bench.push(box.buttons["second"])
    assert box.progress.text() == "1 of 1 decided"
    bench.push(box.layer)
    consensus = bench.viewer.layers["Consensus"]
    assert list(consensus.features["class"]) == ["tumour"] * 3
    assert bench.session.recall("adjudicated Dr B") == [[3, 3, "tumour"]]
    bench.qtbot.waitUntil(lambda: ring not in bench.viewer.layers, timeout=LONG_MS)


def test_a_class_that_neither_reader_names_is_decided_and_stays_that_class_in_another_order(bench: Measured) -> None:
    for author, label in (("Dr B", 1), ("Dr A", 2)):
        bench.session.author = author
        bench.session.set_class([1, 2, 3], label, force=True)
    bench.compare_with("Reader Dr B")
    bench.measure.parts.agreement_section.toggleButton().click()
    box = bench.measure.parts.agreement
    bench.qtbot.waitUntil(lambda: "They differ at 3 places." in box.summary.text(), timeout=LONG_MS)
    box.begin.click()
    bench.qtbot.waitUntil(lambda: box.others != {} and box.others["lymphocyte"].isVisible(), timeout=LONG_MS)
    box.others["lymphocyte"].click()
    assert box.progress.text() == "1 of 3 decided"
    bench.session.order_classes(["tumour", "stromal", "lymphocyte"])
    bench.measure.adjudicating.start()
    assert list(bench.measure.adjudicating.decisions.values()) == [2]
    bench.session.remove_class("lymphocyte")
    bench.measure.adjudicating.start()
    assert bench.measure.adjudicating.decisions == {}, "it is open again"
    bench.session.undo()
    bench.measure.adjudicating.start()
    assert list(bench.measure.adjudicating.decisions.values()) == [2]


def test_blinded_readers_are_not_compared_with_others(bench: Measured) -> None:
    bench.session.author = "Dr B"
    bench.session.set_class([1], 1, force=True)
    bench.session.author = "Dr A"
    bench.session.blinded = True
    bench.measure._follow()
    assert bench.measure.parts.controls.reference.findText("Reader Dr B") < 0


def test_figures_are_of_the_reader_whose_labels_are_shown(bench: Measured) -> None:
    bench.session.author = "Dr B"
    bench.session.set_class([2], 1, force=True)
    bench.session.author = "Dr A"
    bench.session.set_class([2], 0, force=True)
    bench.compare_with("truth")
    assert bench.read("tumour")[0] == "0.000"
    bench.nuclei.reader = "Dr B"
    bench.qtbot.waitUntil(lambda: bench.read("tumour")[0] == "1.000", timeout=LONG_MS)


def test_a_dock_that_is_closed_leaves_nothing_behind(bench: Measured) -> None:
    bench.compare_with("truth")
    assert bench.measure.rings.layer is not None
    bench.viewer.window.remove_dock_widget(bench.measure)
    assert not [layer for layer in bench.viewer.layers if RingMark in layer.metadata]
    measuring = bench.measure.measuring
    before = measuring.score.detection
    bench.session.delete([1])
    bench.settle()
    assert measuring.score.detection == before, "it hears no edit"
    bench.measure = open_measure_dock(bench.viewer)
    bench.compare_with("truth")
    assert bench.read()[4:] == ["2", "1", "2"]


def test_outlines_are_compared_where_both_sides_have_some_and_follow_edits(bench: Measured, tmp_path: Path) -> None:
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    circle = np.stack([np.sin(angle), np.cos(angle)], 1)
    outlines = [place + 10 * circle for place in np.array([A, B, C])]
    truth = Nuclei.from_points(SCHEME, [A, B, C], label=[0, 1, 0], outlines=Outlines.of(outlines))
    write_nuclei(tmp_path / "truth.geojson", truth, SlideInfo(name="field", height=512, width=512, mpp=MPP))
    bench.measure.compare_with_file(tmp_path / "truth.geojson")
    measuring = bench.measure.outlines

    def rest() -> None:
        bench.wait()
        bench.qtbot.waitUntil(lambda: not measuring.busy, timeout=LONG_MS)

    rest()
    # nothing here has an outline yet
    assert bench.measure.parts.outlines.isHidden()
    for nucleus, ring in zip(bench.session.ids()[:3].tolist(), outlines, strict=True):
        draw_outline(bench.session, nucleus, ring)
    rest()
    assert measuring.figures is not None
    assert measuring.figures.segmentation.aji > 0.97
    assert "AJI" in bench.measure.parts.outlines.text()
    assert bench.measure.report()["outlines"]["pq"] > 0.97
    draw_outline(bench.session, int(bench.session.ids()[0]), np.array(A) + 7 * circle)
    rest()
    assert measuring.figures.segmentation.aji < 0.9
    bench.session.undo()
    rest()
    assert measuring.figures.segmentation.aji > 0.97
