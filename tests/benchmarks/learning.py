"""What a person waits for while learning: the fit and the new classes alone, the same in the window, and LoRA.

The window's longest freeze is that of everything between the click and the new classes on screen.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from tests.benchmarks.slides import FIELD_MPP, write_tissue

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tests.benchmarks.isolation import Models

    from nucloop.models.files.cards import Card
    from nucloop.nuclei import Nuclei

NUCLEI, ANSWERS = 100_000, 1000
SIDE = 4096
CLASSES = 3


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Learn from 1,000 answers among 100,000 nuclei, without and with a window; then tune by LoRA for one epoch."""
    samples: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        os.environ["XDG_CONFIG_HOME"] = folder
        path = write_tissue(Path(folder) / "slide.ome.tif", SIDE)
        # torch first, as the program itself does: see nucloop.gui.detect.pipelines
        from nucloop.learning.preparing import prepare_torch

        prepare_torch()
        from nucloop.models.files.cards import load_encoder

        card = load_encoder(models.encoder)[1]
        _measure_alone(Path(folder), card, repeat, samples)
        _fill(path, card)
        _measure_window(path, repeat, samples)
        samples["lora_epoch_s"] += _lora_epochs(models.encoder, path, repeat)
    return samples


def _features(truth: NDArray[np.int64], width: int) -> NDArray[np.float16]:
    """Features of classes that overlap, as an encoder's do."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 0.35, (CLASSES, width))
    return (centres[truth] + rng.normal(0, 1, (len(truth), width))).astype(np.float16)


def _world() -> tuple[Nuclei, NDArray[np.int64]]:
    from nucloop.classes import ClassScheme
    from nucloop.nuclei import Nuclei

    rng = np.random.default_rng(0)
    truth = rng.integers(0, CLASSES, NUCLEI)
    scheme = ClassScheme.named("brca-m2c")
    probability = rng.dirichlet([2.0] * CLASSES, NUCLEI).astype(np.float32)
    places = rng.uniform(0, SIDE, (NUCLEI, 2))
    nuclei = Nuclei.from_points(scheme, places, label=probability.argmax(1), score=0.9, probability=probability)
    return nuclei, truth


def _answers() -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(1).permutation(NUCLEI)[:ANSWERS])


def _measure_alone(folder: Path, card: Card, repeat: int, samples: dict[str, list[float]]) -> None:
    from dataclasses import replace

    from nucloop.learning.examples import gather
    from nucloop.learning.feature_store import FeatureStore
    from nucloop.learning.fit import fit_head
    from nucloop.learning.lesson import learn
    from nucloop.learning.relabel import relabel
    from nucloop.learning.session_heads import shipped_head
    from nucloop.nuclei import Origin

    nuclei, truth = _world()
    rows, label, origin = _answers(), nuclei.label.copy(), nuclei.origin.copy()
    right = label[rows] == truth[rows]
    origin[rows] = np.where(right, np.uint8(Origin.CONFIRMED), np.uint8(Origin.CORRECTED))
    label[rows] = truth[rows]
    nuclei = replace(nuclei, ids=np.arange(1, NUCLEI + 1), label=label, origin=origin)
    before = shipped_head(card)
    width = 128 if before is None else before.head.features
    with FeatureStore(folder / "store", card.sha256, width) as store:
        store.put(nuclei.ids, _features(truth, width))
        for _ in range(repeat):
            began = time.perf_counter()
            features, found = store.get(nuclei.ids)
            examples = gather(nuclei, features)
            replay, prior = (None, None) if before is None else (before.replay, before.head)
            head = fit_head(nuclei.scheme, examples, replay=replay, prior=prior)
            fitted = time.perf_counter()
            relabel(head, nuclei, features, found)
            done = time.perf_counter()
            samples["learn_fit_s"].append(fitted - began)
            samples["learn_relabel_s"].append(done - fitted)
            samples["learn_s"].append(done - began)
            began = time.perf_counter()
            learn(nuclei, store, card, before=before)
            samples["learn_with_estimate_s"].append(time.perf_counter() - began)


def _fill(path: Path, card: Card) -> None:
    """Write the session of a slide: found nuclei, their kept features, and what a person said."""
    from nucloop.learning.session_features import SessionFeatures
    from nucloop.session import Session
    from nucloop.slides import open_slide

    nuclei, truth = _world()
    with open_slide(path) as slide, Session.for_slide(slide, nuclei.scheme) as session:
        run = session.begin_run({"detector": {"name": "benchmark", "sha256": "0" * 64}}, 0.001 / FIELD_MPP)
        ids = run.add(nuclei)
        features = SessionFeatures(session)
        features.store(card.sha256, 128).put(ids, _features(truth, 128))
        features.close()
        for label in range(CLASSES):
            rows = _answers()
            session.set_class(ids[rows[truth[rows] == label]], label, force=True)


def _measure_window(path: Path, repeat: int, samples: dict[str, list[float]]) -> None:
    import napari
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from tests.benchmarks.correcting_window import IDLE_MS, CorrectingWindow
    from tests.benchmarks.stopwatch import wait, wait_until

    from nucloop.gui.canvas.docks import open_learn_dock

    viewer: napari.Viewer = napari.Viewer(title="NucLoop")
    try:
        window = CorrectingWindow(viewer, path)
        dock = open_learn_dock(viewer)
        window.look_at(SIDE / 2, 300)
        # the first click loads the encoder, which is measured elsewhere
        for turn in range(repeat + 1):
            wait(IDLE_MS)
            began = time.perf_counter()
            QTest.mouseClick(dock.controls.learn, Qt.MouseButton.LeftButton)
            wait_until(dock.lesson.isVisible, "the lesson is shown")
            learned = time.perf_counter()
            QTest.mouseClick(dock.lesson.apply, Qt.MouseButton.LeftButton)
            wait_until(lambda: not dock.learning.running and bool(dock.messages.text), "it is applied")
            if turn:
                samples["learn_window_s"].append(learned - began)
                samples["learn_apply_s"].append(time.perf_counter() - learned)
            else:
                window._ticks.clear()
        samples["learn_freeze_ms"].append(window.longest_freeze_ms())
    finally:
        viewer.close()


def _lora_epochs(encoder: str, path: Path, repeat: int) -> list[float]:
    """Seconds per epoch on 1,000 corrections that were made field by field, as people do, not all over the slide."""
    from nucloop.learning.tuning import Epoch, TuneConfig, tune_on_slide
    from nucloop.models.files.zoo import open_encoder
    from nucloop.nuclei import Origin
    from nucloop.slides import open_slide

    nuclei, truth = _world()
    crowded = np.abs(nuclei.yx - SIDE / 2).max(1)
    rows = np.argsort(crowded)[:ANSWERS]
    taught = type(nuclei).from_points(nuclei.scheme, nuclei.yx[rows], label=truth[rows], origin=Origin.CONFIRMED)
    net, card = open_encoder(encoder)
    times: list[float] = []
    with open_slide(path) as slide:
        config = TuneConfig(epochs=repeat, patience=repeat, worse=repeat)
        began = None
        for item in tune_on_slide(net, card, slide, taught, config):
            if not isinstance(item, Epoch):
                continue
            now = time.perf_counter()
            if item.number and began is not None:
                times.append(now - began)
            if len(times) == repeat:
                break
            began = now
    return times
