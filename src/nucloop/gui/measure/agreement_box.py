"""How far two readers agree, where they do not, and who decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from nucloop.gui.layer.legend import disc
from nucloop.gui.widgets.dock_layout import discard
from nucloop.gui.widgets.fitted_words import literally
from nucloop.gui.widgets.plots import DifferencePlot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucloop.classes import ClassScheme
    from nucloop.evaluation.readers import Readings
    from nucloop.metrics.agreement import Disagreement

__all__ = ["AgreementBox", "words_for"]


class AgreementBox(QWidget):
    """Only asks and shows."""

    queue_clicked = Signal()
    decided = Signal(str)
    """``first``, ``second`` or ``nothing``: what stands at the place in question."""
    class_decided = Signal(int)
    """A label of the first reader's: what neither says stands there."""
    back_clicked = Signal()
    next_clicked = Signal()
    layer_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.others: dict[str, QPushButton] = {}
        """For each class the button that says so."""
        self.summary, self.kappas, self.index = QLabel(), QLabel(), QLabel()
        for label in (self.summary, self.kappas, self.index):
            label.setWordWrap(True)
        self.kappas.setObjectName("NucloopDim")
        self.index.setObjectName("NucloopDim")
        self.plot = DifferencePlot()
        self.queue = QPushButton("Disagreements first in the review queue")
        self.queue.clicked.connect(self.queue_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for widget in (self.summary, self.kappas, self.index, self.plot, self.queue, self._adjudication()):
            layout.addWidget(widget)
        self.show_readings(None)

    def show_readings(self, readings: Readings | None) -> None:
        """Show a comparison; None while there is none."""
        for widget in (self.kappas, self.queue, self._adjudicate):
            widget.setVisible(readings is not None)
        index = None if readings is None else readings.index
        self.index.setVisible(index is not None)
        self.plot.setVisible(index is not None and len(index.mean) > 1)
        if readings is None:
            self.summary.setText("Counting …")
            return
        self.summary.setText(_summary(readings))
        self.kappas.setText(_kappas(readings))
        self.queue.setEnabled(bool(readings.places))
        if index is not None:
            limits = (
                "" if index.limits is None else f", limits {_points(index.limits[0])} to {_points(index.limits[1])}"
            )
            n = len(index.mean)
            where = "in 1 region" if n == 1 else f"in {n} regions"
            self.index.setText(f"Ki-67 index, yours minus theirs, {where}: bias {_points(index.bias)}{limits} points.")
            self.plot.show_differences(index.mean, index.difference, index.bias, index.limits)

    def show_question(
        self, place: Disagreement | None, schemes: tuple[ClassScheme, ClassScheme], done: int, of: int
    ) -> None:
        """Show the place to be decided, and how many are."""
        names = schemes[0].names, schemes[1].names
        self._show_others(place, *schemes)
        self.progress.setText(f"{done:,} of {of:,} decided")
        self.question.setText("" if place is None else words_for(place, *names))
        self.question.setVisible(place is not None)
        for key, button in self.buttons.items():
            button.setVisible(place is not None)
            if place is not None and key in ("first", "second"):
                label = place.first_label if key == "first" else place.second_label
                side = names[0] if key == "first" else names[1]
                whose = "Mine" if key == "first" else "Theirs"
                what = "nothing" if (place.first if key == "first" else place.second) is None else _named(side, label)
                button.setText(f"{whose}: {literally(what)}")
        self.begin.setVisible(place is None and done < of)
        self.layer.setEnabled(of == 0 or done > 0)
        both = place is not None and place.kind == "class"
        self.buttons["nothing"].setVisible(both)

    def _show_others(self, place: Disagreement | None, first: ClassScheme, second: ClassScheme) -> None:
        """Offer every class that neither reader has named."""
        self._others.setVisible(place is not None)
        if place is None:
            return
        named = {_named(first.names, place.first_label), _named(second.names, place.second_label)}
        if tuple(self.others) != first.names:
            for old in self.others.values():
                discard(old)
            self.others = {}
            for label, one in enumerate(first.classes):
                button = QPushButton(literally(one.name))
                button.setIcon(disc(one.color))
                button.setToolTip(f"{one.name}, as neither of the two says")
                button.clicked.connect(lambda _=False, label=label: self.class_decided.emit(label))
                self.others[one.name] = button
        left = [button for name, button in self.others.items() if name not in named]
        for button in self.others.values():
            self._other_grid.removeWidget(button)
            button.setVisible(button in left)
        for k, button in enumerate(left):
            self._other_grid.addWidget(button, k // 2, k % 2)

    def _adjudication(self) -> QWidget:
        self._adjudicate = QWidget()
        heading = QLabel("Consensus")
        heading.setObjectName("NucloopHeading")
        self.progress, self.question = QLabel(), QLabel()
        self.progress.setObjectName("NucloopDim")
        self.question.setWordWrap(True)
        upper = QHBoxLayout()
        upper.addWidget(heading)
        upper.addStretch()
        upper.addWidget(self.progress)
        self.buttons = {
            "first": QPushButton("Mine"),
            "second": QPushButton("Theirs"),
            "nothing": QPushButton("No nucleus"),
        }
        grid = QGridLayout()
        grid.setSpacing(6)
        for k, (key, button) in enumerate(self.buttons.items()):
            button.clicked.connect(lambda _=False, key=key: self.decided.emit(key))
            grid.addWidget(button, k // 2, k % 2)
        self._others = QWidget()
        self._other_grid = QGridLayout(self._others)
        self._other_grid.setContentsMargins(0, 0, 0, 0)
        self._other_grid.setSpacing(6)
        self.begin = QPushButton("Decide where they differ")
        self.begin.clicked.connect(self.next_clicked)
        self.layer = QPushButton("Make a layer of the consensus")
        self.layer.setToolTip("What both agree on, and what was decided; open places are left out")
        self.layer.clicked.connect(self.layer_clicked)
        column = QVBoxLayout(self._adjudicate)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(upper)
        column.addWidget(self.question)
        column.addLayout(grid)
        column.addWidget(self._others)
        column.addWidget(self.begin)
        column.addWidget(self.layer)
        return self._adjudicate


def words_for(place: Disagreement, first: Sequence[str], second: Sequence[str]) -> str:
    """Say what two readers make of a place."""
    if place.kind == "class":
        return f"You say {_named(first, place.first_label)}, they say {_named(second, place.second_label)}."
    if place.kind == "first only":
        return f"Only you have a nucleus here: {_named(first, place.first_label)}."
    return f"Only they have a nucleus here: {_named(second, place.second_label)}."


def _named(names: Sequence[str], label: int | None) -> str:
    return "no class" if label is None or label < 0 else names[label]


def _summary(readings: Readings) -> str:
    a = readings.agreement
    there, back = a.first_by_second.detection, a.second_by_first.detection
    ends = "" if a.kappa_interval is None else f" (95% {a.kappa_interval[0]:.2f} to {a.kappa_interval[1]:.2f})"
    kappa = (
        "Cohen's kappa is not defined: one of you gives one class only"
        if a.kappa is None
        else f"Cohen's kappa {a.kappa:.3f}{ends}"
    )
    count = len(readings.places)
    differ = "They differ nowhere." if not count else f"They differ at {count:,} place{'s' if count > 1 else ''}."
    return (
        f"F1 {there.f1:.3f} both ways, each nucleus in one pair at most (of theirs you have {back.recall:.3f}, "
        f"of yours they have {back.precision:.3f}); {kappa}. {differ}"
    )


def _kappas(readings: Readings) -> str:
    a = readings.agreement
    rows = [f"{name} {'not defined' if value is None else f'{value:.3f}'}" for name, value in a.class_kappa.items()]
    text = f"Kappa of each class: {', '.join(rows)}." if rows else ""
    if len(a.region_kappa) > 1:
        of_regions = ", ".join("not defined" if value is None else f"{value:.2f}" for value in a.region_kappa)
        text += f"\nOf each region: {of_regions}."
    return text


def _points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")
