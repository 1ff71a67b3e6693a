"""What a head is worth on the slide, in worlds where that is known and people answer as they like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from nucloop.learning.gain.estimate import class_f1
from nucloop.learning.gain.on_slide import OnSlide, Told, Untold, looked_through, on_slide

NUCLEI, CLASSES = 600, 3


@dataclass(frozen=True)
class World:
    """Nuclei with true classes, and what an old and a better new head say of them."""

    truth: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @classmethod
    def made(cls, seed: int) -> World:
        rng = np.random.default_rng(seed)
        truth = rng.choice(CLASSES, NUCLEI, p=(0.5, 0.3, 0.2)).astype(np.int16)
        seen, more = (k * np.eye(CLASSES)[truth] + rng.normal(0, 1, (NUCLEI, CLASSES)) for k in (1.3, 0.8))
        logits = (1.3 * seen, 1.3 * seen + 0.8 * more)
        return cls(truth, *(np.exp(one) / np.exp(one).sum(1, keepdims=True) for one in logits))

    def answered(self, how: str, count: int, seed: int) -> np.ndarray:
        order = np.random.default_rng(seed).permutation(NUCLEI)
        if how == "random":
            return order[:count]
        if how == "doubtful":
            return np.argsort(self.before.max(1))[:count]
        wrong = self.before[order].argmax(1) != self.truth[order]
        most = round(count * (1.0 if how == "mistakes" else 0.8))
        return np.concatenate([order[wrong][:most], order[~wrong][: count - most]])

    def estimate(self, rows: np.ndarray, *, asked: bool = False) -> OnSlide:
        label = self.truth[rows]
        now = self.after[rows].argmax(1).astype(np.int16)
        said, marks = self.before[rows].argmax(1).astype(np.int16), np.full(len(rows), asked)
        rest = np.setdiff1d(np.arange(NUCLEI), rows)
        told = Told(label, said, marks, self.before[rows], self.after[rows], now)
        return on_slide(told, Untold(self.before[rest], self.after[rest]))

    def f1(self, said: np.ndarray) -> float:
        return float(class_f1(self.truth, said.argmax(1).astype(np.int16), CLASSES).mean())


def within(estimate: np.ndarray, truth: float) -> bool:
    return bool(estimate[0] <= truth <= estimate[2])


@pytest.mark.parametrize("how", ["random", "doubtful", "mistakes", "mostly mistakes"])
def test_the_interval_holds_the_truth_however_answers_were_chosen(how):
    held = []
    for seed in range(6):
        world = World.made(seed)
        said = world.estimate(world.answered(how, 60, seed), asked=how == "doubtful")
        held += [within(said.before, world.f1(world.before)), within(said.after, world.f1(world.after))]
    assert sum(held) >= 8, held


def test_mistakes_that_were_spoken_about_first_do_not_make_the_slide_look_worse():
    world = World.made(1)
    rows = world.answered("mostly mistakes", 60, 1)
    on_answers = class_f1(world.truth[rows], world.before[rows].argmax(1).astype(np.int16), CLASSES).mean()
    assert on_answers < 0.3
    assert world.estimate(rows).before[1] == pytest.approx(world.f1(world.before), abs=0.1)


def test_more_answers_that_were_asked_for_make_the_interval_narrower():
    world = World.made(2)
    few, many = (np.ptp(world.estimate(world.answered("random", n, 2), asked=True).after) for n in (15, 200))
    assert many < 0.7 * few


def test_the_same_answers_give_the_same_figures():
    world = World.made(3)
    one, other = (world.estimate(world.answered("random", 30, 3)) for _ in range(2))
    np.testing.assert_array_equal(one.after, other.after)


def test_it_is_said_in_words():
    said = OnSlide(np.array([0.68, 0.72, 0.76]), np.array([0.70, 0.73, 0.76]))
    assert said.sentence() == "on this slide F1 about 0.70 to 0.76, 0.72 before"
    sure = OnSlide(np.full(3, 0.72), np.full(3, 0.74))
    assert sure.sentence() == "on this slide F1 about 0.74, 0.72 before"


def test_a_place_is_looked_through_when_all_around_was_spoken_about():
    grid = np.stack(np.meshgrid(np.arange(20), np.arange(20), indexing="ij"), -1).reshape(-1, 2).astype(float)
    field = (grid < 8).all(1)
    corner = np.flatnonzero((grid == 2).all(1))
    alone = np.flatnonzero((grid == 15).all(1))
    spoken = field.copy()
    spoken[alone] = True
    through = looked_through(grid, spoken)
    assert through[corner].all()
    assert not through[alone].any()
    assert not through[~spoken].any()
    assert not looked_through(grid, np.isin(np.arange(400), alone)).any()
