"""The report of a cohort: one HTML page with what failed, what differs, and every slide with its thumbnail."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nucloop import __version__
from nucloop.cohort.outliers import FAR
from nucloop.cohort.states import counts_of, states_of
from nucloop.cohort.table import tables_of, write_tables
from nucloop.cohort.writing import THUMBNAIL
from nucloop.formats.atomic import replacing
from nucloop.ki67.words import ends, percent
from nucloop.slides.quality import FLAG_WORDS

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from nucloop.cohort.project import Project
    from nucloop.cohort.states import SlideState

__all__ = ["write_report"]

MOST_INSIDE = 300
"""So many thumbnails stand in the page itself, outliers first; the others are shown from their results, beside it."""
_STYLE = """
body { font-family: sans-serif; color: #222; margin: 24px; font-size: 10.5pt; }
h1 { font-size: 18pt; margin-bottom: 2px; } h2 { font-size: 13pt; margin-top: 24px; }
table { border-collapse: collapse; } th { text-align: left; } td, th { padding: 4px 12px 4px 0; vertical-align: top; }
td.n, th.n { text-align: right; } tr { border-bottom: 1px solid #ddd; } .dim { color: #666; } .bad { color: #b00020; }
img { max-width: 112px; max-height: 112px; }
"""


def write_report(project: Project) -> list[Path]:
    """Write slides.csv, regions.csv where there are regions, and report.html; return which.

    Raises
    ------
    DataError
        If they cannot be written.
    """
    states = states_of(project)
    slides, regions = tables_of(project, states)
    written = write_tables(project, slides, regions)
    path = project.folder / "report.html"
    with replacing(path) as file:
        for piece in _page(project, states, slides):
            file.write(piece.encode())
    return [*written, path]


def _page(project: Project, states: list[SlideState], slides: pd.DataFrame) -> list[str]:
    numbers = counts_of(states)
    summary = ", ".join(f"{number:,} {name}" for name, number in numbers.items())
    rows = list(zip(states, slides.astype(object).where(slides.notna(), None).to_dict("records"), strict=True))
    # first what failed, what is stale, then what differs most, then what is flagged
    rows.sort(key=lambda both: _order(both[1]))
    classes = [name[2:] for name in slides.columns if name.startswith("n_")]
    scores = _SCORES if _has_scores(slides) else _SCORES[:1]
    name = html.escape(project.folder.name)
    return [
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{name}</title><style>{_STYLE}</style>'
        f"</head><body><h1>{name}</h1><p>{len(states):,} slides: {summary}</p>",
        _totals(slides, classes),
        "<h2>Slides</h2><table>",
        _head(classes, scores),
        *(_row(project, state, row, classes, scores, inside=k < MOST_INSIDE) for k, (state, row) in enumerate(rows)),
        "</table>",
        _provenance(project, slides),
        "</body></html>",
    ]


def _has_scores(slides: pd.DataFrame) -> bool:
    return "h_score" in slides and bool(slides["h_score"].notna().any())


def _order(row: dict[str, Any]) -> tuple[bool, bool, float, bool]:
    return row["state"] != "failed", not row["sentence"], -(row["outlier"] or 0), not row.get("flags")


def _totals(slides: pd.DataFrame, classes: list[str]) -> str:
    if "nuclei" not in slides:
        return ""
    total = int(slides["nuclei"].sum())
    parts = [f"{int(slides[f'n_{name}'].sum()):,} {html.escape(name)}" for name in classes]
    usual = slides["per_mm2"].median()
    dense = "" if usual != usual else f"; in the median {usual:,.0f} per mm² of tissue"
    return f"<p>{total:,} nuclei ({', '.join(parts)}) on {slides['tissue_mm2'].sum():,.1f} mm² of tissue{dense}.</p>"


def _head(classes: list[str], scores: Scores) -> str:
    names = ["tissue, mm²", "nuclei", "per mm²", *classes, *(name for name, _ in scores)]
    cells = "".join(f'<th class="n">{html.escape(name)}</th>' for name in names)
    return f"<tr><th></th><th>slide</th>{cells}<th>remarks</th></tr>"


def _row(
    project: Project, state: SlideState, row: dict[str, Any], classes: list[str], scores: Scores, *, inside: bool
) -> str:
    entry = state.entry
    about = [entry.patient, *(f"{name}: {value}" for name, value in entry.labels.items())]
    below = " · ".join(html.escape(text) for text in about if text)
    numbers = [_number(row.get("tissue_mm2"), 2), _number(row.get("nuclei"), 0), _number(row.get("per_mm2"), 0)]
    numbers += [_number(row.get(f"n_{name}"), 0) for name in classes]
    numbers += [shown(row) for _, shown in scores]
    cells = "".join(f'<td class="n">{cell}</td>' for cell in numbers)
    sentence = f'<span class="bad">{html.escape(row["sentence"])}</span>' if row["sentence"] else ""
    outlier = f"<b>{html.escape(row['outlier_in'])}</b>" if row["outlier_in"] else ""
    remarks = "<br>".join(text for text in (sentence, outlier, html.escape(row.get("flags") or "")) if text)
    picture = _picture(project, state, inside=inside)
    title = f'<b>{html.escape(entry.id)}</b><br><span class="dim">{below}</span>'
    return f"<tr><td>{picture}</td><td>{title}</td>{cells}<td>{remarks}</td></tr>\n"


def _picture(project: Project, state: SlideState, *, inside: bool) -> str:
    if state.folder is None:
        return ""
    source = f"{state.folder.relative_to(project.folder).as_posix()}/{THUMBNAIL}"
    if inside:
        with suppress(OSError):
            data = base64.b64encode((state.folder / THUMBNAIL).read_bytes()).decode()
            source = f"data:image/jpeg;base64,{data}"
    return f'<img loading="lazy" alt="" src="{html.escape(source)}">'


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _index(row: dict[str, Any]) -> str:
    """Return the index with its interval; by DAB the wider one, which allows for more than counting."""
    if row.get("ki67") is None:
        return ""
    widest = "ki67_with_errors" if row.get("ki67_with_errors_low") is not None else "ki67"
    return f"{percent(row['ki67'])} ({ends((row[f'{widest}_low'], row[f'{widest}_high']))})"


def _h_score(row: dict[str, Any]) -> str:
    if row.get("h_score") is None:
        return ""
    return f"{row['h_score']:.0f} ({row['h_score_low']:.0f} to {row['h_score_high']:.0f})"


def _allred(row: dict[str, Any]) -> str:
    return _number(row.get("allred"), 0)


Scores = tuple[tuple[str, Callable[[dict[str, Any]], str]], ...]
_SCORES: Scores = (("Ki-67 (95%)", _index), ("H-score (95%)", _h_score), ("Allred", _allred))
"""The last two only where a slide has them."""


def _provenance(project: Project, slides: pd.DataFrame) -> str:
    rows = [(f"{key}", f"{value}") for key, value in project.settings.to_dict().items() if value not in (None, False)]
    for name in slides.columns:
        if name.startswith("sha256_"):
            rows.append((name.replace("_", " of ", 1), ", ".join(sorted(set(slides[name].dropna())))))
    if "ki67" in slides and slides["ki67"].notna().any():
        rows.append(("Ki-67 (95%)", "by DAB with errors of finding and of the threshold; by classes of counting alone"))
    if _has_scores(slides):
        how = "by the number of nuclei (bootstrap); for Allred's score there is no interval"
        rows.append(("H-score (95%)", how))
    rows.append(("flagged", FLAG_WORDS))
    rows.append(("outlier", f"a figure more than {FAR} robust standard deviations from the cohort's median"))
    rows.append(("program", f"NucLoop {__version__}"))
    lines = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>" for k, v in rows)
    note = "For research use. NucLoop is not a medical device."
    return f'<h2>Settings and provenance</h2><table>{lines}</table><p class="dim">{note}</p>'
