"""Jobs that begin late, stumble and hand over late, by chance: as on a machine that is slower, or has more to do.

`NUCLOOP_TEST_LATE=1 make test` runs all tests of the window so, and the number is the seed. A test that waits for what
a person sees does not notice; one that counts on what comes first fails.
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from nucloop.gui.widgets import jobs
from nucloop.gui.widgets.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["late_jobs"]

BEGIN_S = (0, 0, 0.02, 0.1, 0.4)
STUMBLES, STUMBLE_S = 0.1, 0.08
LATE, LATE_MS = 0.35, (1, 20, 60, 200)


class _Stumbling:
    """Steps of a job, some of which take longer."""

    def __init__(self, steps: Iterable[Any], chance: random.Random) -> None:
        self._steps, self._chance = iter(steps), chance

    def __iter__(self) -> _Stumbling:
        return self

    def __next__(self) -> Any:
        if self._chance.random() < STUMBLES:
            time.sleep(STUMBLE_S)
        return next(self._steps)

    def close(self) -> None:
        """End them in their own thread, as the job would."""
        if hasattr(self._steps, "close"):
            self._steps.close()


@contextmanager
def late_jobs(seed: str) -> Iterator[None]:
    """Make every job late within it."""
    chance, walk, empty_inbox = random.Random(seed), jobs._walk, Job._empty_inbox

    def walk_late(steps: Callable[[], Iterable[Any]], *others: Any) -> None:
        time.sleep(chance.choice(BEGIN_S))
        walk(lambda: _Stumbling(steps(), chance), *others)

    def empty_late(job: Job) -> None:
        if job.running and chance.random() < LATE:
            job._timer.start(chance.choice(LATE_MS))
        else:
            empty_inbox(job)

    with patch.object(jobs, "_walk", walk_late), patch.object(Job, "_empty_inbox", empty_late):
        yield
