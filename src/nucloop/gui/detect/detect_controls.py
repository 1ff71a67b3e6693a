"""What to detect, the button that does it, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from nucloop.gui.canvas.docks import DETECT_SHORTCUT
from nucloop.gui.detect.detection import DetectionProgress, DetectionScope
from nucloop.gui.widgets.running import ProgressRow, main_button, time_left

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image

__all__ = ["SCOPE_WORDS", "DetectControls"]

SCOPE_NAMES = {
    DetectionScope.VIEW: "On screen",
    DetectionScope.REGION: "Drawn region",
    DetectionScope.SLIDE: "Whole slide",
}


SCOPE_WORDS = {
    DetectionScope.VIEW: "on screen",
    DetectionScope.REGION: "in the drawn regions",
    DetectionScope.SLIDE: "of the whole slide",
}


class DetectControls(QWidget):
    """Only asks and shows: what happens is the dock's affair."""

    detect_clicked = Signal()
    cancel_clicked = Signal()
    draw_clicked = Signal(str)
    """A tool: "rectangle" or "polygon"."""
    scope_changed = Signal()
    image_changed = Signal()
    outlines_changed = Signal()
    resolution_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._images: list[Image] = []
        self.image_box = QComboBox()
        self.image_box.setToolTip("The image to detect on")
        self.image_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.image_box.currentIndexChanged.connect(self.image_changed)
        self.hint = QLabel()
        self.hint.setObjectName("NucloopDim")
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.image_box)
        layout.addLayout(self._scope_buttons())
        layout.addWidget(self._drawing_tools())
        layout.addLayout(self._hint_row())
        self.detect = main_button(
            "Detect nuclei",
            DETECT_SHORTCUT,
            f"Find and classify nuclei ({DETECT_SHORTCUT}). Nuclei that are known already stay as they are.",
        )
        self.detect.clicked.connect(self.detect_clicked)
        self.outlines = QCheckBox("Outlines")
        self.outlines.setToolTip("Show the outlines of nuclei, and give one to each that is found")
        self.outlines.toggled.connect(self.outlines_changed)
        self._progress = ProgressRow("Stop after the tile in hand; nuclei found so far stay")
        self._progress.cancel_clicked.connect(self.cancel_clicked)
        self.progress_text, self.cancel = self._progress.text, self._progress.cancel
        # no wider than its words: beside them nothing happens
        layout.addWidget(self.outlines, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.detect)
        layout.addWidget(self._progress)
        self.show_images([], None)
        self.show_running(False)

    @property
    def scope(self) -> DetectionScope:
        """What is to be detected."""
        return list(DetectionScope)[self._scopes.checkedId()]

    @property
    def image(self) -> Image | None:
        """The chosen image."""
        row = self.image_box.currentIndex()
        return self._images[row] if 0 <= row < len(self._images) else None

    def choose_scope(self, scope: DetectionScope) -> None:
        """Choose as a click would."""
        self.scope_buttons[scope].click()

    def show_images(self, images: Sequence[Image], chosen: Image | None) -> None:
        """Offer images; with one there is nothing to choose."""
        self._images = list(images)
        self.image_box.blockSignals(True)
        self.image_box.clear()
        self.image_box.addItems([image.name for image in images])
        if chosen in self._images:
            self.image_box.setCurrentIndex(self._images.index(chosen))
        self.image_box.blockSignals(False)
        self.image_box.setVisible(len(self._images) > 1)
        self.image_changed.emit()

    def show_running(self, running: bool) -> None:
        """Show the progress and Cancel while a run is under way."""
        self.detect.setEnabled(not running)
        self.resolution.setEnabled(not running)
        self._progress.show_running(running, "Preparing …\n")

    def show_progress(self, progress: DetectionProgress) -> None:
        """Show how far a run is."""
        pace = [f"{progress.done:,} of {progress.total:,} tiles"]
        if progress.seconds_left is not None and progress.done < progress.total:
            pace.append(time_left(progress.seconds_left))
        words = "  ·  ".join(pace) + f"\n{progress.new:,} new nuclei"
        self._progress.show_done(progress.done, progress.total, words)

    def _scope_buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(0)
        self._scopes = QButtonGroup(self)
        self.scope_buttons: dict[DetectionScope, QToolButton] = {}
        for k, scope in enumerate(DetectionScope):
            button = QToolButton()
            button.setObjectName("NucloopScope")
            button.setText(SCOPE_NAMES[scope])
            button.setCheckable(True)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            self._scopes.addButton(button, k)
            self.scope_buttons[scope] = button
            row.addWidget(button)
        self.scope_buttons[DetectionScope.VIEW].setChecked(True)
        self._scopes.idClicked.connect(lambda _: self._scope_chosen())
        return row

    def _hint_row(self) -> QHBoxLayout:
        self.resolution = QPushButton("Change …")
        self.resolution.setObjectName("NucloopLink")
        self.resolution.setToolTip("The file does not say how large a pixel is: say it again")
        self.resolution.clicked.connect(self.resolution_clicked)
        row = QHBoxLayout()
        row.addWidget(self.hint, 1)
        row.addWidget(self.resolution)
        return row

    def _drawing_tools(self) -> QWidget:
        self._tools = QWidget()
        row = QHBoxLayout(self._tools)
        row.setContentsMargins(0, 0, 0, 0)
        self.draw_buttons: dict[str, QPushButton] = {}
        for tool in ("rectangle", "polygon"):
            button = QPushButton(f"Draw {tool}")
            button.clicked.connect(lambda _=False, tool=tool: self.draw_clicked.emit(tool))
            row.addWidget(button)
            self.draw_buttons[tool] = button
        self._tools.setVisible(False)
        return self._tools

    def _scope_chosen(self) -> None:
        self._tools.setVisible(self.scope is DetectionScope.REGION)
        self.scope_changed.emit()
