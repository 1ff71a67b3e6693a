"""Regions are called something and made of something; what is ignored is neither detected in nor counted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from tests.gui.conftest import LONG_MS, at_rest, on_screen

from nucloop.formats import write_document
from nucloop.gui.canvas.docks import open_detect_dock, open_ki67_dock
from nucloop.gui.canvas.drawn_regions import (
    EDGE,
    KIND_EDGES,
    add_regions,
    draw_regions,
    drawn_regions,
    regions_layer,
    regions_of,
)
from nucloop.gui.detect.detection import DetectionScope
from nucloop.gui.sessions.kept_regions import KeptRegions
from nucloop.gui.table.table_scope import TableScope, place_meant
from nucloop.gui.viewing.slide_view import SlideView
from nucloop.session.exchange import document_of, kept_regions

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Shapes
    from qtpy.QtCore import QRect
    from tests.gui.conftest import Bench

    from nucloop.gui.detect.detect_dock import DetectDock

pytestmark = pytest.mark.gui
LEFT = np.array([[100, 100], [100, 250], [400, 250], [400, 100]], float)
RIGHT = LEFT + np.array([0, 150])
PEN = np.array([[100, 100], [100, 400], [200, 400], [200, 100]], float)


@pytest.fixture
def detect(bench: Bench) -> DetectDock:
    KeptRegions.of(bench.viewer)
    bench.find([[150, 150], [300, 150], [300, 300], [150, 300], [450, 450]], [0, 0, 1, 1, 2])
    dock = open_detect_dock(bench.viewer)
    dock.controls.choose_scope(DetectionScope.REGION)
    return dock


def drawn(bench: Bench, *corners: np.ndarray) -> Shapes:
    layer = draw_regions(bench.viewer, bench.image, "polygon")
    for one in corners:
        layer.add_polygons([one])
        layer.selected_data = {layer.nshapes - 1}
    return layer


def kept(bench: Bench) -> list[tuple[str, str]]:
    """Name and class of the regions that the session keeps."""
    return [(one.name, one.kind) for one in kept_regions(bench.session)]


def choose(bench: Bench, dock: DetectDock, kind: str) -> None:
    """Choose a class for the region as a person does in the list."""
    box = dock.region.kind
    bench.qtbot.waitUntil(dock.region.isVisible, timeout=LONG_MS)
    box.setCurrentIndex(box.findData(kind))
    box.activated.emit(box.currentIndex())
    bench.settle()


def test_the_region_that_was_just_drawn_gets_a_class_and_a_name_and_keeps_them(
    bench: Bench, detect: DetectDock, tmp_path: Path
) -> None:
    layer = drawn(bench, LEFT, RIGHT)
    choose(bench, detect, "tumour")
    bench.qtbot.keyClicks(detect.region.name, "hot spot")
    bench.qtbot.keyClick(detect.region.name, Qt.Key.Key_Return)
    said = [("", ""), ("hot spot", "tumour")]
    bench.qtbot.waitUntil(lambda: kept(bench) == said, timeout=LONG_MS)
    np.testing.assert_allclose(layer.edge_color[1, :3] * 255, (0xD5, 0x5E, 0x00), atol=1)

    layer.selected_data = {0, 1}
    bench.qtbot.waitUntil(lambda: detect.region.about.text() == "2 regions", timeout=LONG_MS)
    assert detect.region.kind.currentIndex() == -1, "they differ"
    choose(bench, detect, "stroma")
    said = [("", "stroma"), ("hot spot", "stroma")]
    bench.qtbot.waitUntil(lambda: kept(bench) == said, timeout=LONG_MS)

    write_document(tmp_path / "a.geojson", document_of(bench.session), "geojson")
    told = json.loads((tmp_path / "a.geojson").read_text())
    areas = [one["properties"] for one in told["features"] if one["geometry"]["type"] == "Polygon"]
    assert [(one.get("name"), one["classification"]["name"]) for one in areas] == [
        (None, "Stroma"),
        ("hot spot", "Stroma"),
    ]


def test_a_polygon_that_comes_to_nothing_takes_no_name_of_another(bench: Bench, detect: DetectDock) -> None:
    layer = drawn(bench, LEFT)
    choose(bench, detect, "tumour")
    bench.qtbot.waitUntil(lambda: kept(bench) == [("", "tumour")], timeout=LONG_MS)

    layer.mode = "add_polygon"
    bench.click([450, 300])
    bench.qtbot.keyClick(bench.canvas, Qt.Key.Key_Escape)
    bench.qtbot.waitUntil(lambda: layer.nshapes == 1, timeout=LONG_MS)
    bench.qtbot.keyClicks(detect.region.name, "front")
    bench.qtbot.keyClick(detect.region.name, Qt.Key.Key_Return)

    bench.qtbot.waitUntil(lambda: kept(bench) == [("front", "tumour")], timeout=LONG_MS)


def test_regions_of_a_session_come_back_with_their_looks(bench: Bench, detect: DetectDock) -> None:
    drawn(bench, LEFT, PEN)
    choose(bench, detect, "ignore")
    regions = regions_of(bench.viewer, bench.image)
    bench.viewer.layers.remove(regions_layer(bench.viewer))
    add_regions(bench.viewer, bench.image, regions)
    layer = regions_layer(bench.viewer)
    assert regions_of(bench.viewer, bench.image) == regions
    assert layer.face_color[:, 3].tolist() == pytest.approx([0, 0.5], abs=0.01), "what is ignored is shaded"


def test_what_is_ignored_is_neither_detected_in_nor_counted(bench: Bench, detect: DetectDock) -> None:
    ki67 = open_ki67_dock(bench.viewer)
    ki67.measuring.choose(by_dab=False, positive=frozenset({"lymphocyte"}), negative=frozenset({"tumour"}))

    def counted() -> dict[str, int]:
        bench.qtbot.waitUntil(lambda: not ki67.measuring.busy, timeout=LONG_MS)
        result = ki67.measuring.result
        assert result is not None
        rows = {index.name: index.total for index in result.ki67.regions}
        return rows | {"all": result.ki67.slide.total}

    drawn(bench, PEN)
    choose(bench, detect, "ignore")
    assert counted()["all"] == 2, "of four those beside the pen"
    in_table = place_meant(bench.nuclei, TableScope.ALL)(bench.session.ids())
    assert in_table.tolist() == [False, True, True, False, True]
    for scope in (DetectionScope.SLIDE, DetectionScope.VIEW):
        (area,) = detect.detection.region_of(bench.image, scope)
        assert area.contains([[150, 150], [300, 150]]).tolist() == [False, True]
    drawn(bench, LEFT)
    choose(bench, detect, "tumour")
    drawn(bench, RIGHT)
    bench.qtbot.keyClicks(detect.region.name, "invasive front")
    bench.qtbot.keyClick(detect.region.name, Qt.Key.Key_Return)
    bench.settle()
    assert [one.area for one in drawn_regions(bench.viewer, bench.image)] == pytest.approx([200 * 150] * 2)
    bench.qtbot.waitUntil(lambda: counted() == {"tumour 1": 1, "invasive front": 1, "all": 2}, timeout=LONG_MS)


def test_names_stand_on_the_picture_as_large_at_every_zoom_and_follow_their_regions(
    bench: Bench, detect: DetectDock
) -> None:
    labels = SlideView.of(bench.viewer).labels

    def shown() -> dict[str, QRect]:
        return labels.shown

    layer = drawn(bench, LEFT, RIGHT)
    choose(bench, detect, "tumour")
    bench.qtbot.keyClicks(detect.region.name, "hot spot")
    bench.qtbot.keyClick(detect.region.name, Qt.Key.Key_Return)
    heights = set()
    for pixels in (4000, 1500, 600):
        bench.look_at(250, 250, pixels)
        bench.qtbot.waitUntil(lambda: set(shown()) == {"region 1", "hot spot"}, timeout=LONG_MS)
        for name, corner in (("region 1", LEFT[0]), ("hot spot", RIGHT[0])):
            place = bench.at(corner)
            bench.qtbot.waitUntil(
                lambda name=name, place=place: abs(shown()[name].left() - place.x()) <= 3, timeout=LONG_MS
            )
            at = shown()[name]
            assert abs(at.bottom() - place.y()) <= 2 * at.height() + 8, "above its region, or below another name"
            heights.add(at.height())
    assert len(heights) == 1
    # light letters on a dark ground of their own, whatever the tissue
    at = shown()["hot spot"]
    seen = at_rest(bench.qtbot, lambda: on_screen(bench.canvas))
    part = seen[at.top() : at.bottom(), at.left() + 6 : at.right()]
    assert part.max() > 240
    assert np.median(part) < 70
    bench.look_at(250, 325, 60)
    bench.qtbot.waitUntil(lambda: set(shown()) == {"hot spot"}, timeout=LONG_MS)
    assert bench.canvas.rect().contains(shown()["hot spot"]), "also where its border is out of sight"
    layer.visible = False
    bench.qtbot.waitUntil(lambda: shown() == {}, timeout=LONG_MS)
    layer.visible = True
    layer.selected_data = {1}
    layer.remove_selected()
    bench.look_at(250, 250, 600)
    bench.qtbot.waitUntil(lambda: set(shown()) == {"region 1"}, timeout=LONG_MS)


def luminance(rgb: tuple[float, float, float]) -> float:
    """WCAG's relative luminance of a colour, 0 to 255."""
    part = np.divide(rgb, 255)
    return float(np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("colour", [EDGE, *KIND_EDGES.values()])
@pytest.mark.parametrize("ground", [(242, 243, 245), (228, 230, 238)])
def test_lines_of_regions_are_seen_on_glass_and_on_pale_tissue(colour: str, ground: tuple[int, int, int]) -> None:
    line = QColor(colour)
    contrast = (luminance(ground) + 0.05) / (luminance((line.red(), line.green(), line.blue())) + 0.05)
    assert contrast >= 3, "WCAG's bar for what is no text"
