"""Measure learning on public data sets: how many answers it takes, whether the queue helps, LoRA, other classifiers.

    .venv/bin/python tools/learning_experiments.py --data FOLDER [--only in-slide curves queue classifiers tuning]

FOLDER holds brca-m2c, consep-20x and crchistophenotypes. Features are computed once and kept in build/learning. The
figures are printed as tables and written to build/learning/results.json; docs/learning.md shows them. Class F1 is that
of reference nuclei, detection aside, on images of which no nucleus was answered.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from in_slide import in_slide

from nucloop.classes import ClassScheme
from nucloop.errors import DataError
from nucloop.learning.dataset_features import FieldFeatures, features_of_fields
from nucloop.learning.examples import Examples
from nucloop.learning.featurise import encoder_stage
from nucloop.learning.fit import fit_head
from nucloop.learning.gain.estimate import class_f1
from nucloop.learning.head_files import LearnedHead
from nucloop.learning.queue import QueueConfig, ReviewQueue
from nucloop.learning.tuning import TuneConfig, Tuned, features_in, tune
from nucloop.learning.tuning_tiles import cut_tiles
from nucloop.models.files.zoo import open_encoder
from nucloop.nuclei import Nuclei, Origin
from nucloop.slides import slide_from_array
from nucloop.training.datasets import open_dataset

if TYPE_CHECKING:
    from nucloop.detection.stage import Stage
    from nucloop.models.heads import LinearHead

CACHE = Path("build/learning")
ANSWERS = (10, 20, 50, 100, 200, 400, 1000)
QUEUE_ANSWERS = (50, 100, 200, 400)
TUNED_ANSWERS = (100, 300)
FOLDERS = {"brca-m2c": "brca-m2c", "consep-20x": "consep-20x", "crchisto": "crchistophenotypes"}
MEASURED_SQUARES = 120
"""Squares on which tuned encoders are measured: about 1,000 nuclei."""
ROUND = 10
"""Answers after which the simulated annotator learns anew."""


@dataclass(frozen=True)
class Split:
    """Images whose nuclei are answered, and images that only measure."""

    name: str
    scheme: ClassScheme
    pool: list[FieldFeatures]
    test: list[FieldFeatures]

    @property
    def x(self) -> np.ndarray:
        """Features of the nuclei that are answered, (N, F)."""
        return np.concatenate([f.features for f in self.pool])

    @property
    def y(self) -> np.ndarray:
        """Their classes, (N,)."""
        return np.concatenate([f.label for f in self.pool])

    def f1(self, head: LinearHead) -> float:
        """Return a head's mean class F1 on the images that measure."""
        truth = np.concatenate([f.label for f in self.test])
        said = head.classify(np.concatenate([f.features for f in self.test]))[0]
        return mean_f1(truth, said, len(self.scheme))


def mean_f1(truth: np.ndarray, said: np.ndarray, classes: int) -> float:
    """Return the mean F1 of the classes that are there."""
    return float(np.nanmean(class_f1(truth.astype(np.int16), said.astype(np.int16), classes)))


def examples(x: np.ndarray, y: np.ndarray) -> Examples:
    """Return nuclei as if somebody had confirmed them."""
    return Examples(np.arange(1, len(y) + 1), x, y.astype(np.int16), np.zeros(len(y), bool))


def load_features(data: Path, encoder: str) -> tuple[dict[tuple[str, str], list[FieldFeatures]], Stage]:
    """Return the features of every image of every split, computed once, and the encoder."""
    net, card = open_encoder(encoder)
    stage = encoder_stage(net, card, "cpu")
    found = {}
    for name, split in ((name, split) for name in FOLDERS for split in ("train", "val")):
        path = CACHE / f"{name}-{split}-{card.sha256[:16]}.npz"
        if not path.exists():
            dataset = open_dataset(f"{name}:{data / FOLDERS[name]}", split)
            parts = list(features_of_fields(dataset.fields, stage, len(dataset.scheme), background=0.0))
            CACHE.mkdir(parents=True, exist_ok=True)
            arrays = {f"{k}/{key}": getattr(p, key) for k, p in enumerate(parts) for key in ("yx", "label", "features")}
            np.savez(path, names=np.array([p.name for p in parts]), **arrays)
        with np.load(path) as file:
            found[name, split] = [
                FieldFeatures(str(n), file[f"{k}/yx"], file[f"{k}/label"], file[f"{k}/features"])
                for k, n in enumerate(file["names"])
            ]
        print(f"{name} {split}: {sum(len(f.label) for f in found[name, split]):,} nuclei", flush=True)
    return found, stage


