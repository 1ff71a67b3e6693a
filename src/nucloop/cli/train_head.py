"""``nucloop train head``: a linear head for any encoder, from annotated data sets."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Column, Table

from nucloop.classes import ClassScheme
from nucloop.cli.terminal import check_writable, output, progress_bar, say
from nucloop.detection.stage import Stage
from nucloop.errors import DataError, WeightsError
from nucloop.learning.dataset_features import FieldFeatures, as_examples, features_of_fields
from nucloop.learning.featurise import encoder_stage
from nucloop.learning.fit import FitConfig, fit_head
from nucloop.learning.gain.estimate import Estimate, estimate
from nucloop.learning.head_files import LearnedHead
from nucloop.learning.replay import choose_replay
from nucloop.models.files.cards import Card
from nucloop.models.files.zoo import open_encoder
from nucloop.training.datasets import leave_out, open_dataset
from nucloop.training.encoder import as_scheme

__all__ = ["estimate_table", "train_head_command"]


def train_head_command(
    data: Annotated[list[str], typer.Option(help="NAME:PATH; give it several times for joint training.")],
    out: Annotated[Path, typer.Option(help="The .safetensors file to write; its card goes beside it.")],
    encoder: Annotated[
        str, typer.Option(help="Encoder by name: embedded, uni, any timm name, a file or a folder.")
    ] = "embedded",
    scheme: Annotated[str, typer.Option(help="Class scheme: a built-in name or a JSON/YAML file.")] = "brca-m2c",
    split: Annotated[str, typer.Option(help="Which split to train on.")] = "train",
    leave: Annotated[list[str] | None, typer.Option("--leave-out", help="Hospital or patient to leave out.")] = None,
    l2: Annotated[float | None, typer.Option(min=1e-9, help="Penalty on weights, per feature.")] = None,
    replay: Annotated[
        int, typer.Option(min=0, help="Examples of each class kept in the file, for later learning.")
    ] = 250,
    replay_for: Annotated[
        str | None, typer.Option(help="Fit nothing: write this head, as it is, with such examples.")
    ] = None,
) -> None:
    """Fit a linear head to the reference nuclei of data sets, on any encoder's features."""
    if out.suffix != ".safetensors":
        raise WeightsError(f"{out} must end in .safetensors, which is what NucLoop writes and reads.")
    check_writable(out.parent)
    net, card = open_encoder(encoder)
    stage = encoder_stage(net, card)
    known = None if replay_for is None else LearnedHead.open(replay_for, card)
    classes = ClassScheme.named(scheme) if known is None else known.head.scheme
    parts, groups, record = _features(data, split, leave or [], classes, stage)
    examples = as_examples(parts)
    kept = choose_replay(classes, examples, replay) if replay else None
    if known is not None:
        written = replace(known, replay=kept).share(out)
    else:
        config = FitConfig() if l2 is None else FitConfig(l2=l2)
        head = fit_head(classes, examples, config=config)
        gain = _estimated(classes, examples, groups, config)
        written = LearnedHead(head, _card(out.stem, classes, card, record, config), kept).share(out)
        if gain is not None:
            output.print(estimate_table(gain))
    count = 0 if kept is None else len(kept)
    say(f"{out}: {written.name}, {len(examples):,} examples, {count:,} kept for later, sha256 {written.sha256[:12]}")


def estimate_table(gain: Estimate) -> Table:
    """Return class F1 before and after as a table."""
    number = {"justify": "right"}
    table = Table("class", *(Column(name, **number) for name in ("answers", "F1 before", "F1 after")))  # type: ignore[arg-type]
    for k, name in enumerate(gain.classes):
        table.add_row(name, f"{gain.support[k]:,}", _number(gain.before[k]), _number(gain.after[k]))
    table.add_row("mean", "", _number(gain.mean_before), _number(gain.mean_after))
    return table


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _features(
    data: Sequence[str], split: str, leave: Sequence[str], scheme: ClassScheme, stage: Stage
) -> tuple[list[FieldFeatures], np.ndarray, list[dict[str, Any]]]:
    """Features of all fields, the group of each example, and what goes on the card."""
    parts: list[FieldFeatures] = []
    groups: list[str] = []
    record = []
    for spec in data:
        dataset = open_dataset(spec, split)
        fields = leave_out(as_scheme(dataset, scheme), leave)
        if not fields:
            raise DataError(f"No image of {dataset.name} {split} is left. Check the names given to --leave-out.")
        by_name = {field.name: field.group for field in fields}
        with progress_bar() as bar:
            task = bar.add_task(f"{dataset.name} {split}", total=len(fields), note="")
            for part in features_of_fields(fields, stage, len(scheme)):
                parts.append(part)
                groups += [f"{dataset.name} {by_name[part.name]}"] * len(part.label)
                bar.update(task, advance=1)
        nuclei = int(sum(len(f.yx) for f in fields))
        about = {"name": dataset.name, "split": split, "licence": dataset.licence, "images": len(fields)}
        record.append({**about, "nuclei": nuclei, "left_out": list(leave)})
    return parts, np.unique(groups, return_inverse=True)[1], record


def _estimated(scheme: ClassScheme, examples: Any, groups: np.ndarray, config: FitConfig) -> Estimate | None:
    try:
        return estimate(scheme, examples, groups, config=config)
    except DataError:
        return None


def _card(name: str, scheme: ClassScheme, encoder: Card, record: list[dict[str, Any]], config: FitConfig) -> Card:
    return Card(
        kind="head",
        name=name,
        architecture="linear head over classes and background",
        mpp=encoder.mpp,
        classes=scheme.to_dict(),
        encoder_sha256=encoder.sha256,
        training_data=record,
        recipe={"method": "linear", "fit": asdict(config)},
    )
