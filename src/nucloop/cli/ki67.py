"""``nucloop ki67``: the Ki-67 index of a file of nuclei, as the dock shows it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from nucloop.cli.annotations import AREAS_HELP, Areas, drawn_areas, read_told
from nucloop.cli.terminal import (
    GRADES_HELP,
    IMAGE_HELP,
    check_writable,
    complain,
    opened_slide,
    output,
    parse_grades,
    progress_bar,
    say,
    write_json,
)
from nucloop.errors import DataError
from nucloop.formats import Document, SlideInfo
from nucloop.formats.atomic import replacing
from nucloop.ki67 import Ki67Result, Ki67Settings, Provenance, measure, report_html
from nucloop.ki67.class_giver import model_knows
from nucloop.ki67.dab import SlideStains, dab_of_slide, slide_stains
from nucloop.ki67.pictures import report_pictures
from nucloop.ki67.regions import sampled
from nucloop.ki67.tally import tally
from nucloop.ki67.words import (
    H_E_WORDS,
    counted_words,
    cutoff_words,
    grade_words,
    interval_words,
    need_words,
    percent,
    place_words,
    score_words,
    stain_words,
    threshold_words,
)
from nucloop.region_names import named
from nucloop.slides import Slide
from nucloop.slides.stain_kind import StainKind

__all__ = ["ki67_command"]


def ki67_command(
    nuclei: Annotated[Path, typer.Argument(metavar="NUCLEI", help="File of nuclei, of any format.")],
    slide: Annotated[Path | None, typer.Option(help="The slide: for DAB, and for the pictures of the report.")] = None,
    mpp: Annotated[float | None, typer.Option(min=0.01, max=100, help="µm per pixel; else as the files say.")] = None,
    image: Annotated[str | None, typer.Option(help=IMAGE_HELP)] = None,
    regions: Annotated[Path | None, typer.Option(help="GeoJSON: only inside these areas, each on its own.")] = None,
    areas_are: Annotated[Areas | None, typer.Option("--areas-are", help=AREAS_HELP)] = None,
    dab: Annotated[bool, typer.Option("--dab", help="Tell positive nuclei by DAB, without training.")] = False,
    threshold: Annotated[float | None, typer.Option(min=0, help="With --dab: optical density; else found.")] = None,
    grades: Annotated[str, typer.Option(help=GRADES_HELP)] = "",
    left_out: Annotated[str | None, typer.Option(help="With --dab: classes not counted, A,B,...")] = None,
    stain: Annotated[StainKind | None, typer.Option(help="What the slide is stained with; else recognised.")] = None,
    positive: Annotated[str, typer.Option(help="Positive classes, A,B,...; else as their names say.")] = "",
    negative: Annotated[str, typer.Option(help="Negative classes, A,B,...")] = "",
    half_width: Annotated[float, typer.Option(min=0.001, max=0.49, help="Wanted half of the interval.")] = 0.05,
    json: Annotated[Path | None, typer.Option(help="Write everything measured to this file.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a report to this file (.html).")] = None,
    case: Annotated[str, typer.Option(help="In the report: whose slide it is.")] = "",
    specimen: Annotated[str, typer.Option(help="In the report: which piece of tissue.")] = "",
    reader: Annotated[str, typer.Option(help="In the report: who read it.")] = "",
    comment: Annotated[str, typer.Option(help="In the report: anything else.")] = "",
) -> None:
    """Measure the Ki-67 index: per region, over all, on average and in the hot spot, with intervals."""
    for path in (json, report):
        if path is not None:
            check_writable(path.parent)
    if report is not None and report.suffix.lower() not in {".html", ".htm"}:
        raise DataError(f"A report is written as .html, not as {report.name}. The window also prints it as PDF.")
    if dab and slide is None:
        raise DataError("To tell positive nuclei by DAB the slide is needed. Give it with --slide.")
    asked = _Asked(dab, threshold, parse_grades(grades), left_out, positive, negative, half_width)
    opened = None if slide is None else opened_slide(slide, mpp=mpp, image=image)
    try:
        document = read_told(nuclei, areas=areas_are, mpp=mpp if opened is None else opened.mpp)
        pixel = _mpp(nuclei, document, opened, mpp)
        areas = sampled(named(drawn_areas(regions)))
        stains = _stains(opened, stain) if opened is not None and asked.needs_stains(document) else None
        settings = _settings(document, asked, stains)
        density = _density(opened, document, stains) if settings.by_dab else None
        outlines = document.nuclei.outlines
        outlined = None if outlines is None or not settings.by_dab else outlines.there
        result = measure(document.nuclei, settings, pixel, areas or None, density, outlined)
        if json is not None:
            write_json(json, result.to_dict())
        if report is not None:
            about = _provenance(nuclei, document, opened, pixel, stains)
            about = replace(about, case=case, specimen=specimen, author=reader, comment=comment)
            pictures = {} if opened is None else report_pictures(opened, result, areas)
            with replacing(report) as file:
                file.write(report_html(result, about, pictures, counted=tally(result, areas)).encode())
    finally:
        if opened is not None:
            opened.close()
    _print(result, stains)


@dataclass(frozen=True)
class _Asked:
    dab: bool
    threshold: float | None
    grades: tuple[float, float] | None
    left_out: str | None
    positive: str
    negative: str
    half_width: float

    def needs_stains(self, document: Document) -> bool:
        """Whether it depends on the slide's stains what counts."""
        by_class = self.positive or self.negative or Ki67Settings.guess(document.nuclei.scheme).positive
        return self.dab or not by_class


