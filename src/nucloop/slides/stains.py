"""Stains as optical densities: what each dye takes from the light adds up.

Vectors from Ruifrok and Johnston, Anal Quant Cytol Histol 23 (2001); the estimate of a slide's own
vectors from Macenko et al., ISBI 2009.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucloop.errors import SlideError

FloatArray = NDArray[np.float32]

HAEMATOXYLIN: tuple[float, float, float] = (0.650, 0.704, 0.286)
EOSIN: tuple[float, float, float] = (0.072, 0.990, 0.105)
DAB: tuple[float, float, float] = (0.268, 0.570, 0.776)

GLASS = 222
"""A pixel with no channel darker than this is empty glass."""
_WHITE = 255.0
_MIN_TISSUE_PIXELS = 100


def stain_matrix(*vectors: tuple[float, float, float]) -> FloatArray:
    """Build a (3, 3) matrix of unit stain vectors, one a row, from two or three of them.

    A missing third row is the residual: what is perpendicular to both stains.
    """
    rows = np.asarray(vectors, np.float64)
    if rows.shape not in ((2, 3), (3, 3)):
        raise ValueError(f"two or three stain vectors of three numbers are needed, not {rows.shape}")
    if len(rows) == 2:
        rows = np.vstack([rows, np.cross(rows[0], rows[1])])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


H_AND_E = stain_matrix(HAEMATOXYLIN, EOSIN)
H_DAB = stain_matrix(HAEMATOXYLIN, DAB)
H_E_DAB = stain_matrix(HAEMATOXYLIN, EOSIN, DAB)


def rgb_to_od(rgb: NDArray[Any]) -> FloatArray:
    """Optical density of RGB pixels, -ln((v + 1) / 256); white is 0, black is ln 256.

    Parameters
    ----------
    rgb : (..., 3) array
        Values from 0 to 255.

    Returns
    -------
    (..., 3) float32 array
    """
    return np.asarray(-np.log((np.asarray(rgb, np.float32) + 1.0) / (_WHITE + 1.0)), np.float32)


def od_to_rgb(od: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the RGB pixels of optical densities, the inverse of `rgb_to_od`, clipped to 0-255."""
    light = np.exp(-np.asarray(od, np.float32)) * (_WHITE + 1.0) - 1.0
    return np.asarray(np.clip(light + 0.5, 0.0, _WHITE)).astype(np.uint8)


def separate(rgb: NDArray[Any], stains: FloatArray = H_E_DAB) -> FloatArray:
    """Amount of each stain in every pixel.

    Parameters
    ----------
    rgb : (..., 3) array
        Values from 0 to 255.
    stains : (3, 3) array
        Unit vectors, one a row (`stain_matrix`).

    Returns
    -------
    (..., 3) float32 array
        Amounts, in units of optical density; `amounts @ stains` is the density again.
    """
    return np.asarray(rgb_to_od(rgb) @ np.linalg.inv(stains.astype(np.float64)).astype(np.float32), np.float32)


def estimate_stains(rgb: NDArray[Any], *, min_density: float = 0.15, percentile: float = 1.0) -> FloatArray:
    """Estimate the two stain vectors of a slide from its own pixels (Macenko).

    Parameters
    ----------
    rgb : (..., 3) array
        Pixels of tissue, values from 0 to 255.
    min_density : float
        Pixels with a fainter channel are background and are left out.
    percentile : float
        How far from the extreme angles the vectors are taken.

    Returns
    -------
    (3, 3) float32 array
        The bluer stain (haematoxylin) first, the other second, the residual third.

    Raises
    ------
    SlideError
        If there is too little tissue to tell.
    """
    od = rgb_to_od(rgb).reshape(-1, 3).astype(np.float64)
    od = od[(od > min_density).all(axis=1)]
    if len(od) < _MIN_TISSUE_PIXELS:
        raise SlideError(
            "There is too little tissue here to estimate the slide's own stains. Choose a field with more nuclei."
        )
    plane = np.linalg.eigh(np.cov(od.T))[1][:, [2, 1]]
    plane *= np.where(plane.sum(axis=0) < 0, -1.0, 1.0)
    along = od @ plane
    angles = np.arctan2(along[:, 1], along[:, 0])
    extremes = np.percentile(angles, [percentile, 100.0 - percentile])
    vectors = np.abs(np.stack([np.cos(extremes), np.sin(extremes)], axis=1) @ plane.T)
    bluer_first = vectors[np.argsort(-vectors[:, 0] / vectors.sum(axis=1))]
    first, second = (tuple(map(float, vector)) for vector in bluer_first)
    return stain_matrix(first, second)  # type: ignore[arg-type]
