"""What the window has shown as done is there after kill -9."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from tifffile import imwrite

from nucloop.session import Session, session_path

pytestmark = pytest.mark.gui
ROOT = Path(__file__).parents[2]


TIMES, TOGETHER = 20, 4


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_what_the_window_has_shown_as_done_outlives_kill_9(tmp_path: Path) -> None:
    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(lambda k: kill(tmp_path / f"slide-{k}.tif", k), range(TIMES)))


def kill(slide: Path, seed: int) -> None:
    """Let a window edit a slide, kill it at some moment, and compare what it had shown with what is kept."""
    pixels = np.random.default_rng(seed).integers(100, 255, (64, 64, 3), np.uint8)
    pixels = np.asarray(Picture.fromarray(pixels).resize((512, 512)))
    imwrite(slide, pixels, photometric="rgb", tile=(256, 256), resolution=(20_000, 20_000), resolutionunit="CENTIMETER")
    command = [sys.executable, "-m", "tests.gui.window_until_killed", str(slide), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline() for _ in range(random.randint(2, 180))]
        program.send_signal(signal.SIGKILL)
        lines += [line for line in program.stdout if line.endswith("\n")]
    faults = [line for line in lines if not line.replace(" ", "").strip().isdecimal()]
    assert not faults, "".join(["a person would have been shown:\n", *faults])
    shown = [[int(word) for word in line.split()] for line in lines]
    assert len(shown) >= 2
    check(slide, shown)


def check(slide: Path, shown: list[list[int]]) -> None:
    last, counts = shown[-1][0], shown[-1][1:]
    with Session.open(session_path(slide), read_only=True) as session:
        kept = session.history(newest=10**9)
        assert [edit.seq for edit in kept] == list(range(1, len(kept) + 1))
        # the one after the last may have been written and not yet shown
        assert len(kept) - last in (0, 1)
        if len(kept) == last:
            assert counts in ([], list(session.counts.values()))
