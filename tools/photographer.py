"""A window that has its picture taken, as a person sees it; `screenshots.py` says of what."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import napari
from PIL import Image
from qtpy.QtWidgets import QApplication, QWidget

from nucloop.classes import ClassScheme
from nucloop.gui.canvas.colouring import RAMP, STATE_COLOURS
from nucloop.gui.canvas.docks import PLUGIN, open_detect_dock
from nucloop.gui.detect.detect_dock import DetectDock
from nucloop.gui.widgets.appearance import ACCENT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COLOURS = 256
LARGEST_BYTES = 600_000
PATIENCE_S = 300
TRIES = 10


class Photographer:
    """A window and the wish to have it look like what a person sees."""

    def __init__(self, folder: Path, width: int = 1440, height: int = 900) -> None:
        self.folder = folder
        self.viewer = napari.Viewer(title="NucLoop")
        self.viewer.window.resize(width, height)
        self.dock: DetectDock = open_detect_dock(self.viewer)
        self.wait(lambda: self.dock.device.text() != DetectDock.LOADING)

    def wait(self, until: Callable[[], bool]) -> None:
        """Let the program go on until something holds."""
        end = time.monotonic() + PATIENCE_S
        while not until():
            if time.monotonic() > end:
                raise TimeoutError("the program did not get there")
            QApplication.processEvents()

    def pause(self, seconds: float = 0.8) -> None:
        """Let the program draw."""
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > end)

    def open_sample(self, key: str, *, nearer: float = 1.0) -> None:
        """Open a sample in place of what is open, and look at it from nearer than the whole."""
        self.viewer.layers.clear()
        # Mesa's software OpenGL (22.3) ends the program when layers go and others come with no frame between
        self.pause(0.3)
        self.viewer.open_sample(PLUGIN, key)
        self.pause()
        self.viewer.scene.camera.zoom *= nearer
        self.pause()

    def detect(self) -> None:
        """Press the button and wait."""
        self.dock.detect()
        self.wait(lambda: not self.dock.detection.running)

    def take(self, name: str, widget: QWidget | None = None) -> None:
        """Save the window, or one of its parts, with a small palette."""
        self.pause()
        target = self.folder / f"{name}.png"
        shown = widget if widget is not None else self.viewer.window._qt_window
        picture = shown.grab()
        for _ in range(TRIES):
            # under load a dock may still be laying itself out
            self.pause()
            before, picture = picture, shown.grab()
            if before.toImage() == picture.toImage():
                break
        picture.save(str(target))
        with Image.open(target) as picture:
            small = with_few_colours(picture.convert("RGB"))
        small.save(target, optimize=True)
        size = target.stat().st_size
        print(f"{target.name}: {small.width} x {small.height}, {size // 1000} kB")
        if size > LARGEST_BYTES:
            raise ValueError(f"{target.name} is too large for the repository: make the window smaller")


def with_few_colours(picture: Image.Image) -> Image.Image:
    """Return a picture with a palette in which tissue does not crowd out the colours that carry meaning."""
    meaning = [*ClassScheme.named("brca-m2c").colors, *STATE_COLOURS, *RAMP, *ACCENT.values()]
    side = picture.width // len(meaning)
    sample = Image.new("RGB", (picture.width, picture.height + side))
    sample.paste(picture)
    for k, colour in enumerate(meaning):
        sample.paste(colour, (k * side, picture.height, (k + 1) * side, picture.height + side))
    return picture.quantize(palette=sample.quantize(COLOURS), dither=Image.Dither.NONE)
