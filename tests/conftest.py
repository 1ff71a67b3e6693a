"""What all tests share: real data when it is there, and a plain reason to skip where something is missing."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
NEEDS_NAPARI = "napari is not installed: pip install 'napari-nucloop[app,dev-app]'"


class NeedsNapari(pytest.Collector):
    """Stands for a folder of tests that cannot even be imported without napari."""

    def collect(self) -> Iterator[pytest.Item]:
        pytest.skip(NEEDS_NAPARI)


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if path == ROOT / "tests" / "gui" and not (find_spec("napari") and find_spec("pytestqt")):
        return NeedsNapari.from_parent(parent, name=path.name)
    return None


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Find a folder of real data by name; the test is skipped where it is missing."""
    base = Path(os.environ.get("NUCLOOP_DATA", ROOT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        folder = base / name
        if not folder.exists():
            pytest.skip(f"the data set {name} is not here; name its parent folder by NUCLOOP_DATA")
        return folder

    return find
