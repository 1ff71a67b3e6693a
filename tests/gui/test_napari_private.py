"""What napari and vispy promise nobody is asked for in one folder, and the program works where it is not there."""

from __future__ import annotations

import ast
import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt
from tests.conftest import ROOT
from tests.gui.conftest import LONG_MS, Bench

from nucloop.gui.canvas.colouring import class_palette
from nucloop.gui.canvas.docks import open_detect_dock, open_gallery_dock
from nucloop.gui.correct.pointer import Tool
from nucloop.gui.napari_private import access

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import napari
    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

GUI = ROOT / "src" / "nucloop" / "gui"
PRIVATE = GUI / "napari_private"
ASKING = {"part", "has_parts"}
OWN = {"self", "cls"}
A, B, C = (60.0, 60.0), (100.0, 130.0), (140.0, 50.0)


def _code(folder: Path) -> Iterator[tuple[str, ast.AST]]:
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            yield str(file.relative_to(GUI)), node


def _is_private(name: str) -> bool:
    return re.fullmatch(r"_[^_]\w*", name) is not None


def _private_of_others(node: ast.AST) -> str | None:
    """Return the private name that a piece of code takes from something that is not itself."""
    if isinstance(node, ast.Attribute) and _is_private(node.attr):
        return None if isinstance(node.value, ast.Name) and node.value.id in OWN else node.attr
    return None


def _asked_for(node: ast.AST) -> list[str]:
    """Return the names by which a call asks for private parts."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ASKING:
        return [one.value for one in node.args if isinstance(one, ast.Constant)]
    return []


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


PARTS = sorted({name for _, node in _code(PRIVATE) for name in _asked_for(node)})


def test_private_parts_are_taken_in_one_folder_only() -> None:
    outside = [(file, node) for file, node in _code(GUI) if not file.startswith("napari_private")]
    assert len(outside) > 10_000
    taken = [(file, _private_of_others(node)) for file, node in outside if _private_of_others(node)]
    # nor by a string, as getattr and findChild take them, nor a part of napari that is not for everybody
    spelt = [
        (file, node.value)
        for file, node in outside
        if isinstance(node, ast.Constant) and node.value in {*filter(_is_private, PARTS), "__wrapped__"}
    ]
    imported = [
        (file, module)
        for file, node in outside
        for module in _imported(node)
        if re.search(r"^vispy|^napari\..*\b_", module)
    ]
    assert taken == spelt == imported == []


def test_no_private_part_is_taken_that_was_not_asked_for_first() -> None:
    asked: dict[str, set[str]] = {}
    for file, node in _code(PRIVATE):
        asked.setdefault(file, set()).update(_asked_for(node))
    taken = {(file, name) for file, node in _code(PRIVATE) if (name := _private_of_others(node))}
    assert len(taken) > 10
    assert {(file, name) for file, name in taken if name not in asked[file]} == set()
    assert not [module for _, node in _code(PRIVATE) for module in _imported(node) if re.search(r"\._", module)]


def _in_every_room(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    """Put something in the place of a function wherever the window has it from."""
    for module in [module for key, module in sys.modules.items() if key.startswith("nucloop.gui.")]:
        if name in vars(module):
            monkeypatch.setattr(module, name, value)


@pytest.fixture
def without(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A napari without one part, or with none at all."""
    missing: str = request.param
    gone = set(PARTS) if missing == "any part" else {missing}
    part, has_parts = access.part, access.has_parts
    _in_every_room(monkeypatch, "part", lambda owner, *names: part(owner, *(n for n in names if n not in gone)))
    _in_every_room(monkeypatch, "has_parts", lambda owner, *names: not gone & {*names} and has_parts(owner, *names))
    if missing in ("window_of", "canvas_widget_of"):
        _in_every_room(monkeypatch, missing, lambda viewer: None)
    return missing


