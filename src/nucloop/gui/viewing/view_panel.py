"""The panel of the view: magnification, stains, brightness and white balance, and what is shown around the slide."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QPoint, Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from nucloop.gui.viewing.magnification import PRESETS, magnification_words
from nucloop.gui.viewing.quality_box import QualityBox
from nucloop.gui.viewing.quality_view import ShownQuality
from nucloop.gui.viewing.slide_look import BRIGHTEST, Look, Stain
from nucloop.gui.viewing.view_choices import ViewChoices
from nucloop.gui.widgets.appearance import style_sheet
from nucloop.gui.widgets.dock_layout import column_of, heading, line

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["ShownView", "ViewPanel"]

_SAME = 0.02
_COLOURS = "Colours"
_CHOICES = {
    "overview": ("Overview map", "Hidden while nearly all of the slide is on screen"),
    "scale_bar": ("Scale bar", "As soon as the resolution is known"),
    "background": ("Bright background", "The colour of the glass around the slide, instead of the theme's"),
    "smooth": ("Smooth pixels", "Pixels flow into each other where they are larger than those of the screen"),
}


@dataclass(frozen=True)
class ShownView:
    """How the slide on screen is seen."""

    magnification: float | None
    """None while the resolution is not known."""
    pixels_on_screen: float
    """Screen pixels per level-0 pixel."""
    look: Look
    can_balance: bool
    choices: ViewChoices
    quality: ShownQuality
    theme: str


class ViewPanel(QFrame):
    """A small window that closes with a click beside it; shows and asks, nothing else."""

    magnification_asked = Signal(float)
    all_asked = Signal()
    look_asked = Signal(object)
    """A Look."""
    choices_asked = Signal(object)
    """ViewChoices."""
    quality_asked = Signal(bool)
    """Whether tissue and quality are to be seen."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._shown: ShownView | None = None
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.scale = QLabel()
        self.scale.setObjectName("NucloopDim")
        self.magnifications = {one: _segment(magnification_words(one)) for one in PRESETS}
        self.all = _segment("All", checkable=False)
        self.all.setToolTip("The whole slide (Ctrl+R)")
        for number, (one, button) in enumerate(self.magnifications.items(), 1):
            button.setToolTip(f"Ctrl+{number}")
            button.clicked.connect(lambda _=False, one=one: self.magnification_asked.emit(one))
        self.all.clicked.connect(self.all_asked)
        self.stains: dict[Stain | None, QToolButton] = {None: _segment(_COLOURS)}
        self.stains |= {stain: _segment(stain.value) for stain in Stain}
        for stain, button in self.stains.items():
            button.clicked.connect(lambda _=False, stain=stain: self._ask_look(stain=stain))
        self.brightness = QSlider(Qt.Orientation.Horizontal)
        self.brightness.setRange(-BRIGHTEST, BRIGHTEST)
        self.brightness.setAccessibleName("Brightness")
        self.brightness.valueChanged.connect(lambda value: self._ask_look(brightness=value))
        self.balance = QCheckBox("White balance: glass is white")
        self.balance.toggled.connect(lambda on: self._ask_look(balanced=on))
        self.reset = QPushButton("As scanned")
        self.reset.setToolTip("All stains, with the brightness and the white of the scan")
        self.reset.clicked.connect(lambda: self.look_asked.emit(Look()))
        self.choices = {name: QCheckBox(words) for name, (words, _) in _CHOICES.items()}
        for name, box in self.choices.items():
            box.setToolTip(_CHOICES[name][1])
            box.toggled.connect(lambda on, name=name: self._ask_choice(name, on))
        self.quality = QualityBox()
        self.quality.asked.connect(self.quality_asked)
        self._button: QWidget | None = None
        self._lay_out()

    def open_above(self, button: QWidget) -> None:
        """Open with the lower left corner above a button."""
        if self._shown is None:
            return
        self.setStyleSheet(style_sheet(self._shown.theme))
        self._button = button
        self._show()
        self.show()

    def show_view(self, shown: ShownView) -> None:
        """Show how the slide is seen now."""
        self._shown = shown
        if self.isVisible():
            self._show()

    def _ask_look(self, **what: Any) -> None:
        if self._shown is not None:
            self.look_asked.emit(replace(self._shown.look, **what))

    def _ask_choice(self, name: str, on: bool) -> None:
        if self._shown is not None:
            self.choices_asked.emit(replace(self._shown.choices, **{name: on}))

    def _show(self) -> None:
        assert self._shown is not None
        look, now, can = self._shown.look, self._shown.magnification, self._shown.can_balance
        self.scale.setText("The resolution is not known" if now is None else f"{10 / now:.3g} µm per screen pixel")
        for one, button in self.magnifications.items():
            button.setEnabled(now is not None)
            button.setChecked(now is not None and abs(now / one - 1) < _SAME)
        self.stains[look.stain].setChecked(True)
        self.balance.setEnabled(can)
        self.balance.setToolTip(
            "Measured on the empty glass of the slide" if can else "No empty glass is to be seen on this slide"
        )
        self.reset.setEnabled(not look.plain)
        values = {self.choices[name]: on for name, on in asdict(self._shown.choices).items()}
        values[self.balance] = look.balanced
        for box, on in values.items():
            box.blockSignals(True)
            box.setChecked(on)
            box.blockSignals(False)
        self.brightness.blockSignals(True)
        self.brightness.setValue(look.brightness)
        self.brightness.blockSignals(False)
        self.quality.show_quality(self._shown.quality)
        self._fit()

    def event(self, event: QEvent | None) -> bool:
        """Be as high as what stands in it, once Qt has laid out what has changed."""
        done = bool(super().event(event))
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return done

    def _fit(self) -> None:
        """Be as high as the words need that stand in it now, and end above the button."""
        self.adjustSize()
        column = self.layout()
        if column is not None and column.hasHeightForWidth():
            self.resize(self.width(), column.totalHeightForWidth(self.width()))
        if self._button is not None:
            self.move(self._button.mapToGlobal(QPoint(0, -self.height() - 6)))

    def _lay_out(self) -> None:
        column = column_of(self, (14, 12, 14, 12), 8)
        self._add_segments(column, "Magnification", self.scale, [*self.magnifications.values(), self.all])
        keys = QLabel("H shows the next one")
        keys.setObjectName("NucloopDim")
        column.addWidget(line())
        self._add_segments(column, "Stains", keys, list(self.stains.values()))
        column.addWidget(line())
        light = QHBoxLayout()
        light.addWidget(heading("Brightness"))
        light.addWidget(self.brightness, 1)
        column.addLayout(light)
        white = QHBoxLayout()
        white.addWidget(self.balance, 1)
        white.addWidget(self.reset)
        column.addLayout(white)
        column.addWidget(line())
        column.addWidget(self.quality)
        column.addWidget(line())
        grid = QGridLayout()
        for k, box in enumerate(self.choices.values()):
            grid.addWidget(box, k // 2, k % 2)
        column.addLayout(grid)

    def _add_segments(self, column: QVBoxLayout, title: str, beside: QWidget, buttons: Sequence[QToolButton]) -> None:
        above, row = QHBoxLayout(), QHBoxLayout()
        row.setSpacing(0)
        above.addWidget(heading(title))
        above.addStretch()
        above.addWidget(beside)
        group = QButtonGroup(self)
        for button in buttons:
            row.addWidget(button)
            if button.isCheckable():
                group.addButton(button)
        # at a magnification between two of them none is checked
        group.setExclusive(title != "Magnification")
        column.addLayout(above)
        column.addLayout(row)


def _segment(words: str, *, checkable: bool = True) -> QToolButton:
    button = QToolButton()
    button.setObjectName("NucloopScope")
    button.setText(words)
    button.setCheckable(checkable)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return button
