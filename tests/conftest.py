"""What all tests share: real data when it is there, and a plain reason to skip where something is missing."""

from __future__ import annotations

import os
import random
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
# Threads that wait for each other by spinning make a small training twenty times slower where others use the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
ORDER = "NUCLOOP_TEST_ORDER"
"""The environment variable with which tests run in another order; its value is the seed."""
LATE = "NUCLOOP_TEST_LATE"
"""The one with which jobs of the window come late by chance, as on a slow machine; its value is the seed."""
NEEDS_NAPARI = "napari is not installed: pip install 'napari-nucloop[app,dev-app]'"


class NeedsNapari(pytest.Collector):
    """Stands for a folder of tests that cannot even be imported without napari."""

    def collect(self) -> Iterator[pytest.Item]:
        pytest.skip(NEEDS_NAPARI)


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if path == ROOT / "tests" / "gui" and not (find_spec("napari") and find_spec("pytestqt")):
        return NeedsNapari.from_parent(parent, name=path.name)
    return None


def pytest_report_header() -> list[str]:
    told = {ORDER: "files, and the tests in each, in another order", LATE: "jobs of the window come late by chance"}
    return [f"{name}={os.environ[name]}: {words}" for name, words in told.items() if os.environ.get(name)]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle the files, and the tests of each: a file's tests may share a window."""
    seed = os.environ.get(ORDER)
    if not seed:
        return
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    order = random.Random(seed)
    shuffled = order.sample(sorted(files), len(files))
    items[:] = [item for file in shuffled for item in order.sample(files[file], len(files[file]))]


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
