"""What nuclei are compared with, and how."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QLabel, QWidget

from nucloop.metrics.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MeasureControls", "Since"]

NOTHING = "Choose a reference …"
A_FILE = "A file …"
_FLAWED = "{words} (figures too {way})"
_WAYS = {"underestimates": "low", "overestimates": "high"}


class Since(Enum):
    """From when on changes are shown; the value is what a person reads."""

    NOTHING = "Nothing"
    DETECTION = "The detection"
    LEARNING = "The last learning"
    CHOSEN = "A moment I chose"
    NOW = "Now: remember this moment"


class MeasureControls(QWidget):
    """Only asks and shows."""

    reference_chosen = Signal(object)
    """What was offered with the entry; None for none."""
    file_wanted = Signal()
    radius_chosen = Signal(float)
    rule_chosen = Signal(str)
    regions_chosen = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.reference, self.rule = QComboBox(), QComboBox()
        for box in (self.reference, self.rule):
            box.setMinimumContentsLength(12)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.reference.setToolTip("Another Points layer, a file of any format, or another reader of the session")
        self.reference.activated.connect(self._reference_activated)
        self.rule.setToolTip("How nuclei and references are paired; papers differ")
        for name, rule in RULES.items():
            words = _FLAWED.format(words=rule.plain, way=_WAYS[rule.flaw]) if rule.flaw else rule.plain
            self.rule.addItem(words, name)
            self.rule.setItemData(self.rule.count() - 1, f"In papers: {rule.title}, as {rule.used_by} does", 3)
        self.rule.activated.connect(lambda _: self._rule_activated())
        self.radius = QDoubleSpinBox()
        self.radius.setRange(0.1, 50.0)
        self.radius.setDecimals(1)
        self.radius.setSingleStep(0.5)
        self.radius.setValue(3.0)
        self.radius.setSuffix(" µm")
        self.radius.setToolTip("A nucleus and its reference may lie this far apart")
        self.radius.setKeyboardTracking(False)
        self.radius.valueChanged.connect(self.radius_chosen)
        self.regions = QCheckBox("Only inside drawn regions")
        self.regions.setToolTip("Counts what lies inside the shapes of the layer Regions")
        self.regions.clicked.connect(self.regions_chosen)
        self.left_out = QLabel()
        self.left_out.setObjectName("NucloopDim")
        self.left_out.setWordWrap(True)
        self.flaw = QLabel()
        self.flaw.setObjectName("NucloopFlaw")
        self.flaw.setWordWrap(True)
        self.flaw.setVisible(False)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(6)
        form.addRow("Compare with", self.reference)
        form.addRow("Pairs", self.rule)
        form.addRow(self.flaw)
        form.addRow("Radius", self.radius)
        form.addRow(self.regions)
        form.addRow(self.left_out)
        self._offered: list[tuple[str, Any]] = []
        self.show_offers([], None)
        self.show_left_out(0)

    def show_left_out(self, ignored: int) -> None:
        """Say in how many regions nothing counts."""
        what = "1 ignored region is" if ignored == 1 else f"{ignored:,} ignored regions are"
        self.left_out.setText(f"{what} left out of all figures, on both sides.")
        self.left_out.setVisible(ignored > 0)

    def show_offers(self, offers: Sequence[tuple[str, Any]], chosen: Any) -> None:
        """Offer references by title, and show which one is chosen."""
        entries = [*offers]
        if [title for title, _ in entries] != [title for title, _ in self._offered] or not self.reference.count():
            self.reference.clear()
            self.reference.addItem(NOTHING, None)
            for title, _ in entries:
                self.reference.addItem(title)
            self.reference.insertSeparator(self.reference.count())
            self.reference.addItem(A_FILE)
        self._offered = entries
        place = next((k for k, (_, value) in enumerate(entries, 1) if value == chosen and chosen is not None), 0)
        self.reference.setCurrentIndex(place)

    def _reference_activated(self, place: int) -> None:
        if place == self.reference.count() - 1:
            self.file_wanted.emit()
        elif place == 0:
            self.reference_chosen.emit(None)
        elif place <= len(self._offered):
            self.reference_chosen.emit(self._offered[place - 1][1])

    def _rule_activated(self) -> None:
        rule = RULES[self.rule.currentData()]
        self.flaw.setVisible(bool(rule.flaw))
        self.flaw.setText(
            f"Flawed: it {rule.flaw}. Use it only to compare with published figures ({rule.used_by})."
            if rule.flaw
            else ""
        )
        self.rule_chosen.emit(rule.name)
