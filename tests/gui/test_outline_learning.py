"""Outlines learned from a slide's points, as a person does it: press, look, compare, apply, take back; or stop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.conftest import LONG_MS, SCHEME, at_rest, on_screen, press
from tests.toy_outlines import disc_places, discs, small_network

from nucloop.gui.canvas.docks import open_learn_dock
from nucloop.gui.widgets.jobs import Job
from nucloop.learning.preparing import prepare_torch
from nucloop.models.files.cards import load_detector
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines
from nucloop.session.outlining import draw_outline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui
CTRL = Qt.KeyboardModifier.ControlModifier
BOX = np.array([[-3, -3], [-3, 3], [3, 3], [3, -3]], float)
SIDE, STEPS = 240, 40


@pytest.fixture
def tissue() -> NDArray[np.uint8]:
    """What the bench opens."""
    return discs(SIDE)


class Points:
    """A bench with a nucleus on each disc, the first two with an outline, and the Learn dock open at its outlines."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.session, self.qtbot = bench, bench.session, bench.qtbot
        places = disc_places(SIDE)
        rings: list[Any] = [BOX + place for place in places[:2]] + [None] * (len(places) - 2)
        table = Nuclei.from_points(SCHEME, places, label=np.zeros(len(places), int), score=np.full(len(places), 0.9))
        run = self.session.begin_run({"detector": {"name": "test", "sha256": "0" * 64}}, 3.0)
        run.add(Nuclei.from_points(SCHEME, places, label=table.label, score=table.score, outlines=Outlines.of(rings)))
        self.ids = self.session.ids()
        bench.viewer.layers.selection.active = bench.layer
        bench.look_at(120, 120, 260)
        self.learn_dock = open_learn_dock(bench.viewer)
        self.part, self.learning = self.learn_dock.outlines, self.learn_dock.outlines.outlines
        self.qtbot.waitUntil(self.learn_dock.isVisible, timeout=LONG_MS)
        self.qtbot.waitUntil(self.part.begin.isVisible, timeout=LONG_MS)

    def push(self, button: Any) -> None:
        press(self.qtbot, button)

    def learn(self) -> None:
        self.push(self.part.begin)
        self.qtbot.waitUntil(lambda: self.learning.waiting, timeout=LONG_MS)

    def seen(self) -> NDArray[np.int_]:
        """What is on the canvas once it has come to rest."""
        self.qtbot.waitUntil(lambda: not self.bench.nuclei.outlines._timer.isActive(), timeout=LONG_MS)
        return at_rest(self.qtbot, lambda: on_screen(self.bench.canvas))

    @property
    def rings(self) -> list[list[list[float]] | None]:
        outlines = self.session.nuclei(outlines=True).outlines
        assert outlines is not None
        return [None if ring is None else ring.tolist() for ring in outlines]


@pytest.fixture
def points(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Points]:
    # loaded with the models, before a person comes to it; torch dies beside OpenGL where it is imported otherwise
    prepare_torch()
    with small_network(getattr(request, "param", STEPS)):
        made = Points(bench)
        yield made
        made.learning.cancel()
        made.learning.discard()
        made.learning.network = None
        made.qtbot.waitUntil(lambda: not made.learning.findChildren(Job), timeout=LONG_MS)
    made.learn_dock.messages.say(None)


until_stopped = pytest.mark.parametrize("points", [1_000_000], indirect=True, ids=["until somebody stops it"])


def test_they_are_seen_and_compared_before_anything_is_written_and_apply_is_one_step(points: Points) -> None:
    before, journal = points.rings, len(points.session.history())
    as_they_were = points.seen()
    points.learn()
    panel = points.part.panel
    points.qtbot.waitUntil(panel.isVisible, timeout=LONG_MS)
    assert points.rings == before
    assert len(points.session.history()) == journal
    assert not points.part.cancel.isVisible()
    assert "nuclei would get their first outline, 2 another one" in panel.words.text()

    proposed = points.seen()
    points.push(panel.before)
    points.qtbot.waitUntil(lambda: not np.array_equal(points.seen(), proposed), timeout=LONG_MS)
    points.push(panel.after)
    points.qtbot.waitUntil(lambda: np.array_equal(points.seen(), proposed), timeout=LONG_MS)
    assert not np.array_equal(proposed, as_they_were)

    points.push(panel.apply)
    points.qtbot.waitUntil(lambda: not panel.isVisible(), timeout=LONG_MS)
    after = points.rings
    assert "have the outlines that were learned here" in points.learn_dock.messages.text
    assert sum(ring is not None for ring in after) > 90
    assert after[0] != before[0]
    assert len(points.session.history()) == journal + 1
    points.bench.key(Qt.Key.Key_Z, CTRL)
    assert points.rings == before
    points.bench.key(Qt.Key.Key_Y, CTRL)
    assert points.rings == after


