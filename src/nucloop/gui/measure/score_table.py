"""The table of figures: detection, each class and their mean, and what they were before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from nucloop.metrics.points import Counts

if TYPE_CHECKING:
    from nucloop.metrics.scoring import FieldScore

__all__ = ["ScoreTable", "difference"]

_HEADS = (
    ("", ""),
    ("F1", "2 TP / (2 TP + FP + FN)"),
    ("±", "Points of F1 since the moment chosen below"),
    ("P", "Precision: how many of those found are right"),
    ("R", "Recall: how many of the reference were found"),
    ("TP", "True positives: nuclei that found a reference of the same class"),
    ("FP", "False positives: nuclei that found none"),
    ("FN", "False negatives: references that nothing was found for"),
)
_SINCE = 2
_TIPS = {"detection": "All nuclei, classes aside", "mean": "Mean of the classes' F1"}
_BETTER, _WORSE = "#2fa57f", "#e8684a"


class ScoreTable(QTableWidget):
    """Shows what it is told; the text of a cell is the figure with three digits."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_HEADS), parent)
        self.setObjectName("NucloopTable")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        font = self.font()
        # eight columns in a narrow dock
        font.setPointSizeF(font.pointSizeF() * 0.92)
        self.setFont(font)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(24)
        header = self.horizontalHeader()
        header.setMinimumSectionSize(20)
        header.setHighlightSections(False)
        for k, (name, tip) in enumerate(_HEADS):
            item = QTableWidgetItem(name)
            item.setToolTip(tip)
            right = Qt.AlignmentFlag.AlignRight if k else Qt.AlignmentFlag.AlignLeft
            item.setTextAlignment(right | Qt.AlignmentFlag.AlignVCenter)
            self.setHorizontalHeaderItem(k, item)
            mode = QHeaderView.ResizeMode.ResizeToContents if k else QHeaderView.ResizeMode.Stretch
            header.setSectionResizeMode(k, mode)

    def show_score(self, score: FieldScore | None, then: FieldScore | None = None) -> None:
        """Show figures, and how they differ from those of an earlier moment."""
        rows = [] if score is None else _rows(score)
        before = dict(_rows(then)) if then is not None else {}
        if self.rowCount() != len(rows):
            self.setRowCount(len(rows))
            for row in range(len(rows)):
                for column in range(len(_HEADS)):
                    item = QTableWidgetItem()
                    right = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
                    item.setTextAlignment(right | Qt.AlignmentFlag.AlignVCenter)
                    self.setItem(row, column, item)
        self.setColumnHidden(_SINCE, then is None)
        for row, (name, counts) in enumerate(rows):
            self._fill(row, name, counts, before.get(name))
        self.setVisible(bool(rows))
        height = self.horizontalHeader().height() + 24 * len(rows) + 4
        if self.minimumHeight() != height:
            self.setFixedHeight(height)

    def words(self, row: int) -> list[str]:
        """Return the texts of a row, as a person reads them."""
        return [self.item(row, column).text() for column in range(self.columnCount())]

    def _fill(self, row: int, name: str, counts: Counts | float, before: Counts | float | None) -> None:
        f1 = counts.f1 if isinstance(counts, Counts) else counts
        values = ["", "", "", "", ""]
        if isinstance(counts, Counts):
            values = [f"{counts.precision:.3f}", f"{counts.recall:.3f}", *map(short_count, _tfn(counts))]
        change = "" if before is None else difference(f1, before.f1 if isinstance(before, Counts) else before)
        for column, text in enumerate((name, f"{f1:.3f}", change, *values)):
            item = self.item(row, column)
            if item.text() != text:
                item.setText(text)
        self.item(row, 0).setToolTip(_TIPS.get(name, name))
        colour = {"+": _BETTER, "−": _WORSE}.get(change[:1])
        item = self.item(row, _SINCE)
        item.setData(Qt.ItemDataRole.ForegroundRole, QColor(colour) if colour else None)
        if isinstance(counts, Counts):
            for column, count in zip((5, 6, 7), _tfn(counts), strict=True):
                self.item(row, column).setToolTip(f"{count:,}")


def _rows(score: FieldScore) -> list[tuple[str, Counts | float]]:
    rows: list[tuple[str, Counts | float]] = [("detection", score.detection)]
    rows += list(zip(score.names, score.classes, strict=True))
    if score.mean_f1 is not None:
        rows.append(("mean", score.mean_f1))
    return rows


def _tfn(counts: Counts) -> tuple[int, int, int]:
    return counts.tp, counts.fp, counts.fn


def short_count(count: int) -> str:
    return f"{count:,}" if count < 100_000 else f"{count / 1000:,.0f}k"


def difference(now: float, then: float) -> str:
    """Say a difference of two F1 in points.

    >>> difference(0.712, 0.7), difference(0.7, 0.7)
    ('+1.2', '0.0')
    """
    points = round(100 * (now - then), 1)
    return f"+{points:.1f}" if points > 0 else f"−{-points:.1f}" if points < 0 else "0.0"
