"""Learning within one image: some of its nuclei are answered, the others measured (`learning_experiments.py`).

The head that is there before is the shipped one on BRCA-M2C; elsewhere, whose classes are others, one fitted to all
other training images of the set. Two kinds of answers: *random*, the rest of the image measured; and *wrong first*, as
people give them: within a random half of the image those that the head got wrong, and when there are no more,
confirmations of right ones. The other half is measured, for a rest without its mistakes could only get worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nucloop.classes import ClassScheme
from nucloop.errors import DataError
from nucloop.learning.dataset_features import FieldFeatures
from nucloop.learning.examples import Examples
from nucloop.learning.fit import FitConfig, fit_head
from nucloop.learning.gain.estimate import class_f1
from nucloop.learning.head_files import LearnedHead
from nucloop.learning.replay import Replay, choose_replay
from nucloop.models.heads import LinearHead

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ANSWERS = (5, 10, 20, 50, 100)
FEWEST = 160
"""Nuclei of an image below which little would be left to measure."""
SHARED_PATIENTS = ("A7-A13G", "A7-A0DB")
"""In BRCA-M2C's training and validation images: the encoder has not seen them, and no choice rests on them."""
SCHEMES = {"brca-m2c": "brca-m2c", "consep-20x": "consep-3", "crchisto": "crchisto"}


@dataclass(frozen=True)
class Image:
    """One image, and the head that was there before its nuclei were answered."""

    field: FieldFeatures
    scheme: ClassScheme
    prior: LinearHead
    replay: Replay | None

    def f1(self, head: LinearHead, rows: np.ndarray) -> tuple[float, float]:
        """Return a head's mean class F1 and accuracy on some of the nuclei."""
        truth, said = self.field.label[rows], head.classify(self.field.features[rows])[0]
        return float(np.nanmean(class_f1(truth, said, len(self.scheme)))), float((truth == said).mean())


def images_of(name: str, split: str, found: Mapping[tuple[str, str], list[FieldFeatures]]) -> Iterator[Image]:
    """Yield the images with enough nuclei, each with a head that has not been fitted to it."""
    scheme, train = ClassScheme.named(SCHEMES[name]), found.get((name, "train"), [])
    for one in found[name, split]:
        if len(one.label) < FEWEST or (split == "train" and any(patient in one.name for patient in SHARED_PATIENTS)):
            continue
        if name == "brca-m2c":
            shipped = LearnedHead.open("brca-m2c")
            yield Image(one, scheme, shipped.head, shipped.replay)
        else:
            others = _examples([part for part in train if part is not one])
            yield Image(one, scheme, _prior(scheme, others), choose_replay(scheme, others))


_PRIORS: dict[tuple[str, int], LinearHead] = {}


def _prior(scheme: ClassScheme, examples: Examples) -> LinearHead:
    key = (scheme.name, len(examples))
    if key not in _PRIORS:
        # classes as they are found, as the shipped head has them
        _PRIORS[key] = fit_head(scheme, examples, config=FitConfig(balance=0.0))
    return _PRIORS[key]


def _examples(parts: list[FieldFeatures]) -> Examples:
    label = np.concatenate([part.label for part in parts])
    return Examples(
        np.arange(1, len(label) + 1),
        np.concatenate([part.features for part in parts]),
        label,
        np.zeros(len(label), bool),
    )


def answered(image: Image, kind: str, seed: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield how many are answered, which (in order), and which are measured."""
    order = np.random.default_rng([seed, len(image.field.label)]).permutation(len(image.field.label))
    if kind == "random":
        for n in ANSWERS:
            yield n, order[:n], order[n:]
        return
    half = max(len(order) // 2, max(ANSWERS))
    asked, measured = order[:half], order[half:]
    wrong = image.prior.classify(image.field.features[asked])[0] != image.field.label[asked]
    asked = np.concatenate([asked[wrong], asked[~wrong]])
    for n in ANSWERS:
        yield n, asked[:n], measured


def gains(images: list[Image], kind: str, seeds: int, *, from_nothing: bool) -> dict[int, np.ndarray]:
    """Return for each number of answers what each image gives, (images, 4): F1 and accuracy before, and after."""
    table: dict[int, list[np.ndarray]] = {n: [] for n in ANSWERS}
    for image in images:
        scores: dict[int, list[tuple[float, ...]]] = {n: [] for n in ANSWERS}
        for seed in range(seeds):
            for n, rows, measured in answered(image, kind, seed):
                head = _taught(image, rows, from_nothing=from_nothing)
                scores[n].append((*image.f1(image.prior, measured), *image.f1(head, measured)))
        for n, several in scores.items():
            table[n].append(np.mean(several, axis=0))
    return {n: np.array(rows) for n, rows in table.items()}


def _taught(image: Image, rows: np.ndarray, *, from_nothing: bool) -> LinearHead:
    features, label = image.field.features[rows], image.field.label[rows]
    corrected = image.prior.classify(features)[0] != label
    examples = Examples(np.arange(1, len(rows) + 1), features, label, corrected)
    try:
        if from_nothing:
            return fit_head(image.scheme, examples)
        return fit_head(image.scheme, examples, prior=image.prior, replay=image.replay)
    except DataError:
        return image.prior


def in_slide(found: dict, splits: list[str], seeds: int, results: dict) -> None:
    """Print and note the mean gain over the images, with its standard error, in points of F1 and of accuracy."""
    for name, split in ((name, split) for name in SCHEMES for split in splits):
        images = list(images_of(name, split, found))
        for how in ("from the head before", "from nothing"):
            for kind in ("random", "wrong first"):
                row = {}
                for n, scores in gains(images, kind, seeds, from_nothing=how == "from nothing").items():
                    gain = 100 * (scores[:, 2:] - scores[:, :2])
                    error = gain.std(axis=0, ddof=1) / np.sqrt(len(gain))
                    row[n] = {
                        "before": round(float(scores[:, 0].mean()), 3),
                        "F1": f"{gain[:, 0].mean():+.2f} ± {error[0]:.2f}",
                        "accuracy": f"{gain[:, 1].mean():+.2f} ± {error[1]:.2f}",
                    }
                results[f"in-slide {name} {split}, {how}, {kind}"] = row | {"images": len(images)}
                print(f"{name} {split} ({len(images)} images), {how}, {kind}")
                print("\n".join(f"  {n:4d} {one}" for n, one in row.items()), flush=True)
