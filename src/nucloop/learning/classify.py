"""Classes for nuclei that another program found: features at their places, and what a head says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nucloop.formats import adopt
from nucloop.learning.examples import is_taught
from nucloop.learning.featurise import features_at
from nucloop.learning.session_features import Filling
from nucloop.nuclei import UNLABELLED, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from nucloop.classes import ClassScheme
    from nucloop.detection.stage import Stage
    from nucloop.models.heads import LinearHead
    from nucloop.nuclei import Nuclei
    from nucloop.slides import Slide

__all__ = ["classify_found", "without_classes"]


def classify_found(
    nuclei: Nuclei, slide: Slide, stage: Stage, head: LinearHead, *, source: str = "the file"
) -> Iterator[Filling | Nuclei]:
    """Give nuclei the classes of a head; yield after each tile, and last the nuclei.

    Ids, places and outlines stay. So does a class that a person gave (`nucloop.learning.examples.is_taught`); that an
    imported one came from a person, no file says.

    Parameters
    ----------
    nuclei : Nuclei
        Level-0 pixels, of any scheme.
    slide : Slide
        With a known resolution.
    stage : Stage
        The encoder that the head reads.
    source : str
        The file, for messages.

    Raises
    ------
    UnknownClassesError
        If a person gave a class that the head does not have.
    SlideError
        If the slide does not say its resolution, or is damaged.
    """
    said = is_taught(nuclei)
    nuclei = adopt(without_classes(nuclei, nuclei.scheme, ~said), head.scheme, source=source)
    rows = np.flatnonzero(~said)
    label, probability = nuclei.label.copy(), nuclei.probability.copy()
    yield Filling(0, len(rows))
    for part in features_at(slide, stage, nuclei.yx[rows]):
        label[rows[part.rows]], probability[rows[part.rows]], _ = head.classify(part.features)
        yield Filling(part.done, part.total)
    yield replace(nuclei, label=label, probability=probability)


def without_classes(nuclei: Nuclei, scheme: ClassScheme, rows: NDArray[np.bool_] | None = None) -> Nuclei:
    """Return nuclei in a scheme, of which those of `rows` (all unless given) have no class yet, as if just found.

    Those others must be of that scheme already.
    """
    rows = np.ones(len(nuclei), bool) if rows is None else rows
    probability = np.full((len(nuclei), len(scheme)), np.nan, np.float32)
    if not rows.all():
        probability[~rows] = nuclei.probability[~rows]
    return replace(
        nuclei,
        scheme=scheme,
        label=np.where(rows, np.int16(UNLABELLED), nuclei.label),
        probability=probability,
        origin=np.where(rows, np.uint8(Origin.PREDICTED), nuclei.origin),
    )
