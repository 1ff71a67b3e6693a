"""Outlines of a whole slide against a reference: the figures of one large label image, whatever the tiles."""

from dataclasses import replace

import numpy as np
import pytest

from nucloop.classes import ClassScheme
from nucloop.evaluation import slide_outlines
from nucloop.evaluation.live import LiveConfig, with_ids
from nucloop.evaluation.outlines import OutlineScores
from nucloop.evaluation.slide_outlines import compare_outlines
from nucloop.geometry import Region
from nucloop.metrics.label_images import label_image
from nucloop.metrics.marks import Marks
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines

SCHEME = ClassScheme.named("brca-m2c")
NAMES = SCHEME.names


def nuclei(seed, count=120, shift=0.0):
    rng = np.random.default_rng(3)
    yx = rng.uniform(20, 380, (count, 2))
    rng = np.random.default_rng(seed)
    yx = yx + rng.normal(0, shift, yx.shape)
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    radius = rng.uniform(6, 11, (count, 1))
    rings = yx[:, None] + radius[..., None] * np.stack([np.sin(angle), np.cos(angle)], 1)
    label = np.random.default_rng(4).integers(0, 3, count)
    score = rng.uniform(0, 1, count)
    return Nuclei.from_points(SCHEME, yx, label=label, score=score, outlines=Outlines.of(list(rings)))


def last(found, truth, config=None):
    return list(compare_outlines(found, truth, config or LiveConfig()))[-1]


@pytest.mark.parametrize("tile", [64, 150, 2048])
def test_the_figures_are_those_of_evaluate_on_one_image_whatever_the_tiles(monkeypatch, tile):
    monkeypatch.setattr(slide_outlines, "TILE", tile)
    found, truth = nuclei(1), nuclei(2, shift=2)
    figures = last(found, truth)
    mask = label_image(truth.outlines, (420, 420), slide_outlines.best_first(truth.score))
    scores = OutlineScores()
    scores.add("a", found, mask, (Marks.of(found, 0.5, SCHEME.classes), Marks.of(truth, 0.5, SCHEME.classes)), NAMES)
    expected = scores.report()
    for name, value in figures.to_dict().items():
        assert value == pytest.approx(expected[name]), name
    assert 0.3 < figures.segmentation.aji < 0.9


def test_a_slide_against_itself_is_perfect_and_against_nothing_is_not():
    same = last(nuclei(1), nuclei(1))
    assert same.to_dict() == pytest.approx(dict.fromkeys(("dice", "aji", "dq", "sq", "pq", "mpq"), 1.0))
    nothing = nuclei(1).take([])
    none = last(nuclei(1), replace(nothing, outlines=Outlines.none(0)))
    assert (none.segmentation.dice, none.segmentation.panoptic.pq, none.reference) == (0, 0, 0)


def test_only_nuclei_with_an_outline_and_in_a_region_count():
    half = Outlines.of([ring if k % 2 else None for k, ring in enumerate(nuclei(1).outlines)])
    figures = last(replace(nuclei(1), outlines=half), nuclei(1))
    assert (figures.found, figures.reference) == (60, 120)
    region = Region([[0, 0], [0, 200], [400, 200], [400, 0]])
    within = last(nuclei(1), nuclei(1), LiveConfig(regions=(region,)))
    assert within.found == within.reference == int((nuclei(1).yx[:, 1] <= 200).sum())


def test_a_reference_whose_file_gives_no_ids_keeps_its_outlines():
    assert with_ids(nuclei(1)).ids.tolist() == list(range(1, 121))
    assert with_ids(nuclei(1)).outlines is not None
