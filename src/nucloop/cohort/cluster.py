"""The workers of a Dask cluster: slides and parts of slides are handed to them, a few more than they can work on."""

from __future__ import annotations

import queue
from collections import deque
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nucloop.cohort.work import Job, Outcome, do_part, do_slide, join_parts
from nucloop.errors import NucLoopError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["outcomes_of_cluster"]

_AHEAD = 3
"""So many tasks for each thread of the cluster wait or are worked on: the scheduler never holds a whole cohort."""
_LOOK = 1.0
"""Seconds after which the client looks whether the cluster is still there."""


@dataclass
class _Flight:
    """What the cluster works on."""

    client: Any
    ended: queue.SimpleQueue[tuple[Job, int, Any]] = field(default_factory=queue.SimpleQueue)
    tasks: dict[str, list[Any]] = field(default_factory=dict)
    """Futures by slide, the last of which is its outcome."""

    def begin(self, job: Job, attempt: int) -> None:
        def submit(work: Any, *arguments: Any) -> Any:
            return self.client.submit(work, job, *arguments, pure=False, retries=0)

        if job.parts == 1:
            futures = [submit(do_slide)]
        else:
            parts = [submit(do_part, number) for number in range(job.parts)]
            futures = [*parts, submit(join_parts, parts)]
        self.tasks[job.entry.id] = futures
        self._listen(job, attempt, futures[-1])

    def _listen(self, job: Job, attempt: int, future: Any) -> None:
        future.add_done_callback(lambda ended: self.ended.put((job, attempt, ended)))

    @property
    def full(self) -> bool:
        threads = sum(self.client.nthreads().values()) if self.tasks else 1
        return sum(map(len, self.tasks.values())) >= _AHEAD * max(threads, 1)

    def next(self) -> tuple[Job, int, Outcome]:
        while True:
            try:
                job, attempt, future = self.ended.get(timeout=_LOOK)
            except queue.Empty:
                if self.client.status != "running":
                    raise _lost() from None
                continue
            if future.status in ("pending", "lost"):
                # it was done, and then its worker was lost before the answer had come: it is done again elsewhere
                self._listen(job, attempt, future)
                continue
            outcome = _outcome_of(job, attempt, future)
            self.tasks.pop(job.entry.id, None)
            return job, attempt, outcome

    def stop(self) -> None:
        if self.client.status == "running":
            # of a scheduler that has just gone the client does not know yet
            with suppress(OSError):
                self.client.cancel([future for futures in self.tasks.values() for future in futures], force=True)
        self.tasks.clear()


def outcomes_of_cluster(client: Any, jobs: list[Job], attempts: int) -> Iterator[tuple[Outcome, int]]:
    """Have jobs done by a cluster; yield how each went in the end, and in how many attempts.

    Parameters
    ----------
    client : distributed.Client
    jobs : list of Job
        In the order in which they begin.
    attempts : int
        So often a job is tried at most.

    Raises
    ------
    NucLoopError
        If the cluster is lost.
    """
    waiting = deque((job, 1) for job in jobs)
    flight = _Flight(client)
    try:
        while waiting or flight.tasks:
            try:
                while waiting and not flight.full:
                    flight.begin(*waiting.popleft())
            except OSError:
                # it is asked how many workers it has, and given work: both need it
                raise _lost() from None
            job, attempt, outcome = flight.next()
            if outcome.again and attempt < attempts:
                waiting.append((job, attempt + 1))
            else:
                yield outcome, attempt
    finally:
        flight.stop()


def _lost() -> NucLoopError:
    return NucLoopError(
        "The cluster was lost: its scheduler does not answer. Every slide that was finished is kept. Start the cluster "
        "and give the same command again."
    )


def _outcome_of(job: Job, attempt: int, future: Any) -> Outcome:
    """Return what a worker handed back; where it could not hand back anything, say so."""
    from distributed import KilledWorker

    name = job.entry.id
    try:
        outcome: Outcome = future.result()
    except (CancelledError, OSError):
        # work hands its own such errors back as sentences: this one is of the way there
        raise _lost() from None
    except KilledWorker as error:
        sentence = (
            f"Every worker that began with {name} was lost, most likely for want of memory. Give each worker more "
            "(fewer --workers), and run again."
        )
        # once more, as it may only have waited at a worker that another slide has killed
        return Outcome(name, sentence, again=attempt == 1, details=str(error))
    except Exception as error:
        if future.client.status != "running":
            raise _lost() from error
        sentence = (
            f"The workers cannot work on {name} ({type(error).__name__}: {error}). See that the same NucLoop is "
            "installed where they run."
        )
        return Outcome(name, sentence, details=repr(error))
    return outcome
