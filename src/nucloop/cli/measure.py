"""``nucloop measure``: size, shape and stains of each nucleus, from its outline."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from nucloop.cli.terminal import check_writable, complain, progress_bar, say
from nucloop.errors import DataError
from nucloop.formats import FORMATS, Document, SlideInfo, format_of, write_document
from nucloop.measurements.shapes import shape_figures
from nucloop.measurements.stains import STAIN_FIGURES, StainConfig, stain_figures
from nucloop.session.exchange import read_annotations
from nucloop.slides import Slide, open_slide

__all__ = ["measure_command"]


def measure_command(
    nuclei: Annotated[Path, typer.Argument(metavar="NUCLEI", help="File of nuclei with outlines, or a session.")],
    out: Annotated[Path, typer.Option(help="The file to write: .csv, .parquet or .geojson (QuPath).")],
    slide: Annotated[Path | None, typer.Option(help="The slide: for the stains in and around nuclei.")] = None,
    mpp: Annotated[float | None, typer.Option(min=0.01, max=100, help="µm per pixel; else as the files say.")] = None,
    ring_um: Annotated[float, typer.Option(min=0.1, max=50, help="Width of the ring around a nucleus, µm.")] = 2.0,
) -> None:
    """Measure area, perimeter, shape and, with the slide, haematoxylin, eosin and DAB of every nucleus."""
    kind = format_of(out)
    if not kind.carries.measurements:
        able = ", ".join(one.suffixes[0] for one in FORMATS.values() if one.carries.measurements)
        raise DataError(f"{kind.title} cannot carry measurements. Choose one of: {able}.")
    check_writable(out.parent)
    document = read_annotations(nuclei)
    for remark in document.remarks:
        complain(remark, about=nuclei.name)
    outlines = document.nuclei.outlines
    if outlines is None or not outlines.there.any():
        raise DataError(f"No nucleus of {nuclei.name} has an outline. Detect with --outlines, or import outlines.")
    if slide is None:
        measured = _measured(document, _mpp(nuclei, document, mpp))
    else:
        with open_slide(slide, mpp=mpp) as opened:
            measured = _measured(replace(document, slide=SlideInfo.of(opened)), opened.require_mpp())
            measured = _with_stains(measured, opened, ring_um)
    write_document(out, measured)
    area = float(np.nanmean(measured.measurements["area_um2"]))
    say(f"{out}: {int(outlines.there.sum()):,} of {len(outlines):,} nuclei measured, {area:.1f} µm² on average")


def _mpp(path: Path, document: Document, given: float | None) -> float:
    said = given or (document.slide.mpp if document.slide else None)
    if not said:
        raise DataError(f"{path.name} does not say how many µm a pixel is. Give it, for example --mpp 0.25 at 40x.")
    return said


def _measured(document: Document, mpp: float) -> Document:
    assert document.nuclei.outlines is not None
    return replace(document, measurements=shape_figures(document.nuclei.outlines, mpp))


def _with_stains(document: Document, slide: Slide, ring_um: float) -> Document:
    outlines = document.nuclei.outlines
    assert outlines is not None
    found = {name: np.full(len(outlines), np.nan) for name in STAIN_FIGURES}
    with progress_bar() as bar:
        task = bar.add_task(slide.name, total=int(outlines.there.sum()), note="stains")
        for rows, figures in stain_figures(slide, outlines, StainConfig(ring_um=ring_um)):
            for name, values in figures.items():
                found[name][rows] = values
            bar.update(task, advance=len(rows))
    return replace(document, measurements={**document.measurements, **found})
