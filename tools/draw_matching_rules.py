"""Draw docs/images/matching-rules.png: what each matching rule makes of the same points, after Figure 3 of Patherea.

Needs the docs extra: python tools/draw_matching_rules.py
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle

from nucloop.metrics.marks import Marks
from nucloop.metrics.rules import RULES, match

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "matching-rules.png"
RADIUS = 3.0
"""µm."""

# Left: the first nucleus is found well, a false alarm lies just outside its circle, the second nucleus is missed.
# Right: three predictions in one circle, and a nucleus that is found once.
REFERENCE = np.array([(0.0, 0.0), (0.0, 9.0), (0.0, 22.0), (0.0, 31.0)])
PREDICTED = np.array([(0.4, 1.4), (-1.5, -3.2), (1.2, 21.0), (-1.4, 21.6), (0.5, 23.6), (-0.6, 30.2)])
SCORES = np.array([0.9, 0.6, 0.8, 0.7, 0.5, 0.9])

HIT, ALARM, MISS, INK = "#009e73", "#d55e00", "#0072b2", "#444444"


def draw(axes: Axes, rule: str) -> None:
    """Draw one rule's pairs and counts."""
    found, truth = Marks.at(PREDICTED, score=SCORES), Marks.at(REFERENCE)
    matching = match(found, truth, RADIUS, rule)
    for (y, x), missed in zip(REFERENCE, matching.missed, strict=True):
        colour = MISS if missed else INK
        axes.add_patch(Circle((x, y), RADIUS, fill=False, color=colour, lw=1.2, ls="--" if missed else "-"))
        axes.plot(x, y, "+", color=colour, ms=8, mew=1.5)
        if missed:
            axes.text(x, y - RADIUS - 0.4, "missed", color=MISS, ha="center", va="bottom", fontsize=8)
    for i, j in matching.pairs:
        (y0, x0), (y1, x1) = PREDICTED[i], REFERENCE[j]
        axes.plot([x0, x1], [y0, y1], color=HIT, lw=1.6, zorder=1)
    for (y, x), score, spare in zip(PREDICTED, SCORES, matching.spare, strict=True):
        axes.plot(x, y, "X" if spare else "o", color=ALARM if spare else HIT, ms=7, zorder=2)
        above = y < 0
        axes.text(
            x,
            y + (-0.6 if above else 0.6),
            f"{score:g}",
            fontsize=7,
            color=INK,
            ha="center",
            va="bottom" if above else "top",
        )
    c = matching.counts
    axes.set_title(
        f"{rule}: {RULES[rule].label}\nTP {c.tp}, FP {c.fp}, FN {c.fn}: F1 {c.f1:.2f}",
        fontsize=9,
        loc="left",
        color="k",
    )
    axes.set(xlim=(-6, 36), ylim=(5, -5), aspect="equal", xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_color("#cccccc")


def main() -> None:
    """Draw all rules below each other."""
    figure, rows = plt.subplots(len(RULES), 1, figsize=(7.2, 8.4), layout="constrained")
    for axes, rule in zip(rows, RULES, strict=True):
        draw(axes, rule)
    key = [
        ("+ in a circle: reference and radius", INK),
        ("dot: counted as found", HIT),
        ("cross: counted as false alarm", ALARM),
        ("dashed: counted as missed", MISS),
    ]
    for k, (text, colour) in enumerate(key):
        figure.text((0.02, 0.32, 0.53, 0.79)[k], -0.02, text, color=colour, fontsize=8)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110, bbox_inches="tight", metadata={"Software": None})
    print(f"Written to {PICTURE}")


if __name__ == "__main__":
    main()
