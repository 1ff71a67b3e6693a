from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.session.edits_until_killed import RADIUS

from nucloop.session import Session

ROOT = Path(__file__).parents[2]
TIMES = 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_whatever_was_said_to_be_done_outlives_kill_9(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.session.edits_until_killed"]
    chance, edits = random.Random(0), 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as program:
        assert program.stdin is not None
        for attempt in range(TIMES):
            # every other time the session of the time before, as the kill has left it, is edited on
            path = tmp_path / f"{attempt // 2}.svs.nucloop"
            program.stdin.write(f"{path} {attempt}\n")
            program.stdin.flush()
            said = killed_after(program, chance.uniform(0.01, 0.5))
            check(path, said)
            edits += len(said)
        program.stdin.close()
    assert edits > TIMES


def killed_after(program: subprocess.Popen[str], seconds: float) -> list[tuple[int, int, int]]:
    """Let the child edit for a while after its first edit, kill it, and return what it had said until then."""
    assert program.stdout is not None
    said: list[tuple[int, int, int]] = []
    pid = 0
    while (line := program.stdout.readline().strip()) != "dead":
        assert line, "the program ended by itself"
        if line.startswith("pid"):
            pid = int(line.split()[1])
        else:
            said.append(tuple(map(int, line.split())))
        if pid and len(said) == 1:
            threading.Timer(seconds, os.kill, (pid, signal.SIGKILL)).start()
    return said


def check(path: Path, said: list[tuple[int, int, int]]) -> None:
    with Session.open(path, read_only=True) as session:
        kept = session.history(newest=10**9)
    numbers = [seq for seq, _, _ in said]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    # the one after the last may have been written and not yet said
    assert len(kept) - numbers[-1] in (0, 1)
    assert [edit.seq for edit in kept] == list(range(1, len(kept) + 1))
    with Session.open(path) as session:
        if len(kept) == numbers[-1]:
            assert (sum(session.counts.values()), len(session)) == said[-1][1:]
        while session.undo():
            pass
        assert len(session) == 0
        while session.redo():
            pass
        # every outline that a nucleus has is whole and in its place: its own, or that of a model's nucleus there
        nuclei = session.nuclei(outlines=True)
        if nuclei.outlines is not None:
            middles = np.array([ring.mean(0) for ring in nuclei.outlines if ring is not None]).reshape(-1, 2)
            np.testing.assert_allclose(middles, nuclei.yx[nuclei.outlines.there], atol=RADIUS + 0.01)
