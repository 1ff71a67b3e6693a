"""A session as a document: what exports, comparisons and training sets take from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from nucloop.errors import DataError, RegionError
from nucloop.formats import NOTHING_ASKED, Asked, Document, read_document
from nucloop.formats.document import UUID
from nucloop.geometry import Region
from nucloop.session.faults import damaged
from nucloop.session.history import EditKind
from nucloop.session.keeping.place import SUFFIX
from nucloop.session.session import Session
from nucloop.session.uuids import kept_uuids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from nucloop.formats.slide_info import Weights
    from nucloop.nuclei import Nuclei

__all__ = [
    "document_of",
    "is_session",
    "keep_regions",
    "kept_regions",
    "newest_weights",
    "read_annotations",
    "read_session",
    "region_as_plain",
    "region_of_plain",
    "slide_of_session",
]

_REGIONS = "regions"


def document_of(session: Session, nuclei: Nuclei | None = None) -> Document:
    """Return a session, or some of its nuclei, as what a file can hold.

    Parameters
    ----------
    session : Session
        Whose slide, weights, authors and drawn regions go with them.
    nuclei : Nuclei, optional
        Of the session, as they are to be exported; all, as its author may see them, unless given.

    Returns
    -------
    Document
        In level-0 pixels, with all outlines. The author of a class is whose word it is; the model is that of the run
        that found it.
    """
    nuclei = session.with_outlines(session.shown() if nuclei is None else nuclei)
    notes = {} if session.blinded else _notes(session, nuclei)
    uuids = kept_uuids(session, nuclei.ids)
    notes |= {} if uuids is None else {UUID: uuids}
    return Document(
        nuclei=nuclei,
        slide=session.slide.info,
        weights=newest_weights(session),
        notes=notes,
        regions=tuple(kept_regions(session)),
    )


def read_session(path: str | Path) -> Document:
    """Read a session file, also while a window edits it; nothing in it is changed.

    Raises
    ------
    SessionError
        If it is none, or damaged.
    """
    with Session.open(path, read_only=True) as session:
        return document_of(session)


def is_session(path: str | Path) -> bool:
    """Whether a file is called as sessions are."""
    return Path(path).name.lower().endswith(SUFFIX)


def read_annotations(path: str | Path, format: str | None = None, asked: Asked = NOTHING_ASKED) -> Document:
    """Read a session or a file of any format; see `read_session` and `nucloop.formats.read_document`."""
    return read_session(path) if format is None and is_session(path) else read_document(path, format, asked)


def slide_of_session(path: Path) -> Path:
    """Return the slide that a session lies beside.

    Raises
    ------
    DataError
        If it is not there.
    """
    slide = path.with_name(path.name[: -len(SUFFIX)])
    if not slide.exists():
        raise DataError(
            f"The slide of {path.name} is not beside it. Put it there, or name slide and session in a list (CSV with "
            "the columns slide and nuclei)."
        )
    return slide


def keep_regions(session: Session, regions: Iterable[Region]) -> None:
    """Remember drawn regions with a session, in place of those before; outside of undo.

    What has no area, as while a person is still drawing it, is left out.
    """
    session.remember(_REGIONS, [region_as_plain(region) for region in regions if region.area])


def kept_regions(session: Session) -> list[Region]:
    """Return the drawn regions of a session, in level-0 pixels.

    Raises
    ------
    DamagedSession
        If they cannot be read.
    """
    try:
        return [region_of_plain(one) for one in session.recall(_REGIONS, [])]
    except (TypeError, ValueError, KeyError, AttributeError, RegionError) as error:
        raise damaged(session.path, "its regions cannot be read") from error


def region_as_plain(region: Region) -> dict[str, Any]:
    """Return a region as a session remembers it."""
    # to the last digit: what lies on a border today lies on it tomorrow
    first, *others = (
        {"outline": outline.tolist(), "holes": [hole.tolist() for hole in holes]} for outline, *holes in region.pieces
    )
    kind = {"kind": region.kind} if region.kind else {}
    return {"name": region.name, **kind, **first, "others": others}


def region_of_plain(data: dict[str, Any]) -> Region:
    """Return a region that a session remembered."""
    # sessions from before regions had several pieces, or kinds, do not name any
    pieces = [data, *data.get("others", ())]
    return Region.of_pieces(
        [[one["outline"], *one["holes"]] for one in pieces], str(data["name"]), str(data.get("kind", ""))
    )


def _notes(session: Session, nuclei: Nuclei) -> dict[str, NDArray[np.object_]]:
    columns, rows = session.ledger.state.columns, nuclei.ids - 1
    names = np.array(["", *session.readers], object)
    speakers = np.where(nuclei.human, columns["speaker"][rows], 0)
    runs, place = np.unique(columns["run"][rows], return_inverse=True)
    models = np.array([_model_of(session, int(run)) for run in runs], object)
    notes = {"author": names[np.minimum(speakers, len(names) - 1)], "model": models[place] if len(rows) else models[:0]}
    return {name: texts for name, texts in notes.items() if any(texts)}


def _model_of(session: Session, run: int) -> str:
    """Name the weights of a run; empty for nuclei that no model found."""
    if not run:
        return ""
    weights = session.ledger.journal.entry(run).facts().get("weights")
    return " + ".join(str(one.get("name")) for one in weights.values()) if _are_weights(weights) else ""


def newest_weights(session: Session) -> Weights | None:
    """Return the weights that spoke last and were not undone."""
    journal, history = session.ledger.journal, session.ledger.history
    entries = [entry for kind in (EditKind.MODEL_RUN, EditKind.NEW_HEAD) for entry in journal.entries_of(kind)]
    for entry in sorted(entries, key=lambda entry: entry.seq, reverse=True):
        weights = entry.facts().get("weights")
        if history.is_done(entry.step) and _are_weights(weights):
            return {kind: {key: str(value) for key, value in one.items()} for kind, one in weights.items()}
    return None


def _are_weights(weights: Any) -> TypeGuard[dict[str, dict[str, Any]]]:
    return isinstance(weights, dict) and all(isinstance(one, dict) for one in weights.values())
