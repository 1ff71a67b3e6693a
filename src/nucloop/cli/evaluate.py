"""``nucloop evaluate``: F1 of a pipeline on a data set."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from nucloop.cli.terminal import check_writable, output, progress_bar, say, write_json
from nucloop.errors import DataError
from nucloop.evaluation import Evaluation, evaluate
from nucloop.inference import InferenceConfig, Pipeline
from nucloop.training.datasets import DATASETS, leave_out, only, open_dataset

__all__ = ["evaluate_command"]


def evaluate_command(
    data: Annotated[str, typer.Option(help=f"NAME:PATH, NAME one of {', '.join(DATASETS)}.")],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "val",
    radius_um: Annotated[float, typer.Option(min=0.1, max=100, help="Matching radius, µm.")] = 3.0,
    json: Annotated[Path | None, typer.Option(help="Write everything measured to this file.")] = None,
    only_group: Annotated[
        list[str] | None, typer.Option("--only", help="Only images of this hospital or patient.")
    ] = None,
    leave: Annotated[
        list[str] | None, typer.Option("--leave-out", help="Not the images of this hospital or patient.")
    ] = None,
    detector: Annotated[str, typer.Option(help="Name or .safetensors file.")] = "denuc-mobilenet",
    encoder: Annotated[str, typer.Option(help="Name or .safetensors file.")] = "embedded",
    head: Annotated[str, typer.Option(help="Name or .safetensors file.")] = "brca-m2c",
    threshold: Annotated[float | None, typer.Option(min=0.01, max=0.99, help="Detection score.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
) -> None:
    """Measure detection and class F1 (Boolean one-to-one rule), s/mm2 and peak memory."""
    dataset = open_dataset(data, split)
    fields = leave_out(only(dataset.fields, only_group or []), leave or [])
    if not fields:
        raise DataError(f"No image of {dataset.name} {split} is left. Check the names given to --only and --leave-out.")
    if json is not None:
        check_writable(json.parent)
    pipeline = Pipeline.load(detector, encoder, head, device, InferenceConfig(threshold=threshold))
    with progress_bar() as bar:
        task = bar.add_task(f"{dataset.name} {split}", total=len(fields), note="")
        result = Evaluation(dataset, radius_um)
        for result in evaluate(pipeline, dataset, fields, radius_um):
            bar.update(task, advance=1, note=f"detection F1 {result.detection.f1:.3f}")
    report = {"split": split, **result.report(pipeline)}
    if json is not None:
        write_json(json, report)
    output.print(_table(result))
    say(
        f"{dataset.name} {split}: {report['n_images']} images, {report['rule']}, radius {radius_um:g} µm; "
        f"{report['seconds_per_mm2']:.2f} s/mm2 on {report['device']}, peak memory {report['peak_memory_mb']:.0f} MB"
    )


def _table(result: Evaluation) -> Table:
    table = Table("", "F1", "precision", "recall", "TP", "FP", "FN")
    rows = {"detection": result.detection, **result.classes}
    for name, c in rows.items():
        values = [f"{v:.4f}" for v in (c.f1, c.precision, c.recall)]
        table.add_row(name, *values, str(c.tp), str(c.fp), str(c.fn))
    if result.mean_f1 is not None:
        table.add_row("mean of classes", f"{result.mean_f1:.4f}")
    if not result.dataset.exhaustive:
        table.caption = "Only some kinds of nuclei are marked here: recall counts, precision and F1 do not."
    return table
