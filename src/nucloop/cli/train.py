"""``nucloop train``: detectors of each family, encoders, or both as one network, on one or several data sets."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import nn

from nucloop.classes import ClassScheme
from nucloop.cli.terminal import check_writable, progress_bar, say
from nucloop.detection.engines import available_devices
from nucloop.errors import DataError, DeviceError, WeightsError
from nucloop.models.families import DEFAULT_FAMILY, FAMILIES
from nucloop.models.files.cards import Card, load_detector, load_encoder, load_head
from nucloop.training.datasets import Dataset, leave_out, open_dataset
from nucloop.training.encoder import EncoderTask, as_scheme
from nucloop.training.end_to_end import EndToEndTask
from nucloop.training.point_classifier import PointClassifier, classifier_of
from nucloop.training.product import Origins
from nucloop.training.recipe import load_recipe
from nucloop.training.task import TrainingTask, task_of
from nucloop.training.task import train as training

__all__ = [
    "Data",
    "Device",
    "Initial",
    "Leave",
    "Minutes",
    "Out",
    "RecipeName",
    "Seed",
    "Split",
    "Steps",
    "train",
    "train_task",
]

train = typer.Typer(help="Train a detector, an encoder or outlines.", no_args_is_help=True)

Data = Annotated[
    list[str],
    typer.Option(
        help="NAME:PATH; several times for joint training, PATH@0.5 to see a set half as often as its size says."
    ),
]
Split = Annotated[list[str] | None, typer.Option(help="train unless said; several are joined.")]
Leave = Annotated[list[str] | None, typer.Option("--leave-out", help="Hospital or patient to leave out.")]
Out = Annotated[Path, typer.Option(help="The .safetensors file to write; its card goes beside it.")]
HeadOut = Annotated[Path, typer.Option(help="The .safetensors file for the linear head.")]
RecipeName = Annotated[str, typer.Option("--recipe", help="Shipped name or YAML file.")]
Scheme = Annotated[str, typer.Option(help="Class scheme: a built-in name or a JSON/YAML file.")]
Initial = Annotated[Path | None, typer.Option(help="Pretrained backbone, .safetensors in its library's layout.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")]
Minutes = Annotated[float | None, typer.Option(min=0.01, help="By the clock, in place of a number of steps.")]
Seed = Annotated[int | None, typer.Option(help="Instead of the recipe's.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps.")]


def _open(data: list[str], splits: list[str], leave: list[str]) -> list[tuple[Dataset, str]]:
    """Every data set with the fields to train on; a split that only some sets have is skipped in the others."""
    opened = []
    for text in data:
        spec, weight = _weighted(text)
        for split in splits:
            try:
                dataset = open_dataset(spec, split)
            except DataError:
                if split == splits[0]:
                    raise
                continue
            fields = tuple(replace(field, weight=weight) for field in leave_out(dataset.fields, leave))
            opened.append((replace(dataset, fields=fields), split))
    if not any(dataset.fields for dataset, _ in opened):
        raise DataError("No image is left to train on. Check the names given to --leave-out.")
    return opened


def _weighted(text: str) -> tuple[str, float]:
    """Split NAME:PATH@WEIGHT; a path may hold @ itself."""
    spec, at, end = text.rpartition("@")
    try:
        weight = float(end) if at else 1.0
    except ValueError:
        return text, 1.0
    if not 0 < weight < math.inf:
        raise DataError(f"{text}: the weight {end} must be more than 0, such as 0.5.")
    return (spec if at else text), weight


def _record(opened: list[tuple[Dataset, str]], leave: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "name": dataset.name,
            "split": split,
            "licence": dataset.licence,
            "images": len(dataset.fields),
            "nuclei": int(sum(len(f.yx) for f in dataset.fields)),
            "left_out": leave,
            "weight": dataset.fields[0].weight if dataset.fields else 1.0,
        }
        for dataset, split in opened
    ]


def _check(device: str, *files: Path) -> None:
    """Refuse a device that is not there and files that cannot be written before hours are spent, not after."""
    if device.partition(":")[0] not in available_devices():
        raise DeviceError(
            f"{device} is not available on this machine. Choose one of: {', '.join(available_devices())}."
        )
    for file in files:
        if file.suffix != ".safetensors":
            raise WeightsError(f"{file} must end in .safetensors, which is what NucLoop writes and reads.")
        check_writable(file.parent)
    if len(set(files)) < len(files):
        raise WeightsError(f"Two files of weights cannot both be written to {files[-1]}. Choose another name for one.")


def train_task(
    kind: type[TrainingTask[Any, Any]],
    files: Mapping[str, Path],
    data: list[str],
    *,
    recipe: str,
    scheme: str | None = None,
    split: list[str] | None,
    leave: list[str] | None,
    initial: Path | None,
    start: tuple[nn.Module, Card] | None = None,
    steps: int | None,
    minutes: float | None,
    seed: int | None,
    device: str,
) -> None:
    """Train one network behind a progress bar and write what it leaves behind."""
    _check(device, *files.values())
    plan = load_recipe(recipe, kind.recipe_kind, steps=steps, minutes=minutes, seed=seed)
    task = kind(plan, None if scheme is None else ClassScheme.named(scheme))
    opened = _open(data, split or ["train"], leave or [])
    fields = [f for dataset, _ in opened for f in (as_scheme(dataset, task.classes) if scheme else dataset.fields)]
    if task.needs_instances and not any(field.mask for field in fields):
        raise DataError("None of these data sets says where a nucleus ends. Choose one with masks, such as tnbc.")
    main = next(iter(files.values()))
    checkpoint = main.with_suffix(".checkpoint")
    begun, before = start or (None, None)
    with progress_bar() as bar:
        line = bar.add_task(plan.name, total=None, note="")
        for done, learning in training(
            task, fields, initial=initial, start=begun, checkpoint=checkpoint, device=device
        ):
            model = learning
            bar.update(line, completed=done.step, total=done.steps, note=f"loss {done.loss:.4f}")
    record = _record(opened, leave or [])
    card = task.save(model, files, Origins(data=record, initial=initial, start=before, steps=done.step, device=device))
    checkpoint.unlink(missing_ok=True)
    say(f"{', '.join(map(str, files.values()))}: {card.name}, halo {card.halo} px, sha256 {card.sha256[:12]}")


def _family_command(family: str) -> Callable[..., None]:
    """Return the command that trains a detector of one family; an interrupted run goes on where it stopped."""
    kind = task_of(family)

    def command(
        data: Data,
        out: Out,
        recipe: RecipeName = kind.default_recipe,
        split: Split = None,
        leave: Leave = None,
        initial: Initial = None,
        start_from: Annotated[str | None, typer.Option(help="Detector to go on from: shipped name or file.")] = None,
        steps: Steps = None,
        minutes: Minutes = None,
        seed: Seed = None,
        device: Device = "cpu",
        scheme: Annotated[
            str | None,
            typer.Option(help="Classes to learn.", hidden=not (kind.learns_classes or kind.may_learn_classes)),
        ] = "brca-m2c" if kind.learns_classes else None,
    ) -> None:
        train_task(
            kind,
            {"detector": out},
            data,
            recipe=recipe,
            scheme=scheme,
            split=split,
            leave=leave,
            initial=initial,
            start=load_detector(start_from) if start_from else None,
            steps=steps,
            minutes=minutes,
            seed=seed,
            device=device,
        )

    title = FAMILIES[family].architecture
    command.__doc__ = f"Train a {title}; an interrupted run goes on where it stopped."
    return command


for _family in FAMILIES:
    train.command("detector" if _family == DEFAULT_FAMILY else _family)(_family_command(_family))


def _classifier(encoder: str, head: str | None, scheme: str) -> tuple[PointClassifier, Card]:
    """Return an encoder with its head, or one that knows nothing yet, to go on from, and the encoder's card."""
    net, card = load_encoder(encoder)
    classes = ClassScheme.named(scheme)
    known = None if head is None else load_head(head, card)[0]
    if known is not None and known.scheme.names != classes.names:
        raise WeightsError(
            f"{head} tells {', '.join(known.scheme.names)} apart, "
            f"and scheme {scheme} names {', '.join(classes.names)}. "
            "Leave out --start-head: the encoder goes on with a new head."
        )
    return classifier_of(net, len(classes), known), card


