"""The Learn dock as a person uses it: press, read, apply, go back, take back; and go on editing meanwhile."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.gui.conftest import LONG_MS

from nucloop.gui.canvas.docks import open_learn_dock
from nucloop.gui.learn import learning as learning_module
from nucloop.gui.learn import progress as progress_module
from nucloop.learning.preparing import prepare_torch
from nucloop.learning.session_heads import SessionHeads
from nucloop.models.files.cards import find_weights, load_encoder
from nucloop.nuclei import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from tests.gui.conftest import Bench

    from nucloop.gui.learn.learn_dock import LearnDock
    from nucloop.gui.learn.learning import Learning

pytestmark = pytest.mark.gui
CTRL = Qt.KeyboardModifier.ControlModifier
TUMOUR, STROMAL = 1, 2


class Class:
    """A bench with nuclei whose features say what they are, and the Learn dock."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.session = bench, bench.session
        rng = np.random.default_rng(0)
        places = np.stack(np.meshgrid(np.arange(40, 480, 40), np.arange(40, 480, 40)), -1).reshape(-1, 2)
        self.truth = np.where(rng.random(len(places)) < 0.5, TUMOUR, STROMAL)
        self.ids = bench.find(places, np.full(len(places), STROMAL))
        prepare_torch()
        card = load_encoder("embedded")[1]
        # about as large as the encoder's own: what the shipped head says of larger ones would drown all answers
        features = rng.normal(0, 0.5, (len(places), 128)).astype(np.float32)
        features[:, :32] += 8.0 * (self.truth == TUMOUR)[:, None]
        store = bench.sessions.features_of(bench.image).store(card.sha256, 128)
        store.put(self.ids, features)
        self.dock: LearnDock = open_learn_dock(bench.viewer)
        self.learning: Learning = self.dock.learning
        bench.qtbot.waitUntil(self.dock.isVisible, timeout=LONG_MS)

    def say(self, count: int, first: int = 0) -> NDArray[np.int64]:
        """Say what so many nuclei are, as one reader."""
        rows = np.linspace(first, len(self.ids) - 1, count).astype(int)
        for row in rows:
            self.session.set_class([self.ids[row]], int(self.truth[row]), force=True)
        self.bench.qtbot.waitUntil(lambda: not self.dock._show_timer.isActive(), timeout=LONG_MS)
        return self.ids[rows]

    def press(self, button: Any) -> None:
        self.bench.qtbot.waitUntil(button.isVisible, timeout=LONG_MS)
        self.bench.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def wait(self) -> None:
        self.bench.qtbot.waitUntil(lambda: not self.learning.running, timeout=LONG_MS)

    def learn(self) -> None:
        self.press(self.dock.controls.learn)
        self.wait()

    def apply(self) -> None:
        self.press(self.dock.lesson.apply)
        self.wait()

    @property
    def labels(self) -> NDArray[np.int16]:
        return self.session.labels(self.ids)

    @property
    def right(self) -> float:
        return float((self.labels == self.truth).mean())


@pytest.fixture
def pupil(bench: Bench) -> Iterator[Class]:
    bench.sessions.set_author("Ann")
    made = Class(bench)
    made.dock.messages.say(None)
    yield made
    made.learning.cancel()
    made.wait()
    made.learning.discard()
    made.dock.method.method.setCurrentIndex(0)
    made.dock.method.encoder.setCurrentText("embedded")


def test_without_corrections_the_dock_says_what_to_do(pupil: Class) -> None:
    pupil.learn()
    assert "There is nothing to learn from yet. Correct some classes in the Correct dock" in pupil.dock.messages.text
    assert "correct or confirm a few nuclei of each class first" in pupil.dock.controls.answers.text()
    pupil.say(2)
    pupil.learn()
    assert "Only 2 nuclei have an answer" in pupil.dock.messages.text
    assert not pupil.dock.lesson.isVisible()


def test_the_gain_is_shown_before_anything_changes_and_apply_is_one_step(pupil: Class) -> None:
    said = pupil.say(40)
    corrected = int((pupil.session.nuclei(said).origin == Origin.CORRECTED).sum())
    before = pupil.labels
    pupil.learn()

    np.testing.assert_array_equal(pupil.labels, before, "nothing changes before Apply")
    assert pupil.dock.lesson.taught.text() == f"Trained on {corrected} corrected and {40 - corrected} confirmed by Ann."
    mean = pupil.dock.lesson.cells[-1]
    assert mean[0] == "mean"
    assert float(mean[3]) > float(mean[2])
    on_slide = pupil.dock.lesson.slide
    assert on_slide.isVisible()
    assert re.fullmatch(
        r"On this slide: F1 about [01]\.\d\d( to [01]\.\d\d)? with it, [01]\.\d\d now\.", on_slide.text()
    )

    steps = len(pupil.bench.kinds())
    pupil.apply()
    assert pupil.bench.kinds()[steps:] == ["new head"]
    assert pupil.right > 0.95
    np.testing.assert_array_equal(pupil.session.labels(said), before[np.isin(pupil.ids, said)])
    assert pupil.dock.messages.text.startswith("Version 1 is in use: ")
    assert not pupil.dock.lesson.isVisible()

    pupil.session.undo()
    np.testing.assert_array_equal(pupil.labels, before)
    pupil.bench.qtbot.waitUntil(lambda: pupil.dock.heads.rows[-1].use.text() == "in use", timeout=LONG_MS)
    pupil.session.redo()
    pupil.bench.qtbot.waitUntil(lambda: pupil.dock.heads.rows[0].use.text() == "in use", timeout=LONG_MS)


