"""The runner of long work, driven by its signals."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QWidget
from tests.gui.conftest import LONG_MS, at_rest, on_screen
from tests.gui.late_jobs import late_jobs

from nucloop.errors import DeviceError
from nucloop.gui.widgets.jobs import Ending, How, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytestqt.qtbot import QtBot
    from qtpy.QtGui import QPaintEvent


class Ear:
    """Hears all that a job says."""

    def __init__(self, steps: Callable[[], Iterable[Any]], parent: QObject | None = None) -> None:
        self.items: list[Any] = []
        self.endings: list[Ending] = []
        self.job = Job(steps, parent)
        self.job.items.connect(self.items.extend)
        self.job.ended.connect(self.endings.append)

    def run(self, qtbot: QtBot) -> Ending:
        self.job.start()
        qtbot.waitUntil(lambda: bool(self.endings), timeout=LONG_MS)
        [ending] = self.endings
        return ending


def test_items_arrive_in_order_and_then_the_end(qtbot: QtBot) -> None:
    ear = Ear(lambda: iter(range(1000)))
    assert ear.run(qtbot).how is How.DONE
    assert ear.items == list(range(1000))


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_late_jobs_lose_nothing(qtbot: QtBot, seed: str) -> None:
    with late_jobs(seed):
        ears = [Ear(lambda: iter(range(20))) for _ in range(5)]
        for ear in ears:
            ear.job.start()
        qtbot.waitUntil(lambda: all(ear.endings for ear in ears), timeout=LONG_MS)
    assert [ear.items for ear in ears] == [list(range(20))] * 5
    assert [ending.how for ear in ears for ending in ear.endings] == [How.DONE] * 5


def test_items_and_end_arrive_in_the_thread_of_the_window(qtbot: QtBot) -> None:
    seen = []
    ear = Ear(lambda: iter(["one"]))
    ear.job.items.connect(lambda _: seen.append(threading.current_thread()))
    ear.job.ended.connect(lambda _: seen.append(threading.current_thread()))
    ear.run(qtbot)
    assert seen == [threading.main_thread()] * 2


def test_cancel_stops_between_two_items_keeps_what_came_and_closes_the_generator(qtbot: QtBot) -> None:
    closed, go_on = threading.Event(), threading.Event()

    def steps() -> Iterable[int]:
        try:
            yield 1
            go_on.wait(LONG_MS / 1000)
            yield 2
            yield 3
        finally:
            closed.set()

    ear = Ear(steps)
    ear.job.start()
    qtbot.waitUntil(lambda: ear.items == [1], timeout=LONG_MS)
    ear.job.cancel()
    go_on.set()
    qtbot.waitUntil(lambda: bool(ear.endings), timeout=LONG_MS)
    assert ear.endings[0].how is How.CANCELLED
    assert ear.items == [1, 2]
    assert closed.is_set()


def test_whoever_takes_a_batch_may_let_events_in_and_is_given_the_next_one_afterwards(qtbot: QtBot) -> None:
    first_is_taken, all_is_there = threading.Event(), threading.Event()

    def steps() -> Iterable[int]:
        yield 1
        first_is_taken.wait(LONG_MS / 1000)
        yield 2
        all_is_there.set()

    events: list[Any] = []
    job = Job(steps)

    def take(items: list[int]) -> None:
        first_is_taken.set()
        qtbot.waitUntil(all_is_there.is_set)
        # as napari does while it opens a file
        qtbot.wait(50)
        events.append(items)

    job.items.connect(take)
    job.ended.connect(events.append)
    job.start()
    qtbot.waitUntil(lambda: len(events) == 3)
    assert events[:2] == [[1], [2]]
    assert events[2].how is How.DONE


def test_a_job_may_be_abandoned_while_whoever_takes_a_batch_lets_events_in(qtbot: QtBot) -> None:
    job, taken, gone = Job(lambda: iter([1])), [], []

    def take(items: list[int]) -> None:
        QTimer.singleShot(0, job.abandon)
        qtbot.wait(50)
        taken.append((items, list(gone)))

    job.items.connect(take)
    job.destroyed.connect(lambda: gone.append(True))
    job.start()
    qtbot.waitUntil(lambda: bool(gone))
    assert taken == [([1], [])], "it was not gone before its batch was taken"


def test_a_sentence_for_a_person_passes_as_it_is(qtbot: QtBot) -> None:
    def steps() -> Iterable[int]:
        yield 1
        raise DeviceError("There is no GPU here. Choose CPU.")

    ear = Ear(steps)
    ending = ear.run(qtbot)
    assert ending == Ending(How.FAILED, "There is no GPU here. Choose CPU.", "")
    assert ear.items == [1]


@pytest.mark.parametrize("fault", [RuntimeError, StopIteration, MemoryError, KeyError])
def test_a_fault_of_the_program_is_a_sentence_with_the_traceback_aside(qtbot: QtBot, fault: type[Exception]) -> None:
    def steps() -> Iterable[int]:
        raise fault("the cable is loose")

    ending = Ear(steps).run(qtbot)
    assert ending.how is How.FAILED
    assert "fault in the program" in ending.message
    assert "cable" in ending.message
    assert "Traceback" not in ending.message
    assert "Traceback" in ending.details


def test_a_job_whose_owner_is_deleted_stops_and_is_silent(qtbot: QtBot) -> None:
    closed = threading.Event()

    def steps() -> Iterable[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    owner = QObject()
    ear = Ear(steps, owner)
    ear.job.start()
    qtbot.waitUntil(lambda: bool(ear.items), timeout=LONG_MS)
    owner.deleteLater()
    qtbot.waitUntil(closed.is_set, timeout=LONG_MS)
    assert ear.endings == []


def test_an_abandoned_job_is_silent_and_nobody_waits_for_its_step(qtbot: QtBot) -> None:
    begun, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def steps() -> Iterable[int]:
        try:
            begun.set()
            go_on.wait()
            yield 1
        finally:
            closed.set()

    ear = Ear(steps)
    gone = qtbot.waitSignal(ear.job.destroyed, timeout=LONG_MS)
    ear.job.start()
    assert begun.wait(LONG_MS / 1000)
    ear.job.abandon()
    assert not ear.job.running
    # with its owner it goes while the step is still in hand
    gone.wait()
    assert not closed.is_set()
    go_on.set()
    assert closed.wait(LONG_MS / 1000)
    assert ear.items == []
    assert ear.endings == []


def test_a_job_that_is_abandoned_by_whoever_gets_its_items_says_no_more(qtbot: QtBot) -> None:
    ear = Ear(lambda: iter([1]))
    ear.job.items.connect(lambda _: ear.job.abandon())
    with qtbot.waitSignal(ear.job.destroyed, timeout=LONG_MS):
        ear.job.start()
        ear.job._thread.join()
    assert ear.items == [1]
    assert ear.endings == []


class Picture(QWidget):
    """Notes when it is drawn."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.seen = seen

    def paintEvent(self, event: QPaintEvent | None) -> None:
        self.seen.append("drawn")


@pytest.mark.parametrize(
    ("draws", "order"), [(True, ["items", "drawn", "ended"]), (False, ["items", "ended", "drawn"])]
)
def test_the_last_items_are_drawn_before_the_end_is_told_of_where_they_are_something_to_see(
    qtbot: QtBot, draws: bool, order: list[str]
) -> None:
    seen: list[str] = []
    picture = Picture(seen)
    qtbot.addWidget(picture)
    with qtbot.waitExposed(picture):
        picture.show()
    at_rest(qtbot, lambda: on_screen(picture))
    seen.clear()
    job = Job(lambda: iter(["one"]), draws=draws)
    job.items.connect(lambda _: (seen.append("items"), picture.update()))
    job.ended.connect(lambda _: seen.append("ended"))
    # the step is over before the window looks for the first time
    job.start()
    job._thread.join()
    qtbot.waitUntil(lambda: len(seen) == len(order), timeout=LONG_MS)
    assert seen == order
