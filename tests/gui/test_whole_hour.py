"""A pathologist's hour: open, answer, detect, correct, review, learn, measure, read twice, export, quit, come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.gui.whole_hour import CORRECTED, Hour, write_slides

from nucloop.session import Session, session_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari
    import numpy as np
    from numpy.typing import NDArray

pytestmark = pytest.mark.gui


def first_part(hour: Hour, plain: Path) -> None:
    """Open, answer, detect, correct."""
    hour.open(plain)
    hour.detect()
    assert hour.shown() == {"plain.png", "Nuclei · plain.png"}
    hour.dock.sessions.set_author("Ann")
    hour.correct_many(CORRECTED)
    hour.undo_and_redo()


def test_an_hour_of_work_is_there_again_after_the_window_was_closed(
    make_napari_viewer: Callable[..., napari.Viewer], tmp_path: Path, tissue: NDArray[np.uint8]
) -> None:
    plain, large = write_slides(tmp_path, tissue)
    hour = Hour(make_napari_viewer(show=True), (1440, 900), "dark")
    first_part(hour, plain)
    hour.review()
    hour.learn()
    hour.second_reader()
    hour.measure("Ann")
    hour.ki67()
    hour.export(tmp_path / "nuclei.geojson")
    session = hour.nuclei.session
    labels, readers = session.nuclei().label.copy(), session.readers
    hour.open(large)
    assert hour.shown() <= {"large.tif", "Nuclei · large.tif"}, "the slide before is out of sight"
    seen = hour.quit_in_mid_run()
    with Session.open(session_path(large), read_only=True) as kept:
        assert len(kept) >= seen, "what was seen is kept"

    again = Hour(make_napari_viewer(show=True), (1440, 900), "dark")
    again.open(plain)
    again.until(lambda: again.count() == len(labels), "the nuclei are there again")
    assert not again.dock.question.isVisible()
    assert (again.nuclei.session.nuclei().label == labels).all()
    assert set(again.nuclei.session.readers) >= set(readers)
    second = again.open(large)
    again.until(lambda: again.count() >= seen, "so are those of the other slide")
    again.remove(second)
    again.until(lambda: again.shown() == {"plain.png", "Nuclei · plain.png"}, "the first slide is seen again")
    assert again.count() == len(labels)


@pytest.mark.parametrize(("size", "theme"), [((1024, 700), "light")])
def test_the_first_steps_work_in_a_small_window_too(
    make_napari_viewer: Callable[..., napari.Viewer],
    tmp_path: Path,
    tissue: NDArray[np.uint8],
    size: tuple[int, int],
    theme: str,
) -> None:
    plain, _ = write_slides(tmp_path, tissue)
    first_part(Hour(make_napari_viewer(show=True), size, theme), plain)