def test_not_applying_leaves_everything_as_it_was(pupil: Class) -> None:
    pupil.say(30)
    before, steps = pupil.labels, pupil.bench.kinds()
    pupil.learn()
    pupil.press(pupil.dock.lesson.discard)
    assert not pupil.dock.lesson.isVisible()
    np.testing.assert_array_equal(pupil.labels, before)
    assert pupil.bench.kinds() == steps
    assert SessionHeads(pupil.session).versions() == []


def test_one_can_go_back_to_an_earlier_version_and_compare(pupil: Class) -> None:
    pupil.say(12)
    pupil.learn()
    pupil.apply()
    first = pupil.labels
    pupil.truth = np.where(pupil.truth == TUMOUR, STROMAL, TUMOUR)  # the reader changes their mind about everything
    pupil.say(60)
    pupil.learn()
    pupil.apply()
    silent = ~pupil.session.nuclei(pupil.ids).human
    assert (pupil.labels != first)[silent].any()

    assert [row.title.text() for row in pupil.dock.heads.rows] == [
        "Version 2  ·  linear",
        "Version 1  ·  linear",
        "As it came",
    ]
    pupil.press(pupil.dock.heads.rows[1])
    pupil.press(pupil.dock.heads.compare)
    pupil.wait()
    assert pupil.dock.messages.text.startswith("Version 1 would change ")
    pupil.press(pupil.dock.heads.use)
    pupil.wait()
    np.testing.assert_array_equal(pupil.labels[silent], first[silent])
    assert pupil.dock.heads.rows[1].use.text() == "in use"
    pupil.session.undo()
    assert (pupil.labels != first)[silent].any(), "going back is itself a step that can be taken back"


def test_a_version_is_exported_with_its_card_and_imported_elsewhere(pupil: Class, tmp_path: Path) -> None:
    pupil.say(30)
    pupil.learn()
    pupil.apply()
    file = tmp_path / "mine.safetensors"
    with patch("nucloop.gui.learn.learn_dock.QFileDialog.getSaveFileName", return_value=(str(file), "")):
        pupil.press(pupil.dock.heads.export)
    assert file.exists()
    assert file.with_suffix(".json").exists()
    assert "mine.safetensors, with its card mine.json" in pupil.dock.messages.text
    with patch("nucloop.gui.learn.learn_dock.QFileDialog.getOpenFileName", return_value=(str(file), "")):
        pupil.press(pupil.dock.heads.take_in)
        pupil.wait()
    assert pupil.dock.messages.text == "mine.safetensors is version 2 in the list now."
    assert pupil.dock.heads.rows[0].title.text() == "Version 2  ·  imported"


def test_a_file_that_is_no_head_is_refused_in_a_sentence(pupil: Class) -> None:
    wrong = str(find_weights("denuc-mobilenet"))
    with patch("nucloop.gui.learn.learn_dock.QFileDialog.getOpenFileName", return_value=(wrong, "")):
        pupil.press(pupil.dock.heads.take_in)
        pupil.wait()
    assert "holds a detector, a head is needed here" in pupil.dock.messages.text


def test_editing_goes_on_while_learning_and_what_is_said_meanwhile_stays(pupil: Class) -> None:
    pupil.say(30)
    nucleus = int(pupil.ids[1])
    go_on = threading.Event()
    real = learning_module.learn_steps

    def slowly(*args: Any) -> Any:
        yield "Waiting …"
        go_on.wait(60)
        yield from real(*args)

    with patch.object(learning_module, "learn_steps", slowly):
        pupil.press(pupil.dock.controls.learn)
        pupil.bench.qtbot.waitUntil(pupil.dock.controls.cancel.isVisible, timeout=LONG_MS)
        pupil.session.set_class([nucleus], 0, force=True)
        assert pupil.bench.label(nucleus) == 0
        go_on.set()
        pupil.wait()
    pupil.apply()
    assert pupil.bench.label(nucleus) == 0


