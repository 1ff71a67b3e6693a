from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucloop.classes import ClassScheme
from nucloop.metrics.incremental import IncrementalScore
from nucloop.metrics.marks import Marks
from nucloop.metrics.rules import match
from nucloop.metrics.scoring import score_field
from nucloop.nuclei import Nuclei

SCHEME = ClassScheme.named("brca-m2c")
OTHER = ClassScheme.named("nucls")
MPP = 0.5


def nuclei(rng, n, scheme=SCHEME, first=1, side=60):
    # whole pixels, so that equal distances, equal places and distances of exactly the radius occur
    yx = rng.integers(0, side, (n, 2))
    return Nuclei.from_points(scheme, yx, label=rng.integers(-1, len(scheme), n), ids=np.arange(first, first + n))


class Tables:
    """Both sides as plain tables, edited by hand."""

    def __init__(self, predicted, reference):
        self.rows = {
            side: {i: (tuple(yx), int(c)) for i, yx, c in zip(table.ids, table.yx, table.label, strict=True)}
            for side, table in (("predicted", predicted), ("reference", reference))
        }
        self.schemes = {"predicted": predicted.scheme, "reference": reference.scheme}

    def nuclei(self, side):
        rows = self.rows[side]
        if not rows:
            return Nuclei.empty(self.schemes[side])
        yx, label = zip(*rows.values(), strict=True)
        return Nuclei.from_points(self.schemes[side], yx, label=label, ids=list(rows))


def same_as_full(score: IncrementalScore, tables: Tables, counted=None) -> None:
    sides = {}
    for side in ("predicted", "reference"):
        table = tables.nuclei(side)
        sides[side] = table if counted is None else table.take(counted(table.yx))
    found, truth = (Marks.of(sides[side], MPP, score.names) for side in ("predicted", "reference"))
    full = score_field(found, truth, score.names, 3.0)
    now = score.score
    assert (now.names, now.detection, now.classes) == (full.names, full.detection, full.classes)
    np.testing.assert_array_equal(now.confusion, full.confusion)
    # who matched whom too, by place and class: nuclei that share both are interchangeable
    pairs = match(found, truth, 3.0).pairs
    wanted = sorted((*found.yx[i], found.label[i], *truth.yx[j], truth.label[j]) for i, j in pairs)
    table = score.matched()
    assert sorted(table.ids) == sorted(sides["predicted"].ids)
    mine = {i: (*yx, c) for i, yx, c in zip(sides["predicted"].ids, found.yx, found.label, strict=True)}
    other = {i: (*yx, c) for i, yx, c in zip(sides["reference"].ids, truth.yx, truth.label, strict=True)}
    got = [(*mine[i], *other[j]) for i, j in zip(table.ids, table.partner, strict=True) if j >= 0]
    assert sorted(got) == wanted
    back = score.matched("reference")
    assert {(j, i) for i, j in zip(back.ids, back.partner, strict=True) if j >= 0} == {
        (i, j) for i, j in zip(table.ids, table.partner, strict=True) if j >= 0
    }


def random_edit(rng, score, tables, side):
    rows = tables.rows[side]
    scheme = tables.schemes[side]
    known = list(rows)
    some = rng.choice(known, min(len(known), rng.integers(1, 4)), replace=False).tolist() if known else []
    kind = rng.choice(["add", "move", "delete", "relabel"]) if some else "add"
    if kind == "add":
        new = nuclei(rng, int(rng.integers(1, 4)), scheme, first=int(rng.integers(1, 90)))
        for i, yx, c in zip(new.ids, new.yx, new.label, strict=True):
            rows[i] = (tuple(yx), int(c))
        return score.add(new, side)
    if kind == "move":
        points = rng.integers(0, 60, (len(some), 2))
        for i, yx in zip(some, points, strict=True):
            rows[i] = (tuple(yx), rows[i][1])
        return score.move(some, points, side)
    if kind == "delete":
        for i in some:
            del rows[i]
        return score.delete(some, side)
    label = int(rng.integers(-1, len(scheme)))
    for i in some:
        rows[i] = (rows[i][0], label)
    return score.relabel(some, label, side)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    n=st.integers(0, 50),
    m=st.integers(0, 50),
    steps=st.integers(1, 15),
    bounded=st.booleans(),
    schemes=st.sampled_from([(SCHEME, SCHEME), (SCHEME, OTHER)]),
)
def test_the_score_after_any_edits_is_that_of_matching_everything_anew(seed, n, m, steps, bounded, schemes):
    rng = np.random.default_rng(seed)
    predicted, reference = nuclei(rng, n, schemes[0]), nuclei(rng, m, schemes[1])
    counted = (lambda yx: np.asarray(yx)[:, 0] < 30) if bounded else None
    score = IncrementalScore(predicted, reference, mpp=MPP, counted=counted)
    tables = Tables(predicted, reference)
    same_as_full(score, tables, counted)
    for _ in range(steps):
        random_edit(rng, score, tables, "predicted" if rng.random() < 0.7 else "reference")
        same_as_full(score, tables, counted)