def _stains(slide: Slide, said: StainKind | None) -> SlideStains:
    found = slide_stains(slide)
    return found if said is None else found.said_to_be(said)


def _settings(document: Document, asked: _Asked, stains: SlideStains | None) -> Ki67Settings:
    """Say what counts: as asked, else as the dock does it at the first click."""
    scheme, stain = document.nuclei.scheme, None if stains is None else stains.kind
    guess = Ki67Settings.guess(scheme, stain, believed=model_knows(document.weights))
    named = bool(asked.positive or asked.negative)
    if asked.dab or (guess.by_dab and stains is not None and not named):
        if stain is StainKind.H_E:
            complain(H_E_WORDS)
        out, doubted = guess.left_out, guess.doubted
        if asked.left_out is not None:
            out, doubted = _names(asked.left_out, document), frozenset()
        return Ki67Settings(
            by_dab=True,
            left_out=out,
            doubted=doubted,
            threshold=asked.threshold,
            grades=asked.grades,
            half_width=asked.half_width,
        )
    if not named and not guess.positive:
        raise DataError(
            f"The classes ({', '.join(scheme.names)}) do not say which are Ki-67 positive and which negative. "
            + (f"{H_E_WORDS} If so, say which with" if stain is StainKind.H_E else "Say so with")
            + " --positive and --negative, or use --dab."
        )
    yes, no = (_names(asked.positive, document), _names(asked.negative, document)) if named else (None, None)
    return Ki67Settings(positive=yes or guess.positive, negative=no or guess.negative, half_width=asked.half_width)


def _names(text: str, document: Document) -> frozenset[str]:
    scheme = document.nuclei.scheme
    try:
        return frozenset(scheme.names[scheme.index(name.strip())] for name in text.split(",") if name.strip())
    except ValueError as error:
        raise DataError(f"{error}. Choose among these.") from error


def _mpp(path: Path, document: Document, slide: Slide | None, given: float | None) -> float:
    said = given or (slide.mpp if slide is not None else None) or (document.slide.mpp if document.slide else None)
    if not said:
        raise DataError(f"{path.name} does not say how many µm a pixel is. Give it, for example --mpp 0.25 at 40x.")
    return said


def _density(slide: Slide | None, document: Document, stains: SlideStains | None) -> NDArray[np.float64] | None:
    if slide is None:
        return None
    yx = document.nuclei.yx
    density = np.full(len(yx), np.nan)
    with progress_bar() as bar:
        task = bar.add_task("DAB", total=len(yx), note="")
        for rows, values in dab_of_slide(slide, yx, stains, outlines=document.nuclei.outlines):
            density[rows] = values
            bar.update(task, advance=len(rows))
    return density


def _provenance(
    path: Path, document: Document, slide: Slide | None, mpp: float, stains: SlideStains | None
) -> Provenance:
    info = SlideInfo.of(slide) if slide is not None else document.slide
    if info is None:
        info = SlideInfo(name=path.name, height=0, width=0, mpp=mpp)
    return Provenance(
        slide=info,
        weights=document.weights or {},
        stains="" if stains is None else stain_words(stains),
        remarks=(f"nuclei of {path.name}",),
    )


def _print(result: Ki67Result, stains: SlideStains | None) -> None:
    ki67 = result.ki67
    table = Table("", "index", "95% (Wilson)", "positive", "counted")
    rows = [(region.name, region) for region in ki67.regions]
    rows += [("all regions", ki67.slide)] if len(rows) > 1 else []
    rows += [("hot spot", ki67.hot_spot.index)] if ki67.hot_spot else []
    for name, index in rows:
        low, high = index.wilson
        ends = f"{100 * low:.1f} to {100 * high:.1f}%" if index.total else ""
        table.add_row(name, percent(index.value), ends, f"{index.positive:,}", f"{index.total:,}")
    output.print(table)
    if len(ki67.regions) > 1:
        say(f"average of regions {percent(ki67.average)}")
    for line in interval_words(ki67):
        say(f"95%: {line}")
    if result.threshold is not None and stains is not None:
        say(f"stain: {stain_words(stains)}")
        say(f"positive: {threshold_words(result)}")
        for line in score_words(result):
            say(line)
        say(f"grades: {grade_words(result)}")
        say(f"DAB: {place_words(result)}")
        say(counted_words(result.settings, "give --left-out A,B, or correct some and learn on this slide"))
    for cutoff in ki67.cutoffs:
        say(cutoff_words(cutoff))
    for line in need_words(ki67):
        say(line)
