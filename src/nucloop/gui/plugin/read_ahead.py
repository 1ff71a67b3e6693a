"""Slides that a person drops on the window or opens by its menu: read in a job, so that the window does not wait."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image
from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, QTimer

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.docks import PLUGIN
from nucloop.gui.canvas.slide_layers import LayerData, image_layer_of, with_coarsest_read
from nucloop.gui.napari_private.file_opening import open_without_asking, say_source
from nucloop.gui.napari_private.parts import draw_later, one_of
from nucloop.gui.plugin.reader import offer_others
from nucloop.gui.widgets.jobs import Job
from nucloop.slides import Slide, open_slide, reader_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import napari

__all__ = ["ReadAhead"]

SAID_AFTER_MS = 1_000
"""What takes longer than this, as over a network, is said."""


@dataclass(frozen=True)
class _Read:
    name: str
    slide: Slide | None = None
    layer: LayerData | None = None


class ReadAhead(QObject):
    """Reads slides that one window is asked to open: their file, and the level that is seen first."""

    def __init__(self, viewer: napari.Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer

    @classmethod
    def of(cls, viewer: napari.Viewer) -> ReadAhead:
        """Return the one of a window, which from then on opens the slides that NucLoop knows without asking."""

        def make(keeper: QObject) -> ReadAhead:
            made = cls(viewer, keeper)
            open_without_asking(viewer, PLUGIN, lambda name: reader_for(Path(name)) is not None, made.read)
            return made

        return one_of(viewer, cls, make)

    def read(self, names: Sequence[str], then: Callable[[str], None]) -> None:
        """Read files one after the other and show them; call `then` with the name of each that cannot be read."""
        left = [str(name) for name in names]
        job = Job(lambda: _read(list(left)), self)

        def show(read: list[_Read]) -> None:
            for one in read:
                left.remove(one.name)
                draw_later(self._viewer)
                self._show(one, then)

        job.items.connect(show)
        # what is left then is a fault of the program: it comes again, where it is said
        job.ended.connect(lambda _: show([_Read(name) for name in left]))
        job.start()
        # goes with the job
        clock = QTimer(job)
        clock.setSingleShot(True)
        clock.timeout.connect(lambda: show_info(f"Opening {Path(left[0]).name} …") if left else None)
        clock.start(SAID_AFTER_MS)

    def _show(self, read: _Read, then: Callable[[str], None]) -> None:
        if read.slide is None or read.layer is None:
            then(read.name)
            return
        data, options, _ = read.layer
        # as napari opens a file, but for what it does between adding the layer and drawing it
        image = Image(data, **options)
        say_source(image, read.name, PLUGIN)
        self._viewer.add_layer(image)
        offer_others(read.slide)


def _read(names: Sequence[str]) -> Iterator[_Read]:
    """Read them in a job's thread. What is wrong with a file is said when the window opens it."""
    for name in names:
        read = _Read(name)
        with suppress(NucLoopError):
            slide = open_slide(Path(name))
            read = _Read(name, slide, with_coarsest_read(image_layer_of(slide)))
        yield read