def test_what_a_person_drew_stays_also_when_it_is_drawn_while_the_question_waits(points: Points) -> None:
    draw_outline(points.session, int(points.ids[0]), BOX * 2 + points.session.positions(points.ids[:1])[0])
    points.learn()
    draw_outline(points.session, int(points.ids[5]), BOX * 2 + points.session.positions(points.ids[5:6])[0])
    own = [points.rings[k] for k in (0, 5)]
    assert "1 keep" in points.part.panel.words.text()
    points.push(points.part.panel.apply)
    points.qtbot.waitUntil(lambda: not points.part.panel.isVisible(), timeout=LONG_MS)
    assert [points.rings[k] for k in (0, 5)] == own
    assert points.rings[1] is not None
    assert points.rings[2] is not None


def test_do_not_apply_leaves_everything_as_it_was(points: Points) -> None:
    before, as_they_were = points.rings, points.seen()
    points.learn()
    points.push(points.part.panel.discard)
    points.qtbot.waitUntil(lambda: not points.part.panel.isVisible(), timeout=LONG_MS)
    assert points.rings == before
    points.qtbot.waitUntil(lambda: np.array_equal(points.seen(), as_they_were), timeout=LONG_MS)


@until_stopped
def test_cancel_is_heard_at_once_and_leaves_everything_as_it_was(points: Points) -> None:
    points.push(points.part.begin)
    points.qtbot.waitUntil(lambda: "left" in points.part.progress_text.text(), timeout=LONG_MS)
    before = points.rings
    assert not points.part.begin.isEnabled()
    began = time.monotonic()
    points.push(points.part.cancel)
    points.qtbot.waitUntil(lambda: not points.learning.running, timeout=LONG_MS)
    assert time.monotonic() - began < 2
    assert points.learn_dock.messages.text == "Cancelled. All outlines are as they were."
    assert not points.part.panel.isVisible()
    assert points.part.begin.isEnabled()
    assert points.rings == before


def test_the_network_can_be_kept_and_chosen_again(points: Points, tmp_path: Path) -> None:
    points.learn()
    first = points.seen()
    kept = tmp_path / "mine.safetensors"
    with patch("nucloop.gui.learn.outline_part.QFileDialog.getSaveFileName", return_value=(str(kept), "")):
        points.push(points.part.keep)
    assert "Kept as mine.safetensors" in points.learn_dock.messages.text
    assert load_detector(str(kept))[1].family == "donuseg"
    points.push(points.part.panel.discard)
    with patch("nucloop.gui.learn.outline_part.QFileDialog.getOpenFileName", return_value=(str(kept), "")):
        points.push(points.part.kept)
    points.qtbot.waitUntil(lambda: points.learning.waiting, timeout=LONG_MS)
    points.qtbot.waitUntil(lambda: np.array_equal(points.seen(), first), timeout=LONG_MS)


def test_too_few_points_are_said_with_what_to_do(points: Points) -> None:
    points.session.delete(points.ids[10:])
    points.push(points.part.begin)
    points.qtbot.waitUntil(lambda: "at least 30 nuclei" in points.learn_dock.messages.text, timeout=LONG_MS)
    assert not points.learning.running
    assert not points.part.panel.isVisible()


@until_stopped
def test_a_slide_that_is_closed_ends_it(points: Points) -> None:
    points.push(points.part.begin)
    points.qtbot.waitUntil(lambda: "left" in points.part.progress_text.text(), timeout=LONG_MS)
    points.bench.viewer.layers.remove(points.bench.image)
    points.qtbot.waitUntil(lambda: not points.learning.running, timeout=LONG_MS)
    assert points.learning.proposal is None
