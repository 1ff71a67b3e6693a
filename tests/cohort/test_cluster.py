"""What the client makes of a cluster that loses workers; the cluster is played, so each loss comes when it must."""

from __future__ import annotations

from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from nucloop.cohort.cluster import outcomes_of_cluster
from nucloop.cohort.schedulers import client_of
from nucloop.cohort.settings import CohortSettings
from nucloop.cohort.slide_entry import SlideEntry
from nucloop.cohort.work import Job, Outcome
from nucloop.errors import NucLoopError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

distributed = pytest.importorskip("distributed", reason="distributed is not installed")


class Future:
    """Goes through some states, one each time that somebody waits for it; in the last it has its answer."""

    def __init__(self, client: Client, answer: object, states: list[str]) -> None:
        self.client, self._answer, self._states = client, answer, states
        self.status = "pending"

    def add_done_callback(self, call: Callable[[Future], object]) -> None:
        self.status = self._states.pop(0)
        call(self)

    def result(self) -> object:
        assert self.status == "finished", "somebody would wait here, and nothing else would be done meanwhile"
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer


class Client:
    """Plays what is written for each slide, one line an attempt."""

    status = "running"

    def __init__(self, play: dict[str, list[object]]) -> None:
        self._play = play
        self.begun: list[str] = []

    def nthreads(self) -> dict[str, int]:
        return {"a worker": 1}

    def submit(self, work: object, job: Job, *arguments: object, **options: object) -> Future:
        self.begun.append(job.entry.id)
        line = self._play[job.entry.id].pop(0)
        answer, states = line if isinstance(line, tuple) else (line, ["finished"])
        return Future(self, answer, list(states))

    def cancel(self, futures: list[Any], *, force: bool) -> None:
        pass


def jobs(folder: Path, *slides: str) -> list[Job]:
    return [Job(folder, SlideEntry(id=one, path=one), "key", CohortSettings(), {}) for one in slides]


def killed() -> BaseException:
    return distributed.KilledWorker("a task", SimpleNamespace(address="tcp://a-worker"), 1)


def run(folder: Path, play: dict[str, list[object]]) -> tuple[dict[str, tuple[str, int]], Client]:
    client = Client(play)
    found = outcomes_of_cluster(client, jobs(folder, *play), 3)
    return {outcome.slide: (outcome.sentence, attempts) for outcome, attempts in found}, client


def test_an_answer_that_was_lost_with_its_worker_is_waited_for_again(tmp_path: Path) -> None:
    found, client = run(tmp_path, {"a": [(Outcome("a"), ["lost", "pending", "finished"])], "b": [Outcome("b")]})

    assert found == {"a": ("", 1), "b": ("", 1)}
    assert client.begun == ["a", "b"]


def test_a_slide_that_takes_every_worker_with_it_costs_itself_alone(tmp_path: Path) -> None:
    found, client = run(tmp_path, {"a": [killed(), killed()], "b": [killed(), Outcome("b")], "c": [Outcome("c")]})

    assert found["b"] == ("", 2)
    assert found["c"] == ("", 1)
    assert "memory" in found["a"][0]
    # tried once more, and after the others
    assert client.begun == ["a", "b", "c", "a", "b"]


def test_what_may_go_better_is_tried_three_times_and_what_cannot_once(tmp_path: Path) -> None:
    full, broken = Outcome("a", "The disk is full.", again=True), Outcome("b", "It is broken.")

    found, _ = run(tmp_path, {"a": [full, full, full], "b": [broken]})

    assert found == {"a": ("The disk is full.", 3), "b": ("It is broken.", 1)}


def test_workers_without_nucloop_are_told_of_in_a_sentence(tmp_path: Path) -> None:
    found, _ = run(tmp_path, {"a": [ModuleNotFoundError("No module named 'nucloop'")]})

    assert "the same NucLoop is installed" in found["a"][0]


@pytest.mark.parametrize("error", [CancelledError("gone"), OSError("in TCP: closed")])
def test_a_cluster_that_is_lost_ends_the_run(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(NucLoopError, match="The cluster was lost"):
        run(tmp_path, {"a": [error]})


def test_a_cluster_that_takes_long_to_end_spoils_no_run_and_hides_no_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def __init__(self, *arguments: object, **options: object) -> None:
            pass

        def register_plugin(self, plugin: object) -> None:
            pass

        def close(self, timeout: float) -> None:
            raise TimeoutError(f"timed out after {timeout} s.")

    monkeypatch.setattr(distributed, "LocalCluster", Slow)
    monkeypatch.setattr(distributed, "Client", Slow)

    with client_of(workers=1) as client:
        assert isinstance(client, Slow)
    with pytest.raises(KeyboardInterrupt), client_of(workers=1):
        raise KeyboardInterrupt
