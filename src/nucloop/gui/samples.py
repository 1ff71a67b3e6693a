"""napari's sample data contributions: File > Open Sample > NucLoop."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pooch
from napari.utils.notifications import show_error

from nucloop.classes import ClassScheme
from nucloop.errors import DataError, NucLoopError
from nucloop.gui.reader import NO_LAYER, LayerData
from nucloop.gui.slide_layers import MICROMETRE, image_layer_of
from nucloop.slides import Slide, open_slide, slide_from_array

IHC_MPP = 0.5
"""µm per pixel of scikit-image's picture, which does not say it.

Measured on its nuclei: lymphocytes of the stroma are 13 to 15 pixels across and are about 7 µm in tissue, the
nuclei of the columnar epithelium 20 to 24 pixels long and about 11 µm. Both give 0.5, a 20x scan.
"""

_POINT_UM = 5.0


def sample_folder() -> Path:
    """Return the folder of the sample files: beside the sources in a checkout, inside the package when installed.

    Raises
    ------
    DataError
        If neither is there.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "_sample_data", package.parents[1] / "sample_data"):
        if (folder / "public_slides.json").exists():
            return folder
    raise DataError("The sample slides are missing from this installation. Install napari-nucloop again.")


def synthetic_he() -> list[LayerData]:
    """Return the drawn H&E field, with its nuclei in a hidden layer."""
    return _synthetic("synthetic_he.tif", "synthetic_he.csv", "brca-m2c")


def synthetic_ki67() -> list[LayerData]:
    """Return the drawn Ki-67 slide, with its nuclei in a hidden layer."""
    return _synthetic("synthetic_ki67.ome.tif", "synthetic_ki67.csv", "patherea-ki67")


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


def fetch_public_slide(name: str) -> Path:
    """Download one of `public_slides.json`, or take it from the cache, and check its sha256.

    Raises
    ------
    DataError
        If there is no such slide, no network, or the download is not the file it should be.
    """
    known = json.loads((sample_folder() / "public_slides.json").read_text(encoding="utf-8"))
    if name not in known:
        raise DataError(f"There is no public slide {name}. Choose one of: {', '.join(known)}.")
    slide, cache = known[name], Path(pooch.os_cache("nucloop"))
    try:
        return Path(pooch.retrieve(slide["url"], f"sha256:{slide['sha256']}", fname=name, path=cache))
    except OSError as error:  # requests' own errors are among these
        raise DataError(
            f"Cannot download {name}: there is no connection to {slide['url'].split('/')[2]}. Go online and try "
            f"again, or put the file into {cache}; the other samples work offline."
        ) from error
    except ValueError as error:
        raise DataError(
            f"{name} arrived damaged: its sha256 is not the one expected. Try again; it is taken only when whole."
        ) from error


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
