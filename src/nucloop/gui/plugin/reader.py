"""napari's reader contribution: slides as multiscale layers."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import napari
from napari.layers import Image
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.slide_layers import LayerData, image_layer_of, with_coarsest_read
from nucloop.gui.napari_private.parts import window_of
from nucloop.gui.plugin.image_choice import ImageChoice
from nucloop.gui.widgets.jobs import How, Job
from nucloop.slides import Slide, open_slide, reader_for

NO_LAYER: list[Any] = [(None,)]
"""What napari takes as "read, and there is nothing to show"."""


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the function that opens a path, None when NucLoop does not know such files.

    Several paths are left to other readers: they ask for a stack, and a slide is flat.
    """
    if not isinstance(path, str) or reader_for(Path(path)) is None:
        return None
    return read_slide


def layer_of_file(path: Path, mpp: float | None = None) -> LayerData:
    """Open a slide as an image layer; where its file holds several images, say which that is and offer the others.

    Raises
    ------
    SlideError
        If it cannot be opened.
    """
    slide = open_slide(path, mpp=mpp)
    offer_others(slide)
    return image_layer_of(slide)


def offer_others(slide: Slide) -> None:
    """Where a file holds several images, say which one is shown and offer the others."""
    if not slide.notice:
        return
    viewer = napari.current_viewer()
    if viewer is None or len(slide.images) < 2:
        show_info(slide.notice)
        return
    choice = ImageChoice(slide, viewer, window_of(viewer))
    choice.chosen.connect(lambda number: _open_another(viewer, slide, number))
    # napari is still busy opening the first
    QTimer.singleShot(0, choice.show)


def _open_another(viewer: napari.Viewer, slide: Slide, number: int) -> None:
    """Open another image of a slide's file, which is read in a job; what is wrong with it is said."""
    job = Job(lambda: _read_another(slide, number), window_of(viewer))

    def show(read: list[tuple[Slide, LayerData]]) -> None:
        other, (data, options, _) = read[-1]
        viewer.add_layer(Image(data, **options))
        offer_others(other)

    job.items.connect(show)
    job.ended.connect(lambda ending: show_error(ending.message) if ending.how is How.FAILED else None)
    job.start()


def _read_another(slide: Slide, number: int) -> Iterator[tuple[Slide, LayerData]]:
    assert slide.path is not None
    other = open_slide(slide.path, image=number)
    yield other, with_coarsest_read(image_layer_of(other))


def read_slide(path: str | Sequence[str]) -> list[LayerData]:
    """Open slides as image layers; what cannot be opened is said in the window, in one sentence."""
    paths = [path] if isinstance(path, str) else list(path)
    layers: list[LayerData] = []
    for one in paths:
        try:
            layers.append(layer_of_file(Path(one)))
        except NucLoopError as error:
            show_error(str(error))
    return layers or NO_LAYER
