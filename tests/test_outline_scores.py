"""Outlines against masks: which pixels count, who has a pixel that two claim, and PQ by class."""

from __future__ import annotations

import numpy as np
import pytest

from nucloop.classes import ClassScheme
from nucloop.evaluation.outlines import OutlineScores
from nucloop.metrics.marks import Marks
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines

SCHEME = ClassScheme.named("brca-m2c")


def square(y: int, x: int, side: int) -> np.ndarray:
    """The outline of whole pixels, from (y, x) on."""
    return np.array([y, x]) - 0.5 + side * np.array([[0, 0], [0, 1], [1, 1], [1, 0]])


def nuclei(*squares: tuple[int, int, int], label: list[int] | None = None, score: list[float] | None = None) -> Nuclei:
    yx = [(y + side / 2, x + side / 2) for y, x, side in squares]
    outlines = Outlines.of([square(*one) for one in squares])
    return Nuclei.from_points(SCHEME, yx, label=label, score=score, outlines=outlines)


def mask(*squares: tuple[int, int, int]) -> np.ndarray:
    truth = np.zeros((24, 24), np.int32)
    for k, (y, x, side) in enumerate(squares, 1):
        truth[y : y + side, x : x + side] = k
    return truth


def scored(found: Nuclei, truth: np.ndarray, label: list[int] | None = None, names: tuple[str, ...] = ()) -> dict:
    scores = OutlineScores()
    marks = Marks.of(found, 0.5, names), Marks.at(np.zeros((int(truth.max()), 2)), label)
    scores.add("a", found, truth, marks, names)
    return scores.report()


def test_outlines_that_are_the_masks_areas_are_perfect():
    squares = ((2, 3, 5), (10, 12, 8))
    report = scored(nuclei(*squares), mask(*squares))
    assert {report[key] for key in ("dice", "aji", "dq", "sq", "pq", "bpq")} == {1.0}
    assert report["mpq"] is None


def test_pixels_of_which_nobody_knows_do_not_count():
    truth = mask((2, 3, 5))
    truth[10:18, 12:20] = -1
    assert scored(nuclei((2, 3, 5), (10, 12, 8)), truth)["aji"] == 1


def test_the_better_score_has_the_pixels_that_two_claim():
    squares = ((2, 2, 8), (2, 6, 8))
    truth = mask(*squares)  # the second lies on top
    assert scored(nuclei(*squares, score=[0.5, 0.9]), truth)["aji"] == 1
    assert scored(nuclei(*squares, score=[0.9, 0.5]), truth)["aji"] < 0.6
    assert scored(nuclei(*squares, score=[np.nan, 0.5]), truth)["aji"] == 1


def test_pq_by_class_is_the_mean_over_classes_that_occur():
    squares = ((2, 2, 6), (2, 14, 6), (14, 2, 6))
    found = nuclei(*squares, label=[0, 1, 1])
    report = scored(found, mask(*squares), [0, 1, 0], SCHEME.names)
    # the first class: one of two found; the second: one of two wrong; the third does not occur
    assert report["mpq"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert report["bpq"] == 1


def test_images_count_alike_and_empty_ones_not_in_bpq():
    scores = OutlineScores()
    nothing = Marks.at(np.zeros((0, 2)))
    for name, found, truth in (
        ("a", nuclei((2, 2, 6)), mask((2, 2, 6))),
        ("b", nuclei((2, 2, 6)), mask((14, 14, 6))),
        ("c", Nuclei.from_points(SCHEME, np.zeros((0, 2)), outlines=Outlines.none(0)), mask()),
    ):
        scores.add(name, found, truth, (nothing, nothing), ())
    report = scores.report()
    assert report["n_images"] == 3
    assert report["aji"] == pytest.approx((1 + 0 + 1) / 3)
    assert report["bpq"] == pytest.approx(0.5)


def test_nuclei_without_outlines_are_refused():
    with pytest.raises(ValueError, match="without outlines"):
        OutlineScores().add("a", Nuclei.empty(SCHEME), mask(), (Marks.at([]), Marks.at([])), ())
