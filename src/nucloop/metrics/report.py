"""Scores as plain types and as rows of a table: what ``evaluate``, ``score`` and the window write."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from nucloop.metrics.intervals import BootstrapConfig, f1_intervals
from nucloop.metrics.rules import RULES
from nucloop.metrics.scoring import per_image, pooled
from nucloop.spreadsheets import as_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nucloop.metrics.scoring import FieldScore

__all__ = ["details_of", "table_rows", "table_text"]


def details_of(
    fields: Mapping[str, FieldScore], names: Sequence[str], rule: str, config: BootstrapConfig | None = None
) -> dict[str, Any]:
    """Say more than the pooled counts: the rule and its flaw, averages, intervals, confusion, HoVer-Net's figures.

    Parameters
    ----------
    fields : dict of FieldScore
        By image or region.
    names : sequence of str
        The classes.
    rule : str
        A key of `RULES`.
    config : BootstrapConfig, optional

    Returns
    -------
    dict
        Plain types. ``f1_interval_95`` is None with fewer than two fields.
    """
    scores = list(fields.values())
    config = config or BootstrapConfig()
    return {
        "rule_name": rule,
        "rule_flaw": RULES[rule].flaw or None,
        "per_image_f1": per_image(scores),
        f"f1_interval_{config.level * 100:g}": f1_intervals(scores, config),
        "interval_by": f"bootstrap over images, {config.samples} samples, seed {config.seed}",
        **pooled(scores, names).details(),
    }


def table_rows(run: str, report: Mapping[str, Any]) -> list[dict[str, object]]:
    """One row for detection, each class and their mean, from a report of ``evaluate`` or ``score``."""
    about = {"run": run, "dataset": report["dataset"], "images": report["n_images"]}
    protocol = {"radius_um": report["radius_um"], "rule": report["rule"]}
    named = {"detection": report["detection"], **report["classes"]}
    if report["mean_f1"] is not None:
        named["mean of classes"] = {"f1": report["mean_f1"]}
    columns = ("f1", "precision", "recall", "tp", "fp", "fn")
    return [
        {**about, "what": what, **{name: counts.get(name, "") for name in columns}, **protocol}
        for what, counts in named.items()
    ]


def table_text(rows: Iterable[Mapping[str, object]], kind: str) -> str:
    """Write rows with equal keys as ``md``, ``csv`` or, as spreadsheets take it from the clipboard, ``tsv``."""
    rows = list(rows)
    lines = [{name: f"{v:.4f}" if isinstance(v, float) else str(v) for name, v in row.items()} for row in rows]
    names = list(lines[0]) if lines else []
    if kind in ("csv", "tsv"):
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n", delimiter="," if kind == "csv" else "\t")
        writer.writerow({name: as_cell(name) for name in names})
        for line, row in zip(lines, rows, strict=True):
            writer.writerow(
                {name: as_cell(cell) if isinstance(row[name], str) else cell for name, cell in line.items()}
            )
        return text.getvalue()
    cells = [names, ["---"] * len(names), *([line[name] for name in names] for line in lines)]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in cells)
