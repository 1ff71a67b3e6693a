"""How far learning is, and how long it will take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nucloop.gui.widgets.running import time_left
from nucloop.learning.session_features import Filling

if TYPE_CHECKING:
    from nucloop.learning.tuning import Passed

__all__ = ["Forecast", "LearningProgress"]

SOONEST_FORECAST_S = 1.0
"""Before this, a forecast of the time left would jump about."""


@dataclass(frozen=True)
class LearningProgress:
    """What goes on now, and how far it is; `total` is 0 while nobody knows."""

    text: str
    done: int = 0
    total: int = 0


class Forecast:
    """Says of what a job yields how far it is, and from its pace how long it will take."""

    def __init__(self) -> None:
        self._kind: type | None = None
        self._began, self._from = 0.0, 0

    def of(self, item: Filling | Passed) -> LearningProgress:
        """Say how far it is."""
        if type(item) is not self._kind or not item.total:
            self._kind, self._began, self._from = type(item), time.monotonic(), item.done
        left = self._seconds_left(item.done, item.total)
        if isinstance(item, Filling):
            words = f"Computing features  ·  {item.done:,} of {item.total:,}"
            pace = "" if left is None else f"\n{time_left(left)}"
        elif not item.total:
            return LearningProgress("Reading pictures around the answers …\n")
        else:
            words = f"Tuning the encoder, epoch {item.epoch} of {item.epochs}" if item.epoch else "Tuning the encoder"
            # it stops early when nothing gets better
            pace = "\n" if left is None else f"\nat most {time_left(left)}"
        return LearningProgress(words + pace, item.done, item.total)

    def _seconds_left(self, done: int, total: int) -> float | None:
        spent = time.monotonic() - self._began
        if spent < SOONEST_FORECAST_S or done <= self._from or done >= total:
            return None
        return spent / (done - self._from) * (total - done)
