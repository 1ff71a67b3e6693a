"""Tables of nuclei as hypothesis draws them, with class names that are hard to write down."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.nuclei import UNLABELLED, Nuclei, Origin
from nucloop.outlines import Outlines

ODD = ClassScheme(
    "odd",
    (
        NucleusClass("'); DROP TABLE annotations; --", "#112233"),
        NucleusClass('a, "b" {c}] ünï', "#445566", "Odd: Class"),
        NucleusClass("../../up", "#778899"),
    ),
)


def outlines_of(yx: np.ndarray, rng: np.random.Generator, share: float) -> Outlines:
    """Outlines of some of the nuclei; no corner is the same twice."""
    corners = [3 + rng.integers(6) if rng.random() < share else 0 for _ in yx]
    around = [rng.permutation(81)[:count] for count in corners]
    return Outlines.of(
        [
            place + np.column_stack([k // 9, k % 9]) / 8 - 0.5 if len(k) else None
            for place, k in zip(yx, around, strict=True)
        ]
    )


@st.composite
def tables(draw: st.DrawFn, scheme: ClassScheme) -> Nuclei:
    """Some have outlines and some have those of cells; an outline of nobody is as good as none."""
    count = draw(st.integers(0, 6))
    rng = np.random.default_rng(draw(st.integers(0, 1_000_000)))
    known = draw(st.sampled_from([0.0, 0.5, 1.0]))
    ids = rng.choice(10_000, count, replace=False) + 1 if draw(st.booleans()) else np.zeros(count)
    probability = rng.dirichlet(np.ones(len(scheme)), count).astype(np.float32)
    probability[rng.random(count) >= known] = np.nan
    yx = rng.integers(-40, 800_000, (count, 2)) / 8
    shares = draw(st.tuples(*[st.sampled_from([None, 0.5, 1.0])] * 2))
    outlines, cell_outlines = (None if share is None else outlines_of(yx, rng, share) for share in shares)
    return Nuclei.from_points(
        scheme,
        yx,
        label=rng.integers(UNLABELLED, len(scheme), count),
        score=np.where(rng.random(count) < known, rng.random(count), np.nan),
        probability=probability,
        ids=ids,
        origin=rng.integers(0, len(Origin), count),
        outlines=outlines,
        cell_outlines=cell_outlines,
    )


def same_outlines(found: Outlines | None, expected: Outlines | None, count: int, atol: float = 0.0) -> None:
    """Compare outlines ring by ring; none at all are as good as an empty table."""
    found, expected = (Outlines.none(count) if one is None else one for one in (found, expected))
    np.testing.assert_array_equal(found.ends, expected.ends)
    np.testing.assert_allclose(found.corners, expected.corners, atol=atol, rtol=0)
