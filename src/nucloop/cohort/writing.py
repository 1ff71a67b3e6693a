"""Writing the result of a slide: nuclei, tissue, density, thumbnail and figures, whole or not at all."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from nucloop.cohort.bringing import AUTHOR, NUCLEI, Brought
from nucloop.cohort.density_map import write_density_map
from nucloop.cohort.figures import counts_by_region, ki67_figures, quality_figures
from nucloop.cohort.result import FIGURES, key_of_folder, whole_folder
from nucloop.errors import SessionError
from nucloop.formats import Document, SlideInfo, write_document
from nucloop.formats.atomic import replacing
from nucloop.formats.slide_info import Weights
from nucloop.geometry import Region
from nucloop.measurements.shapes import shape_figures
from nucloop.measurements.stains import STAIN_FIGURES, stain_figures
from nucloop.nuclei import Nuclei
from nucloop.session import Session, SlideIdentity
from nucloop.slides import Slide
from nucloop.slides.quality import look_at_quality
from nucloop.slides.tissue import Ground, TissueMap

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.cohort.settings import CohortSettings
    from nucloop.cohort.slide_entry import SlideEntry

__all__ = ["NUCLEI", "THUMBNAIL", "Found", "write_result"]

THUMBNAIL = "thumbnail.jpg"
_THUMBNAIL_SIDE = 224
_COLOURS = {
    Ground.GLASS: (255, 255, 255),
    Ground.TISSUE: (214, 160, 190),
    Ground.FOLD: (120, 40, 110),
    Ground.PEN: (0, 140, 90),
}


@dataclass(frozen=True)
class Found:
    """What was found on a slide."""

    slide: Slide
    tissue: TissueMap
    nuclei: Nuclei
    """Numbered."""
    regions: tuple[Region, ...]
    weights: Weights
    notices: tuple[str, ...] = ()
    without_contrast: int = 0
    """Points that were left out, because they are no darker than their surroundings."""


def write_result(
    target: Path, entry: SlideEntry, settings: CohortSettings, found: Found, session: Path | None = None
) -> None:
    """Write a result, and into the session that is named; the same slide, networks and settings give the same bytes.

    Raises
    ------
    DataError
        If it cannot be written. Nothing is left of it then.
    """
    # as the cohort knows it: a copy of an address has a name of its own
    info = SlideInfo.of(found.slide)
    document = Document(
        nuclei=found.nuclei,
        slide=info,
        weights=found.weights,
        measurements=_measurements(found) if settings.measurements else {},
        regions=found.regions,
    )
    with whole_folder(target) as folder:
        write_document(folder / NUCLEI, document)
        if settings.geojson:
            write_document(folder / "nuclei.geojson", document)
        mpp = found.slide.require_mpp()
        write_density_map(folder / "density.ome.tif", found.nuclei, found.slide.shape, mpp, entry.id)
        _write_picture(folder / "tissue.png", _tissue_picture(found.tissue))
        _write_picture(folder / THUMBNAIL, _thumbnail(found.slide))
        figures = _figures(entry, settings, found)
        if session is not None:
            figures["notices"] += _into_session(session, found, key_of_folder(target))
        with replacing(folder / FIGURES) as file:
            file.write(json.dumps(figures, indent=1, ensure_ascii=False).encode() + b"\n")


def _figures(entry: SlideEntry, settings: CohortSettings, found: Found) -> dict[str, Any]:
    mpp = found.slide.require_mpp()
    quality = look_at_quality(found.slide, found.tissue)
    ki67 = None
    if settings.ki67:
        ki67 = ki67_figures(found.slide, found.nuclei, found.regions, found.weights, quality.stain, settings)
    return {
        "id": entry.id,
        "mpp": mpp,
        "nuclei": len(found.nuclei),
        "counts": found.nuclei.counts(),
        "without_contrast": found.without_contrast,
        "quality": quality_figures(quality, found.nuclei),
        "ki67": ki67,
        "regions": counts_by_region(found.nuclei, found.regions, mpp),
        "tissue_map": {"mpp": found.tissue.mpp, "values": {ground.name.lower(): ground.value for ground in Ground}},
        "weights": found.weights,
        "notices": list(found.notices),
    }


def _measurements(found: Found) -> dict[str, NDArray[np.float64]]:
    outlines = found.nuclei.outlines
    if outlines is None:
        return {}
    figures = shape_figures(outlines, found.slide.require_mpp())
    stains = {name: np.full(len(outlines), np.nan) for name in STAIN_FIGURES}
    for rows, values in stain_figures(found.slide, outlines):
        for name, column in values.items():
            stains[name][rows] = column
    return {**figures, **stains}


def _into_session(path: Path, found: Found, key: str) -> list[str]:
    """Put what is new into the slide's session, whatever people did there stays; return what could not be done."""
    slide, scheme = found.slide, found.nuclei.scheme
    try:
        with Session.open(path, slide=SlideIdentity.of(slide), scheme=scheme, author=AUTHOR) as session:
            Brought(found.nuclei, found.weights, slide.require_mpp(), key).add_to(session)
    except SessionError as error:
        return [str(error)]
    return []


def _thumbnail(slide: Slide) -> Image.Image:
    step = max(slide.shape) / _THUMBNAIL_SIDE
    pixels = slide.read_region(slide.box, slide.require_mpp() * step) if step > 1 else slide.read_region(slide.box)
    return Image.fromarray(np.ascontiguousarray(pixels))


def _tissue_picture(tissue: TissueMap) -> Image.Image:
    """Return the map as a picture with a palette: its values are those of `Ground`."""
    picture = Image.fromarray(tissue.ground)
    picture.putpalette([value for ground in Ground for value in _COLOURS[ground]])
    return picture


def _write_picture(path: Path, picture: Image.Image) -> None:
    data = io.BytesIO()
    picture.save(data, "JPEG" if path.suffix == ".jpg" else "PNG", **({"quality": 80} if path.suffix == ".jpg" else {}))
    with replacing(path) as file:
        file.write(data.getvalue())
