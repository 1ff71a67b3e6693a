"""``nucloop compare-detectors``: pipelines on the same images, what each costs and how sure the order is."""

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from nucloop.cli.evaluate import chosen_fields, named_models, opened
from nucloop.cli.score import RULES_HELP, check_rule
from nucloop.cli.tables import check_table_name, write_table
from nucloop.cli.terminal import check_writable, output, progress_bar, say, write_json
from nucloop.detection.spec import InferenceConfig, PipelineSpec
from nucloop.errors import DataError
from nucloop.evaluation.curve_picture import draw_curves
from nucloop.evaluation.detectors import DetectorRun, differences, measure, run_apart
from nucloop.formats.atomic import replacing
from nucloop.metrics.scoring import rule_title

__all__ = ["compare_detectors_command"]


def compare_detectors_command(
    context: typer.Context,
    data: Annotated[str, typer.Option(help="NAME:PATH, as evaluate takes it.")],
    models: Annotated[
        list[str],
        typer.Option(
            "--models", help="DETECTOR or DETECTOR,ENCODER,HEAD; repeated. The others are held against the first."
        ),
    ],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "val",
    radius_um: Annotated[float, typer.Option(min=0.1, max=100, help="Matching radius, µm.")] = 3.0,
    rule: Annotated[str, typer.Option(help=RULES_HELP)] = "boolean",
    only_group: Annotated[
        list[str] | None, typer.Option("--only", help="Only images of this hospital or patient.")
    ] = None,
    leave: Annotated[
        list[str] | None, typer.Option("--leave-out", help="Not the images of this hospital or patient.")
    ] = None,
    suppression_um: Annotated[
        float | None, typer.Option(min=0, max=100, help="Of detections nearer than this the best stays, µm; 0: all.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything measured to this file.")] = None,
    table: Annotated[Path | None, typer.Option(help="Write the table to this file (.md, .csv).")] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw precision against recall into this file (.svg).")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
) -> None:
    """Compare detectors on the same images: F1 by class, curves, parameters, GFLOP/mm2, s/mm2, memory, intervals."""
    check_rule(rule)
    check_table_name(table)
    if figure is not None and figure.suffix.lower() != ".svg":
        raise DataError(f"The figure is drawn as .svg, not as {figure.name}. Choose that ending.")
    dataset = opened(data, split, context)
    fields = chosen_fields(dataset, split, only_group or [], leave or [])
    for path in (json, table, figure):
        if path is not None:
            check_writable(path.parent)
    config = InferenceConfig(suppression_um=suppression_um)
    runs: list[DetectorRun] = []
    with progress_bar() as bar:
        task = bar.add_task(f"{dataset.name} {split}", total=len(models), note="")
        for text, names in zip(models, named_models(models), strict=True):
            bar.update(task, note=text)
            found = run_apart(PipelineSpec(*names, device, config), fields)
            title = " + ".join(_stem(name) for name in names if name)
            runs.append(measure(title, found, dataset, fields, radius_um, rule))
            bar.update(task, advance=1)
    gains = differences(runs)
    rows = _rows(runs, gains)
    output.print(_shown(rows))
    say(f"{dataset.name} {split}: {len(fields)} images, {rule_title(rule)}, radius {radius_um:g} µm")
    if not dataset.exhaustive:
        say("Only some kinds of nuclei are marked here: recall counts, precision and F1 do not.")
    about = {"dataset": dataset.name, "split": split, "n_images": len(fields), "rule": rule_title(rule)}
    about |= {"radius_um": radius_um, "precision_is_meaningful": dataset.exhaustive, "platform": platform.platform()}
    if json is not None:
        write_json(json, {**about, "runs": [run.to_dict() for run in runs], "differences": gains})
    if table is not None:
        write_table(table, rows)
    if figure is not None:
        with replacing(figure) as file:
            file.write(draw_curves(runs).encode())


def _stem(name: str) -> str:
    return Path(name).stem if name.endswith(".safetensors") else name


def _rows(runs: Sequence[DetectorRun], gains: Sequence[dict[str, Any]]) -> list[dict[str, object]]:
    """One row for each detector, all with the same columns."""
    names = list(dict.fromkeys(name for run in runs for name in run.evaluation.classes))
    rows: list[dict[str, object]] = []
    for run, gain in zip(runs, [None, *gains], strict=True):
        mean, classes = run.evaluation.mean_f1, run.evaluation.classes
        ends = None if gain is None else gain["interval_95"]
        rows.append(
            {
                "models": run.name,
                "threshold": f"{run.found.threshold:g}",
                "detection F1": run.evaluation.detection.f1,
                "against the first": "" if gain is None else _gain(gain["detection"], ends and ends["detection"]),
                **{f"{name} F1": classes[name].f1 if name in classes else "" for name in names},
                "mean F1": "" if mean is None else mean,
                "mean against the first": "" if gain is None else _gain(gain["mean"], ends and ends["mean"]),
                "M parameters": f"{run.found.parameters / 1e6:.2f}",
                "GFLOP/mm2": f"{run.found.gflop_per_mm2:.1f}",
                "s/mm2": f"{run.seconds_per_mm2:.2f}",
                "peak MB": f"{run.found.peak_memory_mb:.0f}",
            }
        )
    return rows


def _gain(difference: float | None, ends: Sequence[float] | None) -> str:
    if difference is None:
        return ""
    return f"{difference:+.3f}" + ("" if ends is None else f" ({ends[0]:+.3f} to {ends[1]:+.3f})")


def _shown(rows: Sequence[dict[str, object]]) -> Table:
    """Show rows as columns: there are few detectors and many figures."""
    shown = Table("", *(str(row["models"]) for row in rows))
    for name in list(rows[0])[1:]:
        values = [row[name] for row in rows]
        shown.add_row(name, *(f"{v:.4f}" if isinstance(v, float) else str(v) for v in values))
    return shown
