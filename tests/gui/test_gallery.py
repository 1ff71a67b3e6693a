"""The gallery: crops of a class, relabelled many at a time, in step with the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.conftest import LONG_MS

from nucloop.gui.canvas.docks import open_gallery_dock
from nucloop.gui.gallery import gallery_dock as gallery_module
from nucloop.gui.gallery.gallery_order import EVERY_CLASS, Order
from nucloop.gui.napari_private.view_state import camera_of
from nucloop.nuclei import UNLABELLED, Origin

if TYPE_CHECKING:
    from tests.gui.conftest import Bench

    from nucloop.gui.gallery.gallery_dock import GalleryDock

pytestmark = pytest.mark.gui
PLACES = np.random.default_rng(3).uniform(30, 480, (40, 2))
LABELS = np.repeat([0, 1], 20)


@pytest.fixture
def gallery(bench: Bench) -> GalleryDock:
    dock = open_gallery_dock(bench.viewer)
    bench.find(PLACES, LABELS)
    bench.qtbot.waitUntil(lambda: dock._nuclei is bench.nuclei, timeout=LONG_MS)
    choose(bench, dock, EVERY_CLASS)
    return dock


def choose(bench: Bench, dock: GalleryDock, label: int, order: Order = Order.PLACE) -> None:
    """Choose a class and an order as a person does."""
    dock.classes.setCurrentIndex(dock.classes.findData(label))
    dock.order.setCurrentIndex(list(Order).index(order))
    dock.classes.activated.emit(0)
    bench.settle()


def click(bench: Bench, dock: GalleryDock, row: int, *modifiers: Qt.KeyboardModifier) -> None:
    together = Qt.KeyboardModifier.NoModifier
    for one in modifiers:
        together |= one
    place = dock.grid.cell(row).center()
    bench.qtbot.mouseClick(dock.grid.viewport(), Qt.MouseButton.LeftButton, together, place)
    bench.settle()


def test_crops_of_the_chosen_class_come_and_show_their_nucleus(bench: Bench, gallery: GalleryDock) -> None:
    choose(bench, gallery, 1)
    assert gallery.grid.ids.tolist() == list(range(21, 41))
    bench.qtbot.waitUntil(lambda: len(gallery._crops(gallery.grid.on_screen())) > 3, timeout=LONG_MS)
    crop = gallery._crops(gallery.grid.on_screen())[21]
    y, x = np.round(bench.session.positions([21])[0]).astype(int)
    middle = crop.pixelColor(crop.width() // 2, crop.height() // 2)
    around = bench.image.data[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(0)
    assert np.abs(np.array([middle.red(), middle.green(), middle.blue()]) - around).max() < 90


def test_a_range_gets_a_class_by_one_key_and_leaves_the_grid(bench: Bench, gallery: GalleryDock) -> None:
    choose(bench, gallery, 0)
    click(bench, gallery, 1)
    click(bench, gallery, 4, Qt.KeyboardModifier.ShiftModifier)
    assert gallery.grid.selected.tolist() == bench.nuclei.selected.tolist() == [2, 3, 4, 5]
    bench.qtbot.keyClick(gallery.grid, Qt.Key.Key_3)
    bench.settle()
    assert bench.session.labels([1, 2, 3, 4, 5, 6]).tolist() == [0, 2, 2, 2, 2, 0]
    assert not np.isin([2, 3, 4, 5], gallery.grid.ids).any()
    assert bench.kinds() == ["set class"]
    bench.qtbot.keyClick(gallery.grid, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    bench.settle()
    assert bench.label(2) == 0
    assert 2 in gallery.grid.ids


def test_keys_that_a_person_has_changed_act_in_the_gallery_too(bench: Bench, gallery: GalleryDock) -> None:
    changed = {"delete": "X", "confirm": "?", "undo": "U", "no class": "G", "next class": ""}
    bench.correcting.set_keys(bench.correcting.keys | changed)
    click(bench, gallery, 1)
    for key in (Qt.Key.Key_D, Qt.Key.Key_0, Qt.Key.Key_Y, Qt.Key.Key_Shift):
        bench.qtbot.keyClick(gallery.grid, key)
    assert bench.kinds() == [], "their old keys do nothing any more"
    bench.qtbot.keyClick(gallery.grid, Qt.Key.Key_Question, Qt.KeyboardModifier.ShiftModifier)
    assert bench.session.nuclei([2]).origin.tolist() == [Origin.CONFIRMED]
    bench.qtbot.keyClick(gallery.grid, Qt.Key.Key_G)
    assert bench.label(2) == UNLABELLED
    bench.qtbot.keyClick(gallery.grid, Qt.Key.Key_X)
    assert 2 not in bench.session.ids()
    bench.qtbot.keyClick(gallery.grid, Qt.Key.Key_U)
    assert 2 in bench.session.ids()


def test_a_click_centres_the_slide_on_the_nucleus(bench: Bench, gallery: GalleryDock) -> None:
    click(bench, gallery, 3)
    nucleus = int(gallery.grid.ids[3])
    centre = np.asarray(camera_of(bench.viewer).center[-2:]) / 0.5
    np.testing.assert_allclose(centre, bench.session.positions([nucleus])[0], atol=0.6)


def test_what_is_selected_on_the_slide_is_selected_here(bench: Bench, gallery: GalleryDock) -> None:
    bench.nuclei.select([7, 9])
    bench.qtbot.waitUntil(lambda: gallery.grid.selected.tolist() == [7, 9], timeout=LONG_MS)


def test_a_deleted_nucleus_leaves_the_grid(bench: Bench, gallery: GalleryDock) -> None:
    bench.session.delete([5])
    assert 5 not in gallery.grid.ids
    assert len(gallery.grid.ids) == 39


def test_the_least_sure_come_first(bench: Bench, gallery: GalleryDock) -> None:
    bench.session.confirm([1, 2, 3])
    choose(bench, gallery, EVERY_CLASS, Order.SURE)
    assert sorted(gallery.grid.ids[:3].tolist()) == [1, 2, 3]
    choose(bench, gallery, EVERY_CLASS, Order.UNSURE)
    assert sorted(gallery.grid.ids[-3:].tolist()) == [1, 2, 3]


def test_what_the_model_doubts_comes_first_also_where_a_person_spoke(bench: Bench, gallery: GalleryDock) -> None:
    wrong = bench.session.nuclei().take(np.array([7, 19]))
    other = (wrong.probability.argmax(1) + 1) % 3
    for nucleus, label in zip(wrong.ids, other, strict=True):
        bench.session.set_class([nucleus], int(label))
    choose(bench, gallery, EVERY_CLASS, Order.DOUBTED)
    assert sorted(gallery.grid.ids[:2].tolist()) == wrong.ids.tolist()


def test_the_arrows_move_and_shift_extends(bench: Bench, gallery: GalleryDock) -> None:
    click(bench, gallery, 0)
    bench.qtbot.keyClick(gallery.grid, Qt.Key.Key_Right)
    bench.qtbot.keyClick(gallery.grid, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert gallery.grid.selected.tolist() == gallery.grid.ids[1:3].tolist()


def test_closing_the_image_empties_the_gallery(bench: Bench, gallery: GalleryDock) -> None:
    bench.viewer.layers.clear()
    bench.qtbot.waitUntil(lambda: gallery.empty.isVisible(), timeout=LONG_MS)
    assert len(gallery.grid.ids) == 0


def test_very_many_are_sorted_in_the_background(
    bench: Bench, gallery: GalleryDock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery_module, "AT_ONCE", 10)
    choose(bench, gallery, 1, Order.SURE)
    bench.session.delete([21])
    bench.qtbot.waitUntil(lambda: sorted(gallery.grid.ids.tolist()) == list(range(22, 41)), timeout=LONG_MS)
    bench.qtbot.waitUntil(lambda: gallery.count.text() == "19 nuclei", timeout=LONG_MS)


def test_those_like_the_selected_one_are_found_by_their_features(bench: Bench, gallery: GalleryDock) -> None:
    features = np.random.default_rng(0).normal(0, 0.01, (40, 8)).astype(np.float32)
    features[:, 0] += 1
    features[[4, 11, 30], 1] += 5
    kept = bench.sessions.features_of(bench.image)
    kept.put_later("a" * 64, np.arange(1, 41), features)
    kept.flush()
    click(bench, gallery, 11)
    choose(bench, gallery, EVERY_CLASS, Order.SIMILAR)
    assert gallery.grid.ids[0] == 12
    assert sorted(gallery.grid.ids[:3].tolist()) == [5, 12, 31]
