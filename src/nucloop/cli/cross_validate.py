"""``nucloop cross-validate``: train and measure a family of detectors in folds that share no patient, several times."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from nucloop.classes import ClassScheme
from nucloop.cli.terminal import output, progress_bar, say, write_json
from nucloop.cli.train import check_outputs, data_record, open_all
from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import PipelineSpec
from nucloop.errors import DataError
from nucloop.evaluation.cross_validation import CrossValidation, in_folds
from nucloop.evaluation.dataset import Evaluation, evaluate
from nucloop.models.families import FAMILIES
from nucloop.training.curves import CurveWriter
from nucloop.training.datasets import Dataset, Field
from nucloop.training.encoder import as_scheme
from nucloop.training.product import Origins
from nucloop.training.recipe import load_recipe
from nucloop.training.task import TrainingTask, task_of, train

__all__ = ["cross_validate_command"]


def cross_validate_command(
    family: Annotated[str, typer.Argument(help=f"Which detector: {', '.join(FAMILIES)}.")],
    data: Annotated[str, typer.Option(help="NAME:PATH, as train takes it.")],
    out: Annotated[Path, typer.Option(help="Folder for the weights of every run and figures.json.")],
    folds: Annotated[int, typer.Option(min=2, help="Parts that share no patient; each is measured once.")] = 3,
    repeats: Annotated[int, typer.Option(min=1, help="Trainings of each fold, each with its own seed.")] = 1,
    split: Annotated[list[str] | None, typer.Option(help="Splits to divide anew; train unless said.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Shipped name or YAML file.")] = None,
    scheme: Annotated[str | None, typer.Option(help="Classes to learn; the data set's own unless said.")] = None,
    initial: Annotated[Path | None, typer.Option(help="Pretrained backbone, .safetensors.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Of each run, in place of steps.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps.")] = "cpu",
) -> None:
    """Train and measure in folds that share no patient; an interrupted run goes on where it stopped."""
    if family not in FAMILIES:
        raise DataError(f"There is no family of detectors {family!r}. Choose one of: {', '.join(FAMILIES)}.")
    kind = task_of(family)
    opened = open_all([data], split or ["train"], [])
    whole = replace(opened[0][0], fields=tuple(field for dataset, _ in opened for field in dataset.fields))
    classes = whole.scheme if scheme is None else ClassScheme.named(scheme)
    parts = in_folds(whole, folds)
    result = CrossValidation()
    for repeat in range(repeats):
        for k, (taught, measured) in enumerate(parts):
            file = out / f"fold-{k + 1}-repeat-{repeat + 1}.safetensors"
            check_outputs(device, file)
            plan = load_recipe(recipe or kind.default_recipe, kind.recipe_kind, steps=steps, minutes=minutes)
            plan = replace(plan, loop=replace(plan.loop, seed=plan.loop.seed + repeat))
            if not file.with_suffix(".json").exists():
                _train(kind(plan, classes if kind.learns_classes else None), whole, taught, file, initial, device)
            pipeline = Pipeline.open(PipelineSpec(str(file), device=device))
            evaluation = _measured(pipeline, file.stem, whole, measured)
            # an encoder and a head that ship may have learned from these very images
            result.add(k + 1, repeat + 1, evaluation, named=pipeline.encoder_sha256 is None)
            write_json(out / "figures.json", {"data": data, "runs": result.runs, "summary": result.summary()})
    output.print(_shown(result))
    say(f"{whole.name}: {folds} folds of {len({f.group for f in whole.fields})} patients, {repeats} trainings of each")


def _train(
    task: TrainingTask[Any, Any], whole: Dataset, fields: list[Field], file: Path, initial: Path | None, device: str
) -> None:
    """Train on some fields of a data set and write the detector."""
    part = replace(whole, fields=tuple(fields))
    taught = as_scheme(part, task.classes) if task.learns_classes else fields
    checkpoint = file.with_suffix(".checkpoint")
    with progress_bar() as bar, CurveWriter(file, goes_on=checkpoint.exists()) as curve:
        line = bar.add_task(file.stem, total=None, note="")
        for done, learning in train(task, taught, initial=initial, checkpoint=checkpoint, device=device):
            model = learning
            curve.add(done)
            bar.update(line, completed=done.step, total=done.steps, note=f"loss {done.loss:.4f}")
    left = sorted({field.group for field in whole.fields} - {field.group for field in fields})
    record = data_record([(part, "in folds")], left)
    task.save(model, {"detector": file}, Origins(data=record, initial=initial, steps=done.step, device=device))
    checkpoint.unlink(missing_ok=True)


def _measured(pipeline: Pipeline, name: str, whole: Dataset, fields: list[Field]) -> Evaluation:
    """Measure a detector on fields that it has not seen."""
    evaluation = Evaluation(whole)
    with progress_bar() as bar:
        line = bar.add_task(f"{name}, measured", total=len(fields), note="")
        for so_far in evaluate(pipeline, whole, fields):
            evaluation = so_far
            bar.update(line, advance=1)
    return evaluation


def _shown(result: CrossValidation) -> Table:
    """Lay out mean and deviations."""
    shown = Table("", "F1", "± over runs", "± over repeats", "runs")
    for name, figures in result.summary().items():
        spread = (figures["deviation"], figures["deviation_of_repeats"])
        said = ["" if value is None else f"{value:.4f}" for value in spread]
        shown.add_row(name, f"{figures['mean']:.4f}", *said, str(figures["runs"]))
    return shown
