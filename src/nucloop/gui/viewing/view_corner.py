"""The button in the lower left corner of the canvas: it says the magnification, and opens the panel of the view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton

from nucloop.gui.viewing.magnification import magnification_words
from nucloop.gui.viewing.view_panel import ViewPanel

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from nucloop.gui.viewing.view_panel import ShownView

__all__ = ["ViewCorner"]

_MARGIN = 10
# over any slide and any background, so no colours of the theme
_STYLE = """
QPushButton#NucloopCorner {
    background: rgba(28, 29, 34, 215); color: white; border: none; border-radius: 4px;
    padding: 4px 10px; font-weight: 600;
}
QPushButton#NucloopCorner:hover { background: #1f6fd0; }
"""


class ViewCorner(QPushButton):
    """Says at which magnification a person looks, in which stain when it is one alone, and whether quality is shown."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.panel = ViewPanel(self)
        # by name, so that the buttons of the panel keep the look of the theme
        self.setObjectName("NucloopCorner")
        self.setStyleSheet(_STYLE)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Magnification, stains and brightness")
        self.setToolTip(
            "Magnification: Ctrl+1 to Ctrl+6 for 1x to 40x, Ctrl+R for the whole slide. "
            "Click for stains, brightness, white balance, tissue and quality, and what is shown around the slide"
        )
        self.clicked.connect(lambda: self.panel.open_above(self))
        self.hide()

    def show_view(self, shown: ShownView) -> None:
        """Say how the slide is seen now."""
        stain = shown.look.stain
        if shown.magnification is None:
            words = f"{100 * shown.pixels_on_screen:.3g} %"
        else:
            words = magnification_words(shown.magnification)
        beside = ["" if stain is None else stain.value, "Quality" if shown.quality.on else ""]
        words = "  ·  ".join([words, *(one for one in beside if one)]) + "  ▴"
        if words != self.text():
            self.setText(words)
            self.fit()
        self.panel.show_view(shown)

    def fit(self) -> None:
        """Stand in the lower left corner."""
        self.adjustSize()
        self.move(_MARGIN, self.parentWidget().height() - self.height() - _MARGIN)
