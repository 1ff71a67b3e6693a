"""What the Measure dock is made of, from top to bottom."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from nucloop.gui.layer.place_strip import PlaceStrip
from nucloop.gui.measure.agreement_box import AgreementBox
from nucloop.gui.measure.confusion_grid import ConfusionGrid
from nucloop.gui.measure.measure_controls import MeasureControls, Since
from nucloop.gui.measure.rings import Ring
from nucloop.gui.measure.score_table import ScoreTable
from nucloop.gui.measure.shape_swatch import ShapeSwatch
from nucloop.gui.widgets.dock_layout import INSET, column_of, heading, section, show_scrolled
from nucloop.gui.widgets.messages import MessageLine
from nucloop.gui.widgets.plots import CurvePlot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from superqt import QCollapsible

    from nucloop.metrics.curve import Curve
    from nucloop.metrics.scoring import FieldScore
    from nucloop.session.past import Moment

__all__ = ["MeasureParts"]

_EMPTY = "No nuclei yet. Detect some first; then they can be compared with a reference."
_NO_REFERENCE = (
    "Choose what the nuclei are compared with: a Points layer, a file of any format that NucLoop reads (a CSV with "
    "y, x and class is enough), or another reader of this session."
)


class MeasureParts:
    """The widgets of the dock, laid out; it only shows what it is told.

    Parameters
    ----------
    dock : QWidget
        Gets the layout.
    """

    def __init__(self, dock: QWidget) -> None:
        self.empty, self.hint = QLabel(_EMPTY), QLabel(_NO_REFERENCE)
        self.controls, self.messages, self.strip = MeasureControls(), MessageLine(), PlaceStrip()
        self.table, self.confusion = ScoreTable(), ConfusionGrid()
        self.since, self.curve_of = QComboBox(), QComboBox()
        for since in Since:
            self.since.addItem(since.value, since)
        for box in (self.since, self.curve_of):
            box.setMinimumContentsLength(12)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.since.setToolTip("Shows by how many points of F1 your work has changed the figures")
        self.busy, self.when = QLabel("Counting …"), QLabel()
        self.outlines_title, self.outlines = heading("Outlines"), QLabel()
        self.outlines.setToolTip(
            "How well outlines fit those of the reference, pixel by pixel, over the whole slide (or regions); counted "
            "when you pause"
        )
        for label in (self.empty, self.hint, self.busy, self.when):
            label.setObjectName("NucloopDim")
            label.setWordWrap(True)
        self.curve = CurvePlot()
        self.no_curve = QLabel("These nuclei have no detection scores, so there is no threshold to move.")
        self.no_curve.setObjectName("NucloopDim")
        self.no_curve.setWordWrap(True)
        self.agreement = AgreementBox()
        self.curve_section = _section("F1 against the threshold", self.curve_of, self.curve, self.no_curve)
        self.agreement_section = _section("Agreement and consensus", self.agreement)
        self._results = self._lay_out_results()
        self._content = QWidget()
        column = column_of(self._content)
        for widget in (self.controls, self.messages, self.hint, self.busy, self._results):
            column.addWidget(widget)
        inside = QWidget()
        outer = column_of(inside, margins=INSET)
        outer.addWidget(self.empty)
        outer.addWidget(self._content)
        outer.addStretch()
        show_scrolled(dock, inside)
        self.show_busy(False)
        self.show_there(False)
        self.show_figures(None, None, None, {})
        self.show_outlines("")

    def show_there(self, there: bool) -> None:
        """Show the dock's content when there are nuclei."""
        self.empty.setVisible(not there)
        self._content.setVisible(there)

    def show_busy(self, busy: bool) -> None:
        """Say that figures are on their way."""
        self.busy.setVisible(busy and not self.table.rowCount())
        self.table.setEnabled(not busy)

    def show_figures(
        self,
        score: FieldScore | None,
        then: FieldScore | None,
        moment: Moment | None,
        rings: Mapping[Ring, int],
    ) -> None:
        """Show the figures of a comparison; None shows what to do to get some."""
        self._results.setVisible(score is not None)
        self.hint.setVisible(score is None and not self.busy.isVisibleTo(self._content))
        self.table.show_score(score, then)
        self.confusion.show_score(score)
        self.when.setVisible(then is not None and moment is not None)
        if moment is not None:
            self.when.setText(f"± is points of F1 since {_time_of(moment)}.")
        for ring, count in rings.items():
            self.rings[ring].setText(f"{ring.value}  ({count:,})")
            self.step_to[ring].setEnabled(count > 0)
        if score is not None:
            self._offer_curves(score.names)
            # heights have changed while parts of the dock were hidden
            self.figures.setMinimumHeight(self.figures.layout().sizeHint().height())

    def show_outlines(self, words: str) -> None:
        """Show how well outlines fit; nothing where one side has none."""
        self.outlines.setText(words)
        for part in (self.outlines_title, self.outlines):
            part.setVisible(bool(words))
        self.figures.setMinimumHeight(self.figures.layout().sizeHint().height())

    def show_curve(self, curve: Curve | None) -> None:
        """Show a curve; None says why there is none."""
        self.curve.setVisible(curve is not None)
        self.curve_of.setVisible(curve is not None)
        self.no_curve.setVisible(curve is None)
        if curve is not None:
            self.curve.show_curve(curve.threshold, curve.f1)

    def _offer_curves(self, names: tuple[str, ...]) -> None:
        if [self.curve_of.itemData(k) for k in range(self.curve_of.count())] != [None, *names]:
            self.curve_of.clear()
            self.curve_of.addItem("Detection", None)
            for name in names:
                self.curve_of.addItem(name, name)

    def _lay_out_results(self) -> QWidget:
        results = QWidget()
        column = column_of(results)
        self.figures = QWidget()
        figures = column_of(self.figures)
        figures.addWidget(self.table)
        figures.addWidget(self.when)
        figures.addWidget(self.outlines_title)
        figures.addWidget(self.outlines)
        figures.addSpacing(4)
        figures.addWidget(heading("Reference, down · nuclei, across"))
        figures.addWidget(self.confusion)
        column.addLayout(self._since_row())
        column.addWidget(self.figures)
        column.addWidget(self.strip)
        column.addWidget(heading("Rings on the slide"))
        column.addLayout(self._ring_rows())
        column.addWidget(self.curve_section)
        column.addWidget(self.agreement_section)
        column.addLayout(self._save_row())
        return results

    def _since_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(QLabel("Changes since"))
        row.addWidget(self.since, 1)
        return row

    def _ring_rows(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setVerticalSpacing(4)
        grid.setHorizontalSpacing(8)
        grid.setColumnStretch(1, 1)
        self.rings: dict[Ring, QCheckBox] = {}
        self.step_to: dict[Ring, QPushButton] = {}
        for row, ring in enumerate(Ring):
            box, button = QCheckBox(ring.value), QPushButton("Show")
            button.setToolTip("Leads to them, one after another")
            box.setChecked(ring is not Ring.WRONG)
            self.rings[ring], self.step_to[ring] = box, button
            grid.addWidget(ShapeSwatch(ring), row, 0)
            grid.addWidget(box, row, 1)
            grid.addWidget(button, row, 2)
        return grid

    def _save_row(self) -> QHBoxLayout:
        self.copy, self.save_csv, self.save_png = (
            QPushButton("Copy"), QPushButton("CSV …"), QPushButton("PNG …"),
        )  # fmt: skip
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(QLabel("Table"))
        for button, tip in (
            (self.copy, "Copies the table, for a spreadsheet"),
            (self.save_csv, "Saves the table as CSV or Markdown"),
            (self.save_png, "Saves figures and matrix as a picture"),
        ):
            button.setToolTip(tip)
            row.addWidget(button, 1)
        return row


def _section(title: str, *widgets: QWidget) -> QCollapsible:
    content = QWidget()
    column = column_of(content)
    for widget in widgets:
        column.addWidget(widget)
    return section(title, content)


def _time_of(moment: Moment) -> str:
    if not moment.time:
        return "the beginning"
    return datetime.fromisoformat(moment.time).astimezone().strftime("%d %B %H:%M")
