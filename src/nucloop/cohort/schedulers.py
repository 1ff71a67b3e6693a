"""Where the work is done: workers on this machine, as many as cores and memory allow, or a cluster elsewhere."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psutil

from nucloop.detection.cores import CORES, available_cores
from nucloop.errors import NucLoopError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["WORKER_BYTES", "client_of", "local_workers"]

WORKER_BYTES = 2_500_000_000
"""What a worker may need: 1.8 GB at worst on whole slides (docs/speed.md), and some room."""
_SETTINGS = {
    # workers hold no data for others, so nothing is gained by writing it to disk or by waiting
    **{f"distributed.worker.memory.{what}": False for what in ("target", "spill", "pause")},
    # a worker that was lost is started anew; where that takes longer than this it would be given up for good, and with
    # the last of them the run would wait for ever. Loading the libraries on a busy machine has taken half a minute.
    "distributed.deploy.lost-worker-timeout": "1 hour",
    # a slide that has taken two workers with it would take more
    "distributed.scheduler.allowed-failures": 1,
}
_COUNT_GPUS = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"
_ANSWERS = 20
"""Seconds in which a scheduler has to answer."""


def local_workers() -> int:
    """Return how many workers this machine has room for: one a GPU, else by its cores and the memory that is free."""
    gpus = _gpus()
    if gpus:
        return gpus
    room = psutil.virtual_memory().available // WORKER_BYTES
    return int(max(1, min(available_cores(), room)))


def _gpus() -> int:
    """Count the GPUs that workers can use, in a process of its own: this one is to do without torch."""
    told = subprocess.run([sys.executable, "-c", _COUNT_GPUS], capture_output=True, text=True, check=False).stdout
    return int(told) if told.strip().isdigit() else 0


@contextmanager
def client_of(
    *, workers: int | None = None, scheduler: str | None = None, scheduler_file: Path | None = None
) -> Iterator[Any]:
    """Give a client of a cluster that is there, or of workers on this machine that end with the block.

    Parameters
    ----------
    workers : int, optional
        On this machine; as many as there is room for unless said. 0 gives None: everything in this process.
    scheduler : str, optional
        Address of a scheduler, tcp://host:8786.
    scheduler_file : Path, optional
        Where a scheduler wrote its address.

    Raises
    ------
    NucLoopError
        If distributed is not installed, or the scheduler does not answer.
    """
    if workers == 0 and not scheduler and not scheduler_file:
        yield None
        return
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise NucLoopError(
            "Several workers need Dask: pip install 'napari-nucloop[cluster]'. Or work in this process: --workers 0."
        ) from error
    if scheduler or scheduler_file:
        with _quiet(), _remote(scheduler, scheduler_file) as client:
            yield client
    else:
        with _local(workers or local_workers()) as client:
            yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own log of a lost cluster away: what a person needs to know of it is said in a sentence."""
    known = logging.root.manager.loggerDict.items()
    loggers = [one for name, one in known if name.startswith("distributed") and isinstance(one, logging.Logger)]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


@contextmanager
def _remote(scheduler: str | None, scheduler_file: Path | None) -> Iterator[Any]:
    from distributed import Client

    where = scheduler or str(scheduler_file)
    try:
        if scheduler_file is not None and not scheduler_file.exists():
            raise OSError("there is no such file")
        about = {"scheduler_file": str(scheduler_file)} if scheduler_file else {"address": scheduler}
        client = Client(**about, timeout=_ANSWERS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise NucLoopError(
            f"No scheduler answers at {where} ({error}). Start it with dask scheduler, or leave --scheduler out to "
            "work on this machine."
        ) from error
    try:
        yield client
    finally:
        _close(client, 2)


@contextmanager
def _local(workers: int) -> Iterator[Any]:
    import dask
    from distributed import Client, LocalCluster

    cores = max(available_cores() // workers, 1)
    limit = psutil.virtual_memory().available // workers
    with dask.config.set(_SETTINGS):
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=limit,
            processes=True,
            # nobody is told its address, and it would take memory
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
            env={CORES: str(cores)},
        )
        client = Client(cluster, set_as_default=False)
        client.register_plugin(_deaf_to_ctrl_c())
        try:
            yield client
        finally:
            _close(client, 2)
            _close(cluster, 5)


def _close(what: Any, seconds: float) -> None:
    """End a client or a cluster. Where a busy machine takes longer, its processes end with this one.

    What they were asked for is done by now, or was stopped: that closing took long is nothing that a person should read
    instead.
    """
    with suppress(TimeoutError):
        what.close(timeout=seconds)


def _deaf_to_ctrl_c() -> Any:
    """Return what keeps workers from dying of a Ctrl+C that is meant for the command that they belong to."""
    from distributed.diagnostics.plugin import WorkerPlugin

    class Deaf(WorkerPlugin):
        """Leaves Ctrl+C to the parent process, which ends its workers."""

        name = "nucloop-ctrl-c"

        def setup(self, worker: Any) -> None:
            """Ignore the signal, where that can be said."""
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Deaf()
