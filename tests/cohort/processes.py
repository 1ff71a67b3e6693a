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
PATIENCE = 120


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
    """Wait until so many slides are done as chance says, neither none nor nearly all."""
    moment = chance.randint(1, slides - 4)
    until(lambda: results(study) >= moment, program)


def until(true: Callable[[], object], program: subprocess.Popen[str] | None = None) -> None:
    """Wait until something is true, or the program has ended; fail when neither comes."""
    end = time.monotonic() + PATIENCE
    while not true():
        if program is not None and program.poll() is not None:
            return
        assert time.monotonic() < end, "nothing happens any more"
        time.sleep(0.005)


def gone(processes: list[psutil.Process]) -> bool:
    return not [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def finished_here(study: Path) -> None:
    """Do in this process what is left."""
    assert [step.sentence for step in cohort.run(study, device="torch-cpu") if step.sentence] == []
