"""What a review queue is made from: the nuclei a person may be asked about, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nucloop.errors import NucLoopError, RegionError
from nucloop.gui.canvas.drawn_regions import drawn_regions
from nucloop.gui.sessions.known_features import newest_store, short_features
from nucloop.learning.queue import ReviewQueue, asked_key
from nucloop.nuclei import Nuclei, Origin

if TYPE_CHECKING:
    from nucloop.geometry import Region
    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.learning.session_features import SessionFeatures

__all__ = ["QueueInput", "queue_input", "queue_of", "regions_of"]


@dataclass(frozen=True)
class QueueInput:
    """Everything a queue is made from, taken from a session at one moment."""

    nuclei: Nuclei
    asked: list[int]
    disputed: list[int]
    allowed: NDArray[np.bool_] | None


def regions_of(nuclei: NucleiLayer) -> list[Region]:
    """Return the drawn regions, level-0 pixels; none when nothing is drawn and all nuclei may come up."""
    try:
        return drawn_regions(nuclei.viewer, nuclei.image)
    except RegionError:
        return []


def queue_input(nuclei: NucleiLayer, regions: list[Region]) -> QueueInput:
    """Take from a session what a queue is made from."""
    session = nuclei.session
    table = session.nuclei()
    if session.blinded:
        # what others have said neither answers a question nor raises one
        own = np.isin(table.ids, session.spoken_by(session.author))
        table = replace(table, origin=np.where(own, Origin.CONFIRMED, Origin.PREDICTED).astype(np.uint8))
    names = session.readers if not session.blinded else []
    pairs = [session.disagreements(a, b) for k, a in enumerate(names) for b in names[k + 1 :]]
    disputed = np.unique(np.concatenate([*pairs, np.zeros(0, np.int64)])).tolist()
    allowed = None
    if regions:
        inside = np.unique(np.concatenate([session.in_polygon(one) for one in regions]))
        allowed = np.isin(table.ids, inside)
    return QueueInput(table, session.recall(asked_key(session), []), disputed, allowed)


def queue_of(field: QueueInput, features: SessionFeatures | None) -> ReviewQueue:
    """Make the queue; for many nuclei this takes a while, so call it in a job."""
    rows = None
    if features is not None:
        try:
            store = newest_store(features)
            rows = None if store is None else short_features(store, field.nuclei.ids)
        except NucLoopError:
            # without features a queue says less about what is new, and is a queue all the same
            rows = None
    return ReviewQueue(field.nuclei, rows, asked=field.asked, disputed=field.disputed, allowed=field.allowed)