@train.command("encoder")
def train_encoder_command(
    data: Data,
    out: Out,
    head_out: HeadOut,
    recipe: RecipeName = EncoderTask.default_recipe,
    scheme: Scheme = "brca-m2c",
    split: Split = None,
    leave: Leave = None,
    initial: Initial = None,
    start_from: Annotated[str | None, typer.Option(help="Encoder to go on from: shipped name or file.")] = None,
    start_head: Annotated[str | None, typer.Option(help="Its head, to go on from as well.")] = None,
    steps: Steps = None,
    minutes: Minutes = None,
    seed: Seed = None,
    device: Device = "cpu",
) -> None:
    """Train an encoder together with a linear head; an interrupted run goes on where it stopped."""
    train_task(
        EncoderTask,
        {"encoder": out, "head": head_out},
        data,
        recipe=recipe,
        scheme=scheme,
        split=split,
        leave=leave,
        initial=initial,
        start=_classifier(start_from, start_head, scheme) if start_from else None,
        steps=steps,
        minutes=minutes,
        seed=seed,
        device=device,
    )


@train.command("end-to-end")
def train_end_to_end_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="The .safetensors file for the detector.")],
    encoder_out: Annotated[Path, typer.Option(help="The .safetensors file for the encoder: the same weights.")],
    head_out: HeadOut,
    recipe: RecipeName = EndToEndTask.default_recipe,
    scheme: Scheme = "brca-m2c",
    split: Split = None,
    leave: Leave = None,
    initial: Initial = None,
    steps: Steps = None,
    minutes: Minutes = None,
    seed: Seed = None,
    device: Device = "cpu",
) -> None:
    """Train one network to detect and classify at once, to compare with two that are trained apart."""
    train_task(
        EndToEndTask,
        {"detector": out, "encoder": encoder_out, "head": head_out},
        data,
        recipe=recipe,
        scheme=scheme,
        split=split,
        leave=leave,
        initial=initial,
        steps=steps,
        minutes=minutes,
        seed=seed,
        device=device,
    )
