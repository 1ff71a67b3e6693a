"""``nucloop evaluate``: F1 of pipelines on data sets."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from nucloop.cli.score import RULES_HELP, check_rule
from nucloop.cli.session_data import SESSION, session_dataset
from nucloop.cli.tables import check_table_name, confusion_table, outline_line, score_table, write_table
from nucloop.cli.terminal import (
    CONTRAST_HELP,
    ENCODER_HELP,
    HEAD_HELP,
    OUTLINES_HELP,
    SHAPE_HELP,
    check_writable,
    output,
    progress_bar,
    say,
    write_json,
)
from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import CONTRAST, InferenceConfig, PipelineSpec
from nucloop.errors import DataError
from nucloop.evaluation.dataset import Evaluation, evaluate
from nucloop.metrics.report import details_of, table_rows
from nucloop.training.datasets import DATASETS, Dataset, Field, leave_out, only, open_dataset

__all__ = ["chosen_fields", "evaluate_command", "named_models", "opened"]


def evaluate_command(
    context: typer.Context,
    data: Annotated[
        list[str],
        typer.Option(help=f"NAME:PATH, NAME one of {', '.join(DATASETS)}, or session; may be repeated."),
    ],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "val",
    radius_um: Annotated[float, typer.Option(min=0.1, max=100, help="Matching radius, µm.")] = 3.0,
    rule: Annotated[str, typer.Option(help=RULES_HELP)] = "boolean",
    details: Annotated[
        bool, typer.Option("--details", help="Also 95% intervals, averages over images, confusion and HoVer-Net's F.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write everything measured to this file.")] = None,
    table: Annotated[Path | None, typer.Option(help="Write the table to this file (.md, .csv).")] = None,
    only_group: Annotated[
        list[str] | None, typer.Option("--only", help="Only images of this hospital or patient.")
    ] = None,
    leave: Annotated[
        list[str] | None, typer.Option("--leave-out", help="Not the images of this hospital or patient.")
    ] = None,
    detector: Annotated[str, typer.Option(help="Name or .safetensors file.")] = "denuc-mobilenet",
    encoder: Annotated[str | None, typer.Option(help=ENCODER_HELP)] = None,
    head: Annotated[str | None, typer.Option(help=HEAD_HELP)] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--models", help="DETECTOR or DETECTOR,ENCODER,HEAD in place of the three; may be repeated."),
    ] = None,
    outlines: Annotated[bool, typer.Option("--outlines", help=OUTLINES_HELP)] = False,
    shape: Annotated[str | None, typer.Option(help=SHAPE_HELP)] = None,
    threshold: Annotated[float | None, typer.Option(min=0.01, max=0.99, help="Detection score.")] = None,
    contrast: Annotated[float, typer.Option(min=0, max=1, help=CONTRAST_HELP)] = CONTRAST,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
) -> None:
    """Measure detection and class F1 (Boolean one-to-one rule), outlines, s/mm2 and peak memory."""
    check_rule(rule)
    check_table_name(table)
    datasets = [opened(spec, split, context) for spec in data]
    chosen = [chosen_fields(dataset, split, only_group or [], leave or []) for dataset in datasets]
    for path in (json, table):
        if path is not None:
            check_writable(path.parent)
    reports, rows = [], []
    config = InferenceConfig(threshold=threshold, contrast=contrast)
    for names in named_models(models) or [(detector, encoder, head)]:
        pipeline = Pipeline.open(PipelineSpec(*names, device, config, outlines, shape))
        for dataset, fields in zip(datasets, chosen, strict=True):
            result = _run(pipeline, Evaluation(dataset, radius_um, rule), fields, split)
            report = {"split": split, **result.report(pipeline)}
            if details:
                report |= details_of(result.fields, result.total.names, rule)
                report["data_sha256"] = _fingerprint(fields)
            reports.append(report)
            rows += table_rows(" + ".join(name for name in names if name), report)
            _show(report, details)
    if json is not None:
        write_json(json, reports[0] if len(reports) == 1 else {"runs": reports})
    if table is not None:
        write_table(table, rows)


def opened(spec: str, split: str, context: typer.Context) -> Dataset:
    """Open one data set, or a session as one, which is put into a folder that goes with the command."""
    kind, _, path = spec.partition(":")
    if kind != SESSION:
        return open_dataset(spec, split)
    folder = context.with_resource(TemporaryDirectory(prefix="nucloop-"))
    return session_dataset(Path(path), Path(folder))


def chosen_fields(dataset: Dataset, split: str, only_group: Sequence[str], leave: Sequence[str]) -> list[Field]:
    """Fields of the chosen hospitals or patients; DataError when none is left."""
    fields = leave_out(only(dataset.fields, only_group), leave)
    if not fields:
        raise DataError(f"No image of {dataset.name} {split} is left. Check the names given to --only and --leave-out.")
    return fields


def named_models(models: Sequence[str] | None) -> list[tuple[str, str | None, str | None]]:
    """Read DETECTOR or DETECTOR,ENCODER,HEAD, each."""
    named: list[tuple[str, str | None, str | None]] = []
    for text in models or []:
        names = [name.strip() for name in text.split(",")]
        if len(names) not in (1, 3) or not all(names):
            raise DataError(f"--models {text!r} is neither DETECTOR nor DETECTOR,ENCODER,HEAD: names or files.")
        named.append((names[0], *(names[1:] or (None, None))))
    return named


def _run(pipeline: Pipeline, result: Evaluation, fields: Sequence[Field], split: str) -> Evaluation:
    with progress_bar() as bar:
        task = bar.add_task(f"{result.dataset.name} {split}", total=len(fields), note="")
        for result in evaluate(pipeline, result.dataset, fields, result.radius_um, result.rule):  # noqa: B020
            bar.update(task, advance=1, note=f"detection F1 {result.detection.f1:.3f}")
    return result


def _show(report: dict[str, Any], details: bool) -> None:
    shown = score_table(report)
    if not report["precision_is_meaningful"]:
        shown.caption = "Only some kinds of nuclei are marked here: recall counts, precision and F1 do not."
    output.print(shown)
    if details and report["classes"]:
        output.print(confusion_table(report))
    if "outlines" in report:
        say(outline_line(report["outlines"]))
    say(
        f"{report['dataset']} {report['split']}: {report['n_images']} images, {report['rule']}, "
        f"radius {report['radius_um']:g} µm; {report['seconds_per_mm2']:.2f} s/mm2 on {report['device']}, "
        f"peak memory {report['peak_memory_mb']:.0f} MB"
    )


def _fingerprint(fields: Sequence[Field]) -> str:
    """Sha256 of the reference: image names, points and classes, in order."""
    digest = hashlib.sha256()
    for field in fields:
        digest.update(field.name.encode() + field.yx.tobytes() + field.label.tobytes())
    return digest.hexdigest()
