"""``nucloop classify``: classes for the cells that another program found."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from nucloop.cli.annotations import AREAS_HELP, Areas, read_told
from nucloop.cli.convert import placed, slide_info
from nucloop.cli.terminal import IMAGE_HELP, check_writable, complain, progress_bar, say
from nucloop.errors import DataError
from nucloop.formats import FORMATS, SOURCES, Document, format_of, write_document
from nucloop.formats.document import UUID
from nucloop.learning.classify import classify_found
from nucloop.learning.examples import is_taught
from nucloop.learning.featurise import encoder_stage
from nucloop.learning.head_files import LearnedHead
from nucloop.learning.relabel import unseen
from nucloop.learning.session_features import Filling
from nucloop.learning.session_heads import shipped_head
from nucloop.models.files.cards import Card
from nucloop.models.files.zoo import open_encoder
from nucloop.nuclei import Nuclei
from nucloop.slides import open_slide

__all__ = ["classify"]


def classify(
    nuclei: Annotated[Path, typer.Argument(help="The file of cells, or a session (.nucloop).")],
    slide: Annotated[Path, typer.Option(help="The slide they lie on.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    head: Annotated[str | None, typer.Option(help="Name or .safetensors file; the one that ships unless said.")] = None,
    encoder: Annotated[str, typer.Option(help="Encoder that the head reads, by name, file or folder.")] = "embedded",
    mpp: Annotated[
        float | None, typer.Option(min=0.01, max=100, help="µm per pixel of a slide that does not say.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    image: Annotated[str | None, typer.Option(help=IMAGE_HELP)] = None,
    source_format: Annotated[
        str | None, typer.Option("--from", help=f"Of NUCLEI, where it does not show; also {', '.join(SOURCES)}.")
    ] = None,
    areas_are: Annotated[Areas | None, typer.Option("--areas-are", help=AREAS_HELP)] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help=f"Of OUT, where its name does not say: {', '.join(FORMATS)}.")
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Go on even if the file does not fit the slide.")] = False,
) -> None:
    """Give the cells that another program found their classes; ids and outlines stay as they came."""
    kind = format_of(out, file_format)
    check_writable(out.parent)
    about = slide_info(slide, mpp, image)
    document = read_told(nuclei, areas=areas_are, mpp=about.mpp, file_format=source_format)
    if not len(document.nuclei):
        raise DataError(f"There are no cells to classify in {nuclei.name}. Export detections or cells.")
    document = placed(document, about, mpp, anyway=anyway)
    net, card = open_encoder(encoder)
    learned = _head(head, card)
    result: Nuclei | None = None
    with open_slide(slide, mpp=mpp, image=image) as picture, progress_bar() as bar:
        task = bar.add_task(picture.name, total=None, note="")
        stage = encoder_stage(net, card, device)
        beside = int((~picture.box.contains(document.nuclei.yx)).sum())
        for item in classify_found(document.nuclei, picture, stage, learned.head, source=nuclei.name):
            if isinstance(item, Filling):
                bar.update(task, completed=item.done, total=item.total)
            else:
                result = item
    assert result is not None
    lost = write_document(out, _classified(document, result, card, learned.card), file_format)
    counts = ", ".join(f"{count:,} {name}" for name, count in result.counts().items() if count)
    kept = int(is_taught(result).sum())
    said = f"; {kept:,} keep the class that a person gave" if kept else ""
    say(f"{out}: {len(result):,} nuclei ({counts}), {kind.title}{said}")
    if beside:
        complain(unseen(beside).strip(), about="left out")
    if lost:
        complain(f"{kind.title} cannot carry {'; '.join(lost)}.", about="left out")


def _head(name: str | None, encoder: Card) -> LearnedHead:
    learned = shipped_head(encoder) if name is None else LearnedHead.open(name, encoder)
    if learned is None:
        raise DataError(f"No head ships for the encoder {encoder.name}. Give one that you learned, with --head.")
    return learned


def _classified(document: Document, nuclei: Nuclei, encoder: Card, head: Card) -> Document:
    """Return the document with new classes, and nobody's name on those that a head gave."""
    said = is_taught(nuclei)
    notes = {
        name: texts if name == UUID else np.where(said, texts, "").astype(object)
        for name, texts in document.notes.items()
    }
    weights = {
        kind: {"name": card.name, "sha256": card.sha256} for kind, card in (("encoder", encoder), ("head", head))
    }
    return replace(document, nuclei=nuclei, notes=notes, weights=weights)
