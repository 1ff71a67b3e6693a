"""Which part of a document goes into an export: all, some regions, what people confirmed, some classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucloop.errors import DataError
from nucloop.geometry import in_any
from nucloop.nuclei import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nucloop.formats.document import Document
    from nucloop.geometry import Region

__all__ = ["select"]


def select(
    document: Document,
    *,
    regions: Sequence[Region | NDArray[np.floating]] | None = None,
    confirmed: bool = False,
    classes: Sequence[str] | None = None,
) -> Document:
    """Keep the nuclei that satisfy everything asked.

    Parameters
    ----------
    document : Document
        What there is.
    regions : sequence of Region or (M, 2) arrays, optional
        Nuclei within any of them; a bare outline (y, x), such as that of a view, is a region without holes.
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
        keep &= in_any(nuclei.yx, regions)
    return document.take(keep)
