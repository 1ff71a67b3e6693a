"""napari's reader contribution: slides as multiscale layers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.slide_layers import image_layer_of
from nucloop.slides import open_slide, reader_for

LayerData = tuple[Any, dict[str, Any], str]

NO_LAYER: list[Any] = [(None,)]
"""What napari takes as "read, and there is nothing to show"."""


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the function that opens a path, None when NucLoop does not know such files.

    Several paths are left to other readers: they ask for a stack, and a slide is flat.
    """
    if not isinstance(path, str) or reader_for(Path(path)) is None:
        return None
    return read_slide


def read_slide(path: str | Sequence[str]) -> list[LayerData]:
    """Open slides as image layers; what cannot be opened is said in the window, in one sentence."""
    paths = [path] if isinstance(path, str) else list(path)
    layers: list[LayerData] = []
    for one in paths:
        try:
            layers.append(image_layer_of(open_slide(one)))
        except NucLoopError as error:
            show_error(str(error))
    return layers or NO_LAYER
