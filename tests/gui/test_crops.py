"""Crops are read in threads: the window waits for none of them, and a slide is closed when nobody reads it any more."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QObject
from tests.gui.conftest import LONG_MS

from nucloop.gui.gallery.crops import CropReader
from nucloop.slides.slide import Slide, build_levels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

PLACES = np.array([[100.0, 100], [200, 200], [300, 300]])


class SlowSource:
    """A level whose reading takes until the test lets it go on."""

    shape = (400, 400)

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Semaphore(0), threading.Event()
        self.closed, self.read_closed = threading.Event(), threading.Event()

    def read(self, y0: int, x0: int, y1: int, x1: int) -> np.ndarray:
        self.begun.release()
        self.go_on.wait()
        if self.closed.is_set():
            self.read_closed.set()
        return np.full((y1 - y0, x1 - x0, 3), 90, np.uint8)

    def slide(self) -> Slide:
        return Slide("slow", None, 0.25, build_levels([self], "slow"), close=self.closed.set)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowSource]:
    made = SlowSource()

    def waits(*_: object) -> None:
        raise AssertionError("the window waits for a thread")

    monkeypatch.setattr(threading.Thread, "join", waits)
    yield made
    made.go_on.set()


def test_crops_that_were_asked_for_come(source: SlowSource, qtbot: QtBot) -> None:
    source.go_on.set()
    owner = QObject()
    reader = CropReader(source.slide(), owner)
    assert reader.ask([1, 2, 3], PLACES) == {}
    qtbot.waitUntil(lambda: len(reader.ask([1, 2, 3], PLACES)) == 3, timeout=LONG_MS)
    assert reader.ask([2], PLACES[1:2])[2].pixelColor(5, 5).red() == 90
    qtbot.waitUntil(lambda: not reader.waiting, timeout=LONG_MS)
    reader.close()
    assert source.closed.wait(LONG_MS / 1000)


def test_a_slide_is_closed_by_the_last_thread_that_reads_it_and_nobody_waits(source: SlowSource, qtbot: QtBot) -> None:
    owner = QObject()
    reader = CropReader(source.slide(), owner)
    reader.ask([1, 2, 3], PLACES)
    for _ in range(2):
        assert source.begun.acquire(timeout=LONG_MS / 1000)
    reader.close()
    assert not source.closed.is_set(), "two crops are still being read"
    with qtbot.waitSignal(reader.destroyed, timeout=LONG_MS):
        reader.deleteLater()
    source.go_on.set()
    assert source.closed.wait(LONG_MS / 1000)
    assert not source.read_closed.is_set()
    assert not source.begun.acquire(blocking=False), "the third crop is not wanted any more"


def test_a_reader_that_goes_with_its_owner_closes_the_slide_too(source: SlowSource, qtbot: QtBot) -> None:
    owner = QObject()
    CropReader(source.slide(), owner).ask([1], PLACES[:1])
    assert source.begun.acquire(timeout=LONG_MS / 1000)
    with qtbot.waitSignal(owner.destroyed, timeout=LONG_MS):
        owner.deleteLater()
    source.go_on.set()
    assert source.closed.wait(LONG_MS / 1000)
    assert not source.read_closed.is_set()
