"""How scores are shown at the terminal and kept as a table."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from nucloop.errors import DataError
from nucloop.formats.atomic import replacing
from nucloop.metrics.report import table_text

__all__ = ["check_table_name", "confusion_table", "outline_line", "score_table", "write_table"]


def score_table(report: Mapping[str, Any]) -> Table:
    """F1, precision, recall and counts of detection and of each class; intervals where the report has them."""
    intervals = report.get("f1_interval_95")
    table = Table("", "F1", *(["95%"] if intervals else []), "precision", "recall", "TP", "FP", "FN")
    for name, c in {"detection": report["detection"], **report["classes"]}.items():
        values = [f"{c[key]:.4f}" for key in ("f1", "precision", "recall")]
        if intervals:
            values.insert(1, _interval(intervals["detection" if name == "detection" else "classes"], name))
        table.add_row(name, *values, *(str(c[key]) for key in ("tp", "fp", "fn")))
    if report["mean_f1"] is not None:
        mean = [_interval(intervals["mean"], "")] if intervals else []
        table.add_row("mean of classes", f"{report['mean_f1']:.4f}", *mean)
    return table


def _interval(ends: Any, name: str) -> str:
    low, high = ends[name] if isinstance(ends, dict) else ends
    return f"{low:.3f} to {high:.3f}"


def confusion_table(report: Mapping[str, Any]) -> Table:
    """Lay out matched nuclei by reference class (down) and predicted class (across)."""
    names, cells = report["confusion"]["names"], report["confusion"]["reference_by_predicted"]
    used = [k for k in range(len(names)) if k not in (len(names) - 2,) or any(cells[k]) or any(row[k] for row in cells)]
    table = Table("reference, down", *(_heading(names[k], "missed") for k in used))
    for k in used:
        row = ["" if k == j == len(names) - 1 else str(cells[k][j]) for j in used]
        table.add_row(_heading(names[k], "false alarm"), *row)
    return table


def outline_line(outlines: Mapping[str, Any]) -> str:
    """Say how well outlines fit: means over the images that have masks."""
    names = {"aji": "AJI", "dice": "DICE", "pq": "PQ", "dq": "DQ", "sq": "SQ", "bpq": "bPQ", "mpq": "mPQ"}
    figures = [f"{name} {outlines[key]:.4f}" for key, name in names.items() if outlines[key] is not None]
    return f"outlines of {outlines['n_images']} images: {', '.join(figures)}"


def _heading(name: str, nothing: str) -> str:
    return nothing if name == "nothing" else name


def check_table_name(path: Path | None) -> None:
    """Refuse a table that is neither Markdown nor CSV before the work begins."""
    if path is not None and path.suffix.lower() not in {".md", ".csv"}:
        raise DataError(f"A table is written as .md or .csv, not as {path.name}. Choose one of these endings.")


def write_table(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as Markdown or CSV, as the file name says; the whole file or nothing."""
    with replacing(path) as file:
        file.write(table_text(rows, path.suffix.lower().lstrip(".")).encode())
