"""Tables of nuclei as hypothesis draws them, with class names that are hard to write down."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.nuclei import UNLABELLED, Nuclei, Origin

ODD = ClassScheme(
    "odd",
    (
        NucleusClass("'); DROP TABLE annotations; --", "#112233"),
        NucleusClass('a, "b" {c}] ünï', "#445566", "Odd: Class"),
        NucleusClass("../../up", "#778899"),
    ),
)


@st.composite
def tables(draw: st.DrawFn, scheme: ClassScheme) -> Nuclei:
    count = draw(st.integers(0, 6))
    rng = np.random.default_rng(draw(st.integers(0, 1_000_000)))
    known = draw(st.sampled_from([0.0, 0.5, 1.0]))
    ids = rng.choice(10_000, count, replace=False) + 1 if draw(st.booleans()) else np.zeros(count)
    probability = rng.dirichlet(np.ones(len(scheme)), count).astype(np.float32)
    probability[rng.random(count) >= known] = np.nan
    return Nuclei.from_points(
        scheme,
        rng.integers(-40, 800_000, (count, 2)) / 8,
        label=rng.integers(UNLABELLED, len(scheme), count),
        score=np.where(rng.random(count) < known, rng.random(count), np.nan),
        probability=probability,
        ids=ids,
        origin=rng.integers(0, len(Origin), count),
    )
