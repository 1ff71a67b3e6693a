"""The Gallery dock: crops of one class side by side, to be relabelled many at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QBoxLayout, QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from nucloop.errors import NucLoopError
from nucloop.gui.canvas.colouring import NO_CLASS_COLOUR
from nucloop.gui.canvas.dock import Dock
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.canvas.view import lead_to
from nucloop.gui.correct.correcting import Correcting
from nucloop.gui.correct.keys import press
from nucloop.gui.gallery.crop_grid import CropGrid
from nucloop.gui.gallery.crops import CropReader
from nucloop.gui.gallery.gallery_order import EVERY_CLASS, Order, in_order, nuclei_of_class
from nucloop.gui.sessions.known_features import features_in_parts, newest_store
from nucloop.gui.widgets.deferred import DeferredCall
from nucloop.gui.widgets.dock_layout import LEAST_WIDTH
from nucloop.gui.widgets.fitted_words import FittedWords
from nucloop.gui.widgets.jobs import Job
from nucloop.gui.widgets.messages import Message, MessageLine, Tone
from nucloop.nuclei import UNLABELLED
from nucloop.session import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import napari
    from numpy.typing import NDArray
    from qtpy.QtGui import QImage, QKeyEvent, QResizeEvent

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.session import Change

__all__ = ["GalleryDock"]

WIDE_PIXELS = 620
AT_ONCE = 50_000
"""So many are sorted while nobody notices; more in the background."""
MOST_MARKED = 2000
"""A larger selection on the slide is not marked in the gallery."""


class GalleryDock(Dock):
    """The dock widget.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self.correcting = Correcting.of(self.viewer)
        self._nuclei: NucleiLayer | None = None
        self._reader: CropReader | None = None
        self._end_hearing = lambda: None
        self._selecting = False
        self._sorting: Job | None = None
        self._build()
        self.following = DeferredCall(self._follow, self)
        self.correcting.changed.connect(self.following.ask)
        self.correcting.sessions.closing.connect(self._closing)
        self.correcting.said.connect(self.messages.say)
        self.restyle()
        # the window makes room for the dock, and draws that, before it is filled: one after the other freezes for less
        self.empty.setVisible(False)
        QTimer.singleShot(0, self.following.ask)

    def refill(self) -> None:
        """Look again which nuclei belong here, and sort them."""
        nuclei = self._nuclei
        if nuclei is None:
            return
        chosen = self.grid.selected if len(self.grid.selected) else nuclei.selected
        like = nuclei.shown(chosen[:1]) if len(chosen) else None
        table, order = nuclei_of_class(nuclei, self.classes.currentData()), self.order.currentData()
        features = self._features() if order is Order.SIMILAR else None
        if self._sorting is not None:
            self._sorting.cancel()
            self._sorting = None
        if len(table) <= AT_ONCE:
            self._show_sorted(in_order(table, order, like, features))
            return
        job = self._sorting = Job(lambda: [in_order(table, order, like, features)], self)
        job.items.connect(lambda items: self._show_sorted(items[0]) if job is self._sorting else None)
        job.ended.connect(lambda _: self._sorting_ended(job))
        job.start()
        self._show_count()

    def _show_sorted(self, ids: NDArray[np.int64]) -> None:
        if self._nuclei is not None:
            self.grid.verticalScrollBar().setValue(0)
            # some may have gone while they were sorted
            self.grid.show_ids(ids[self._nuclei.session.contains(ids)])
        self._show_count()

    def _sorting_ended(self, job: Job) -> None:
        if job is self._sorting:
            self._sorting = None
            self._show_count()

    def _build(self) -> None:
        self.classes, self.order = QComboBox(), QComboBox()
        self.classes.setToolTip("The class whose nuclei are shown")
        for order in Order:
            self.order.addItem(order.value, order)
        for box in (self.classes, self.order):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.activated.connect(lambda _: self.refill())
        self.again = QPushButton("Sort again")
        self.again.setToolTip("Look again which nuclei belong here. Crops that got another class have left already.")
        self.again.clicked.connect(self.refill)
        self._upper = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._upper.setSpacing(6)
        choices = QHBoxLayout()
        choices.setSpacing(6)
        choices.addWidget(self.classes, 1)
        choices.addWidget(self.order, 1)
        self._upper.addLayout(choices)
        self._upper.addWidget(self.again)
        self.grid = CropGrid(self._crops, self._colours)
        self.grid.selection_changed.connect(self._grid_selected)
        self.grid.clicked.connect(self._centre)
        self.grid.key_pressed.connect(self._key)
        self.count = QLabel()
        self.count.setObjectName("NucloopDim")
        self.count.setWordWrap(True)
        self._upper.addWidget(self.count, 1)
        self.empty = QLabel("No nuclei to show. Detect some first, or choose another class.")
        self.empty.setObjectName("NucloopDim")
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.messages = MessageLine()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setSpacing(8)
        layout.addLayout(self._upper)
        layout.addWidget(self.grid, 1)
        layout.addWidget(self.empty, 1)
        layout.addWidget(self.messages)
        self.setMinimumWidth(LEAST_WIDTH)
        FittedWords(self)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put everything above the crops into one line where there is room."""
        wide = self.width() >= WIDE_PIXELS
        self._upper.setDirection(QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom)
        # a class with its count, where there is room for it
        self.classes.setMinimumContentsLength(16 if wide else 11)
        self.order.setMinimumContentsLength(14 if wide else 12)
        super().resizeEvent(event)

    def _follow(self) -> None:
        """Show the nuclei that the person means now."""
        nuclei = self.correcting.nuclei
        if nuclei is not self._nuclei:
            self._leave()
            if nuclei is not None:
                self._enter(nuclei)
        if nuclei is not None:
            self._show_classes(nuclei)
            if not len(self.grid.ids) and len(nuclei.session) and self._sorting is None:
                self.refill()
            self._mark_selection(nuclei)
        self._show_count()

    def _enter(self, nuclei: NucleiLayer) -> None:
        try:
            self._reader = CropReader(slide_of_layer(nuclei.image), self)
        except NucLoopError as error:
            self.messages.say(Message(str(error), Tone.ERROR))
            return
        self._reader.arrived.connect(self.grid.viewport().update)
        self._nuclei = nuclei
        self._end_hearing = nuclei.session.subscribe(self._heard)

    def _leave(self) -> None:
        self._end_hearing()
        self._end_hearing, self._nuclei = (lambda: None), None
        if self._sorting is not None:
            self._sorting.cancel()
            self._sorting = None
        self.grid.show_ids(np.zeros(0, np.int64))
        if self._reader is not None:
            self._reader.close()
            self._reader.deleteLater()
            self._reader = None

    def _closing(self, image: object) -> None:
        if self._nuclei is not None and self._nuclei.image is image:
            self._leave()

    def _show_classes(self, nuclei: NucleiLayer) -> None:
        counts = nuclei.counts()
        entries = [("All classes", EVERY_CLASS, len(nuclei.session))]
        entries += [(name, label, counts[label]) for label, name in enumerate(nuclei.session.scheme.names)]
        entries.append(("No class yet", UNLABELLED, counts[UNLABELLED]))
        texts = [f"{name}  ({count:,})" for name, _, count in entries]
        if [self.classes.itemData(k) for k in range(self.classes.count())] != [label for _, label, _ in entries]:
            self.classes.clear()
            for text, (_, label, _) in zip(texts, entries, strict=True):
                self.classes.addItem(text, label)
        for k, text in enumerate(texts):
            self.classes.setItemText(k, text)

    def _features(self) -> Callable[[NDArray[np.int64]], Iterator[NDArray[np.floating]]] | None:
        if self._nuclei is None or self._nuclei.session.blinded:
            return None
        try:
            store = newest_store(self.correcting.sessions.features_of(self._nuclei.image))
        except NucLoopError:
            # probabilities are compared instead
            return None
        return None if store is None else lambda ids: features_in_parts(store, ids)

    def _show_count(self) -> None:
        shown, selected = len(self.grid.ids), len(self.grid.selected)
        self.grid.setVisible(shown > 0)
        self.empty.setVisible(shown == 0)
        self.count.setVisible(shown > 0 or self._sorting is not None)
        text = "Sorting …" if self._sorting is not None else f"{shown:,} nuclei"
        self.count.setText(f"{text}  ·  {selected:,} selected: a number key gives them a class" if selected else text)

    def _crops(self, ids: NDArray[np.int64]) -> dict[int, QImage]:
        if self._reader is None or self._nuclei is None:
            return {}
        return self._reader.ask(ids.tolist(), self._nuclei.session.positions(ids))

    def _colours(self, ids: NDArray[np.int64]) -> list[str]:
        if self._nuclei is None:
            return [NO_CLASS_COLOUR] * len(ids)
        colours = [*self._nuclei.session.scheme.colors, NO_CLASS_COLOUR]
        return [colours[label] for label in self._nuclei.shown(ids).label.tolist()]

    def _heard(self, change: Change) -> None:
        """Let those go that no longer belong here; the others stay where they are, under the person's hand."""
        nuclei = self._nuclei
        if nuclei is None:
            return
        if change.classes_changed:
            self._follow_classes(nuclei, change)
            return
        ids, label = self.grid.ids, self.classes.currentData()
        stays = nuclei.session.contains(ids)
        touched = np.flatnonzero(stays & np.isin(ids, change.relabelled))
        if label != EVERY_CLASS and len(touched):
            stays[touched] = nuclei.shown(ids[touched]).label == label
        if len(change.relabelled) and change.way is not Direction.DONE:
            # what came back by undo belongs where it was: the order says where
            self.refill()
        elif not stays.all():
            self.grid.show_ids(ids[stays])
        self.grid.viewport().update()

    def _follow_classes(self, nuclei: NucleiLayer, change: Change) -> None:
        """Go on showing the same class where it has another name, colour or place; all classes where it is gone."""
        label = self.classes.currentData()
        if 0 <= label < len(change.labels_now):
            label = change.labels_now[label]
            label = EVERY_CLASS if label == UNLABELLED else label
        self._show_classes(nuclei)
        self.classes.setCurrentIndex(self.classes.findData(label))
        self.refill()
        self.grid.viewport().update()

    def _grid_selected(self) -> None:
        if self._nuclei is not None:
            self._selecting = True
            self._nuclei.select(self.grid.selected)
            self._selecting = False
        self._show_count()

    def _mark_selection(self, nuclei: NucleiLayer) -> None:
        selected = nuclei.selected
        if not self._selecting and len(selected) <= MOST_MARKED and set(selected) != set(self.grid.selected):
            self.grid.select(selected)

    def _centre(self, nucleus: int) -> None:
        if self._nuclei is not None:
            lead_to(self.viewer, self._nuclei.layer, self._nuclei.session.positions([nucleus])[0])

    def _key(self, event: QKeyEvent) -> None:
        hands = self.correcting.hands
        if hands is None:
            return
        # here a key means the selected crops, wherever the mouse is
        hands.corrections.pixel = None
        if press(event, hands, self.correcting.keys):
            event.accept()
