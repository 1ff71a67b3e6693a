"""Which part of a document goes into an export: all, some regions, what people confirmed, some classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucloop.errors import DataError
from nucloop.nuclei import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nucloop.formats.document import Document

__all__ = ["inside", "select"]


def inside(yx: NDArray[np.floating], outline: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Tell which points (N, 2) lie within an outline (M, 2), its border included."""
    import shapely

    area = shapely.Polygon(outline[:, ::-1])
    if not area.is_valid:
        area = area.buffer(0)
    shapely.prepare(area)
    return np.asarray(shapely.intersects_xy(area, yx[:, 1], yx[:, 0]), bool)


def select(
    document: Document,
    *,
    regions: Sequence[NDArray[np.floating]] | None = None,
    confirmed: bool = False,
    classes: Sequence[str] | None = None,
) -> Document:
    """Keep the nuclei that satisfy everything asked.

    Parameters
    ----------
    document : Document
        What there is.
    regions : sequence of (M, 2) arrays, optional
        Outlines (y, x): nuclei within any of them. A view is such an outline too.
    confirmed : bool
        Only nuclei about which a person has spoken in NucLoop; imported ones do not count.
    classes : sequence of str, optional
        Only these classes.

    Raises
    ------
    DataError
        If a class is not in the document's scheme.
    """
    nuclei = document.nuclei
    keep = np.ones(len(nuclei), bool)
    if confirmed:
        keep &= np.isin(nuclei.origin, [Origin.CONFIRMED, Origin.CORRECTED, Origin.ADDED])
    if classes is not None:
        try:
            keep &= np.isin(nuclei.label, [nuclei.scheme.index(name) for name in classes])
        except ValueError as error:
            raise DataError(f"{error}. Choose one of these.") from error
    if regions is not None:
        within = np.zeros(len(nuclei), bool)
        for outline in regions:
            within |= inside(nuclei.yx, outline)
        keep &= within
    return document.take(keep)
