"""``nucloop export-dataset``: annotated slides as a training set."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from nucloop.classes import ClassScheme
from nucloop.cli.convert import parse_mapping
from nucloop.cli.terminal import complain, progress_bar, say
from nucloop.export.build import DatasetConfig, ExportProgress, export_dataset
from nucloop.export.cutting import CutConfig
from nucloop.export.folds import TEST
from nucloop.export.groups import GROUPS
from nucloop.export.layouts import LAYOUTS
from nucloop.export.manifest import Manifest
from nucloop.session.training_sources import files_of, source_of

__all__ = ["export_dataset_command"]


def export_dataset_command(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="CSV with columns slide, nuclei, and regions, patient, mpp if wanted; or sessions (.nucloop) that lie "
            "beside their slides, or folders of them."
        ),
    ],
    out: Annotated[Path, typer.Option(help="New folder for the training set.")],
    scheme: Annotated[
        str | None,
        typer.Option(help="Class scheme of the nuclei: a built-in name or a JSON/YAML file; a session has its own."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the set; the folder's name unless given.")] = None,
    layout: Annotated[str, typer.Option(help=f"One of {', '.join(LAYOUTS)}.")] = "nucloop",
    size: Annotated[int, typer.Option(help="Side of a patch, pixels.")] = 224,
    stride: Annotated[int | None, typer.Option(help="From patch to patch, pixels; the size unless given.")] = None,
    whole_regions: Annotated[bool, typer.Option("--whole-regions", help="One image a region instead.")] = False,
    mpp: Annotated[float, typer.Option(help="µm per pixel of the patches.")] = 0.5,
    folds: Annotated[int | None, typer.Option(min=1, max=100, help="Up to five unless given.")] = None,
    test_share: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the nuclei set aside as test.")] = 0.0,
    group_by: Annotated[str, typer.Option(help=f"What no fold divides: {', '.join(GROUPS)}.")] = "patient",
    mapping: Annotated[list[str] | None, typer.Option("--map", help="CLASS=CLASS; - for none.")] = None,
    licence: Annotated[str, typer.Option(help="Under which the set may be used.")] = "",
    author: Annotated[list[str] | None, typer.Option(help="May be given several times.")] = None,
    description: Annotated[str, typer.Option(help="A sentence for the datasheet.")] = "",
    partly: Annotated[bool, typer.Option("--partly", help="Not every nucleus of the regions is marked.")] = False,
    keep_outside: Annotated[bool, typer.Option("--keep-outside", help="Do not blank what is outside regions.")] = False,
) -> None:
    """Cut annotated slides into a training set, with folds that share no patient, and a datasheet."""
    config = DatasetConfig(
        name=name or out.resolve().name,
        cut=CutConfig(mpp=mpp, size=None if whole_regions else size, stride=stride, blank=not keep_outside),
        layout=layout,
        group_by=group_by,
        folds=folds,
        test_share=test_share,
        licence=licence,
        authors=tuple(author or ()),
        description=description,
        exhaustive=not partly,
    )
    classes, renamed = None if scheme is None else ClassScheme.named(scheme), parse_mapping(mapping or [])
    with ExitStack() as opened:
        read = []
        for files in files_of(sources):
            read.append(source_of(files, classes, renamed, opened))
            classes = classes or read[0].nuclei.scheme
        last = ExportProgress(0, 0)
        with progress_bar() as bar:
            task = bar.add_task(config.name, total=None, note="")
            for last in export_dataset(read, out, config, renamed):
                bar.update(task, completed=last.done, total=last.total)
    if last.manifest is not None:
        _report(last.manifest, out)


def _report(manifest: Manifest, out: Path) -> None:
    for sentence in manifest.left_out:
        complain(sentence, about=manifest.name)
    for fold in sorted({patch.fold for patch in manifest.patches}):
        images = sum(patch.fold == fold for patch in manifest.patches)
        counts = ", ".join(f"{count:,} {name or 'without a class'}" for name, count in manifest.counts(fold).items())
        say(f"{'test' if fold == TEST else f'fold {fold}'}: {images:,} images, {counts}")
    say(f"{out}: {len(manifest.patches):,} images of {len(manifest.sources):,} slides; see README.md there")
