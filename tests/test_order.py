"""The tests run in any order: `NUCLOOP_TEST_ORDER` shuffles them, and the same number gives the same order again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tests import conftest

if TYPE_CHECKING:
    import pytest


def order(monkeypatch: pytest.MonkeyPatch, seed: str) -> list[tuple[str, int]]:
    """Return file and number of ten tests in each of ten files, in the order of a seed."""
    monkeypatch.setenv(conftest.ORDER, seed)
    items: Any = [SimpleNamespace(path=Path(f"test_{file}.py"), number=k) for file in range(10) for k in range(10)]
    conftest.pytest_collection_modifyitems(items)
    return [(item.path.name, item.number) for item in items]


def test_a_number_shuffles_files_and_the_tests_of_each_and_no_test_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    as_written, shuffled = order(monkeypatch, ""), order(monkeypatch, "7")

    assert sorted(shuffled) == as_written
    files = [file for file, _ in shuffled]
    assert files[::10] != [file for file, _ in as_written][::10]
    # a file's tests may share a window
    assert all(len(set(files[k : k + 10])) == 1 for k in range(0, 100, 10))
    assert [number for _, number in shuffled[:10]] != list(range(10))


def test_the_same_number_gives_the_same_order_again_and_another_another(monkeypatch: pytest.MonkeyPatch) -> None:
    assert order(monkeypatch, "7") == order(monkeypatch, "7") != order(monkeypatch, "8")
