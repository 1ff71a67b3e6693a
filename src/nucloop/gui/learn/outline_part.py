"""The part of the Learn dock that learns outlines: a button, how far it is, and the choice once they are to be seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QLabel, QPushButton, QSpinBox, QWidget

from nucloop.gui.learn.outline_learning import OutlineLearning
from nucloop.gui.widgets.dock_layout import column_of, heading
from nucloop.gui.widgets.running import ProgressRow, time_left
from nucloop.learning.outlines.proposal import FoundOutlines, OutlineStep

if TYPE_CHECKING:
    import napari

__all__ = ["OutlinePart"]

USUAL_MINUTES = 3
FOR_WHAT = (
    "For tissue where the outlines that Detect gives are wrong. Elsewhere those are better: they were learned from "
    "nuclei that people drew, these from points alone. Every nucleus around should have its point."
)
WEIGHTS = "Weights (*.safetensors)"


class OutlinePart(QWidget):
    """Reads its fields, calls the OutlineLearning of its viewer, shows the result.

    Parameters
    ----------
    viewer : napari viewer
    """

    said = Signal(object)
    """A Message for the dock; None takes the last one away."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.outlines = OutlineLearning.of(viewer)
        self._build()
        self._connect()
        self._show()

    def learn(self) -> None:
        """Do what the button does."""
        self.said.emit(None)
        self.outlines.learn(self.minutes.value())

    def _build(self) -> None:
        self.for_what = QLabel(FOR_WHAT)
        self.for_what.setObjectName("NucloopDim")
        self.for_what.setWordWrap(True)
        self.begin = QPushButton("Learn outlines from these points")
        self.begin.setToolTip(
            "Learns from where the nuclei of this slide are how far they reach. Nothing changes before you press "
            "Apply, and what a person drew never does."
        )
        self.minutes = QSpinBox()
        self.minutes.setRange(1, 120)
        self.minutes.setValue(USUAL_MINUTES)
        self.minutes.setPrefix("for ")
        self.minutes.setSuffix(" min")
        self.minutes.setToolTip("How long to learn; more is seldom better than a few minutes")
        self.kept = QPushButton("Use a kept network …")
        self.kept.setToolTip("Outlines by a network that was learned from other points, or on another slide")
        self._progress = ProgressRow("Stop now; all outlines stay as they are")
        self.cancel, self.progress_text = self._progress.cancel, self._progress.text
        self.panel = _Panel()
        self.keep = QPushButton("Keep the network …")
        self.keep.setToolTip("Write it to a file, for other slides")
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.minutes)
        row.addWidget(self.kept, 1)
        column = column_of(self, spacing=8)
        for widget in (heading("Outlines"), self.for_what, self.begin):
            column.addWidget(widget)
        column.addLayout(row)
        for widget in (self._progress, self.panel, self.keep):
            column.addWidget(widget)

    def _connect(self) -> None:
        outlines = self.outlines
        self.begin.clicked.connect(self.learn)
        self.kept.clicked.connect(self._use)
        self._progress.cancel_clicked.connect(outlines.cancel)
        self.keep.clicked.connect(self._keep)
        self.panel.apply.clicked.connect(outlines.apply)
        self.panel.discard.clicked.connect(outlines.discard)
        self.panel.shown.connect(lambda after: outlines.show(after=after))
        outlines.started.connect(self._started)
        outlines.progressed.connect(self._progressed)
        outlines.changed.connect(self._show)
        outlines.stopped.connect(self._show)
        outlines.said.connect(self.said)

    def _started(self) -> None:
        self._progress.show_running(True, "Preparing …")
        self._show()

    def _progressed(self, step: OutlineStep | FoundOutlines) -> None:
        if isinstance(step, FoundOutlines):
            self._progress.show_done(step.done, step.total, f"Outlining  ·  {step.done:,} of {step.total:,}")
        else:
            left = "" if step.seconds_left is None else f"  ·  {time_left(step.seconds_left)}"
            self._progress.show_done(step.done, step.total, step.text + left)

    def _show(self) -> None:
        outlines = self.outlines
        if not outlines.running:
            self._progress.show_running(False, "")
        for button in (self.begin, self.minutes, self.kept):
            button.setEnabled(not outlines.running)
        self.panel.show_change(outlines.sentence if outlines.waiting else "")
        self.keep.setVisible(outlines.network is not None)

    def _use(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Use a kept network", "", WEIGHTS)
        if name:
            self.said.emit(None)
            self.outlines.use(Path(name))

    def _keep(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Keep the network", "outlines.safetensors", WEIGHTS)
        if name:
            self.outlines.keep(Path(name).with_suffix(".safetensors"))


class _Panel(QFrame):
    """Outlines that wait to be applied: what they would change, before and after, and the choice."""

    shown = Signal(bool)
    """Nuclei are to be shown as they would be (True) or as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("NucloopQuestion")
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.after, self.before = QPushButton("As they would be"), QPushButton("As they are")
        for button, after in ((self.after, True), (self.before, False)):
            button.setCheckable(True)
            button.setAutoExclusive(True)
            button.clicked.connect(lambda _=False, after=after: self.shown.emit(after))
        self.apply, self.discard = QPushButton("Apply"), QPushButton("Do not apply")
        self.apply.setToolTip("One step, which Ctrl+Z takes back")
        column = column_of(self, (10, 8, 10, 10), spacing=8)
        column.addWidget(heading("Outlines learned. Apply them?"))
        column.addWidget(self.words)
        for pair in ((self.after, self.before), (self.apply, self.discard)):
            row = QHBoxLayout()
            row.setSpacing(6)
            for button in pair:
                button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
                row.addWidget(button, 1)
            column.addLayout(row)
        self.hide()

    def show_change(self, words: str) -> None:
        """Show what would change; nothing hides the panel."""
        if words and self.isHidden():
            self.after.setChecked(True)
        self.words.setText(words)
        self.setVisible(bool(words))