def splits(found: dict[tuple[str, str], list[FieldFeatures]], seed: int) -> list[Split]:
    """Answers come from one half of the images of brca-m2c val, elsewhere from train; the rest measures."""
    brca = found["brca-m2c", "val"]
    order = np.random.default_rng(seed).permutation(len(brca))
    half = len(brca) // 2
    return [
        Split("brca-m2c val", ClassScheme.named("brca-m2c"), [brca[k] for k in order[:half]],
              [brca[k] for k in order[half:]]),
        Split("consep-20x", ClassScheme.named("consep-3"), found["consep-20x", "train"], found["consep-20x", "val"]),
        Split("crchisto", ClassScheme.named("crchisto"), found["crchisto", "train"], found["crchisto", "val"]),
    ]  # fmt: skip


def fitted(split: Split, rows: np.ndarray, prior: LearnedHead | None = None) -> LinearHead | None:
    """Return a head fitted to some answers; None where they are of one class only."""
    try:
        head, replay = (None, None) if prior is None else (prior.head, prior.replay)
        return fit_head(split.scheme, examples(split.x[rows], split.y[rows]), prior=head, replay=replay)
    except DataError:
        return None


def curves(found: dict, seeds: int, results: dict) -> None:
    """Random answers against mean class F1; from nothing, and from the head that ships."""
    shipped = LearnedHead.open("brca-m2c")
    for k in range(3):
        scores: dict[str, dict[int, list[float]]] = {"from nothing": {}, "from the shipped head": {}}
        for seed in range(seeds):
            split = splits(found, seed)[k]
            order = np.random.default_rng(seed).permutation(len(split.y))
            for n in ANSWERS:
                head = fitted(split, order[:n])
                if head is not None:
                    scores["from nothing"].setdefault(n, []).append(split.f1(head))
                if k == 0:
                    head = fitted(split, order[:n], shipped)
                    if head is not None:
                        scores["from the shipped head"].setdefault(n, []).append(split.f1(head))
        if k == 0:
            scores["from the shipped head"][0] = [splits(found, s)[0].f1(shipped.head) for s in range(seeds)]
        head = [fit_head(split.scheme, examples(split.x, split.y))]
        scores["all answers"] = {len(split.y): [split.f1(head[0])]}
        results[f"curve {split.name}"] = {how: {n: summary(v) for n, v in by.items()} for how, by in scores.items()}
        print(split.name, json.dumps(results[f"curve {split.name}"]), flush=True)


def summary(values: list[float]) -> dict[str, float]:
    """Return mean, spread and number of the values of several seeds."""
    return {"mean": round(float(np.mean(values)), 4), "sd": round(float(np.std(values)), 4), "n": len(values)}


def queue(found: dict, seeds: int, results: dict) -> None:
    """Let a simulated annotator answer: from the queue, which learns anew after every ten, and in random order."""
    for k in (0, 1, 2):
        scores: dict[str, dict[int, list[float]]] = {"queue": {}, "random": {}}
        for seed in range(seeds):
            split = splits(found, seed)[k]
            order = np.random.default_rng(seed).permutation(len(split.y))
            for n in (*QUEUE_ANSWERS, 800):
                head = fitted(split, order[:n])
                assert head is not None
                scores["random"].setdefault(n, []).append(split.f1(head))
            for n, f1 in ask(split, seed, order).items():
                scores["queue"].setdefault(n, []).append(f1)
        results[f"queue {split.name}"] = {how: {n: summary(v) for n, v in by.items()} for how, by in scores.items()}
        print(split.name, json.dumps(results[f"queue {split.name}"]), flush=True)


