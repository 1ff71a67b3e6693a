"""Running a cohort: what is not done is done, here or by the workers of a Dask cluster."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nucloop.cohort.failures import Failure, forget_failure, keep_failure
from nucloop.cohort.keys import model_hashes
from nucloop.cohort.preparing import looked_at_anew
from nucloop.cohort.project import Project, lock_project, open_project
from nucloop.cohort.result import drop_older, sweep
from nucloop.cohort.sessions import session_of
from nucloop.cohort.states import SlideState, State, states_of
from nucloop.cohort.work import Job, Outcome, do_part, do_slide, join_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["PART_MM2", "Step", "run"]

PART_MM2 = 25.0
"""A slide is worked on in parts of about this area, mm²: a minute or two on one core each, tissue or not."""
ATTEMPTS = 3
"""So often a slide is tried in one run, where another attempt may go better."""


@dataclass(frozen=True)
class Step:
    """A slide that was just finished or given up."""

    slide: str
    sentence: str
    """Why it was given up; empty where it is done."""
    done: int
    """Slides finished or given up in this run."""
    total: int
    """Slides of this run."""
    seconds: float = 0.0


def run(
    project: Project | str | Path,
    client: Any = None,
    *,
    device: str = "auto",
    part_mm2: float = PART_MM2,
    only: Sequence[str] | None = None,
    no_session: Sequence[str] = (),
) -> Iterator[Step]:
    """Work on all slides of a cohort that are not done; yield each as it is finished or given up.

    A slide that fails costs only itself. However the run ends, what was finished stays, and the next one goes on.

    Parameters
    ----------
    project : Project or path
    client : distributed.Client, optional
        Of a cluster whose workers see the cohort's folder; without one the work is done in this process.
    device : str
        auto, cpu, cuda, mps.
    part_mm2 : float
        Slides larger than this are worked on in parts, mm². Results do not depend on it.
    only : sequence of str, optional
        Ids of slides; all unless given.
    no_session : sequence of str
        Ids of slides whose sessions are left to whoever has them open (`nucloop.cohort.bringing`).

    Raises
    ------
    NucLoopError
        If another run works on it, networks are missing, or the cluster is lost.
    """
    project = project if isinstance(project, Project) else open_project(project)
    lock = lock_project(project)
    try:
        sweep(project)
        project = looked_at_anew(project)
        states = [one for one in states_of(project) if only is None or one.entry.id in only]
        todo = []
        for one in states:
            if one.state is State.DONE:
                _settle(project, one)
            else:
                todo.append(one)
        # the largest first, so that none of them is what all others wait for in the end
        todo.sort(key=lambda one: -one.entry.area_mm2)
        hashes = model_hashes(project.settings)
        jobs = [_job(project, one, hashes, device, part_mm2) for one in todo]
        jobs = [replace(job, session=None) if job.entry.id in no_session else job for job in jobs]
        by_id = {one.entry.id: one for one in todo}
        numbers = itertools.count(1)
        for outcome, attempts in _outcomes(jobs, client):
            _keep(project, by_id[outcome.slide], outcome, attempts)
            yield Step(outcome.slide, outcome.sentence, next(numbers), len(jobs), outcome.seconds)
        # workers that were lost have left something, too
        sweep(project)
    finally:
        lock.release()


def _job(project: Project, state: SlideState, hashes: dict[str, str], device: str, part_mm2: float) -> Job:
    parts = max(round(state.entry.area_mm2 / part_mm2), 1)
    session = session_of(project, state.entry) if project.settings.sessions else None
    return Job(project.folder, state.entry, state.key, project.settings, hashes, device, parts, session)


def _outcomes(jobs: list[Job], client: Any) -> Iterator[tuple[Outcome, int]]:
    """Yield how each job went in the end, and in how many attempts."""
    broken = [job for job in jobs if job.entry.trouble]
    for job in broken:
        yield Outcome(job.entry.id, job.entry.trouble), 1
    sound = [job for job in jobs if not job.entry.trouble]
    if client is None:
        for job in sound:
            yield _here(job)
    elif sound:
        from nucloop.cohort.cluster import outcomes_of_cluster

        yield from outcomes_of_cluster(client, sound, ATTEMPTS)


def _here(job: Job) -> tuple[Outcome, int]:
    attempt = 0
    while True:
        attempt += 1
        if job.parts == 1:
            outcome = do_slide(job)
        else:
            outcome = join_parts(job, [do_part(job, number) for number in range(job.parts)])
        if not outcome.again or attempt == ATTEMPTS:
            return outcome, attempt


def _keep(project: Project, state: SlideState, outcome: Outcome, attempts: int) -> None:
    if outcome.sentence:
        failure = Failure(outcome.slide, state.key, outcome.sentence, attempts, outcome.details)
        keep_failure(project.failures, failure)
    else:
        _settle(project, state)


def _settle(project: Project, state: SlideState) -> None:
    """Forget what a whole result has made good."""
    forget_failure(project.failures, state.entry.id)
    drop_older(project.results, state.entry.id, set(state.older))
