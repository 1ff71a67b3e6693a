"""A run of the cohort engine in a process of its own, begun from the window: the window never waits for it."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QCoreApplication, QObject, QProcess, QTimer, Signal

from nucloop.cohort.running import Step
from nucloop.gui.napari_private.parts import one_of
from nucloop.gui.widgets.messages import Message, Tone

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from nucloop.cohort.background import Orders

__all__ = ["ProjectRun"]

PATIENCE_MS = 20_000
"""After being told to stop it finishes its tile and ends its workers; then it is ended."""
_LAST_PATIENCE_MS = 3_000
_MOST_TOLD = 4_000
"""Letters of what the process wrote last, for whoever mends the program."""


class ProjectRun(QObject):
    """Begins a run, hears its steps, stops it; one at a time. It goes on when the dock is closed."""

    stepped = Signal(object)
    """A Step: a slide was finished or given up."""
    busy_changed = Signal(bool)
    ended = Signal(object)
    """A Message: how it went."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._rest = b""
        self._words = ""
        self._failed: list[Step] = []
        self._done = 0
        self._stopped = False
        self._fault: dict[str, str] = {}
        self.total = 0
        """Slides of this run; 0 while nobody knows."""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._end_it)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self._program_ends)

    @classmethod
    def of(cls, viewer: ViewerModel) -> ProjectRun:
        """Return the one of a viewer."""
        return one_of(viewer, cls, cls)

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._process is not None

    @property
    def progress(self) -> tuple[int, int, int]:
        """Slides that are done, that failed, and all of this run, 0 while nobody knows."""
        return self._done, len(self._failed), self.total

    def start(self, orders: Orders) -> None:
        """Begin; nothing where one is under way."""
        if self._process is not None:
            return
        self._rest, self._words, self._failed, self._done, self.total = b"", "", [], 0, 0
        self._stopped, self._fault = False, {}
        process = self._process = QProcess(self)
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._read_words)
        process.finished.connect(lambda *_: self._ended())
        process.errorOccurred.connect(self._went_wrong)
        process.start(sys.executable, ["-m", "nucloop.cohort.background"])
        process.write(orders.line())
        self.busy_changed.emit(True)

    def stop(self) -> None:
        """Have it end after the tile in hand; what is finished stays."""
        if self._process is not None and not self._stopped:
            self._stopped = True
            self._process.write(b"stop\n")
            self._timer.start(PATIENCE_MS)

    def _end_it(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _program_ends(self) -> None:
        """Take the run along; it would else work for nobody."""
        process = self._process
        if process is not None:
            process.blockSignals(True)
            process.closeWriteChannel()
            if not process.waitForFinished(_LAST_PATIENCE_MS):
                process.kill()
                process.waitForFinished(_LAST_PATIENCE_MS)
            self._process = None

    def _read(self) -> None:
        if self._process is None:
            return
        *lines, self._rest = (self._rest + bytes(self._process.readAllStandardOutput())).split(b"\n")
        for line in lines:
            with suppress(ValueError, TypeError, KeyError):
                self._hear(json.loads(line))

    def _hear(self, told: dict[str, Any]) -> None:
        if "step" in told:
            step = Step(**told["step"])
            self.total = step.total
            if step.sentence:
                self._failed.append(step)
            else:
                self._done += 1
            self.stepped.emit(step)
        elif "fault" in told:
            self._fault = told

    def _read_words(self) -> None:
        if self._process is not None:
            words = bytes(self._process.readAllStandardError()).decode(errors="replace")
            self._words = (self._words + words)[-_MOST_TOLD:]

    def _went_wrong(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._fault = {"fault": "The run could not be begun: Python does not start. Use nucloop cohort run."}
            self._ended()

    def _ended(self) -> None:
        process = self._process
        if process is None:
            return
        self._read()
        self._read_words()
        whole = process.exitStatus() == QProcess.ExitStatus.NormalExit and process.exitCode() == 0
        self._process = None
        self._timer.stop()
        process.deleteLater()
        self.busy_changed.emit(False)
        self.ended.emit(self._last_word(whole=whole))

    def _last_word(self, *, whole: bool) -> Message:
        done = f"{self._done:,} {'slide is' if self._done == 1 else 'slides are'} done"
        if self._fault:
            return Message(self._fault["fault"], Tone.ERROR, self._fault.get("details", ""))
        if self._stopped:
            return Message(f"Stopped. {done}; what is finished stays, and the next run goes on.", Tone.WARNING)
        if not whole:
            words = f"The run was ended from outside. {done}; run again to go on."
            return Message(words, Tone.ERROR, self._words)
        if self._failed:
            first = self._failed[0]
            more = f" {len(self._failed) - 1:,} more failed: choose failed above the list." * (len(self._failed) > 1)
            return Message(f"{done}. {first.slide} failed: {first.sentence}{more}", Tone.WARNING)
        return Message(f"{done}." if self._done else "Nothing was left to do.", Tone.GOOD)
