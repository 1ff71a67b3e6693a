"""Ki-67 in the window: regions, classes or DAB, a threshold to drag, and figures that are the command line's."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from tests.gui.conftest import LONG_MS, MPP, SCHEME, Bench
from typer.testing import CliRunner

from nucloop.cli import app
from nucloop.formats import SlideInfo, write_nuclei
from nucloop.geometry import Region
from nucloop.gui.canvas.colouring import ColourBy, class_palette
from nucloop.gui.canvas.docks import open_ki67_dock
from nucloop.gui.canvas.drawn_regions import add_regions, drawn_regions, regions_layer
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.ki67.ki67_memory import recall_settings
from nucloop.gui.ki67.report_form import ReportForm, recall_words, remember_words
from nucloop.gui.napari_private.view_state import camera_of
from nucloop.gui.viewing.slide_view import SlideView
from nucloop.ki67.measurement import POSITIVE_AND_NEGATIVE
from nucloop.session.outlining import draw_outline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nucloop.gui.ki67.ki67_dock import Ki67Dock

pytestmark = pytest.mark.gui
RNG = np.random.default_rng(8)
PLACES = np.stack(np.divmod(np.arange(400), 20), 1) * 25.0 + 15
LABELS = RNG.integers(0, 3, 400)
LEFT = np.array([[0.0, 0], [0, 200], [500, 200], [500, 0]])
RIGHT = LEFT + np.array([0, 250])


class Counted(Bench):
    """A bench with the Ki-67 dock open."""

    ki67: Ki67Dock

    def wait(self) -> None:
        self.settle()
        self.qtbot.waitUntil(lambda: not self.ki67._follow_timer.isActive(), timeout=LONG_MS)
        self.qtbot.waitUntil(lambda: not self.ki67.measuring.busy, timeout=LONG_MS)

    def by_class(self) -> None:
        """Say that tumour is positive and stromal negative, as a person does."""
        self.push(self.ki67.parts.meaning.by_class)
        self.mean("tumour", 0)
        self.mean("stromal", 1)

    def mean(self, name: str, meaning: int) -> None:
        box = self.ki67.parts.meaning.boxes[name]
        box.setCurrentIndex(meaning)
        box.activated.emit(meaning)
        self.wait()

    def draw(self, *outlines: np.ndarray) -> None:
        self.push(self.ki67.parts.draw["polygon"])
        layer = regions_layer(self.viewer, self.image)
        layer.mode = "pan_zoom"
        layer.add_polygons(list(outlines))
        self.viewer.layers.selection.active = self.layer
        self.wait()


@pytest.fixture
def bench(bench: Bench) -> Iterator[Counted]:
    bench.__class__ = Counted
    assert isinstance(bench, Counted)
    bench.ki67 = open_ki67_dock(bench.viewer)
    bench.find(PLACES, LABELS)
    bench.wait()
    yield bench
    bench.ki67.measuring.choose(by_dab=True, positive=frozenset(), negative=frozenset())


def counts(*labels: int) -> int:
    return int(np.isin(LABELS, labels).sum())


def test_classes_are_mapped_and_remembered_and_the_index_follows_edits(bench: Counted) -> None:
    bench.by_class()
    total = counts(1, 2)
    assert bench.ki67.parts.index.text() == f"{100 * counts(1) / total:.1f}%"
    assert recall_settings(bench.session).positive == {"tumour"}
    negative = int(np.flatnonzero(LABELS == 2)[0]) + 1
    bench.nuclei.select([negative])
    bench.correcting.corrections.pixel = None
    bench.key(Qt.Key.Key_2)
    bench.wait()
    assert bench.ki67.parts.counted.text().startswith(f"{counts(1) + 1:,} positive of\n{total:,}")
    bench.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    bench.wait()
    assert bench.ki67.parts.counted.text().startswith(f"{counts(1):,} positive")


def test_without_a_meaning_the_dock_asks_for_one(bench: Counted) -> None:
    bench.push(bench.ki67.parts.meaning.by_class)
    bench.wait()
    assert "which classes are positive" in bench.ki67.parts.why.text()
    assert not bench.ki67.parts.report.isVisible()


def test_regions_have_their_own_indices_and_are_led_to(bench: Counted) -> None:
    bench.by_class()
    bench.draw(LEFT, RIGHT)
    rows = bench.ki67.parts.table.words()
    assert list(rows) == ["region 1", "region 2", "all regions", "average", "hot spot"]
    inside = PLACES[:, 1] <= 200
    positive, total = int((LABELS[inside] == 1).sum()), int(np.isin(LABELS[inside], [1, 2]).sum())
    assert rows["region 1"][2:] == [str(positive), str(total)]
    assert "from region to region" not in bench.ki67.parts.interval.text(), "two are too few to tell"
    assert "3 fields: 1 more (2 counted)." in bench.ki67.parts.needs.text()
    bench.ki67.parts.table.cellClicked.emit(0, 0)
    np.testing.assert_allclose(camera_of(bench.viewer).center[-2:], np.array([250, 100]) * MPP)


def test_every_number_in_the_dock_is_the_command_lines_on_the_same_data(bench: Counted, tmp_path: Path) -> None:
    bench.by_class()
    bench.draw(LEFT, RIGHT)
    write_nuclei(tmp_path / "n.csv", bench.session.nuclei(), SlideInfo(name="f", height=512, width=512, mpp=MPP))
    # QuPath counts corners from the outer edge of the first pixel
    rings = [[[x + 0.5, y + 0.5] for y, x in [*outline, outline[0]]] for outline in (LEFT, RIGHT)]
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}} for ring in rings
    ]
    (tmp_path / "r.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    words = ["ki67", "n.csv", "--regions", "r.geojson", "--positive", "tumour", "--negative", "stromal", "--json", "f"]
    words = [str(tmp_path / word) if word in ("n.csv", "r.geojson", "f") else word for word in words]
    assert CliRunner().invoke(app, words).exit_code == 0
    result = bench.ki67.measuring.result
    assert result is not None
    assert json.loads(json.dumps(result.to_dict())) == json.loads((tmp_path / "f").read_text())


def test_nuclei_in_a_hole_are_not_counted_here_nor_by_the_command_line(bench: Counted, tmp_path: Path) -> None:
    bench.by_class()
    hole = LEFT / 2 + np.array([120, 50])
    region = Region.of_pieces([[LEFT, hole], [RIGHT / 4 + 300]])
    add_regions(bench.viewer, bench.image, [region])
    bench.qtbot.waitUntil(lambda: bench.ki67.parts.table.words().keys() >= {"region 1"}, timeout=LONG_MS)
    bench.wait()

    rows = bench.ki67.parts.table.words()
    counted = region.contains(PLACES) & np.isin(LABELS, [1, 2])
    assert rows["region 1"][2:] == [str(int((counted & (LABELS == 1)).sum())), str(int(counted.sum()))]
    assert "region 2" not in rows
    write_nuclei(
        tmp_path / "n.geojson", bench.session.nuclei(), SlideInfo(name="f", height=512, width=512, mpp=MPP),
        regions=drawn_regions(bench.viewer, bench.image),
    )  # fmt: skip
    words = [
        "--regions",
        tmp_path / "n.geojson",
        "--positive",
        "tumour",
        "--negative",
        "stromal",
        "--json",
        tmp_path / "f",
    ]
    assert CliRunner().invoke(app, ["ki67", *map(str, [tmp_path / "n.geojson", *words])]).exit_code == 0
    assert json.loads((tmp_path / "f").read_text())["regions"][0]["total"] == counted.sum()


def test_by_dab_too_every_number_is_the_command_lines(bench: Counted, tmp_path: Path) -> None:
    bench.push(bench.ki67.parts.meaning.by_dab)
    bench.qtbot.waitUntil(lambda: bench.ki67.parts.meaning.histogram.isVisible(), timeout=LONG_MS)
    bench.wait()
    before = bench.ki67.measuring.result
    assert before is not None
    # also after nuclei came that nobody knew of when the dock found the slide's stains
    bench.session.add(np.random.default_rng(0).uniform(20, 490, (40, 2)), "tumour")
    bench.qtbot.waitUntil(
        lambda: bench.ki67.measuring.result.ki67.slide.total == before.ki67.slide.total + 40, timeout=LONG_MS
    )
    bench.wait()
    Image.fromarray(np.asarray(bench.image.data)).save(tmp_path / "field.png")
    write_nuclei(tmp_path / "n.csv", bench.session.nuclei(), SlideInfo(name="f", height=512, width=512, mpp=MPP))
    words = ["ki67", str(tmp_path / "n.csv"), "--slide", str(tmp_path / "field.png"), "--mpp", str(MPP), "--dab"]
    assert CliRunner().invoke(app, [*words, "--json", str(tmp_path / "f")]).exit_code == 0
    result = bench.ki67.measuring.result
    assert result is not None
    assert json.loads(json.dumps(result.to_dict())) == json.loads((tmp_path / "f").read_text())


def test_dab_decides_without_training_and_its_threshold_can_be_dragged(bench: Counted) -> None:
    bench.push(bench.ki67.parts.meaning.by_dab)
    bench.qtbot.waitUntil(lambda: bench.ki67.parts.meaning.histogram.isVisible(), timeout=LONG_MS)
    bench.wait()
    result = bench.ki67.measuring.result
    assert result is not None
    assert result.ki67.slide.total == len(LABELS), "what a model says of other tissue here is not believed"
    histogram = bench.ki67.parts.meaning.histogram
    where = QPoint(round(histogram.x_of(0.05)), 40)
    bench.qtbot.mousePress(histogram, Qt.MouseButton.LeftButton, pos=where)
    bench.qtbot.mouseRelease(histogram, Qt.MouseButton.LeftButton, pos=where)
    bench.wait()
    moved = bench.ki67.measuring.result
    assert moved is not None
    assert moved.threshold.method == "chosen"
    assert moved.threshold.value == pytest.approx(0.05, rel=0.05)
    assert moved.ki67.slide.positive > result.ki67.slide.positive
    assert "chosen by a person" in bench.ki67.parts.meaning.threshold.text()
    bench.push(bench.ki67.parts.meaning.find)
    bench.wait()
    assert bench.ki67.measuring.result.to_dict() == result.to_dict()


def test_what_a_model_calls_other_tissue_counts_until_a_person_says_otherwise(bench: Counted) -> None:
    meaning = bench.ki67.parts.meaning
    bench.push(meaning.by_dab)
    bench.qtbot.waitUntil(lambda: bench.ki67.measuring.result is not None, timeout=LONG_MS)
    bench.wait()
    assert meaning.who.text().startswith("All nuclei are counted, except where a person said lymphocyte or stromal")
    assert "To leave them out, uncheck them here" in meaning.who.text()
    assert all(box.isChecked() for box in meaning.counted.values())

    bench.session.set_class([1, 2], "stromal", force=True)
    total = lambda: bench.ki67.measuring.result.ki67.slide.total  # noqa: E731
    bench.qtbot.waitUntil(lambda: total() == len(LABELS) - 2, timeout=LONG_MS)

    meaning.counted["stromal"].click()
    bench.wait()
    stromal = int((bench.session.nuclei().label == SCHEME.index("stromal")).sum())
    bench.qtbot.waitUntil(lambda: total() == len(LABELS) - stromal, timeout=LONG_MS)
    assert meaning.who.text() == "Not counted: stromal."
    # what a person chose is kept, whatever else they choose
    bench.ki67.parts.precision.setValue(4.0)
    bench.wait()
    assert recall_settings(bench.session).left_out == {"stromal"}
    assert total() == len(LABELS) - stromal


def test_a_head_that_was_taught_on_this_slide_is_believed_and_no_longer_when_that_is_undone(bench: Counted) -> None:
    bench.push(bench.ki67.parts.meaning.by_dab)
    bench.wait()
    total = lambda: bench.ki67.measuring.result.ki67.slide.total  # noqa: E731
    bench.qtbot.waitUntil(lambda: bench.ki67.measuring.result is not None and total() == len(LABELS), timeout=LONG_MS)
    weights = {"head": {"name": "version 1", "sha256": "ff", "taught": "on this slide"}}
    ids = bench.session.ids()
    p = np.full((len(ids), 3), 0.2)
    p[np.arange(len(ids)), LABELS] = 0.6
    bench.session.relabel(ids, LABELS, p, weights=weights)
    bench.qtbot.waitUntil(lambda: total() == counts(SCHEME.index("tumour")), timeout=LONG_MS)
    assert bench.ki67.parts.meaning.who.text() == "Not counted: lymphocyte, stromal."
    bench.session.undo()
    bench.qtbot.waitUntil(lambda: total() == len(LABELS), timeout=LONG_MS)


def test_the_stain_is_shown_and_can_be_overruled_and_what_counts_follows(bench: Counted) -> None:
    meaning = bench.ki67.parts.meaning
    assert meaning.stain.currentText() == "haematoxylin and DAB (as it looks)"

    def say(row: int) -> None:
        meaning.stain.setCurrentIndex(row)
        meaning.stain.activated.emit(row)
        bench.wait()

    bench.session.remember("ki67 settings", None)
    say(1)
    assert "nothing on it shows Ki-67" in bench.ki67.parts.why.text()
    assert meaning.stain.currentText() == "haematoxylin and eosin"
    say(0)
    bench.qtbot.waitUntil(lambda: bench.ki67.measuring.result is not None, timeout=LONG_MS)
    assert bench.ki67.measuring.settings.by_dab
    assert "haematoxylin and DAB" in meaning.stain.currentText()


def test_both_intervals_are_shown_by_name(bench: Counted) -> None:
    bench.push(bench.ki67.parts.meaning.by_dab)
    bench.qtbot.waitUntil(lambda: bench.ki67.measuring.result is not None, timeout=LONG_MS)
    bench.wait()
    words = bench.ki67.parts.interval.text()
    assert "with errors of finding and threshold" in words
    assert "by the number of nuclei (Wilson)" in words
    bench.by_class()
    assert "errors of finding" not in bench.ki67.parts.interval.text()


def test_a_nucleus_added_while_dab_decides_is_measured_too(bench: Counted) -> None:
    bench.push(bench.ki67.parts.meaning.by_dab)
    bench.wait()
    bench.qtbot.waitUntil(lambda: bench.ki67.measuring.result is not None, timeout=LONG_MS)
    before = bench.ki67.measuring.result.ki67.slide.total
    bench.session.add([(300.0, 303.0)], "tumour")
    bench.qtbot.waitUntil(lambda: bench.ki67.measuring.result.ki67.slide.total == before + 1, timeout=LONG_MS)


def test_the_wanted_precision_says_how_many_more_are_needed(bench: Counted) -> None:
    bench.by_class()
    bench.ki67.parts.precision.setValue(1.0)
    bench.wait()
    result = bench.ki67.measuring.result
    assert result is not None
    assert result.ki67.still_needed > 1000
    assert (
        f"For a counting interval of ± 1 points: {result.ki67.still_needed:,} more nuclei."
        in bench.ki67.parts.needs.text()
    )
    bench.ki67.parts.precision.setValue(5.0)
    bench.wait()


def test_dots_show_positive_and_negative_while_dab_decides_and_classes_again(bench: Counted) -> None:
    states = POSITIVE_AND_NEGATIVE.colors
    shipped = (files("nucloop") / "class_schemes.yaml").read_text().lower()
    assert not any(colour.lower() in shipped for colour in states)
    bench.push(bench.ki67.parts.meaning.by_dab)
    bench.wait()
    assert bench.nuclei.colour_by is ColourBy.STATE
    assert bench.ki67.measuring.result is not None
    label = bench.ki67.measuring.result.states.label
    rows = np.searchsorted(bench.ki67.measuring.result.states.ids, bench.nuclei.ids)
    np.testing.assert_allclose(bench.layer.face_color, class_palette(POSITIVE_AND_NEGATIVE)[label[rows]])
    bench.by_class()
    assert bench.nuclei.colour_by is ColourBy.CLASS
    np.testing.assert_allclose(bench.layer.face_color, class_palette(SCHEME)[bench.session.labels(bench.nuclei.ids)])


def test_the_report_says_what_a_person_says_about_it(bench: Counted, tmp_path: Path) -> None:
    form = ReportForm(recall_words(bench.session))
    assert form.reader.text() == bench.session.author
    form.case.setText("H24-1234")
    form.specimen.setText("core 3")
    form.comment.setPlainText("crushed at <edges>")
    remember_words(bench.session, form.words)
    bench.by_class()
    bench.ki67.save_report(tmp_path / "r.html")
    bench.qtbot.waitUntil(lambda: not bench.ki67.writing, timeout=LONG_MS)
    page = (tmp_path / "r.html").read_text()
    for words in ("H24-1234", "core 3", "crushed at &lt;edges&gt;", "Reader", f"{counts(0):,} {SCHEME.names[0]}"):
        assert words in page
    assert "Not counted: " in page


def test_the_report_is_saved_as_pdf_and_as_html(bench: Counted, tmp_path: Path) -> None:
    bench.by_class()
    bench.draw(LEFT)
    for name, start in (("r.pdf", b"%PDF"), ("r.html", b"<!DOCTYPE html>")):
        bench.ki67.save_report(tmp_path / name)
        bench.qtbot.waitUntil(lambda: not bench.ki67.writing, timeout=LONG_MS)
        assert bench.ki67.parts.messages.text == f"Saved {name}."
        assert (tmp_path / name).read_bytes().startswith(start)
    assert (tmp_path / "r.pdf").stat().st_size > 20_000, "with pictures"
    page = (tmp_path / "r.html").read_text()
    with slide_of_layer(bench.image) as slide:
        assert slide.name in page
    assert "Cut-offs" in page
    bench.ki67.save_report(tmp_path / "r.txt")
    bench.qtbot.waitUntil(lambda: not bench.ki67.writing, timeout=LONG_MS)
    assert "as .pdf or .html" in bench.ki67.parts.messages.text


def test_scores_stand_beside_the_index_and_their_grades_can_be_changed(bench: Counted) -> None:
    ki67 = bench.ki67
    assert "H-score" in ki67.parts.scores.text()
    assert "Allred" in ki67.parts.scores.text()
    result = ki67.measuring.result
    assert result is not None
    first = result.threshold.value
    assert result.intensity.thresholds == pytest.approx((first, 2 * first, 3 * first))
    ki67.parts.meaning.grades.second.setValue(1.1 * first)
    bench.wait()
    changed = ki67.measuring.result
    assert changed.intensity.thresholds[1] == pytest.approx(1.1 * first, abs=0.006)
    assert changed.intensity.slide.value > result.intensity.slide.value
    assert "chosen by a person" in ki67.parts.meaning.grades.words.text()
    assert recall_settings(bench.session).grades == changed.settings.grades
    bench.push(ki67.parts.meaning.grades.reset)
    bench.wait()
    assert ki67.measuring.result.settings.grades is None
    bench.by_class()
    assert ki67.parts.scores.isHidden()
    assert ki67.parts.meaning.grades.isHidden()


def test_dab_is_measured_anew_within_an_outline_that_was_drawn(bench: Counted) -> None:
    measuring = bench.ki67.measuring
    assert "square of 2.25 µm" in bench.ki67.parts.meaning.grades.words.text()
    (nucleus,) = bench.session.ids()[:1]
    place = bench.session.positions([nucleus])
    before = measuring.densities.of(np.array([nucleus]), place)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    draw_outline(bench.session, int(nucleus), place + 12 * np.stack([np.sin(angle), np.cos(angle)], 1))
    bench.wait()
    assert measuring.densities.of(np.array([nucleus]), place) != before
    assert measuring.result.by_outline == 1
    assert "outline of 1 nucleus" in bench.ki67.parts.meaning.grades.words.text()
    bench.session.undo()
    bench.wait()
    assert measuring.densities.of(np.array([nucleus]), place) == before


def test_fields_are_placed_as_regions_and_counted_one_by_one(bench: Counted) -> None:
    bench.by_class()
    view = SlideView.of(bench.viewer)
    bench.qtbot.waitUntil(lambda: view.image is bench.image and view.thumbnail is not None, timeout=LONG_MS)
    row = bench.ki67.parts.fields
    row.count.setValue(2)
    row.area.setValue(0.01)
    bench.push(row.hot)
    bench.wait()
    drawn = drawn_regions(bench.viewer, bench.image)
    sides = [np.ptp(region.outline, axis=0) * MPP for region in drawn]
    np.testing.assert_allclose(sides, [[100, 100], [100, 100]])
    table = bench.ki67.parts.table.words()
    assert list(table)[2:4] == ["all regions", "average"]
    inside = drawn[0].contains(PLACES)
    assert next(iter(table.values()))[3] == str(int(np.isin(LABELS[inside], [1, 2]).sum()))
    assert bench.ki67.parts.messages.text == "Placed 2 fields of 0.01 mm² where most nuclei crowd."
    row.area.setValue(25)
    bench.push(row.random)
    assert "no room" in bench.ki67.parts.messages.text
    assert len(drawn_regions(bench.viewer, bench.image)) == 2


def test_fields_at_random_lie_in_tissue(bench: Counted) -> None:
    view = SlideView.of(bench.viewer)
    bench.qtbot.waitUntil(lambda: view.image is bench.image and view.thumbnail is not None, timeout=LONG_MS)
    row = bench.ki67.parts.fields
    row.count.setValue(3)
    row.area.setValue(0.01)
    bench.push(row.random)
    first = drawn_regions(bench.viewer, bench.image)
    assert first
    assert all((region.outline > -1).all() and (region.outline < 512).all() for region in first)


def test_fields_are_placed_in_a_drawn_region_and_never_in_what_is_ignored(bench: Counted) -> None:
    view = SlideView.of(bench.viewer)
    bench.qtbot.waitUntil(lambda: view.image is bench.image and view.thumbnail is not None, timeout=LONG_MS)
    row = bench.ki67.parts.fields
    assert not row.place.isVisible(), "there is no region to choose yet"
    bench.push(bench.ki67.parts.draw["polygon"])
    regions_layer(bench.viewer, bench.image).mode = "pan_zoom"
    tumour = Region(np.array([[0, 200], [0, 505], [505, 505], [505, 200]]), name="tumour 1", kind="tumour")
    pen = Region(np.array([[0, 0], [0, 505], [80, 505], [80, 0]]), kind="ignore")
    add_regions(bench.viewer, bench.image, [tumour, pen, Region(LEFT * (1, 0.5), name="edge")])
    bench.viewer.layers.selection.active = bench.layer
    bench.wait()
    offered = [row.place.itemText(k) for k in range(row.place.count())]
    assert row.place.isVisible()
    assert offered == ["In all drawn regions", "All over the tissue", "In tumour 1", "In edge"]
    row.place.setCurrentText("In tumour 1")
    row.count.setValue(1)
    row.area.setValue(0.01)
    for button in (row.random, row.hot):
        layer = regions_layer(bench.viewer, bench.image)
        layer.remove([k for k, kind in enumerate(layer.features["kind"]) if kind == "field"])
        bench.push(button)
        bench.wait()
        assert "in tumour 1" in bench.ki67.parts.messages.text
        field = drawn_regions(bench.viewer, bench.image)[-1]
        assert (field.name, field.kind) == ("field 1", "field")
        np.testing.assert_allclose(np.ptp(field.outline, axis=0) * MPP, [100, 100])
        (top, left), (_, right) = field.bounds
        assert left >= 200, "in the region on the right"
        assert right <= 505
        assert top >= 80, "below the pen"
        assert row.place.currentText() == "In tumour 1", "the choice stays"
    assert list(bench.ki67.measuring.regions) == ["edge", "field 1"], "fields stand for their region"
    row.count.setValue(50)
    bench.push(row.hot)
    assert "Placed 1 of 50 fields of 0.01 mm² in tumour 1 where" in bench.ki67.parts.messages.text
