"""Precision against recall of several detectors, as one drawing (SVG)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucloop.evaluation.detectors import DetectorRun

__all__ = ["draw_curves"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8c6d1f")
"""Okabe and Ito's, told apart without seeing red and green; after these they begin again, dashed."""
SIDE, GAP, LINE = 240, 64, 18
"""Of a panel, between panels, of a line of the legend; in the drawing's units."""


def draw_curves(runs: Sequence[DetectorRun]) -> str:
    """Draw a panel for detection and one for each class that any detector names; a dot marks each one's threshold.

    Returns
    -------
    str
        A whole SVG document.
    """
    panels = list(dict.fromkeys(name for run in runs for name in run.curves))
    width = GAP + len(panels) * (SIDE + GAP)
    height = 2 * GAP + SIDE + LINE * len(runs)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="12"><rect width="{width}" height="{height}" fill="white"/>'
    ]
    for k, panel in enumerate(panels):
        parts.append(f'<g transform="translate({GAP + k * (SIDE + GAP)},{GAP / 2})">{_axes(panel)}')
        parts += [_line(run, panel, number) for number, run in enumerate(runs) if panel in run.curves]
        parts.append("</g>")
    for number, run in enumerate(runs):
        y = SIDE + 1.5 * GAP + LINE * number
        parts.append(
            f'<path d="M{GAP} {y}h24" {_stroke(number)}/><text x="{GAP + 32}" y="{y + 4}">{escape(run.name)}</text>'
        )
    return "".join([*parts, "</svg>\n"])


def _axes(title: str) -> str:
    """Draw a frame with ticks at every fifth; recall across, precision upwards."""
    marks = [f'<rect width="{SIDE}" height="{SIDE}" fill="none" stroke="#888"/>']
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        at = tick * SIDE
        marks.append(f'<text x="{at:g}" y="{SIDE + 16}" text-anchor="middle">{tick:g}</text>')
        marks.append(f'<text x="-6" y="{SIDE - at + 4:g}" text-anchor="end">{tick:g}</text>')
        marks.append(f'<path d="M{at:g} 0v{SIDE}M0 {at:g}h{SIDE}" stroke="#e5e5e5"/>')
    marks.append(f'<text x="{SIDE / 2}" y="-10" text-anchor="middle" font-weight="bold">{escape(title)}</text>')
    marks.append(f'<text x="{SIDE / 2}" y="{SIDE + 34}" text-anchor="middle">recall</text>')
    marks.append(f'<text transform="translate(-34,{SIDE / 2}) rotate(-90)" text-anchor="middle">precision</text>')
    return "".join(marks)


def _line(run: DetectorRun, panel: str, number: int) -> str:
    curve = run.curves[panel]
    there = np.isfinite(curve.precision)
    x, y = SIDE * curve.recall[there], SIDE * (1 - curve.precision[there])
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    counts = {"detection": run.evaluation.detection, **run.evaluation.classes}[panel]
    dot = f'<circle cx="{SIDE * counts.recall:.1f}" cy="{SIDE * (1 - counts.precision):.1f}" r="4" '
    return f'<polyline points="{path}" {_stroke(number)}/>{dot}fill="{COLOURS[number % len(COLOURS)]}"/>'


def _stroke(number: int) -> str:
    dashed = ' stroke-dasharray="5 3"' if number >= len(COLOURS) else ""
    return f'fill="none" stroke-width="2" stroke="{COLOURS[number % len(COLOURS)]}"{dashed}'
