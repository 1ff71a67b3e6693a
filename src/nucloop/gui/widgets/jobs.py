"""One runner for long work: walks a generator in a thread and hands its items to the window in batches."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QCoreApplication, QObject, QTimer, Signal

from nucloop.errors import NucLoopError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Ending", "How", "Job", "stand_back"]

SHORTEST_WAIT_MS = 5
"""Items that arrive within this time are handed over together."""
PAUSE_PER_WORK = 3.0
"""After a batch took t to show, the next waits this many t: the window keeps most of its time for the person. The last
one waits for nothing."""
NICENESS = 10
"""How much a job's threads stand back for the window."""
MOST_WAITING = 256
"""When the window falls this many items behind, the job waits for it."""
PATIENCE_S = 5.0
"""How long a program that closes waits for the step in hand."""


class How(Enum):
    """How a job ended."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True)
class Ending:
    """How a job ended and, when it failed, why."""

    how: How
    message: str = ""
    """What a person reads when it failed."""
    details: str = ""
    """The traceback of a fault of the program; empty when the message says all."""


class Job(QObject):
    """Walk a generator in a thread.

    Items wait in a queue that the window empties when it has time, so nothing is called across threads, and a job
    whose owner has gone is simply never asked again. The generator is closed in its own thread, whatever happens.

    Parameters
    ----------
    steps : callable
        Returns the generator; runs in the thread.
    parent : QObject
        The job ends with it.
    draws : bool
        Items are something to see: the window draws the last of them before `ended`, and what follows from that, comes.
    """

    items = Signal(list)
    """Items that came since the last time, in order."""
    ended = Signal(object)
    """An Ending, once, after the last items."""

    def __init__(
        self, steps: Callable[[], Iterable[Any]], parent: QObject | None = None, *, draws: bool = False
    ) -> None:
        super().__init__(parent)
        self._draws = draws
        self._running = self._handing_over = False
        self._inbox: deque[Any] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=_walk, args=(steps, self._inbox, self._stop), daemon=True, name="nucloop-job"
        )
        self._rest_until = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._empty_inbox)
        self.destroyed.connect(self._stop.set)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self._end_with_program)

    @property
    def running(self) -> bool:
        """Whether `ended` is still to come."""
        return self._running

    @property
    def cancelling(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    def start(self) -> None:
        """Begin; once."""
        self._running = True
        self._thread.start()
        self._timer.start(SHORTEST_WAIT_MS)

    def cancel(self) -> None:
        """Stop after the step in hand; what came until then is kept, then `ended` follows."""
        self._stop.set()

    def abandon(self) -> None:
        """Stop, and say nothing any more: nobody wants it. The step in hand ends by itself, and nobody waits for it."""
        self._stop.set()
        self._timer.stop()
        self._running = False
        if not self._handing_over:
            self.deleteLater()

    def _end_with_program(self) -> None:
        self._stop.set()
        self._timer.stop()
        self._running = False
        if self._thread.is_alive():
            self._thread.join(PATIENCE_S)

    def _empty_inbox(self) -> None:
        if self._handing_over:
            # whoever takes a batch lets events in meanwhile, as napari does while it opens a file: one after the other
            self._timer.start(SHORTEST_WAIT_MS)
            return
        over = bool(self._inbox) and isinstance(self._inbox[-1], Ending)
        if not over:
            # before the batch is handed over, so that `running` is true while it is shown
            self._timer.start(SHORTEST_WAIT_MS)
            if time.perf_counter() < self._rest_until:
                return
        # no more than there are now: a job that is faster than the window must not keep it here
        batch = [self._inbox.popleft() for _ in range(len(self._inbox))]
        ending: Ending | None = batch.pop() if over else None
        if batch and ending is not None and self._draws:
            self._inbox.append(ending)
            self._timer.start(0)
            ending = None
        began = time.perf_counter()
        if batch:
            self._handing_over = True
            try:
                self.items.emit(batch)
            finally:
                self._handing_over = False
        if not self._running:
            # whoever got the items has abandoned it, or somebody meanwhile: not before here may it be gone
            self.deleteLater()
            return
        if ending is not None:
            self._running = False
            self.ended.emit(ending)
            self.deleteLater()
        else:
            now = time.perf_counter()
            self._rest_until = now + PAUSE_PER_WORK * (now - began)


def _walk(steps: Callable[[], Iterable[Any]], inbox: deque[Any], stop: threading.Event) -> None:
    """Put every item into the inbox, and an Ending last. Runs in the thread and knows no QObject."""
    ending = Ending(How.DONE)
    generator: Any = None
    stand_back()
    try:
        generator = iter(steps())
        for item in generator:
            inbox.append(item)
            while len(inbox) > MOST_WAITING and not stop.is_set():
                stop.wait(SHORTEST_WAIT_MS / 1000)
            if stop.is_set():
                ending = Ending(How.CANCELLED)
                break
    except NucLoopError as error:
        ending = Ending(How.FAILED, str(error))
    except Exception as error:  # noqa: BLE001 - a thread that dies without a word leaves the window waiting for ever
        ending = _fault(error)
    try:
        if hasattr(generator, "close"):
            generator.close()
    except Exception as error:  # noqa: BLE001 - as above
        ending = _fault(error)
    inbox.append(ending)


def stand_back() -> None:
    """Let this thread, and those that it starts (the networks' own among them), run after the window's.

    Only Linux knows a niceness of single threads.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _fault(error: Exception) -> Ending:
    short = " ".join(str(error).split())[:160] or "no reason given"
    message = (
        f"NucLoop stopped because of a fault in the program ({type(error).__name__}: {short}). "
        "What was found so far is kept. Copy the details into a report, then try again."
    )
    return Ending(How.FAILED, message, "".join(traceback.format_exception(error)))
