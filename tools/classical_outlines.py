"""What outlines of nuclei are worth without learning: watershed on haematoxylin, by the protocol of nucloop evaluate.

    python tools/classical_outlines.py monuseg:PATH [--split train]

Haematoxylin by colour deconvolution, smoothed; Otsu's threshold; seeds at the largest distances from the ground;
watershed. Sizes are given in µm, so one setting serves all scales.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.color import rgb2hed
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.morphology import remove_small_holes, remove_small_objects
from skimage.segmentation import watershed

from nucloop.metrics.marks import Marks
from nucloop.metrics.scoring import score_field
from nucloop.metrics.segmentation import score_segmentation
from nucloop.training.datasets import open_dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMOOTH_UM = 0.5
SMALLEST_UM2 = 8.0
APART_UM = 2.5


def outlined(rgb: NDArray[np.uint8], mpp: float) -> NDArray[np.int32]:
    """Map an image (H, W, 3) to a label image (H, W)."""
    haematoxylin = gaussian(rgb2hed(rgb)[..., 0], SMOOTH_UM / mpp)
    area = int(SMALLEST_UM2 / mpp**2)
    dark = remove_small_holes(haematoxylin > threshold_otsu(haematoxylin), max_size=area)
    dark = remove_small_objects(dark, max_size=area)
    depth = gaussian(ndimage.distance_transform_edt(dark), 1.0)
    seeds = np.zeros(dark.shape, np.int32)
    places = peak_local_max(depth, min_distance=int(APART_UM / mpp), labels=ndimage.label(dark)[0])
    seeds[tuple(places.T)] = np.arange(1, len(places) + 1)
    found: NDArray[np.int32] = watershed(-depth, seeds, mask=dark)
    return found


def main() -> None:
    """Print the means over images, and detection by the middles of what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="NAME:PATH of a data set with masks")
    parser.add_argument("--split", default="train")
    arguments = parser.parse_args()
    rows, counts, seconds, area = [], None, 0.0, 0.0
    for field in open_dataset(arguments.data, arguments.split).fields:
        truth = field.instances()
        if truth is None:
            continue
        start = time.perf_counter()
        found = np.where(truth >= 0, outlined(field.pixels, field.mpp), 0)
        seconds, area = seconds + time.perf_counter() - start, area + truth.size * field.mpp**2 * 1e-6
        rows.append(list(score_segmentation(found, np.maximum(truth, 0)).to_dict().values()))
        middles = ndimage.center_of_mass(found > 0, found, np.setdiff1d(found, 0))
        marks = (Marks.at(np.array(yx).reshape(-1, 2) * field.mpp) for yx in (middles, field.yx))
        detection = score_field(*marks, (), 3.0).detection
        counts = detection if counts is None else counts + detection
    if counts is None:
        raise SystemExit(f"{arguments.data} has no masks.")
    names = ("DICE", "AJI", "DQ", "SQ", "PQ")
    figures = ", ".join(f"{name} {mean:.4f}" for name, mean in zip(names, np.mean(rows, 0), strict=True))
    print(f"{len(rows)} images: {figures}; detection F1 {counts.f1:.4f}; {seconds / area:.2f} s/mm2")


if __name__ == "__main__":
    main()
