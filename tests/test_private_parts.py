"""napari's and vispy's private parts are touched in one room only."""

from __future__ import annotations

import ast
from pathlib import Path

GUI = Path(__file__).parents[1] / "src" / "nucloop" / "gui"


def private_uses(source: str) -> list[int]:
    """Lines that name a private attribute of something else than themselves, or import a private module."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            if not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}):
                found.append(node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            if any(name.startswith("_") and not name.startswith("__") for name in names):
                found.append(node.lineno)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value == "__wrapped__":
            found.append(node.lineno)
    return found


def test_every_private_use_of_a_library_is_in_the_room_for_them() -> None:
    strangers = {
        f"{path.relative_to(GUI)}:{line}"
        for path in GUI.rglob("*.py")
        if path.parent.name != "napari_private"
        for line in private_uses(path.read_text(encoding="utf-8"))
    }
    assert strangers == set()


def test_what_is_private_is_seen() -> None:
    source = "viewer.window._qt_window\nfrom napari._qt import x\ngetattr(v, '__wrapped__')\nself._own\n"
    assert sorted(private_uses(source)) == [1, 2, 3]
