"""The report of a Ki-67 measurement, one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nucloop import __version__
from nucloop.formats.slide_info import SlideInfo, Weights
from nucloop.ki67.words import (
    counted_words,
    cutoff_words,
    ends,
    grade_words,
    interval_words,
    need_words,
    percent,
    place_words,
    score_words,
    threshold_words,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nucloop.ki67.index import Index
    from nucloop.ki67.intensity import HScore
    from nucloop.ki67.measurement import Ki67Result
    from nucloop.ki67.tally import Tally

__all__ = ["HISTOGRAM", "OVERVIEW", "Provenance", "report_html"]

OVERVIEW, HISTOGRAM = "overview", "histogram"
"""Names of the pictures of the whole slide and of DAB in the nuclei; the others bear the names of regions."""
_CHANGE = "uncheck them in the Ki-67 dock, give --left-out to nucloop ki67, or teach the model on this slide"
_STYLE = """
body { font-family: sans-serif; color: #222; max-width: 780px; margin: 24px auto; font-size: 11pt; }
h1 { font-size: 18pt; margin-bottom: 2px; } h2 { font-size: 13pt; margin-top: 18px; }
table { border-collapse: collapse; } th { text-align: left; } td, th { padding: 3px 12px 3px 0; }
.big { font-size: 26pt; } .dim { color: #666; } td.n, th.n { text-align: right; }
"""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where figures come from."""

    slide: SlideInfo
    author: str = ""
    """The reader."""
    case: str = ""
    specimen: str = ""
    comment: str = ""
    weights: Weights = field(default_factory=dict)
    stains: str = ""
    """How the stains were told, in words; empty without DAB."""
    remarks: tuple[str, ...] = ()
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


def report_html(
    result: Ki67Result,
    provenance: Provenance,
    pictures: Mapping[str, bytes],
    *,
    counted: Tally | None = None,
    embed: bool = True,
) -> str:
    """Write the report.

    Parameters
    ----------
    result : Ki67Result
    provenance : Provenance
    pictures : dict of PNG files
        `OVERVIEW`, `HISTOGRAM` and one by each region's name, as far as there are any.
    counted : Tally, optional
        What was counted and what was not.
    embed : bool
        Put the pictures into the page; else they are asked for by their place, ``picture:0`` and so on.

    Returns
    -------
    str
        HTML that a browser shows and Qt prints.
    """
    ki67 = result.ki67
    places = {name: _source(k, data, embed) for k, (name, data) in enumerate(pictures.items())}
    parts = [
        f"<h1>Ki-67 index of {html.escape(provenance.slide.name)}</h1>",
        _about(provenance),
        f'<p><span class="big">{percent(ki67.slide.value)}</span> &nbsp; {_counted(ki67.slide)}</p>',
        _intervals(result),
        "".join(f"<p>{html.escape(words)}</p>" for words in ([] if counted is None else counted.sentences())),
        _table(result),
        _scores(result),
        "<h2>Cut-offs</h2><ul>" + "".join(f"<li>{html.escape(cutoff_words(c))}</li>" for c in ki67.cutoffs) + "</ul>",
        "<h2>Enough?</h2><ul>" + "".join(f"<li>{html.escape(w)}</li>" for w in need_words(ki67)) + "</ul>",
    ]
    if HISTOGRAM in places:
        parts.append(f'<h2>DAB in the nuclei</h2><p><img src="{places[HISTOGRAM]}"></p>')
    if OVERVIEW in places:
        parts.append(f'<h2>Where</h2><p><img src="{places[OVERVIEW]}"></p>')
    within = {name: place for name, place in places.items() if name not in (OVERVIEW, HISTOGRAM)}
    if within:
        parts.append(_side_by_side(within))
        parts.append('<p class="dim">Magenta: positive. Blue: negative. Nuclei without a ring were not counted.</p>')
    parts.append(_provenance(result, provenance))
    title = html.escape(f"Ki-67 of {provenance.slide.name}")
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"</head><body>{''.join(parts)}</body></html>"
    )


def _day(time: str) -> str:
    return datetime.fromisoformat(time).strftime("%d %B %Y, %H:%M UTC")


def _source(number: int, data: bytes, embed: bool) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}" if embed else f"picture:{number}"


def _counted(index: Index) -> str:
    return f"{index.positive:,} positive of {index.total:,} nuclei counted"


def _about(provenance: Provenance) -> str:
    """Say whose slide it is, who read it and when; what nobody has said is left out."""
    rows = [
        ("Case", provenance.case),
        ("Specimen", provenance.specimen),
        ("Reader", provenance.author),
        ("Date", _day(provenance.time)),
        ("Comment", provenance.comment),
    ]
    lines = "".join(f"<tr><td>{name}</td><td>{html.escape(said)}</td></tr>" for name, said in rows if said)
    return f"<table>{lines}</table>"


