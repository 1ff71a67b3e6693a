"""``nucloop detect``: nuclei of whole slides or regions, into files."""

from pathlib import Path
from typing import Annotated

import typer

from nucloop.cli.annotations import drawn_areas
from nucloop.cli.terminal import (
    CONTRAST_HELP,
    ENCODER_HELP,
    HEAD_HELP,
    IMAGE_HELP,
    OUTLINES_HELP,
    SHAPE_HELP,
    check_writable,
    complain,
    opened_slide,
    parse_box,
    progress_bar,
    say,
)
from nucloop.detection.contrast import without_contrast
from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import CONTRAST, InferenceConfig, PipelineSpec
from nucloop.errors import NucLoopError
from nucloop.formats import FORMATS, SlideInfo, write_nuclei
from nucloop.geometry import Region
from nucloop.nuclei import Nuclei
from nucloop.slides import Box, Slide

__all__ = ["detect"]


def detect(
    slides: Annotated[list[Path], typer.Argument(help="Slides or images.")],
    out: Annotated[Path, typer.Option(help="Folder for the results, one file a slide.")],
    region: Annotated[str | None, typer.Option(help="Y,X,HEIGHT,WIDTH in level-0 pixels.")] = None,
    regions: Annotated[Path | None, typer.Option(help="GeoJSON file with polygons, as QuPath writes.")] = None,
    mpp: Annotated[
        float | None, typer.Option(min=0.01, max=100, help="µm per pixel of slides that do not say.")
    ] = None,
    image: Annotated[str | None, typer.Option(help=IMAGE_HELP)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    detector: Annotated[str, typer.Option(help="Name or .safetensors file.")] = "denuc-mobilenet",
    encoder: Annotated[str | None, typer.Option(help=ENCODER_HELP)] = None,
    head: Annotated[str | None, typer.Option(help=HEAD_HELP)] = None,
    outlines: Annotated[bool, typer.Option("--outlines", help=OUTLINES_HELP)] = False,
    shape: Annotated[str | None, typer.Option(help=SHAPE_HELP)] = None,
    threshold: Annotated[float | None, typer.Option(min=0.01, max=0.99, help="Detection score.")] = None,
    contrast: Annotated[float, typer.Option(min=0, max=1, help=CONTRAST_HELP)] = CONTRAST,
    file_format: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = "csv",
) -> None:
    """Detect and classify the nuclei of slides; one file per slide."""
    targets = _targets(slides, out, file_format)
    parts: list[Box | Region] | None = None
    if region is not None:
        parts = [parse_box(region)]
    if regions is not None:
        parts = [*(parts or []), *drawn_areas(regions)]
    check_writable(out)
    config = InferenceConfig(threshold=threshold, contrast=contrast)
    spec = PipelineSpec(detector, encoder, head, device, config, outlines, shape)
    pipeline = Pipeline.open(spec)
    failed = 0
    for path, target in zip(slides, targets, strict=True):
        try:
            with opened_slide(path, mpp=mpp, image=image) as slide:
                _detect_one(pipeline, slide, parts, target, file_format)
        except NucLoopError as error:
            if len(slides) == 1:
                raise
            failed += 1
            complain(error, about=path.name)
    if failed:
        raise NucLoopError(f"{failed} of {len(slides)} slides failed; the others are in {out}.")


def _targets(slides: list[Path], out: Path, file_format: str) -> list[Path]:
    """One file a slide; two slides that would share a file are refused, for one result would be lost."""
    if file_format not in FORMATS:
        raise NucLoopError(f"There is no format {file_format!r}. Choose one of: {', '.join(FORMATS)}.")
    taken: dict[Path, Path] = {}
    for slide in slides:
        target = out / f"{slide.stem}{FORMATS[file_format].suffixes[0]}"
        if target in taken:
            raise NucLoopError(
                f"{taken[target]} and {slide} would both be written to {target}. Give them in two runs with two --out."
            )
        taken[target] = slide
    return list(taken)


def _detect_one(
    pipeline: Pipeline,
    slide: Slide,
    parts: list[Box | Region] | None,
    target: Path,
    file_format: str,
) -> None:
    tables = []
    with progress_bar() as bar:
        task = bar.add_task(slide.name, total=None, note="")
        found = without = 0
        for tile in pipeline.run(slide, parts):
            tables.append(tile.nuclei)
            found, without = found + len(tile.nuclei), without + tile.without_contrast
            bar.update(task, completed=tile.done, total=tile.total, note=f"{found:,} nuclei")
    nuclei = Nuclei.concatenate(tables, pipeline.scheme).numbered()
    write_nuclei(target, nuclei, SlideInfo.of(slide), file_format, weights=pipeline.weights)
    counts = ", ".join(f"{count:,} {name}" for name, count in nuclei.counts().items())
    for notice in pipeline.notices:
        complain(notice, about=slide.name)
    left_out = f"; {without_contrast(without)}" if without else ""
    say(f"{target}: {len(nuclei):,} nuclei ({counts}){left_out}")
