"""What nuclei can be compared with: another Points layer, a file, or another reader of the session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points

from nucloop.classes import ClassScheme, NucleusClass, builtin_schemes, join
from nucloop.errors import DataError
from nucloop.evaluation.live import with_ids
from nucloop.formats import Asked, SlideInfo, only_areas, read_document
from nucloop.formats.fitting import misfits
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.canvas.slide_group import image_under
from nucloop.nuclei import UNLABELLED, Nuclei

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

    from nucloop.gui.layer.nuclei_layer import NucleiLayer

__all__ = ["Reference", "RingMark", "layers_to_compare_with", "of_file", "of_layer", "of_reader", "points_as_nuclei"]

CLASS_COLUMNS = ("class", "label", "classification", "cell_type", "type")
"""Features of a Points layer that may hold the class, the first that is there."""
RingMark = "nucloop rings"
"""Key in the metadata of layers that show a comparison, and are none to compare with."""
_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")


@dataclass(frozen=True)
class Reference:
    """Something to compare with.

    Parameters
    ----------
    title : str
        As a person reads it.
    nuclei : Nuclei or None
        With an id each, level-0 pixels; None for a reader, whose word is asked of the session.
    layer : Points or None
        Where they come from, if from a layer.
    path : Path or None
        Where they come from, if from a file.
    reader : str or None
        Whose word it is, if a reader's of the session.
    remarks : tuple of str
        What speaks against it.
    """

    title: str
    nuclei: Nuclei | None = None
    layer: Points | None = None
    path: Path | None = None
    reader: str | None = None
    remarks: tuple[str, ...] = ()


def layers_to_compare_with(viewer: ViewerModel, nuclei: NucleiLayer) -> list[Points]:
    """Points layers of a viewer that could be a reference, the topmost first."""
    return [
        layer
        for layer in reversed(viewer.layers)
        if isinstance(layer, Points)
        and layer is not nuclei.layer
        and image_under(layer) in (None, nuclei.image)
        and RingMark not in layer.metadata
        and "image" not in layer.metadata.get("nucloop", {})
    ]


def of_layer(layer: Points, nuclei: NucleiLayer) -> Reference:
    """Take the points of a layer as reference for nuclei."""
    return Reference(layer.name, points_as_nuclei(layer, nuclei.image, nuclei.session.scheme), layer=layer)


def of_reader(name: str) -> Reference:
    """Take what a reader has said in the session as reference."""
    return Reference(name, reader=name)


def of_file(path: Path, image: Image) -> Reference:
    """Read a file of nuclei of any format as reference.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    with slide_of_layer(image) as slide:
        about = SlideInfo.of(slide)
    document = read_document(path, asked=Asked(mpp=about.mpp))
    trouble = only_areas(document, path.name)
    if trouble:
        raise DataError(trouble)
    remarks = [*document.remarks, *misfits(document, about)]
    return Reference(path.name, with_ids(document.nuclei), path=path, remarks=tuple(remarks))


def points_as_nuclei(layer: Points, image: Image, scheme: ClassScheme | None = None) -> Nuclei:
    """Return the points of a layer as nuclei, in level-0 pixels of an image, numbered by row from 1.

    Their classes are those of `scheme` where it has all that the layer names.
    """
    world = [layer.data_to_world(point) for point in layer.data]
    yx = np.array([np.asarray(image.world_to_data(point), np.float64)[-2:] for point in world]).reshape(-1, 2)
    if _same_place(layer, image):
        # going through the world and back would cost the last digits
        yx = np.asarray(layer.data, np.float64)[:, -2:]
    own, label = _classes_of(layer, scheme)
    return with_ids(Nuclei.from_points(own, yx, label=label))


def _same_place(layer: Points, image: Image) -> bool:
    same = (np.allclose(np.asarray(getattr(layer, k))[-2:], np.asarray(getattr(image, k))[-2:], rtol=1e-12, atol=0)
            for k in ("scale", "translate"))  # fmt: skip
    return all(same) and layer.units[-2:] == image.units[-2:]


def _classes_of(layer: Points, preferred: ClassScheme | None) -> tuple[ClassScheme, NDArray[np.int16]]:
    column = next((name for name in CLASS_COLUMNS if name in layer.features), None)
    unlabelled = np.full(len(layer.data), UNLABELLED, np.int16)
    if column is None:
        return ClassScheme("points", (NucleusClass("nucleus", _COLOURS[0]),)), unlabelled
    values = layer.features[column].astype(object)
    said = layer.metadata.get("nucloop", {}).get("scheme", "")
    names = [str(value) for value in values[values.notna()].unique() if str(value).strip()]
    known = [scheme for scheme in (builtin_schemes().get(said), preferred) if scheme is not None]
    fitting = next((scheme for scheme in known if None not in join(names, scheme.classes).forth), None)
    if names and fitting is not None:
        scheme = fitting
    elif names:
        names.sort()
        scheme = ClassScheme(
            layer.name, tuple(NucleusClass(name, _COLOURS[k % len(_COLOURS)]) for k, name in enumerate(names))
        )
    else:
        return ClassScheme("points", (NucleusClass("nucleus", _COLOURS[0]),)), unlabelled
    place = dict(zip(names, join(names, scheme.classes).table(UNLABELLED), strict=False))
    return scheme, np.array([place.get(str(value), UNLABELLED) for value in values], np.int16)
