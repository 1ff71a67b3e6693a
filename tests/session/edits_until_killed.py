"""A program that edits a session and says of each edit that it is done, until somebody kills it.

Reads from its input, line by line, which session to edit and with which seed; for each it forks a child that edits.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import numpy as np
from tests.session.conftest import SCHEME, SLIDE, WEIGHTS, found

from nucloop.outlines import Outlines
from nucloop.session import Session

EDITS = 100_000
RADIUS = 1.0
"""Pixels within which a nucleus that a run finds is one that is there."""
SQUARE = np.array([[-3, -3], [-3, 3], [3, 3], [3, -3]])


def edit(path: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    session = Session.open(path, slide=SLIDE, scheme=SCHEME, author="Dr A")
    run = session.begin_run(WEIGHTS, RADIUS)
    for number in range(EDITS):
        ids = session.ids()
        kind = random.integers(0, 7) if len(ids) > 20 else 0
        some = random.permutation(ids)[: random.integers(1, 20)]
        if kind in (0, 1):
            change = session.add(random.uniform(0, 4000, (5, 2)), int(random.integers(0, 3)))
        elif kind == 2:
            change = session.set_class(some, number % 3, force=True)
        elif kind == 3:
            change = session.delete(some[:2])
        elif kind == 4:
            change = session.move(some, random.uniform(0, 4000, (len(some), 2)))
        elif kind == 5:
            change = session.undo() or session.redo()
        else:
            if not run.is_open:
                run = session.begin_run(WEIGHTS, RADIUS)
            places = random.uniform(0, 4000, (50, 2))
            run.add(replace(found(*places.tolist()), outlines=Outlines.of([yx + SQUARE for yx in places])))
            change = None
        seq = session.ledger.history.last if change is None else change.seq
        if seq:
            # what a person would now see: number of the edit, and the counts that the window shows with it
            sys.stdout.write(f"{seq} {sum(session.counts.values())} {len(session)}\n")
            sys.stdout.flush()
        if number % 50 == 49:
            session.snapshot()


def main() -> None:
    for line in sys.stdin:
        path, seed = line.rsplit(maxsplit=1)
        child = os.fork()
        if not child:
            edit(path, int(seed))
            os._exit(0)
        sys.stdout.write(f"pid {child}\n")
        sys.stdout.flush()
        os.waitpid(child, 0)
        sys.stdout.write("dead\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
