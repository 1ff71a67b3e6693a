"""``nucloop learn``: a head from the corrections in one or several sessions."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from torch import nn

from nucloop.cli.terminal import check_writable, output, progress_bar, say
from nucloop.cli.train_head import estimate_table
from nucloop.detection.stage import Stage
from nucloop.errors import DataError, WeightsError
from nucloop.learning.answers import require_enough
from nucloop.learning.examples import is_taught
from nucloop.learning.feature_store import FeatureStore
from nucloop.learning.featurise import encoder_stage
from nucloop.learning.gain.estimate import Estimate
from nucloop.learning.head_files import LearnedHead
from nucloop.learning.lesson import fit_lesson, head_in_scheme
from nucloop.learning.relabel import relabel
from nucloop.learning.session_features import fill_features
from nucloop.learning.session_heads import SessionHeads, shipped_head
from nucloop.learning.several_sessions import Corrected, one_scheme, open_corrected, pooled, said_in_all, tiles_of_all
from nucloop.learning.tuning import (
    Epoch,
    TuneConfig,
    Tuned,
    picture_side,
    restore_encoder,
    share_tuning,
    tune,
    tuning_device,
)
from nucloop.models.encoder import PointEncoder
from nucloop.models.files.cards import Card, save_module
from nucloop.models.files.zoo import open_encoder

__all__ = ["learn_command"]

METHODS = ("linear", "lora", "full")


def learn_command(
    sessions: Annotated[list[Path], typer.Argument(help="Session files (SLIDE.nucloop), or slides that have one.")],
    out: Annotated[Path, typer.Option(help="The .safetensors file for the head; its card goes beside it.")],
    method: Annotated[str, typer.Option(help="linear, lora or full.")] = "linear",
    encoder: Annotated[
        str, typer.Option(help="Encoder by name: embedded, uni, any timm name, a file or a folder.")
    ] = "embedded",
    start_from: Annotated[
        str | None, typer.Option(help="Head to start from; the one that ships for the encoder unless said.")
    ] = None,
    slides: Annotated[Path | None, typer.Option(help="Folder of the slides; beside the sessions unless said.")] = None,
    mpp: Annotated[
        float | None, typer.Option(min=0.01, max=100, help="µm per pixel of slides that do not say.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="At most, for lora and full.")] = 20,
    imported: Annotated[bool, typer.Option("--imported", help="Learn from imported classes too.")] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Give the sessions' other nuclei their new classes, one step for undo.")
    ] = False,
) -> None:
    """Learn a head from what people said in sessions; what they said never changes."""
    _check(method, out)
    with ExitStack() as stack:
        corrected = [open_corrected(stack, path, slides=slides, mpp=mpp, write=apply) for path in sessions]
        scheme, said = one_scheme(corrected), said_in_all(corrected, imported=imported)
        require_enough(said, scheme)
        net, card = open_encoder(encoder)
        gain, tuning = None, None
        if method != "linear":
            config = TuneConfig(method=method, epochs=epochs)  # type: ignore[arg-type]
            net, card, gain, tuning = _tuned(net, card, corrected, config, imported, out)
        stores = _fill(corrected, encoder_stage(net, card), imported, apply)
        examples, groups = pooled(corrected, stores, imported=imported)
        before = shipped_head(card) if start_from is None else LearnedHead.open(start_from, card)
        learned, gain, why = fit_lesson(
            scheme, examples, groups, card, before=before, people=said.people, gain=gain, method=method
        )
        learned = replace(learned, card=replace(learned.card, name=out.stem))
        written = learned.share(out)
        if gain is not None:
            output.print(estimate_table(gain))
        say(f"Trained on {said.sentence()}; {why if gain is None else gain.sentence()}")
        say(f"{out}: {written.name}, sha256 {written.sha256[:12]}")
        if apply:
            for one, store in zip(corrected, stores, strict=True):
                _apply(one, store, replace(learned, card=written), encoder, card, tuning, imported=imported)


def _check(method: str, out: Path) -> None:
    if method not in METHODS:
        raise DataError(f"There is no method {method!r}. Choose one of: {', '.join(METHODS)}.")
    if out.suffix != ".safetensors":
        raise WeightsError(f"{out} must end in .safetensors, which is what NucLoop writes and reads.")
    check_writable(out.parent)


def _tuned(
    net: nn.Module, card: Card, corrected: list[Corrected], config: TuneConfig, imported: bool, out: Path
) -> tuple[Any, Card, Estimate | None, bytes]:
    """Tune the encoder, write it beside the head, and return it with its card, its gain and its tuning."""
    tiles = tiles_of_all(corrected, card.mpp, picture_side(net, config), imported=imported)
    scheme, tuned = corrected[0].nuclei.scheme, None
    with progress_bar() as bar:
        task = bar.add_task(f"tuning {card.name}", total=config.epochs, note="")
        for item in tune(net, card, tiles, scheme, config, device=tuning_device()):
            if isinstance(item, Tuned):
                tuned = item
            elif isinstance(item, Epoch):
                bar.update(task, completed=item.number, note=f"loss {item.loss:.3f}, F1 {item.f1:.3f}")
    assert tuned is not None
    say(tuned.ending)
    tuning = tuned.to_bytes()
    place = out.with_name(f"{out.stem}-encoder.safetensors")
    net, named = restore_encoder(net, card, tuning)
    if isinstance(net, PointEncoder):
        # a whole encoder, which any command takes with --encoder
        named = save_module(place, net, named)
    else:
        share_tuning(place, tuning)
    say(f"{place}: {named.name}, sha256 {named.sha256[:12]}")
    return net, named, tuned.gain, tuning


def _fill(corrected: list[Corrected], stage: Stage, imported: bool, everything: bool) -> list[FeatureStore]:
    """Compute the features that are missing, of all nuclei or of those that people spoke about."""
    net: Any = stage.net
    stores = []
    for one in corrected:
        store = one.features.store(stage.card.sha256, int(net.features))
        wanted = one.nuclei if everything else one.nuclei.take(is_taught(one.nuclei, imported=imported))
        with progress_bar() as bar:
            task = bar.add_task(f"features of {one.name}", total=None, note="")
            for filling in fill_features(store, wanted, one.slide, stage):
                bar.update(task, completed=filling.done, total=filling.total)
        stores.append(store)
    return stores


def _apply(
    one: Corrected,
    store: FeatureStore,
    learned: LearnedHead,
    encoder: str,
    card: Card,
    tuning: bytes | None,
    *,
    imported: bool,
) -> None:
    heads = SessionHeads(one.session)
    features, found = store.get(one.nuclei.ids)
    # its classes may be written otherwise here
    head = head_in_scheme(learned.head, one.nuclei.scheme)
    assert head is not None
    change = relabel(head, one.nuclei, features, found)
    taught = one.nuclei.ids[is_taught(one.nuclei, imported=imported)]
    version = heads.take_in(replace(learned, taught_by=np.asarray(taught)), encoder, card, tuning)
    heads.apply(version, learned, change)
    left_out = change.left_out()
    say(
        f"{one.name}: {change.changed:,} of {len(change):,} nuclei have another class now (version {version.number})"
        + (f".{left_out}" if left_out else "")
    )
