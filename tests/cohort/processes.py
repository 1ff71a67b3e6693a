"""Runs of a cohort in processes of their own, to be watched, stopped and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from nucloop import cohort

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
PATIENCE = 600
"""Seconds: nothing is waited for that long but on a machine that many share."""


def started(*arguments: object) -> subprocess.Popen[str]:
    """Start a Python module as the leader of a process group of its own, as a terminal does."""
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "300"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@contextmanager
def running(study: Path, *options: object) -> Iterator[subprocess.Popen[str]]:
    """Start ``nucloop cohort run``; whatever is left of it is gone when the block ends."""
    program = started("nucloop", "cohort", "run", study, "--device=torch-cpu", *options)
    try:
        yield program
    finally:
        kill_all(program)


def kill_all(program: subprocess.Popen[str]) -> None:
    everybody = family(program)
    for one in everybody:
        kill(one)
    psutil.wait_procs(everybody, timeout=10)
    if program.poll() is None:
        program.wait(10)
    for stream in (program.stdout, program.stderr):
        if stream is not None:
            stream.close()


def family(program: subprocess.Popen[str]) -> list[psutil.Process]:
    """The process and all that it has started."""
    try:
        parent = psutil.Process(program.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def workers_of(program: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that do a local cluster's work."""
    return [one for one in family(program)[1:] if "spawn_main" in " ".join(cmdline(one))]


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGKILL)


def results(study: Path) -> int:
    """How many slides have a result, as a person sees in the folder."""
    return len([*(study / "results").glob("[!.]*")])


def until_some_moment(study: Path, program: subprocess.Popen[str], chance: random.Random, slides: int) -> None:
    """Wait until so many slides are done as chance says, neither none nor all."""
    moment = chance.randint(1, slides - 1)
    until(lambda: results(study) >= moment, program)


def until(true: Callable[[], object], program: subprocess.Popen[str] | None = None) -> None:
    """Wait until something is true; fail when it does not come, or the program has ended before."""
    end = time.monotonic() + PATIENCE
    while not true():
        if program is not None and program.poll() is not None:
            raise AssertionError(f"it has ended: {program.communicate()}")
        assert time.monotonic() < end, "nothing happens any more"
        time.sleep(0.005)


class Gate:
    """A file that whoever opens it waits at until it is let through: so no run is over before its time.

    It is a named pipe that nobody writes into.

    Parameters
    ----------
    path : Path
        Of a file that is there already; it is taken away and comes back when the gate opens.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._kept, self._pipe = path, path.with_suffix(".kept"), path.with_suffix(".pipe")
        path.rename(self._kept)
        os.mkfifo(self._pipe)
        # a second name, by which those who wait are reached once the first names the file
        os.link(self._pipe, path)

    def open(self) -> None:
        """Let everybody through, those who wait and those who come."""
        content = self._kept.read_bytes()
        os.replace(self._kept, self._path)
        # fails where nobody waits
        with suppress(OSError):
            writing = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
            with suppress(OSError):
                os.write(writing, content)
            os.close(writing)


def gone(processes: list[psutil.Process]) -> bool:
    return not [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def finished_here(study: Path) -> None:
    """Do in this process what is left."""
    assert [step.sentence for step in cohort.run(study, device="torch-cpu") if step.sentence] == []
