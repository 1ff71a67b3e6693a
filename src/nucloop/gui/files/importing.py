"""What can be done with a file of nuclei: laid beside an image as a reference, or taken into its session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Points

from nucloop.classes import ClassScheme
from nucloop.detection.overlap import SAME_NUCLEUS_UM
from nucloop.errors import DataError, NucLoopError
from nucloop.formats import FORMATS, PACKED, SOURCES, Asked, Document, SlideInfo, adopt
from nucloop.formats.document import UUID
from nucloop.formats.fitting import likely_scale, misfits
from nucloop.gui.canvas.colouring import class_palette
from nucloop.gui.canvas.layer_slide import mpp_of_layer
from nucloop.gui.canvas.slide_group import tie
from nucloop.gui.canvas.slide_layers import MICROMETRE
from nucloop.gui.canvas.view import placement
from nucloop.gui.layer.points_style import DIAMETER_UM, SCREEN_LIMITS
from nucloop.learning.classify import without_classes
from nucloop.metrics.points import match_points
from nucloop.nuclei import UNLABELLED, Origin
from nucloop.session.exchange import read_annotations
from nucloop.session.keeping.place import SUFFIX
from nucloop.session.uuids import keep_uuids

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.gui.sessions.open_sessions import OpenSessions
    from nucloop.nuclei import Nuclei
    from nucloop.session import Change, Session

__all__ = [
    "FILE_KINDS",
    "ReadFile",
    "Use",
    "nuclei_of_image",
    "points_options",
    "read_steps",
    "reference_layer",
    "take_in",
    "take_in_found",
    "told",
]

_FORMATS = (*FORMATS.values(), *SOURCES.values())
_ENDINGS = {f"*{suffix}" for one in _FORMATS for suffix in one.suffixes if suffix[0] == "."}
_EVERY_ENDING = [*sorted(_ENDINGS), *(f"*{one}" for one in PACKED), f"*{SUFFIX}"]
FILE_KINDS = f"Files of nuclei ({' '.join(_EVERY_ENDING)});;All files (*)"
"""What a dialog offers to read, as Qt writes it."""

_RING = 0.22
_SAME_PLACE = 0.01
"""Pixels: less than any file's last digit but one."""


class Use(Enum):
    """What a file is taken for; the value is what a person reads."""

    NUCLEI = "Nuclei of this slide, to go on working with"
    READER = "The labels of another reader:"
    REFERENCE = "A reference to compare with, in a layer of its own"


@dataclass(frozen=True)
class ReadFile:
    """A file of nuclei as it was read, and what there is to say of it before it is taken over.

    Parameters
    ----------
    path : Path
        Where from.
    document : Document
        As the file has it.
    slide : SlideInfo
        The slide that it is to lie on.
    """

    path: Path
    document: Document
    slide: SlideInfo

    @property
    def content(self) -> str:
        """What is in it, and what was left out, in words."""
        document = self.document
        counts = [f"{count:,} {name}" for name, count in document.class_counts.items()]
        counts += [f"{document.unlabelled:,} without a class"] if document.unlabelled and counts else []
        listed = f": {', '.join(counts)}" if counts else ", none with a class"
        text = f"{len(document.nuclei):,} nuclei{listed}." if len(document.nuclei) else "No nuclei."
        return " ".join([text, *document.remarks])

    @property
    def factor(self) -> float | None:
        """By what places are probably to be multiplied; None when they may be right."""
        return likely_scale(self.document, self.slide)

    def placed(self, factor: float | None) -> Document:
        """Return the document with its places multiplied."""
        if factor is None:
            return self.document
        said = self.document.slide
        if said is not None:
            height, width = round(said.height * factor), round(said.width * factor)
            if abs(height - self.slide.height) + abs(width - self.slide.width) <= 2 * max(factor, 1):
                # what rounding leaves over makes no other slide
                height, width = self.slide.height, self.slide.width
            mpp = None if said.mpp is None else said.mpp / factor
            # a copy at another magnification begins differently
            said = replace(said, height=height, width=width, mpp=mpp, sha256=None)
        return replace(self.document.scaled(factor), slide=said)

    def doubts(self, factor: float | None) -> list[str]:
        """Say what speaks against the file being of this slide."""
        return misfits(self.placed(factor), self.slide)


def read_steps(path: Path, slide: SlideInfo, *, areas_are_nuclei: bool = False) -> Iterator[ReadFile]:
    """Read a file of any format, or a session, for a slide; runs in a job's thread."""
    asked = Asked(areas_are_nuclei=areas_are_nuclei, mpp=slide.mpp)
    yield ReadFile(path, read_annotations(path, asked=asked), slide)


def nuclei_of_image(sessions: OpenSessions, image: Image, scheme: ClassScheme) -> NucleiLayer:
    """Return the nuclei of an image; a session that is still to begin gets the classes of `scheme`.

    Raises
    ------
    NucLoopError
        If there can be none yet, with what to do.
    """
    if mpp_of_layer(image) is None:
        raise NucLoopError(
            f"{image.name} does not say how many µm a pixel covers. Press Detect nuclei once and answer the "
            "question there, then import again."
        )
    nuclei = sessions.open(image, scheme)
    if nuclei is None:
        trouble = sessions.trouble_with(image)
        raise NucLoopError(trouble.message if trouble is not None else "The session of this image is not open.")
    return nuclei