@pytest.mark.parametrize("seed", range(5))
def test_whoever_matches_differently_after_an_edit_is_named(seed):
    rng = np.random.default_rng(seed)
    predicted, reference = nuclei(rng, 60), nuclei(rng, 60)
    score, tables = IncrementalScore(predicted, reference, mpp=MPP), Tables(predicted, reference)
    for _ in range(20):
        before = {side: score.matched(side) for side in ("predicted", "reference")}
        touched = random_edit(rng, score, tables, "predicted")
        for side in ("predicted", "reference"):
            old = dict(zip(before[side].ids, zip(before[side].partner, before[side].agrees, strict=True), strict=True))
            after = score.matched(side)
            new = dict(zip(after.ids, zip(after.partner, after.agrees, strict=True), strict=True))
            changed = {i for i in old.keys() | new.keys() if old.get(i) != new.get(i)}
            assert changed <= set(getattr(touched, side).tolist())


def test_an_edit_far_away_touches_nobody_else():
    predicted = Nuclei.from_points(SCHEME, [[0, 0], [100, 100], [200, 200]], label=0, ids=[1, 2, 3])
    reference = Nuclei.from_points(SCHEME, [[1, 0], [101, 100]], label=0, ids=[7, 8])
    score = IncrementalScore(predicted, reference, mpp=MPP)

    touched = score.relabel([2], 1)

    assert (touched.predicted.tolist(), touched.reference.tolist()) == ([2], [8])
    assert score.matched().partner.tolist() == [7, 8, -1]
    assert score.matched().agrees.tolist() == [True, False, False]
    assert score.matched("reference").partner.tolist() == [1, 2]


def test_a_deleted_nucleus_is_moved_without_coming_back_and_added_again_at_will():
    one = Nuclei.from_points(SCHEME, [[0, 0]], label=0, ids=[1])
    score = IncrementalScore(one, one, mpp=MPP)
    score.delete([1])
    assert score.score.detection.fn == 1
    score.move([1], [[0, 1]])
    assert (score.score.detection.tp, score.score.detection.fn) == (0, 1)
    score.add(replace(one, label=np.array([1], np.int16)))
    assert score.score.detection.tp == 1
    assert score.score.classes[0].fn == score.score.classes[1].fp == 1


def test_a_session_may_begin_with_nothing():
    score = IncrementalScore(Nuclei.empty(SCHEME), Nuclei.empty(SCHEME), mpp=MPP)
    assert score.score.detection.f1 == 0
    some = Nuclei.from_points(SCHEME, [[0, 0], [50, 50]], label=[0, 1], ids=[1, 2])
    score.add(some)
    assert score.score.detection.fp == 2
    score.add(some, "reference")
    assert score.score.mean_f1 == pytest.approx(2 / 3)


def test_nuclei_need_an_id_each():
    twins = Nuclei.from_points(SCHEME, [[0, 0], [1, 1]])
    with pytest.raises(ValueError, match="an id each"):
        IncrementalScore(twins, twins, mpp=MPP)
    score = IncrementalScore(twins.numbered(), twins.numbered(), mpp=MPP)
    with pytest.raises(ValueError, match="twice in one edit"):
        score.delete([1, 1])
    with pytest.raises(KeyError):
        score.delete([5])
