"""The whole hour from the first slide to the second morning, in a window of any size; see `tests/gui/whole_hour.py`.

    python -m tests.gui.hour_walk FOLDER WIDTH HEIGHT THEME

walks it in a process of its own, as a screen of another scale needs it (QT_SCALE_FACTOR), and prints the longest freeze
of each step.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tests.gui.whole_hour import Hour, write_slides

from nucloop.session import Session, session_path

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

FEW = 24
"""Nuclei that are corrected where the walk is short."""


@dataclass(frozen=True)
class Left:
    """What the first window has left."""

    labels: NDArray[np.int16]
    readers: tuple[str, ...]
    seen: int
    """Nuclei of the second slide that were seen before the window was closed."""


def work(hour: Hour, plain: Path, large: Path, corrected: int) -> Left:
    """Open, answer, detect, correct, review, learn, be two readers, measure, count, export, and quit in mid-run."""
    hour.open(plain)
    hour.detect()
    assert hour.shown() == {"plain.png", "Nuclei · plain.png"}
    hour.dock.sessions.set_author("Ann")
    hour.correct_many(corrected)
    hour.undo_and_redo()
    hour.review()
    hour.learn()
    hour.second_reader()
    hour.measure("Ann")
    hour.ki67()
    hour.export(plain.with_name("nuclei.geojson"))
    session = hour.nuclei.session
    labels, readers = session.nuclei().label.copy(), tuple(session.readers)
    hour.open(large)
    assert hour.shown() <= {"large.tif", "Nuclei · large.tif"}, "the slide before is out of sight"
    return Left(labels, readers, hour.quit_in_mid_run())


def come_back(hour: Hour, plain: Path, large: Path, left: Left) -> None:
    """Open both slides again, find everything as it was left, and remove one."""
    hour.open(plain)
    hour.until(lambda: hour.count() == len(left.labels), "the nuclei are there again")
    assert not hour.dock.question.isVisible()
    assert (hour.nuclei.session.nuclei().label == left.labels).all()
    assert set(hour.nuclei.session.readers) >= set(left.readers)
    second = hour.open(large)
    hour.until(lambda: hour.count() >= left.seen, "so are those of the other slide")
    hour.remove(second)
    hour.until(lambda: hour.shown() == {"plain.png", "Nuclei · plain.png"}, "the first slide is seen again")
    hour.until(lambda: hour.in_view(hour.nuclei.image), "the view goes to it")
    assert hour.count() == len(left.labels)
    hour.step("")


def walk(
    window: Callable[[], napari.Viewer],
    folder: Path,
    tissue: NDArray[np.uint8],
    size: tuple[int, int],
    theme: str,
    corrected: int = FEW,
) -> dict[str, float]:
    """Walk all of it; return the longest freeze of each step, ms."""
    plain, large = write_slides(folder, tissue)
    first = Hour(window(), size, theme)
    left = work(first, plain, large, corrected)
    with Session.open(session_path(large), read_only=True) as kept:
        assert len(kept) >= left.seen, "what was seen is kept"
    second = Hour(window(), size, theme)
    come_back(second, plain, large, left)
    freezes = [hour.freezes.longest_ms for hour in (first, second)]
    return {step: max(one.get(step, 0.0) for one in freezes) for step in {**freezes[0], **freezes[1]} if step}


def main(folder: str, width: str, height: str, theme: str) -> None:
    """Walk it in this process's own windows."""
    import napari
    from skimage import data

    tissue = np.asarray(data.immunohistochemistry())
    longest = walk(napari.Viewer, Path(folder), tissue, (int(width), int(height)), theme)
    sys.stdout.write(json.dumps(longest) + "\n")
    napari.current_viewer().close()


if __name__ == "__main__":
    main(*sys.argv[1:])
