"""A run that another program has begun, in a process of its own: ``python -m nucloop.cohort.background``.

It gets one line of JSON, the orders, and gives one for each step. It ends when it is told to, in any line that follows,
and when whoever began it has gone.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import psutil

from nucloop.cohort.project import open_project
from nucloop.cohort.report import write_report
from nucloop.cohort.running import run
from nucloop.cohort.schedulers import client_of
from nucloop.errors import NucLoopError

__all__ = ["Orders", "main"]


@dataclass(frozen=True)
class Orders:
    """What to work on."""

    folder: str
    """The cohort's."""
    only: list[str] | None = None
    """Ids of slides; all unless given."""
    workers: int | None = None
    """On this machine; as many as there is room for unless said, none where Dask is not installed."""
    device: str = "auto"
    no_session: tuple[str, ...] = ()
    """Ids of slides whose sessions whoever began it has open: it adds to them itself."""

    def line(self) -> bytes:
        """Return them as the process reads them."""
        return json.dumps(asdict(self)).encode() + b"\n"


def main(given: IO[str], told: IO[str]) -> None:
    """Work as the first line says, and tell how it goes.

    Each line that is told is JSON with one of the keys ``step``, ``report``, ``stopped`` and ``fault``.
    """

    def tell(**words: Any) -> None:
        told.write(json.dumps(words) + "\n")
        told.flush()

    over = threading.Event()
    # a window that was opened by a script in the background has it ignored, and so have its children
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        orders = Orders(**json.loads(given.readline()))
        threading.Thread(target=_listen, args=(given, over), daemon=True, name="nucloop-orders").start()
        _work(orders, tell)
    except KeyboardInterrupt:
        with suppress(KeyboardInterrupt):
            tell(stopped=True)
    except NucLoopError as error:
        tell(fault=str(error))
    except Exception as error:  # noqa: BLE001 - whoever began it is to know
        short = " ".join(str(error).split())[:160] or "no reason given"
        words = f"NucLoop stopped because of a fault in the program ({type(error).__name__}: {short})."
        tell(fault=f"{words} What was finished is kept.", details=traceback.format_exc())
    finally:
        over.set()
        signal.signal(signal.SIGINT, before)


def _work(orders: Orders, tell: Any) -> None:
    folder = Path(orders.folder)
    project = open_project(folder)
    workers = 0 if orders.workers is None and find_spec("distributed") is None else orders.workers
    with client_of(workers=workers) as client:
        for step in run(project, client, device=orders.device, only=orders.only, no_session=orders.no_session):
            tell(step=asdict(step))
    tell(report=[str(path) for path in write_report(open_project(folder))])


def _listen(given: IO[str], over: threading.Event) -> None:
    """Interrupt the work when a line comes, or none can come any more."""
    with suppress(ValueError, OSError):
        given.readline()
    if not over.is_set():
        _thread.interrupt_main()


def _stand_back() -> None:
    """Let the window that began it go first."""
    with suppress(OSError, psutil.Error, AttributeError):
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if os.name == "nt" else 10)


if __name__ == "__main__":
    # what libraries print is not for whoever reads the steps
    steps = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _stand_back()
    main(sys.stdin, steps)
