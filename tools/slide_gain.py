"""How often the interval of what a new head is worth on a slide holds the truth, however the answers were chosen.

    .venv/bin/python tools/slide_gain.py --data FOLDER [--seeds 3]

Slides are the validation images of BRCA-M2C (`--only images`), and four of them at a time as if they were one slide
(`--only pooled`); their nuclei are answered by a simulated person, a head is learned, and what
`nucloop.learning.gain.on_slide` says of it is compared with what it is worth on all nuclei there.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from in_slide import images_of
from learning_experiments import load_features

from nucloop.classes import ClassScheme
from nucloop.errors import DataError
from nucloop.learning.examples import Examples
from nucloop.learning.fit import fit_head
from nucloop.learning.folds import group_by_cell
from nucloop.learning.gain.estimate import class_f1, estimate
from nucloop.learning.gain.on_slide import RARE
from nucloop.learning.gain.slide_gain import slide_gain
from nucloop.learning.queue import QueueConfig, ReviewQueue
from nucloop.learning.replay import Replay
from nucloop.models.heads import LinearHead
from nucloop.nuclei import Nuclei, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator


ANSWERS = (20, 100)
TOGETHER = 4
APART_PX = 100_000.0
KINDS = {
    "random": "one by one, at random",
    "field": "all nuclei of a field",
    "queue": "what the review asks",
    "wrong": "mistakes first",
    "mixed": "mistakes first, each fifth a confirmation",
}


@dataclass(frozen=True)
class Slide:
    """Nuclei (N,) with their features and true classes, and the head that there is before."""

    scheme: ClassScheme
    yx: np.ndarray
    features: np.ndarray
    truth: np.ndarray
    head: LinearHead
    replay: Replay | None

    def f1(self, said: np.ndarray) -> float:
        """Return the mean class F1, rare classes left out."""
        f1 = class_f1(self.truth, said.astype(np.int16), len(self.scheme))
        share = np.bincount(self.truth, minlength=len(self.scheme)) / len(self.truth)
        return float(f1[share >= RARE].mean())


def slides(found: dict, kind: str, seeds: int) -> Iterator[tuple[int, Slide]]:
    """Yield slides, each with a seed."""
    images = list(images_of("brca-m2c", "val", found))
    for seed in range(seeds):
        if kind == "images":
            yield from ((seed, _joined([image])) for image in images)
        else:
            chosen = np.random.default_rng(seed).permutation(len(images))[:TOGETHER]
            yield seed, _joined([images[k] for k in chosen])


def _joined(images: list) -> Slide:
    first = images[0]
    return Slide(
        first.scheme,
        np.concatenate([image.field.yx + np.array([0, APART_PX * k]) for k, image in enumerate(images)]).astype(
            np.float32
        ),
        np.concatenate([image.field.features for image in images]).astype(np.float32),
        np.concatenate([image.field.label for image in images]).astype(np.int16),
        first.prior,
        first.replay,
    )


def chosen(slide: Slide, kind: str, n: int, seed: int) -> np.ndarray:
    """Return the rows that are answered."""
    label, probability, _ = slide.head.classify(slide.features)
    order = np.random.default_rng(seed).permutation(len(label))
    if kind == "random":
        return order[:n]
    if kind == "field":
        return np.argsort(np.linalg.norm(slide.yx - slide.yx[order[0]], axis=1))[:n]
    if kind == "queue":
        ids = np.arange(1, len(label) + 1)
        table = Nuclei.from_points(slide.scheme, slide.yx, ids=ids, label=label, probability=probability)
        queue, rows = ReviewQueue(table, slide.features, config=QueueConfig(seed=seed)), []
        for _ in range(n):
            rows.append(queue.next().id - 1)
            queue.answer([rows[-1] + 1], [int(slide.truth[rows[-1]])])
        return np.array(rows)
    wrong = label[order] != slide.truth[order]
    most = n if kind == "wrong" else round(0.8 * n)
    mistakes = order[wrong][:most]
    return np.concatenate([mistakes, order[~wrong][: n - len(mistakes)]])


def trial(slide: Slide, kind: str, n: int, seed: int) -> np.ndarray | None:
    """Return (2, 5): low, middle, high, truth and what answers alone say, of the head before and the new one."""
    rows = chosen(slide, kind, n, seed)
    label, probability, _ = slide.head.classify(slide.features)
    ids, corrected = np.arange(1, len(label) + 1), label[rows] != slide.truth[rows]
    origin = np.full(len(label), Origin.PREDICTED)
    origin[rows] = np.where(corrected, Origin.CORRECTED, Origin.CONFIRMED)
    said = label.copy()
    said[rows] = slide.truth[rows]
    nuclei = Nuclei.from_points(slide.scheme, slide.yx, ids=ids, label=said, probability=probability, origin=origin)
    order = np.sort(rows)
    examples = Examples(ids[order], slide.features[order], said[order], origin[order] == Origin.CORRECTED)
    options = {"prior": slide.head, "replay": slide.replay}
    head = fit_head(slide.scheme, examples, **options)
    try:
        gain = estimate(slide.scheme, examples, group_by_cell(slide.yx[order], 0.25), before=slide.head, **options)
    except DataError:
        # all in one place: then nothing is said
        return None
    asked = ids[rows].tolist() if kind == "queue" else ()
    found = slide_gain(nuclei, slide.features, examples, gain, slide.head, head, asked)
    assert found is not None
    truth = slide.f1(label), slide.f1(head.classify(slide.features)[0])
    on_answers = gain.mean_before, gain.mean_after
    return np.array([[*found.before, truth[0], on_answers[0]], [*found.after, truth[1], on_answers[1]]])


def told(trials: np.ndarray) -> list[str]:
    """Say of trials (T, 2, 5) how often the truth was within, how wide intervals are, and what answers alone say."""
    low, middle, high, truth, answers = np.moveaxis(trials, 2, 0)
    within = ((low <= truth) & (truth <= high)).mean(0)
    wide, off = (high - low).mean(0), (middle - truth).mean(0)
    return [
        f"{len(trials)} times",
        f"truth {truth[:, 0].mean():.3f} to {truth[:, 1].mean():.3f}",
        f"within {within[0]:.2f} and {within[1]:.2f}",
        f"wide {wide[0]:.2f} and {wide[1]:.2f}",
        f"off {off[0]:+.3f} and {off[1]:+.3f}",
        f"answers alone {answers[:, 0].mean():.2f} to {answers[:, 1].mean():.2f}",
    ]


def main(arguments: list[str]) -> int:
    """Print how often the truth was within, how wide the intervals are, and what answers alone would say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=("images", "pooled"), default=["images", "pooled"])
    options = parser.parse_args(arguments)
    found, _ = load_features(options.data, "embedded")
    for where in options.only:
        for kind, words in KINDS.items():
            for n in ANSWERS:
                seeds = options.seeds if where == "images" else 4 * options.seeds
                all_of = [trial(slide, kind, n, seed) for seed, slide in slides(found, where, seeds)]
                all_of = [one for one in all_of if one is not None]
                print(" | ".join([where, words, f"{n} answers", *told(np.array(all_of))]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