def _side_by_side(pictures: Mapping[str, str]) -> str:
    """Put pictures two in a row, each above its name: one under the other would leave half of a page empty."""
    cells = [f'<td><img src="{place}"><br><b>{html.escape(name)}</b></td>' for name, place in pictures.items()]
    rows = "".join(f"<tr>{''.join(cells[k : k + 2])}</tr>" for k in range(0, len(cells), 2))
    return f"<table>{rows}</table>"


def _intervals(result: Ki67Result) -> str:
    return f"<p>95% interval {html.escape('; '.join(interval_words(result.ki67)))}.</p>"


def _table(result: Ki67Result) -> str:
    ki67 = result.ki67
    rows = list(ki67.regions) if ki67.regions and ki67.regions[0].name != "slide" else []
    lines = [_row(index) for index in rows]
    lines.append(_row(ki67.slide, "all regions" if rows else "slide"))
    if ki67.average is not None and len(rows) > 1:
        lines.append(f'<tr><td>average of regions</td><td class="n">{percent(ki67.average)}</td></tr>')
    if ki67.hot_spot is not None:
        size = 2 * ki67.hot_spot.radius_um
        lines.append(_row(ki67.hot_spot.index, f"hot spot, a circle of {size:.0f} µm"))
    heads = "".join(f'<th class="n">{name}</th>' for name in ("index", "95% (Wilson)", "positive", "counted"))
    head = f"<tr><th></th>{heads}</tr>"
    return f"<h2>Regions</h2><table>{head}{''.join(lines)}</table>"


def _scores(result: Ki67Result) -> str:
    """H-score and Allred's of all regions, and of each; empty without DAB."""
    if result.intensity is None:
        return ""
    lines = "".join(f"<li>{html.escape(words)}</li>" for words in score_words(result))
    regions = result.intensity.regions
    if not regions or regions[0].name == "slide":
        return f"<h2>H-score and Allred score</h2><ul>{lines}</ul>"
    heads = "".join(f'<th class="n">{name}</th>' for name in ("H-score", "95%", "Allred", "0", "1+", "2+", "3+"))
    rows = "".join(_score_row(region) for region in regions)
    return f"<h2>H-score and Allred score</h2><ul>{lines}</ul><table><tr><th></th>{heads}</tr>{rows}</table>"


def _score_row(score: HScore) -> str:
    allred, interval = score.allred, score.interval
    cells = ["–" if score.value is None else f"{score.value:.0f}"]
    cells.append("–" if interval is None else f"{interval[0]:.0f} to {interval[1]:.0f}")
    cells.append("–" if allred is None else f"{allred.total}")
    numbers = "".join(f'<td class="n">{cell}</td>' for cell in (*cells, *(f"{count:,}" for count in score.counts)))
    return f"<tr><td>{html.escape(score.name)}</td>{numbers}</tr>"


def _row(index: Index, name: str | None = None) -> str:
    cells = [
        percent(index.value),
        ends(index.wilson) if index.total else "–",
        f"{index.positive:,}",
        f"{index.total:,}",
    ]
    numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return f"<tr><td>{html.escape(name or index.name)}</td>{numbers}</tr>"


def _provenance(result: Ki67Result, provenance: Provenance) -> str:
    settings, slide = result.settings, provenance.slide
    rows = [("Slide", f"{slide.name}, {slide.width} x {slide.height} pixels of {slide.mpp:g} µm")]
    if slide.sha256:
        rows.append(("First megabyte", f"sha256 {slide.sha256}"))
    if settings.by_dab:
        rows.append(("Positive", threshold_words(result)))
        rows.append(("Grades", grade_words(result)))
        rows.append(("DAB", place_words(result)))
        rows.append(("Counted", counted_words(settings, _CHANGE)))
        if provenance.stains:
            rows.append(("Stains", provenance.stains))
    else:
        rows.append(("Positive", ", ".join(sorted(settings.positive))))
        rows.append(("Negative", ", ".join(sorted(settings.negative))))
    rows += [
        (kind, f"{one.get('name', '')}, sha256 {one.get('sha256', '')}") for kind, one in provenance.weights.items()
    ]
    rows += [("Program", f"NucLoop {__version__}"), *(("Remark", remark) for remark in provenance.remarks)]
    lines = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>" for k, v in rows)
    note = "For research use. A pathologist answers for the index of a patient."
    return f'<h2>Settings and provenance</h2><table>{lines}</table><p class="dim">{note}</p>'
