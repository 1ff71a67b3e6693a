"""The layers of a slide: its image, and what the program lays on it. They carry its name and go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary, ref

from nucloop.gui.canvas.view import is_picture

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

__all__ = ["image_under", "is_slide", "layer_of", "layers_on", "tie"]


class _Tie(NamedTuple):
    image: ref[Image]
    what: str


_ties: WeakKeyDictionary[Layer, _Tie] = WeakKeyDictionary()


def tie(layer: Layer, image: Image, what: str) -> None:
    """Say that a layer lies on an image, and what it shows there: it is called so, with the image's name.

    With `what` empty it keeps its name.
    """
    _ties[layer] = _Tie(ref(image), what)
    if not what:
        return
    seen = ref(layer)

    def called_as_the_image(event: object = None) -> None:
        layer, tied = seen(), _ties.get(seen())
        image = None if tied is None else tied.image()
        if layer is not None and image is not None:
            layer.name = f"{what} · {image.name}"

    called_as_the_image()
    image.events.name.connect(called_as_the_image)


def image_under(layer: Layer | None) -> Image | None:
    """Return the image on which a layer lies, a person's image itself; None for what lies on none."""
    if layer is None:
        return None
    if layer in _ties:
        return _ties[layer].image()
    return layer if is_picture(layer) else None


def layers_on(viewer: ViewerModel, image: Image) -> list[Layer]:
    """Return the layers that lie on an image, without itself."""
    return [layer for layer in viewer.layers if layer in _ties and _ties[layer].image() is image]


def layer_of(viewer: ViewerModel, image: Image | None, what: str) -> Layer | None:
    """Return the layer that shows something on an image, on any where none is named; None when there is none."""
    for layer in viewer.layers:
        tied = _ties.get(layer)
        if tied is not None and tied.what == what and (image is None or tied.image() is image):
            return layer
    return None


def is_slide(layer: Layer | None) -> bool:
    """Whether an image was opened as a slide; others, as maps that lie over one, are shown beside it."""
    return layer is not None and is_picture(layer) and "nucloop" in layer.metadata
