"""napari's sample data contributions: File > Open Sample > NucLoop."""

from typing import Any

import numpy as np
import pandas as pd
from napari.utils.notifications import show_error

from nucloop.classes import ClassScheme
from nucloop.errors import NucLoopError
from nucloop.gui.canvas.slide_layers import MICROMETRE, LayerData, image_layer_of
from nucloop.gui.plugin.reader import NO_LAYER
from nucloop.sample_files import fetch_public_slide, sample_folder
from nucloop.slides import Slide, open_slide, slide_from_array

IHC_MPP = 0.5
"""µm per pixel of scikit-image's picture, which does not say it.

Measured on its nuclei: lymphocytes of the stroma are 13 to 15 pixels across and are about 7 µm in tissue, the
nuclei of the columnar epithelium 20 to 24 pixels long and about 11 µm. Both give 0.5, a 20x scan.
"""

_POINT_UM = 5.0


def synthetic_he() -> list[LayerData]:
    """Return the drawn H&E field, with its nuclei in a hidden layer."""
    return _synthetic("synthetic_he.tif", "synthetic_he.csv", "brca-m2c")


def synthetic_ki67() -> list[LayerData]:
    """Return the drawn Ki-67 slide, with its nuclei in a hidden layer."""
    return _synthetic("synthetic_ki67.ome.tif", "synthetic_ki67.csv", "patherea-ki67")


def ki67() -> list[LayerData]:
    """Return a real Ki-67 field: OpenSlide's test slide OS-2, a part of it."""
    return _real("ki67.ome.tif")


def he() -> list[LayerData]:
    """Return a real H&E field: OpenSlide's test slide OS-1, a part of it."""
    return _real("he.ome.tif")


def ihc() -> list[LayerData]:
    """Return scikit-image's colon section: DAB brown in the epithelium, haematoxylin blue in the nuclei."""
    from skimage import data

    return [image_layer_of(slide_from_array(data.immunohistochemistry(), mpp=IHC_MPP, name="IHC colon"))]


def cmu1_small_region() -> list[LayerData]:
    """Return a small public H&E slide, downloaded once; offline, say so and return no layer."""
    try:
        return [image_layer_of(open_slide(fetch_public_slide("CMU-1-Small-Region.svs")))]
    except NucLoopError as error:
        show_error(str(error))
        return NO_LAYER


def _real(name: str) -> list[LayerData]:
    try:
        return [image_layer_of(open_slide(sample_folder() / name))]
    except NucLoopError as error:
        show_error(str(error))
        return NO_LAYER


def _synthetic(slide_name: str, table_name: str, scheme_name: str) -> list[LayerData]:
    try:
        folder = sample_folder()
        slide = open_slide(folder / slide_name)
        table = pd.read_csv(folder / table_name)
    except NucLoopError as error:
        show_error(str(error))
        return NO_LAYER
    return [image_layer_of(slide), reference_layer_of(slide, table, ClassScheme.named(scheme_name))]


def reference_layer_of(slide: Slide, nuclei: pd.DataFrame, scheme: ClassScheme) -> LayerData:
    """Return known nuclei as a hidden Points layer tuple that lies on a slide.

    Parameters
    ----------
    slide : Slide
        With a resolution.
    nuclei : DataFrame
        Columns y, x (level-0 pixels) and class (names of the scheme).
    scheme : ClassScheme
        Gives the colours.
    """
    mpp = slide.require_mpp()
    labels = np.array([scheme.index(name) for name in nuclei["class"]])
    options: dict[str, Any] = {
        "name": f"Reference nuclei, {slide.name.split('.')[0].replace('_', ' ')}",
        "visible": False,
        "features": {"class": pd.Categorical(nuclei["class"], categories=scheme.names)},
        "face_color": np.array(scheme.colors)[labels],
        "border_width": 0,
        "size": _POINT_UM / mpp,
        "scale": (mpp, mpp),
        "units": (MICROMETRE, MICROMETRE),
        "metadata": {"nucloop": {"reference": True, "scheme": scheme.name, "mpp": mpp}},
    }
    return nuclei[["y", "x"]].to_numpy(np.float32), options, "points"
