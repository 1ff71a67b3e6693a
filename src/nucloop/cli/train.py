"""``nucloop train``: detectors, encoders, or both as one network, on one or several data sets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from nucloop.classes import ClassScheme
from nucloop.cli.terminal import check_writable, progress_bar, say
from nucloop.detection.engines import available_devices
from nucloop.errors import DataError, DeviceError, WeightsError
from nucloop.models.files.cards import load_detector
from nucloop.training.datasets import Dataset, Field, leave_out, open_dataset
from nucloop.training.detector import train_detector
from nucloop.training.encoder import as_scheme, train_encoder
from nucloop.training.end_to_end import train_end_to_end
from nucloop.training.loop import TrainingProgress
from nucloop.training.product import save_detector, save_encoder
from nucloop.training.recipe import DetectorRecipe, EncoderRecipe, EndToEndRecipe, load_recipe

__all__ = ["train"]

train = typer.Typer(help="Train a detector or an encoder.", no_args_is_help=True)

Data = Annotated[list[str], typer.Option(help="NAME:PATH; give it several times for joint training.")]
Split = Annotated[list[str] | None, typer.Option(help="train unless said; several are joined.")]
Leave = Annotated[list[str] | None, typer.Option("--leave-out", help="Hospital or patient to leave out.")]
Out = Annotated[Path, typer.Option(help="The .safetensors file to write; its card goes beside it.")]
HeadOut = Annotated[Path, typer.Option(help="The .safetensors file for the linear head.")]
Scheme = Annotated[str, typer.Option(help="Class scheme: a built-in name or a JSON/YAML file.")]
Initial = Annotated[Path | None, typer.Option(help="Pretrained backbone, .safetensors in its library's layout.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")]
Seed = Annotated[int | None, typer.Option(help="Instead of the recipe's.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps.")]


def _open(data: list[str], splits: list[str], leave: list[str]) -> list[tuple[Dataset, list[Field], str]]:
    """Every data set with the fields to train on; a split that only some sets have is skipped in the others."""
    opened = []
    for spec in data:
        for split in splits:
            try:
                dataset = open_dataset(spec, split)
            except DataError:
                if split == splits[0]:
                    raise
                continue
            opened.append((dataset, leave_out(dataset.fields, leave), split))
    if not any(fields for _, fields, _ in opened):
        raise DataError("No image is left to train on. Check the names given to --leave-out.")
    return opened


def _classified(opened: list[tuple[Dataset, list[Field], str]], scheme: ClassScheme) -> list[Field]:
    """Return all fields that are left, with labels of one scheme."""
    wanted = {id(f.yx) for _, some, _ in opened for f in some}
    return [f for dataset, _, _ in opened for f in as_scheme(dataset, scheme) if id(f.yx) in wanted]


def _record(opened: list[tuple[Dataset, list[Field], str]], leave: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "name": dataset.name,
            "split": split,
            "licence": dataset.licence,
            "images": len(fields),
            "nuclei": int(sum(len(f.yx) for f in fields)),
            "left_out": leave,
        }
        for dataset, fields, split in opened
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


Model = TypeVar("Model")


def _finished(run: Iterator[tuple[TrainingProgress, Model]], name: str) -> Model:
    """Walk a training run behind a progress bar and return what it trained."""
    with progress_bar() as bar:
        task = bar.add_task(name, total=None, note="")
        for done, learning in run:
            model = learning
            bar.update(task, completed=done.step, total=done.steps, note=f"loss {done.loss:.4f}")
    return model


@train.command("detector")
def train_detector_command(
    data: Data,
    out: Out,
    recipe: Annotated[str, typer.Option(help="Shipped name or YAML file.")] = "denuc-0.5x",
    split: Split = None,
    leave: Leave = None,
    initial: Initial = None,
    start_from: Annotated[str | None, typer.Option(help="Detector to go on from: shipped name or file.")] = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = "cpu",
) -> None:
    """Train a DeNuC point detector; an interrupted run goes on where it stopped."""
    _check(device, out)
    plan = load_recipe(recipe, DetectorRecipe, steps=steps, seed=seed)
    opened = _open(data, split or ["train"], leave or [])
    fields = [f for _, some, _ in opened for f in some]
    checkpoint = out.with_suffix(".checkpoint")
    start, before = load_detector(start_from) if start_from else (None, None)
    run = train_detector(fields, plan, initial=initial, start=start, checkpoint=checkpoint, device=device)
    detector = _finished(run, plan.name)
    card = save_detector(out, detector, plan, _record(opened, leave or []), initial, before)
    checkpoint.unlink(missing_ok=True)
    say(f"{out}: {card.name}, halo {card.halo} px, sha256 {card.sha256[:12]}")


@train.command("encoder")
def train_encoder_command(
    data: Data,
    out: Out,
    head_out: HeadOut,
    recipe: Annotated[str, typer.Option(help="Shipped name or YAML file.")] = "encoder-mobilenet",
    scheme: Scheme = "brca-m2c",
    split: Split = None,
    leave: Leave = None,
    initial: Initial = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = "cpu",
) -> None:
    """Train an encoder together with a linear head; an interrupted run goes on where it stopped."""
    _check(device, out, head_out)
    plan = load_recipe(recipe, EncoderRecipe, steps=steps, seed=seed)
    classes = ClassScheme.named(scheme)
    opened = _open(data, split or ["train"], leave or [])
    fields = _classified(opened, classes)
    checkpoint = out.with_suffix(".checkpoint")
    run = train_encoder(fields, classes, plan, initial=initial, checkpoint=checkpoint, device=device)
    classifier = _finished(run, plan.name)
    card = save_encoder(out, head_out, classifier, classes, plan, _record(opened, leave or []), initial)
    checkpoint.unlink(missing_ok=True)
    say(f"{out}, {head_out}: {card.name}, halo {card.halo} px, sha256 {card.sha256[:12]}")


@train.command("end-to-end")
def train_end_to_end_command(
    data: Data,
    out: Annotated[Path, typer.Option(help="The .safetensors file for the detector.")],
    encoder_out: Annotated[Path, typer.Option(help="The .safetensors file for the encoder: the same weights.")],
    head_out: HeadOut,
    recipe: Annotated[str, typer.Option(help="Shipped name or YAML file.")] = "end-to-end",
    scheme: Scheme = "brca-m2c",
    split: Split = None,
    leave: Leave = None,
    initial: Initial = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = "cpu",
) -> None:
    """Train one network to detect and classify at once, to compare with two that are trained apart."""
    _check(device, out, encoder_out, head_out)
    plan = load_recipe(recipe, EndToEndRecipe, steps=steps, seed=seed)
    classes = ClassScheme.named(scheme)
    opened = _open(data, split or ["train"], leave or [])
    checkpoint, record = out.with_suffix(".checkpoint"), _record(opened, leave or [])
    run = train_end_to_end(
        _classified(opened, classes), classes, plan, initial=initial, checkpoint=checkpoint, device=device
    )
    detector, classifier = _finished(run, plan.name).apart()
    card = save_detector(out, detector, plan, record, initial)
    save_encoder(encoder_out, head_out, classifier, classes, plan, record, initial)
    checkpoint.unlink(missing_ok=True)
    say(f"{out}, {encoder_out}, {head_out}: {card.name}, halo {card.halo} px, sha256 {card.sha256[:12]}")
