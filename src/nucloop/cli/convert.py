"""``nucloop convert``: nuclei from one program's file to another's."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nucloop.classes import ClassScheme, builtin_schemes
from nucloop.cli.annotations import AREAS_HELP, Areas, drawn_areas, read_told
from nucloop.cli.terminal import IMAGE_HELP, complain, opened_slide, say
from nucloop.errors import DataError
from nucloop.formats import FORMATS, SOURCES, Document, SlideInfo, adopt, format_of, write_document
from nucloop.formats.fitting import misfits
from nucloop.formats.scope import select

__all__ = ["convert", "parse_mapping", "placed", "slide_info"]

NO_CLASS = {"", "-"}


def convert(
    source: Annotated[Path, typer.Argument(help="The file to read, or a session (.nucloop).", metavar="IN")],
    target: Annotated[Path, typer.Argument(help="The file to write.", metavar="OUT")],
    file_format: Annotated[
        str | None, typer.Option("--format", help=f"Of OUT, where its name does not say: {', '.join(FORMATS)}.")
    ] = None,
    source_format: Annotated[
        str | None, typer.Option("--from", help=f"Of IN, where it does not show; also {', '.join(SOURCES)}.")
    ] = None,
    areas_are: Annotated[Areas | None, typer.Option("--areas-are", help=AREAS_HELP)] = None,
    scheme: Annotated[str | None, typer.Option(help="Give the nuclei classes of this scheme.")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="CLASS=CLASS, from the file's to the scheme's; - for none.")
    ] = None,
    slide: Annotated[Path | None, typer.Option(help="The slide they lie on: the file is checked against it.")] = None,
    image: Annotated[str | None, typer.Option(help=IMAGE_HELP)] = None,
    mpp: Annotated[
        float | None, typer.Option(min=0.01, max=50, help="µm per pixel of IN, where neither it nor the slide says.")
    ] = None,
    out_mpp: Annotated[float | None, typer.Option(min=0.01, max=50, help="µm per pixel that OUT gets.")] = None,
    microns: Annotated[bool, typer.Option("--microns", help="Write places in µm (tables only).")] = False,
    regions: Annotated[Path | None, typer.Option(help="Only nuclei within the areas of this GeoJSON file.")] = None,
    confirmed: Annotated[bool, typer.Option("--confirmed", help="Only nuclei that a person spoke about.")] = False,
    only: Annotated[list[str] | None, typer.Option("--class", help="Only this class; may be given again.")] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Write even what does not fit the slide.")] = False,
) -> None:
    """Convert a file of nuclei; say what the new format cannot carry."""
    kind = format_of(target, file_format)
    about = None if slide is None else slide_info(slide, mpp, image)
    document = read_told(
        source,
        areas=areas_are,
        mpp=mpp if about is None else about.mpp,
        file_format=source_format,
        regions_will_do=kind.carries.regions,
    )
    document = _classified(document, scheme or kind.carries.classes, parse_mapping(mapping or []), source.name)
    document = placed(document, about, mpp, anyway=anyway)
    areas = None if regions is None else drawn_areas(regions)
    document = select(document, regions=areas, confirmed=confirmed, classes=only)
    if out_mpp is not None:
        document = _rescaled(document, out_mpp)
    document = replace(document, microns=microns)
    lost = write_document(target, document, file_format)
    counts = ", ".join(f"{count:,} {name}" for name, count in document.class_counts.items())
    say(f"{target}: {len(document.nuclei):,} nuclei{f' ({counts})' if counts else ''}, {kind.title}")
    if lost:
        complain(f"{kind.title} cannot carry {'; '.join(lost)}.", about="left out")


def parse_mapping(pairs: list[str]) -> dict[str, str | None]:
    """Read ``CLASS=CLASS`` pairs; an empty right side or ``-`` is no class.

    Raises
    ------
    DataError
        If a pair has no equals sign.
    """
    mapping: dict[str, str | None] = {}
    for pair in pairs:
        name, equals, wanted = pair.rpartition("=")
        if not equals:
            raise DataError(f"--map {pair!r} is not CLASS=CLASS, such as --map Tumor=tumour.")
        mapping[name] = None if wanted in NO_CLASS else wanted
    return mapping


def _classified(document: Document, scheme: str | None, mapping: dict[str, str | None], source: str) -> Document:
    if scheme is None and mapping:
        raise DataError(f"--map needs --scheme: one of {', '.join(builtin_schemes())}, or a JSON or YAML file.")
    if scheme is None:
        return document
    return replace(document, nuclei=adopt(document.nuclei, ClassScheme.named(scheme), mapping, source=source))


def slide_info(path: Path, mpp: float | None, image: str | None) -> SlideInfo:
    """Return what is known of a slide; SlideError when it cannot be read."""
    with opened_slide(path, mpp=mpp, image=image) as slide:
        return SlideInfo.of(slide)


def placed(document: Document, about: SlideInfo | None, mpp: float | None, *, anyway: bool) -> Document:
    """Check a document against its slide, and say on which slide it lies.

    Raises
    ------
    DataError
        If they do not go together, unless `anyway`.
    """
    if about is not None:
        wrong = misfits(document, about)
        if wrong and not anyway:
            raise DataError(" ".join(wrong) + " Give the right slide, or --anyway.")
        for line in wrong:
            complain(line, about=about.name)
        return replace(document, slide=about)
    if mpp is not None:
        known = document.slide or SlideInfo(name="unknown", height=0, width=0)
        return replace(document, slide=replace(known, mpp=mpp))
    return document


def _rescaled(document: Document, mpp: float) -> Document:
    slide = document.slide
    if slide is None or slide.mpp is None:
        raise DataError("--out-mpp needs to know how large a pixel of IN is. Give --mpp or --slide.")
    factor = slide.mpp / mpp
    height, width = round(slide.height * factor), round(slide.width * factor)
    return replace(document.scaled(factor), slide=SlideInfo(name=slide.name, height=height, width=width, mpp=mpp))