@pytest.mark.parametrize("without", [*PARTS, "any part", "window_of", "canvas_widget_of"], indirect=True)
def test_without_a_private_part_nuclei_are_detected_corrected_and_shown(
    without: str, make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot, tissue: NDArray[np.uint8]
) -> None:
    bench = Bench(make_napari_viewer(show=True), qtbot, tissue[:192, :192])
    a, b, c = bench.find([A, B, C], [0, 0, 0]).tolist()
    bench.look_at(96, 96, 192)
    bench.correcting.focus()

    _correct(bench, a, b, c)
    _see_the_class(bench, A, 2)
    _paste(bench)
    _detect(bench)
    gallery: Any = open_gallery_dock(bench.viewer)
    qtbot.waitUntil(lambda: len(gallery.grid.ids) > 0, timeout=LONG_MS)
    bench.viewer.update_status_from_cursor()
    bench.viewer.layers.remove(bench.image)
    qtbot.waitUntil(lambda: not bench.viewer.layers, timeout=LONG_MS)


def _correct(bench: Bench, a: int, b: int, c: int) -> None:
    """Give classes by key, brush and lasso."""
    bench.canvas.setFocus()
    _point_at(bench, A)
    bench.key(Qt.Key.Key_3)
    assert bench.label(a) == 2
    pointer = bench.correcting.pointer
    assert pointer is not None
    bench.key(Qt.Key.Key_2)
    pointer.tool = Tool.BRUSH
    bench.qtbot.waitUntil(lambda: not bench.correcting.brush_circle.making, timeout=LONG_MS)
    bench.drag((B[0], B[1] - 20), B, (B[0], B[1] + 20))
    bench.settle()
    assert bench.label(b) == 1
    pointer.tool = Tool.LASSO
    y, x = C
    bench.drag((y - 20, x - 20), (y - 20, x + 20), (y + 20, x + 20), (y + 20, x - 20))
    bench.settle()
    assert bench.label(c) == 1
    pointer.tool = Tool.POINT
    _point_at(bench, A)
    bench.key(Qt.Key.Key_3)
    bench.drag(C, (y, x + 15))
    bench.settle()
    np.testing.assert_allclose(bench.session.positions([c])[0], (y, x + 15), atol=2)
    bench.nuclei.select([b])
    bench.settle()


def _point_at(bench: Bench, place: tuple[float, float]) -> None:
    """Move the mouse there as a hand does: where Qt cannot be asked, some of its moves go unheard."""
    corrections = bench.correcting.corrections
    assert corrections is not None

    def there() -> bool:
        bench.hover(place)
        return corrections.cursor is not None and bool(np.hypot(*(np.array(corrections.cursor) - place)) < 2)

    bench.qtbot.waitUntil(there, timeout=LONG_MS)


def _see_the_class(bench: Bench, place: tuple[float, float], label: int) -> None:
    colour = class_palette(bench.session.scheme)[label, :3] * 255

    def seen() -> bool:
        picture = bench.viewer.screenshot(canvas_only=True, flash=False)[..., :3]
        at = bench.at(place)
        return bool(np.abs(picture[at.y(), at.x()].astype(float) - colour).max() < 20)

    bench.qtbot.waitUntil(seen, timeout=LONG_MS)


def _paste(bench: Bench) -> None:
    """Copy and paste as napari does; where that cannot be told to the session, no nucleus comes or goes."""
    before = len(bench.session)
    for key in (Qt.Key.Key_C, Qt.Key.Key_V):
        bench.key(key, Qt.KeyboardModifier.ControlModifier)
    assert len(bench.session) - before in (0, 1)
    assert len(bench.layer.data) == len(bench.session)


def _detect(bench: Bench) -> None:
    before = len(bench.session)
    dock: Any = open_detect_dock(bench.viewer)
    bench.qtbot.waitUntil(lambda: dock.device.text() not in ("", dock.LOADING), timeout=LONG_MS)
    bench.mouse(QEvent.Type.MouseMove, bench.at((10, 10)), held=False)
    dock.detect()
    bench.qtbot.waitUntil(lambda: not dock.detection.running, timeout=LONG_MS)
    bench.settle()
    assert len(bench.session) > before
    assert len(bench.layer.data) == len(bench.session)