def take_in_found(nuclei: NucleiLayer, file: ReadFile, document: Document) -> Change:
    """Take nuclei of a file into a session as if they had just been found: no class of theirs comes along.

    Raises
    ------
    NucLoopError
        If the session cannot be written to; nothing was taken in.
    """
    return _import(nuclei, file, document, without_classes(document.nuclei, nuclei.session.scheme))


def take_in(
    nuclei: NucleiLayer,
    file: ReadFile,
    document: Document,
    mapping: Mapping[str, str | None],
    new_classes: Sequence[str] = (),
    reader: str = "",
) -> Change:
    """Take nuclei of a file into a session, as one step that can be undone.

    Parameters
    ----------
    nuclei : NucleiLayer
        Of the session.
    file : ReadFile
        For the journal.
    document : Document
        Its nuclei, placed on the slide.
    mapping : dict
        From the file's classes to the session's, or to None.
    new_classes : sequence of str
        Classes of the file that the session gets first.
    reader : str
        Whose word the labels are; nobody's in particular unless given.

    Raises
    ------
    NucLoopError
        If a class is unknown, or the session cannot be written to; nothing was taken in.
    """
    session = nuclei.session
    found = document.nuclei
    added = tuple(one for one in found.scheme.classes if one.name in set(new_classes))
    scheme = ClassScheme(session.scheme.name, (*session.scheme.classes, *added))
    table = adopt(found, scheme, mapping, source=file.path.name)
    if reader:
        table = replace(table, origin=np.full(len(table), Origin.IMPORTED, np.uint8))
    return _import(nuclei, file, document, table, reader=reader, new_classes=added)


def _import(nuclei: NucleiLayer, file: ReadFile, document: Document, table: Nuclei, **options: Any) -> Change:
    session = nuclei.session
    # what is there already is recognised by its place; into an empty session everything goes as it is
    radius = SAME_NUCLEUS_UM / nuclei.mpp if len(session) else None
    change = session.import_nuclei(table, radius_px=radius, source=file.path.name, **options)
    if not change and not change.locked and not len(table):
        raise DataError(f"{file.path.name} holds no nuclei.")
    if UUID in document.notes:
        _keep_uuids(session, table, document.notes[UUID], radius)
    return change


def _keep_uuids(session: Session, table: Nuclei, uuids: NDArray[np.object_], radius: float | None) -> None:
    """Keep what the other program knows nuclei by: those at its very places, and those it was recognised in."""
    here = session.nuclei()
    rows, free = np.arange(len(table)), np.arange(len(here))
    for reach in (_SAME_PLACE, radius):
        if reach is not None:
            pairs = match_points(here.yx[free], table.yx[rows], reach)
            keep_uuids(session, here.ids[free[pairs[:, 0]]], uuids[rows[pairs[:, 1]]])
            free, rows = np.delete(free, pairs[:, 0]), np.delete(rows, pairs[:, 1])


def reference_layer(viewer: ViewerModel, image: Image, file: ReadFile, document: Document, mpp: float) -> Points:
    """Lay the nuclei of a file on an image as rings in the colours of their classes; they are in no session."""
    options = points_options(document, file.path.name, mpp) | placement(image)
    layer = Points(document.nuclei.yx, ndim=2, **options)
    tie(layer, image, "")
    viewer.add_layer(layer)
    return layer


def points_options(document: Document, name: str, mpp: float | None) -> dict[str, Any]:
    """Return the options of a Points layer for nuclei that are in no session."""
    nuclei = document.nuclei
    names = np.array([*nuclei.scheme.names, ""], object)
    colours = class_palette(nuclei.scheme)[nuclei.label] if len(nuclei) else "white"
    features = {"class": pd.Categorical(names[nuclei.label], [*nuclei.scheme.names, ""]), "nucleus": nuclei.ids}
    if (nuclei.label == UNLABELLED).all():
        features.pop("class")
    return {
        "name": name,
        "features": pd.DataFrame(features),
        "size": DIAMETER_UM / (mpp or 0.25) * 1.3,
        "symbol": "ring",
        "face_color": "transparent",
        "border_color": colours,
        "border_width": _RING,
        "border_width_is_relative": True,
        "canvas_size_limits": SCREEN_LIMITS,
        "metadata": {"nucloop": {"file": name, "scheme": nuclei.scheme.name}},
    } | ({} if mpp is None else {"scale": (mpp, mpp), "units": (MICROMETRE, MICROMETRE)})


def told(change: Change, name: str) -> str:
    """Say what was taken from a file."""
    said = [
        (len(change.added), "new nuclei"),
        (len(change.relabelled), "that were there have its class"),
        (len(change.outlined), "that were there have its outline"),
        (change.locked, "keep what a person said of them here"),
    ]
    parts = [f"{count:,} {words}" for count, words in said if count] or ["nothing that was not here already"]
    return f"From {name}: {'; '.join(parts)}." + (" Ctrl+Z takes it back." if change else "")
