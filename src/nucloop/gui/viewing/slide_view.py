"""How the slide on screen is looked at: one controller per viewer, and what it puts on the canvas."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from napari.utils.notifications import show_info
from qtpy.QtCore import QEvent, QObject, QRectF, Signal

from nucloop.gui.canvas.docks import bind_shortcut
from nucloop.gui.canvas.view import image_layers, whole_box
from nucloop.gui.canvas.whole_view import WholeView
from nucloop.gui.layer.viewport import viewport_of
from nucloop.gui.napari_private.letters import Letters
from nucloop.gui.napari_private.parts import canvas_widget_of, one_of, slice_now
from nucloop.gui.napari_private.view_state import camera_of, scale_bar_of, set_background, view_events_of
from nucloop.gui.viewing.magnification import PRESETS, magnification_of, magnify, pixels_on_screen
from nucloop.gui.viewing.overview_map import OverviewMap
from nucloop.gui.viewing.quality_view import QualityView
from nucloop.gui.viewing.region_labels import RegionLabels
from nucloop.gui.viewing.slide_look import Look, SlideLook
from nucloop.gui.viewing.thumbnail import Thumbnail, thumbnail_steps
from nucloop.gui.viewing.view_choices import ViewChoices
from nucloop.gui.viewing.view_corner import ViewCorner
from nucloop.gui.viewing.view_panel import ShownView
from nucloop.gui.widgets.deferred import DeferredCall
from nucloop.gui.widgets.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from napari.layers import Image

__all__ = ["SlideView"]

STAIN_KEY = "H"
_SMOOTH, _SHARP = "linear", "nearest"


class SlideView(QObject):
    """Follows the topmost visible slide of a viewer.

    Parameters
    ----------
    viewer : napari viewer
    parent : QObject
        What lives as long as the viewer.
    """

    changed = Signal()
    """Another image, or another way of looking at it."""

    def __init__(self, viewer: napari.Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.image: Image | None = None
        self.choices = ViewChoices.kept()
        self._thumbnails: WeakKeyDictionary[Image, Thumbnail | None] = WeakKeyDictionary()
        self._heard: WeakKeyDictionary[Image, bool] = WeakKeyDictionary()
        self._images = DeferredCall(self._follow_images, self)
        self._moved = DeferredCall(self._follow_view, self)
        self.look = SlideLook(viewer, self)
        self.quality = QualityView(viewer, self)
        self._canvas = canvas_widget_of(viewer)
        if self._canvas is None:
            return
        self._letters = Letters(viewer, self)
        self.map, self.corner = OverviewMap(self._canvas), ViewCorner(self._canvas)
        self.labels = RegionLabels(viewer, self._canvas, (self.map, self.corner), self)
        self.map.asked.connect(self._lead)
        WholeView.of(viewer).asked.connect(self.show_all)
        panel = self.corner.panel
        panel.magnification_asked.connect(self.magnify)
        panel.all_asked.connect(self.show_all)
        panel.look_asked.connect(self.look_at)
        panel.choices_asked.connect(self.choose)
        panel.quality_asked.connect(self.show_quality)
        self.look.changed.connect(self._look_changed)
        self.quality.changed.connect(self._show_corner)
        self._canvas.installEventFilter(self)
        self._bind_keys(viewer)
        layers = viewer.layers.events
        for signal in (layers.inserted, layers.removed, layers.reordered):
            signal.connect(self._ask_images)
        for signal in view_events_of(viewer):
            signal.connect(self._ask_view)
        self._images.ask()

    @classmethod
    def of(cls, viewer: napari.Viewer) -> SlideView:
        """Return the one of a viewer."""
        return one_of(viewer, cls, lambda keeper: cls(viewer, keeper))

    @property
    def thumbnail(self) -> Thumbnail | None:
        """That of the image, once it is made."""
        return None if self.image is None else self._thumbnails.get(self.image)

    @property
    def magnification(self) -> float | None:
        """At which the image is seen; None without one, and while its resolution is not known."""
        return None if self.image is None else magnification_of(self.viewer, self.image)

    def choose(self, choices: ViewChoices) -> None:
        """Change what is shown around slides, for good."""
        self.choices = choices
        choices.keep()
        self._show_choices()

    def look_at(self, look: Look) -> None:
        """Look at the image in another way."""
        if self.image is not None:
            self.look.set(self.image, look)

    def show_quality(self, on: bool) -> None:
        """Lay tissue, folds, ink and focus over the image, or take them away."""
        if self.image is not None:
            (self.quality.show if on else self.quality.hide)(self.image)

    def next_stain(self) -> None:
        """Show the next stain of the image alone, after the last one all again."""
        if self.image is not None:
            self.look.next_stain(self.image)

    def magnify(self, magnification: float) -> None:
        """Show the image at a magnification."""
        if self.magnification is not None and self.image is not None:
            magnify(self.viewer, self.image, magnification)
        elif self.image is not None:
            show_info(
                f"{self.image.name} does not say how many µm a pixel covers, so there is no magnification. "
                "Press Detect and answer the question, then try again."
            )

    def show_all(self) -> None:
        """Show the whole slide."""
        self.viewer.reset_view(layers=None if self.image is None else [self.image])

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Keep map and corner in their places."""
        if event is not None and event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self.map.fit()
            self.corner.fit()
        return False

    def _bind_keys(self, viewer: napari.Viewer) -> None:
        # digits alone give classes
        for number, magnification in enumerate(PRESETS, 1):
            bind_shortcut(viewer, f"Ctrl+{number}", self._magnifier(magnification))
        viewer.bind_key(STAIN_KEY, lambda _: self.next_stain(), overwrite=True)

    def _magnifier(self, magnification: float) -> Callable[[object], None]:
        return lambda _: self.magnify(magnification)

    def _ask_images(self, event: object = None) -> None:
        self._images.ask()

    def _ask_view(self, event: object = None) -> None:
        self._moved.ask()

    def _follow_images(self) -> None:
        images = [image for image in image_layers(self.viewer) if image.rgb]
        for image in images:
            if image not in self._heard:
                self._heard[image] = True
                image.events.visible.connect(self._ask_images)
                image.events.scale.connect(self._ask_images)
        self.image = next((image for image in images if image.visible), None)
        if self.image is not None:
            self.quality.follow(self.image)
        self.labels.watch(self.image)
        if self.image is not None and self.image not in self._thumbnails:
            self._make_thumbnail(self.image)
        self._show_choices()

    def _make_thumbnail(self, image: Image) -> None:
        self._thumbnails[image] = None
        level = image.data[-1] if image.multiscale else image.data
        job = Job(partial(thumbnail_steps, level), self)
        job.items.connect(lambda items: self._thumbnail_made(image, items[-1]))
        job.start()

    def _thumbnail_made(self, image: Image, thumbnail: Thumbnail) -> None:
        self._thumbnails[image] = thumbnail
        if thumbnail.glass is not None:
            self.look.set_glass(image, thumbnail.glass)
        if image is self.image:
            self._show_choices()

    def _show_choices(self) -> None:
        image, thumbnail, choices = self.image, self.thumbnail, self.choices
        self._show_background()
        bar = scale_bar_of(self.viewer)
        if bar is not None:
            bar.visible = choices.scale_bar and self.magnification is not None
        self.map.wanted = choices.overview
        self.map.show_thumbnail(thumbnail)
        self.corner.setVisible(image is not None)
        self._follow_view()
        self.changed.emit()

    def _show_background(self) -> None:
        """Give the canvas the colour of the glass, as it is seen now."""
        thumbnail = self.thumbnail
        glass = None if thumbnail is None or not self.choices.background else thumbnail.background
        if glass is None or self.image is None:
            set_background(self.viewer, None)
        else:
            set_background(self.viewer, "#{:02x}{:02x}{:02x}".format(*self.look.seen(self.image, glass)))

    def _look_changed(self) -> None:
        self._show_background()
        self._show_corner()
        self.changed.emit()

    def _follow_view(self) -> None:
        image = self.image
        self.labels.place()
        if image is None or image not in self.viewer.layers:
            return
        seen, whole = viewport_of(self.viewer, image), whole_box(image)
        height, width = whole.height, whole.width
        self.map.show_view(QRectF(seen.left / width, seen.top / height, seen.width / width, seen.height / height))
        self._show_corner()
        wanted = _SMOOTH if self.choices.smooth and pixels_on_screen(self.viewer, image) > 1 else _SHARP
        if image.interpolation2d != wanted and str(image.interpolation2d) in (_SMOOTH, _SHARP):
            image.interpolation2d = wanted

    def _show_corner(self) -> None:
        if self.image is not None:
            look, can = self.look.of(self.image), self.look.can_balance(self.image)
            seen = pixels_on_screen(self.viewer, self.image)
            quality, theme = self.quality.of(self.image), str(self.viewer.theme)
            self.corner.show_view(ShownView(self.magnification, seen, look, can, self.choices, quality, theme))

    def _lead(self, y: float, x: float) -> None:
        if self.image is not None:
            whole = whole_box(self.image)
            camera_of(self.viewer).center = self.image.data_to_world(np.array([y * whole.height, x * whole.width]))
            slice_now(self.viewer)