def ask(split: Split, seed: int, order: np.ndarray) -> dict[int, float]:
    """Return the F1 after each number of answers from the queue."""
    x, y = split.x, split.y
    # nothing is known before the first answers: these are the same random ones
    answered = order[:ROUND].tolist()
    scores: dict[int, float] = {}
    head = fitted(split, np.array(answered))
    label = np.full(len(y), -1, np.int16)
    origin = np.zeros(len(y), np.uint8)
    label[answered], origin[answered] = y[answered], int(Origin.CONFIRMED)
    nuclei = Nuclei.from_points(split.scheme, np.zeros((len(y), 2)), ids=np.arange(1, len(y) + 1), label=label,
                                origin=origin, probability=probability(head, x, len(split.scheme)))  # fmt: skip
    line = ReviewQueue(nuclei, x, config=QueueConfig(seed=seed))
    while len(answered) < max(QUEUE_ANSWERS):
        suggestion = line.next()
        if suggestion is None:
            break
        row = suggestion.id - 1
        answered.append(row)
        line.answer([suggestion.id], [int(y[row])])
        if len(answered) % ROUND == 0:
            head = fitted(split, np.array(answered))
            line.update(probability(head, x, len(split.scheme)))
        if len(answered) in QUEUE_ANSWERS and head is not None:
            scores[len(answered)] = split.f1(head)
    return scores


def probability(head: LinearHead | None, x: np.ndarray, classes: int) -> np.ndarray:
    """Return what a head says among the classes, or that nothing is known."""
    return np.full((len(x), classes), np.nan, np.float32) if head is None else head.classify(x)[1]


def classifiers(found: dict, seeds: int, results: dict) -> None:
    """100 random answers on consep-20x: ours against scikit-learn's, on the same standardised features."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression, RidgeClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC, LinearSVC

    rivals = {
        "LogisticRegression": lambda s: LogisticRegression(max_iter=2000),
        "LogisticRegression, C = 0.01": lambda s: LogisticRegression(C=0.01, max_iter=2000),
        "LinearDiscriminantAnalysis, shrunk": lambda s: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        "RidgeClassifier": lambda s: RidgeClassifier(),
        "LinearSVC": lambda s: LinearSVC(random_state=s),
        "SVC, rbf": lambda s: SVC(),
        "KNeighborsClassifier": lambda s: KNeighborsClassifier(),
        "GaussianNB": lambda s: GaussianNB(),
        "RandomForestClassifier": lambda s: RandomForestClassifier(300, random_state=s),
        "ExtraTreesClassifier": lambda s: ExtraTreesClassifier(300, random_state=s),
        "MLPClassifier": lambda s: MLPClassifier(max_iter=500, random_state=s),
    }
    every = [*found["consep-20x", "train"], *found["consep-20x", "val"]]
    for where in ("val", "halves"):
        scores: dict[str, list[float]] = {}
        for seed in range(seeds):
            split = splits(found, seed)[1]
            if where == "halves":
                order = np.random.default_rng(seed).permutation(len(every))
                parts = [[every[k] for k in half] for half in np.array_split(order, 2)]
                split = Split("consep-20x", split.scheme, *parts)
            compare(split, seed, rivals, scores)
        results[f"classifiers {where}"] = {name: summary(v) for name, v in scores.items()}
        print(where, json.dumps(results[f"classifiers {where}"]), flush=True)


def compare(split: Split, seed: int, rivals: dict, scores: dict[str, list[float]]) -> None:
    """Fit all to the same 100 answers and measure them on the same other images."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = np.random.default_rng(seed).permutation(len(split.y))[:100]
    x, y = split.x[rows], split.y[rows]
    head = fit_head(split.scheme, examples(x, y))
    scores.setdefault("NucLoop", []).append(split.f1(head))
    test_x = np.concatenate([f.features for f in split.test])
    test_y = np.concatenate([f.label for f in split.test])
    for name, make in rivals.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = make_pipeline(StandardScaler(), make(seed)).fit(x, y)
        scores.setdefault(name, []).append(mean_f1(test_y, model.predict(test_x), len(split.scheme)))


