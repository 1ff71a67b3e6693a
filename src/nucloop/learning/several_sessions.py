"""Learning from the corrections of several sessions at once."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from nucloop.classes import join
from nucloop.errors import DataError, SessionError
from nucloop.learning.answers import Answers, what_was_said
from nucloop.learning.examples import Examples, is_taught
from nucloop.learning.folds import group_by_cell
from nucloop.learning.lesson import taught_examples
from nucloop.learning.session_features import SessionFeatures
from nucloop.learning.tuning_tiles import PointTile, cut_tiles
from nucloop.nuclei import Nuclei
from nucloop.session import Session, SlideIdentity
from nucloop.session.keeping.place import SUFFIX
from nucloop.slides import Slide, open_slide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme
    from nucloop.learning.feature_store import FeatureStore

__all__ = ["Corrected", "one_scheme", "open_corrected", "pooled", "said_in_all", "tiles_of_all"]

_APART = 1_000_000
"""Between the numbers of places of two slides."""


@dataclass
class Corrected:
    """A session that is open, with its slide and its kept features."""

    name: str
    session: Session
    slide: Slide
    features: SessionFeatures
    nuclei: Nuclei


def open_corrected(
    stack: ExitStack, path: Path, *, slides: Path | None = None, mpp: float | None = None, write: bool = False
) -> Corrected:
    """Open a session and its slide; both are closed with the stack.

    Parameters
    ----------
    path : Path
        A session file, or a slide that has one beside it.
    slides : Path, optional
        Folder of the slide; the session's own when absent.
    mpp : float, optional
        µm per pixel of a slide that does not say.
    write : bool
        Whether the session will be changed.

    Raises
    ------
    SessionError, SlideError
        If either is not there, damaged, or they do not belong together.
    """
    file = path if path.name.endswith(SUFFIX) else path.with_name(path.name + SUFFIX)
    if not file.is_file():
        raise SessionError(f"There is no session {file}. Correct some nuclei of that slide in the window first.")
    place = (slides or file.parent) / file.name.removesuffix(SUFFIX)
    if not place.exists():
        raise SessionError(f"The slide {place} of {file.name} is not there. Say where slides are with --slides.")
    slide = stack.enter_context(open_slide(place, mpp=mpp))
    session = stack.enter_context(Session.open(file, slide=SlideIdentity.of(slide), read_only=not write))
    features = SessionFeatures(session)
    stack.callback(features.close)
    return Corrected(place.name, session, slide, features, session.nuclei())


def one_scheme(corrected: Sequence[Corrected]) -> ClassScheme:
    """Return the classes of all sessions, as the first writes them.

    Raises
    ------
    DataError
        If they differ.
    """
    first, scheme = corrected[0], corrected[0].nuclei.scheme
    for one in corrected[1:]:
        if join(one.nuclei.scheme.classes, scheme.classes).forth != tuple(range(len(scheme))):
            raise DataError(
                f"{one.name} has the classes {', '.join(one.nuclei.scheme.names)}, {first.name} has "
                f"{', '.join(first.nuclei.scheme.names)}. Learn from them in separate runs, or give both the same."
            )
    return first.nuclei.scheme


def said_in_all(corrected: Sequence[Corrected], *, imported: bool = False) -> Answers:
    """Count what people said in all sessions together."""
    total = Answers(0, 0, 0, 0)
    people: dict[str, None] = {}
    for one in corrected:
        said = what_was_said(one.nuclei, imported=imported)
        counts = {f.name: getattr(total, f.name) + getattr(said, f.name) for f in fields(Answers) if f.name != "people"}
        total = replace(total, **counts)
        people |= dict.fromkeys(name for name in one.session.readers if len(one.session.spoken_by(name)))
    return replace(total, people=tuple(people))


def pooled(
    corrected: Sequence[Corrected], stores: Sequence[FeatureStore], *, imported: bool = False
) -> tuple[Examples, NDArray[np.int64]]:
    """Join the examples of all sessions, and number their places: those of two slides are never the same."""
    parts, groups = [], []
    for number, (one, store) in enumerate(zip(corrected, stores, strict=True)):
        examples, yx = taught_examples(one.nuclei, store, imported=imported)
        parts.append(examples)
        groups.append(group_by_cell(yx, one.slide.mpp) + number * _APART)
    columns = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Examples)}
    # an id means something in its own session only
    columns["ids"] = np.zeros(len(columns["ids"]), np.int64)
    return Examples(**columns), np.concatenate(groups)


def tiles_of_all(corrected: Sequence[Corrected], mpp: float, side: int, *, imported: bool = False) -> list[PointTile]:
    """Cut pictures at `mpp` around what people spoke about in all sessions."""
    tiles: list[PointTile] = []
    for number, one in enumerate(corrected):
        taught = one.nuclei.take(is_taught(one.nuclei, imported=imported))
        if len(taught):
            points = (taught.yx + 0.5) * (one.slide.require_mpp() / mpp) - 0.5
            groups = group_by_cell(taught.yx, one.slide.mpp) + number * _APART
            tiles += cut_tiles(one.slide, mpp, points, taught.label, groups, side)
    return tiles
