"""What a window may not do whatever is pressed: raise, take more memory than there is, or stand still."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
import traceback
from collections import Counter, deque
from pathlib import Path
from typing import Any

import psutil
from napari.utils.notifications import notification_manager

import nucloop

__all__ = ["Watch"]

MOST_GB = 5.0
LONGEST_S = 60
"""Longer than anything may take that a window does before it hears of the next key, on a busy machine too."""
LAST = 25
OURS = str(Path(nucloop.__file__).parent)


class Watch:
    """Writes down what is done, and says what went wrong, with what was done before.

    Parameters
    ----------
    written : Path
        Everything that is done goes there as well, for what ends the process.
    """

    def __init__(self, written: Path) -> None:
        self.faults: Counter[str] = Counter()
        self.last: deque[str] = deque(maxlen=LAST)
        self._file = written.open("w", encoding="utf-8", buffering=1)
        faulthandler.enable()
        sys.excepthook = self._raised
        threading.excepthook = lambda said: self._raised(said.exc_type, said.exc_value, said.exc_traceback)
        notification_manager.receive_error = self._raised
        notification_manager.notification_ready.connect(self._notified)
        threading.Thread(target=self._memory, daemon=True).start()

    def did(self, words: str) -> None:
        """Write down one thing that is about to be done."""
        self.last.append(words)
        self._file.write(words + "\n")
        faulthandler.dump_traceback_later(LONGEST_S, exit=True)

    def fault(self, kind: str, details: str) -> None:
        """Say a fault once, with what led to it."""
        self.faults[kind] += 1
        if self.faults[kind] == 1:
            print(f"##### {kind}\n{details}\n  after:\n  " + "\n  ".join(self.last), flush=True)

    def _raised(self, kind: Any, error: Any, trace: Any) -> None:
        lines = traceback.format_exception(kind, error, trace)
        if any(OURS in frame.filename for frame in traceback.extract_tb(trace)):
            self.fault(lines[-1].strip()[:200], "".join(lines))
        else:
            print(f"napari's own: {lines[-1].strip()}", flush=True)

    def _notified(self, notification: Any) -> None:
        error = getattr(notification, "exception", None)
        if error is not None:
            self._raised(type(error), error, error.__traceback__)

    def _memory(self) -> None:
        process = psutil.Process()
        while process.memory_info().rss < MOST_GB * 1e9:
            time.sleep(0.3)
        self.fault(f"more than {MOST_GB} GB of memory", "where it was:")
        faulthandler.dump_traceback(all_threads=True)
        sys.stdout.flush()
        os._exit(3)
