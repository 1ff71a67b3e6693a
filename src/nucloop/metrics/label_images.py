"""Outlines as label images, which the figures of segmentation compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from skimage.draw import polygon

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nucloop.outlines import Outlines

__all__ = ["label_image", "of_classes"]


def label_image(outlines: Outlines, shape: tuple[int, int], order: ArrayLike | None = None) -> NDArray[np.int32]:
    """Draw outlines: 0 is the ground, k + 1 the nucleus of row k; a pixel belongs to what its centre lies in.

    Parameters
    ----------
    outlines : Outlines
        In pixels of the image.
    shape : (H, W)
        Of the image; what lies beyond is left out.
    order : (N,) array of int, optional
        Rows, the one that wins where nuclei overlap first; by default as they come.
    """
    image = np.zeros(shape, np.int32)
    rows = np.arange(len(outlines)) if order is None else np.asarray(order)
    for row in rows[::-1]:
        ring = outlines[int(row)]
        if ring is not None:
            y, x = ring.T.astype(np.float64)
            image[polygon(y, x, shape)] = row + 1  # type: ignore[no-untyped-call]
    return image


def of_classes(
    image: NDArray[np.integer], label: NDArray[np.integer], names: tuple[str, ...]
) -> dict[str, NDArray[np.int64]]:
    """Split a label image by the classes of its nuclei.

    Parameters
    ----------
    image : (H, W) array
        k + 1 where nucleus k is.
    label : (N,) array
        Position of each nucleus in `names`; others belong to no class.

    Returns
    -------
    dict of (H, W) arrays
        By name, with the other nuclei gone.
    """
    table = np.concatenate([[-1], label])
    of_pixel = table[image]
    return {name: np.where(of_pixel == k, image, 0) for k, name in enumerate(names)}