def tuning(data: Path, encoder: str, epochs: int, results: dict) -> None:
    """LoRA and all weights against a linear head, on the same answers: all nuclei of randomly chosen squares."""
    torch.set_num_threads(1)
    net, card = open_encoder(encoder)
    for name, pool, test in (("brca-m2c", "val", "val"), ("consep-20x", "train", "val"), ("crchisto", "train", "val")):
        dataset = open_dataset(f"{name}:{data / FOLDERS[name]}", pool)
        fields = list(dataset.fields)
        if pool == test:
            order = np.random.default_rng(0).permutation(len(fields))
            fields, measured = (
                [fields[k] for k in order[: len(order) // 2]],
                [fields[k] for k in order[len(order) // 2 :]],
            )
        else:
            measured = list(open_dataset(f"{name}:{data / FOLDERS[name]}", test).fields)
        squares = squares_of(fields, card.mpp, 128, seed=0)
        tests = squares_of(measured, card.mpp, 128, seed=0)[:MEASURED_SQUARES]
        for n in TUNED_ANSWERS:
            sizes = np.cumsum([len(tile.label) for tile in squares])
            tiles = squares[: int(np.searchsorted(sizes, n)) + 1]
            row = {"answers": int(sum(len(t.label) for t in tiles)), "squares": len(tiles)}
            row["linear"] = tuned_f1(net, tiles, tests, dataset.scheme)
            for method in ("lora", "full"):
                began = time.monotonic()
                for item in tune(net, card, tiles, dataset.scheme, TuneConfig(method=method, epochs=epochs)):
                    if isinstance(item, Tuned):
                        row[method] = tuned_f1(item.net, tiles, tests, dataset.scheme)
                row[f"{method} s"] = round(time.monotonic() - began, 1)
            results[f"tuning {name} {n}"] = row
            print(name, n, json.dumps(row), flush=True)
            (CACHE / "tuning.json").write_text(json.dumps(results, indent=1))


def squares_of(fields: list, mpp: float, side: int, seed: int) -> list:
    """All squares of 32 µm with their surroundings, in random order; those of one place of 64 µm stay together."""
    tiles = []
    for number, field in enumerate(fields):
        known = field.label >= 0
        slide = slide_from_array(field.pixels, mpp=field.mpp, name=field.name)
        points = (field.yx[known] + 0.5) * (field.mpp / mpp) - 0.5
        cells = np.floor(points / side).astype(np.int64)
        groups = number * 10_000 + cells[:, 0] * 100 + cells[:, 1]
        tiles += cut_tiles(slide, mpp, points, field.label[known], groups, side)
    return [tiles[k] for k in np.random.default_rng(seed).permutation(len(tiles))]


def tuned_f1(net: torch.nn.Module, tiles: list, tests: list, scheme: ClassScheme) -> float:
    """Return the F1 on other pictures of a linear head on an encoder's features."""
    head = fit_head(scheme, examples(features_in(net, tiles), np.concatenate([t.label for t in tiles])))
    said = head.classify(features_in(net, tests))[0]
    return round(mean_f1(np.concatenate([t.label for t in tests]), said, len(scheme)), 4)


def main(arguments: list[str]) -> int:
    """Run the experiments that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", default="embedded")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--splits", nargs="+", choices=("train", "val"), default=["val"], help="Of in-slide.")
    kinds = ("in-slide", "curves", "queue", "classifiers", "tuning")
    parser.add_argument("--only", nargs="+", choices=kinds, default=list(kinds))
    options = parser.parse_args(arguments)
    target = CACHE / "results.json"
    results = json.loads(target.read_text()) if target.exists() else {}
    found, stage = load_features(options.data, options.encoder)
    results["encoder"] = {"name": options.encoder, "sha256": stage.card.sha256}
    if "in-slide" in options.only:
        in_slide(found, options.splits, 3, results)
    if "curves" in options.only:
        curves(found, options.seeds, results)
    if "queue" in options.only:
        queue(found, options.seeds, results)
    if "classifiers" in options.only:
        classifiers(found, 2 * options.seeds, results)
    if "tuning" in options.only:
        tuning(options.data, options.encoder, options.epochs, results)
    target.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
