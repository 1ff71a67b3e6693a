"""What the window has said to be done is there after kill -9, whatever it was at.

A few windows are killed here; with ``NUCLOOP_KILLS=20`` in the environment, as ``make kills`` has it, 20 at each work.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tifffile import imread, imwrite

from nucloop.classes import ClassScheme
from nucloop.learning.session_heads import SessionHeads
from nucloop.session import EditKind, Session, session_path
from nucloop.session.identity import SlideIdentity
from nucloop.slides import open_slide

pytestmark = pytest.mark.gui
ROOT = Path(__file__).parents[2]
TISSUE = ROOT / "sample_data" / "synthetic_he.tif"
SCHEME = ClassScheme.named("brca-m2c")
TOGETHER = 4
OLD_SESSIONS = 6
LONGEST_PAUSE_S = 0.2


@dataclass(frozen=True)
class Killing:
    """What the window is at, how often it is killed in `make test`, and after how many lines at most."""

    operation: str
    times: int
    lines: int


KILLINGS = (
    Killing("edit", 4, 180),
    Killing("undo", 2, 120),
    Killing("take_in", 2, 12),
    Killing("detect", 2, 8),
    Killing("learn", 2, 40),
    Killing("migrate", 2, 2 * OLD_SESSIONS),
)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("killing", KILLINGS, ids=lambda one: one.operation)
def test_what_the_window_has_said_to_be_done_outlives_kill_9(tmp_path: Path, killing: Killing) -> None:
    times = int(os.environ.get("NUCLOOP_KILLS", killing.times))
    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(lambda seed: kill(tmp_path / f"slide{seed}.tif", seed, killing), range(times)))


def kill(slide: Path, seed: int, killing: Killing) -> None:
    """Let a window work on a slide, kill it at some moment, and compare what it had said with what is kept."""
    moment = random.Random(f"{killing.operation} {seed}")
    write_slide(slide)
    before = work_before(slide, killing.operation)
    command = [sys.executable, "-m", "tests.gui.window_until_killed", str(slide), str(seed), killing.operation]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline() for _ in range(moment.randint(1, killing.lines))]
        with suppress(subprocess.TimeoutExpired):
            program.wait(moment.uniform(0, LONGEST_PAUSE_S))
        program.send_signal(signal.SIGKILL)
        lines += [line for line in program.stdout if line.endswith("\n")]
    faults = [line for line in lines if not line.replace(" ", "").strip().isdecimal()]
    assert not faults, "".join(["a person would have been shown:\n", *faults])
    shown = [[int(word) for word in line.split()] for line in lines]
    assert shown
    if killing.operation == "migrate":
        for old in old_slides(slide):
            check(old, [before])
    else:
        check(slide, [before, *shown])


def write_slide(path: Path) -> None:
    imwrite(
        path,
        np.ascontiguousarray(imread(TISSUE)[:512, :512]),
        photometric="rgb",
        tile=(256, 256),
        resolution=(20_000, 20_000),
        resolutionunit="CENTIMETER",
    )


def work_before(slide: Path, operation: str) -> list[int]:
    """Have done what the operation needs; return what a line of the window would say then."""
    if operation == "migrate":
        for old in old_slides(slide):
            write_slide(old)
            before = edit_before(old)
            # format 2 knew no outlines
            with closing(sqlite3.connect(session_path(old), isolation_level=None)) as connection:
                connection.execute("DROP TABLE outlines")
                connection.execute("PRAGMA user_version = 2")
        return before
    return edit_before(slide) if operation == "undo" else [0]


def old_slides(slide: Path) -> list[Path]:
    return [slide.with_name(f"{slide.stem}-{k}{slide.suffix}") for k in range(OLD_SESSIONS)]


def edit_before(path: Path) -> list[int]:
    rng = np.random.default_rng(0)
    with open_slide(path) as slide:
        identity = SlideIdentity.of(slide)
    with Session.open(session_path(path), slide=identity, scheme=SCHEME, author="Dr A") as session:
        session.add(rng.uniform(0, 500, (2000, 2)), 0)
        for _ in range(60):
            session.set_class(rng.choice(2000, int(rng.integers(1, 300)), replace=False) + 1, int(rng.integers(3)))
        return [session.ledger.history.last, *session.counts.values()]


def check(slide: Path, said: list[list[int]]) -> None:
    """Compare what was said with what is kept, by reading and by opening to go on."""
    if not session_path(slide).exists():
        assert said[-1][0] == 0
        return
    last, counts = said[-1][0], said[-1][1:]
    with Session.open(session_path(slide), read_only=True) as session:
        kept = session.history(newest=10**9)
        assert [edit.seq for edit in kept] == list(range(1, len(kept) + 1))
        # the one after the last may have been written and not yet said
        assert len(kept) - last in (0, 1)
        if len(kept) == last:
            assert counts in ([], list(session.counts.values()))
        table = session.nuclei()
    with Session.open(session_path(slide), author="Dr B") as session:
        assert len(session.nuclei()) == len(table)
        assert session.nuclei().label.tolist() == table.label.tolist()
        if session.newest(EditKind.NEW_HEAD) is not None:
            heads = SessionHeads(session)
            assert all(heads.load(version) is not None for version in heads.versions())
        session.add([[5, 5]], 0)
        assert len(session.history(newest=10**9)) == len(kept) + 1
