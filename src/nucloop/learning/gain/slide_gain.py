"""What a new head gains on a session's slide: its nuclei as `nucloop.learning.gain.on_slide` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucloop.learning.gain.on_slide import OnSlide, Told, Untold, looked_through, on_slide
from nucloop.nuclei import Origin

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from nucloop.learning.examples import Examples
    from nucloop.learning.gain.estimate import Estimate
    from nucloop.models.heads import LinearHead
    from nucloop.nuclei import Nuclei

__all__ = ["slide_gain"]


def slide_gain(
    nuclei: Nuclei,
    features: NDArray[np.floating],
    examples: Examples,
    gain: Estimate | None,
    before: LinearHead | None,
    after: LinearHead,
    asked: Collection[int] = (),
) -> OnSlide | None:
    """Estimate what a new head is worth on all nuclei that a model has found; None where that cannot be told.

    Nuclei that a person added are left out: no model has found them, so they say nothing of those that one has.

    Parameters
    ----------
    nuclei : Nuclei
        All that have features, N.
    features : (N, F) array
        Theirs.
    examples : Examples
        The answers that `after` was fitted to.
    gain : Estimate or None
        Measured on answers that were held out; what it rests on gives what heads say of nuclei they were not fitted to.
    before : LinearHead or None
        The head in use.
    asked : collection of int
        Ids that the program asked about.
    """
    if before is None or gain is None or gain.held_out is None or gain.held_out.before is None:
        return None
    spoken = nuclei.human & (nuclei.label >= 0)
    where = {nucleus: row for row, nucleus in enumerate(nuclei.ids.tolist())}
    known = [(row, where[one]) for row, one in enumerate(examples.ids.tolist()) if one in where]
    told_by = [(row, place) for row, place in known if nuclei.origin[place] != Origin.ADDED]
    silent = np.flatnonzero(~nuclei.human)
    if not told_by or not len(silent):
        return None
    rows, places = (np.array(column) for column in zip(*told_by, strict=True))
    table = nuclei.take(places)
    was = gain.held_out.before[rows]
    told = Told(
        label=examples.label[rows],
        said=_said(table, was),
        asked=np.isin(table.ids, np.fromiter(asked, np.int64, len(asked)))
        | (table.origin == Origin.IMPORTED)
        | looked_through(nuclei.yx, spoken)[places],
        before=was,
        after=gain.held_out.after[rows],
        now=after.classify(features[places].astype(np.float32))[0],
    )
    others = features[silent].astype(np.float32)
    return on_slide(told, Untold(before.classify(others)[1], after.classify(others)[1]))


def _said(nuclei: Nuclei, before: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return what a model had said of nuclei (K,) when a person spoke: what they confirmed, or something else.

    What it said is kept with a nucleus; where that is not so, it is what the head in use says that is not right.
    """
    wrong = np.where(np.isnan(nuclei.probability).any(1, keepdims=True), before, nuclei.probability)
    wrong[np.arange(len(wrong)), nuclei.label] = -1
    corrected = nuclei.origin == Origin.CORRECTED
    return np.where(corrected, wrong.argmax(1), nuclei.label).astype(np.int16)