def test_cancel_leaves_everything_as_it_was_and_a_second_click_begins_anew(pupil: Class) -> None:
    pupil.say(30)
    before, began = pupil.labels, []
    go_on = threading.Event()
    real = learning_module.learn_steps

    def slowly(*args: Any) -> Any:
        began.append(1)
        yield "Waiting …"
        if len(began) < 3:
            while not go_on.wait(0.02):
                yield "Waiting …"
        yield from real(*args)

    with patch.object(learning_module, "learn_steps", slowly):
        pupil.press(pupil.dock.controls.learn)
        pupil.bench.qtbot.waitUntil(lambda: len(began) == 1, timeout=LONG_MS)
        pupil.press(pupil.dock.controls.cancel)
        pupil.wait()
        assert pupil.dock.messages.text == "Cancelled. All classes are as they were."
        np.testing.assert_array_equal(pupil.labels, before)
        pupil.press(pupil.dock.controls.learn)
        pupil.bench.qtbot.waitUntil(lambda: len(began) == 2, timeout=LONG_MS)
        pupil.press(pupil.dock.controls.learn)
        pupil.bench.qtbot.waitUntil(lambda: len(began) == 3, timeout=LONG_MS)
        pupil.wait()
    assert pupil.dock.lesson.isVisible()


def test_cancel_is_heard_within_two_seconds_also_while_a_step_takes_long(pupil: Class) -> None:
    pupil.say(30)
    before, in_it, go_on = pupil.labels, threading.Event(), threading.Event()
    real = learning_module.learn_steps

    def slowly(*args: Any) -> Any:
        yield "Waiting …"
        # a look of a large network at a large tile
        in_it.set()
        go_on.wait(3 * LONG_MS / 1000)
        yield from real(*args)

    try:
        with patch.object(learning_module, "learn_steps", slowly):
            pupil.press(pupil.dock.controls.learn)
            pupil.bench.qtbot.waitUntil(in_it.is_set, timeout=LONG_MS)
            pupil.press(pupil.dock.controls.cancel)
            pupil.bench.qtbot.waitUntil(lambda: not pupil.learning.running, timeout=LONG_MS)
        assert pupil.dock.messages.text == "Cancelled. All classes are as they were."
        assert not pupil.dock.controls.cancel.isVisible()
        np.testing.assert_array_equal(pupil.labels, before)
        # the step that is still going on is in nobody's way
        pupil.learn()
        assert pupil.dock.lesson.isVisible(), pupil.dock.messages.text
    finally:
        go_on.set()


def test_closing_the_image_in_mid_run_is_safe(pupil: Class) -> None:
    pupil.say(30)
    pupil.press(pupil.dock.controls.learn)
    pupil.bench.viewer.layers.clear()
    pupil.wait()
    assert pupil.session.closed
    assert not pupil.dock.lesson.isVisible()


def test_an_encoder_that_does_not_exist_is_a_sentence(pupil: Class) -> None:
    pupil.say(30)
    before = pupil.labels
    pupil.dock.more.expand()
    pupil.dock.method.encoder.setCurrentText("resnet_of_nobody")
    pupil.learn()
    assert "There is no encoder 'resnet_of_nobody'" in pupil.dock.messages.text
    np.testing.assert_array_equal(pupil.labels, before)


def test_features_of_moved_nuclei_are_computed_anew(pupil: Class) -> None:
    pupil.say(30)
    store = pupil.bench.sessions.features_of(pupil.bench.image).store(load_encoder("embedded")[1].sha256, 128)
    old = store.get(pupil.ids[:1])[0]
    pupil.session.move(pupil.ids[:1], [[300.0, 300.0]])
    assert len(store.missing(pupil.ids)) == 1
    pupil.learn()
    assert len(store.missing(pupil.ids)) == 0
    assert not np.array_equal(store.get(pupil.ids[:1])[0], old)


def test_lora_is_drawn_as_it_goes_and_its_encoder_is_kept(pupil: Class) -> None:
    pupil.say(12)
    pupil.dock.more.expand()
    pupil.dock.method.method.setCurrentIndex(1)
    pupil.dock.method.epochs.setValue(1)
    words: list[str] = []
    pupil.learning.progressed.connect(lambda progress: words.append(progress.text))
    with patch.object(progress_module, "SOONEST_FORECAST_S", 0.0):
        pupil.learn()
    assert any("epoch 1 of 1\nat most" in text and text.endswith("left") for text in words), words
    assert "Epoch 1, the best one, is kept" in pupil.dock.messages.text or "stays as it was" in pupil.dock.messages.text
    assert pupil.dock.lesson.isVisible(), pupil.dock.messages.text
    assert pupil.dock.curve.isVisible()
    assert [epoch.number for epoch in pupil.dock.curve.epochs] == [0, 1]
    pupil.apply()
    version = SessionHeads(pupil.session).versions()[-1]
    assert version.method == "lora"
    assert version.tuning_sha256
    assert pupil.dock.method.encoder.currentText() == "embedded, tuned in version 1"
