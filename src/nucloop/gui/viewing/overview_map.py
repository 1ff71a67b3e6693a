"""The overview map in the corner of the canvas: the whole slide, and where on it the view is.

It is a small widget of Qt's above the canvas. An edit, which draws a part of the canvas, has nothing to do with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QMouseEvent, QPaintEvent, QWheelEvent

    from nucloop.gui.viewing.thumbnail import Thumbnail

__all__ = ["OverviewMap"]

LONGEST = 190
_OF_CANVAS = 0.24
"""At most this share of the canvas's width and height."""
_LEAST_SIDE = 40
_NEARLY_ALL = 0.75
"""With a larger share of the slide on screen a map says nothing, and would only cover tissue."""
_LEAST_BOX = 7.0
_FRAME, _VIEW, _HALO = QColor(40, 40, 46), QColor("#1f6fd0"), QColor(255, 255, 255, 230)


class OverviewMap(QWidget):
    """Shows a thumbnail and a box; only asks to be led somewhere."""

    asked = Signal(float, float)
    """A place (y, x) as shares of the image's height and width."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setToolTip("The whole slide; click or drag to move the view")
        self.setAccessibleName("Overview map")
        self.setCursor(Qt.CursorShape.CrossCursor)
        self._picture: QPixmap | None = None
        self.view = QRectF()
        """Where the view is, in shares of the image's width and height."""
        self.wanted = True
        self.hide()

    def show_thumbnail(self, thumbnail: Thumbnail | None) -> None:
        """Show a slide, None for none."""
        if thumbnail is None:
            self._picture = None
        else:
            height, width = thumbnail.pixels.shape[:2]
            image = QImage(thumbnail.pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
            self._picture = QPixmap.fromImage(image)
        self.fit()

    def show_view(self, view: QRectF) -> None:
        """Show where the view is; a map of what is nearly all on screen is of no use, and hidden."""
        if view != self.view:
            self.view = view
            self.update()
        self._show_if_useful()

    def fit(self) -> None:
        """Take the size that fits the canvas, at its upper right."""
        if self._picture is not None:
            room = self.parentWidget().size() * _OF_CANVAS
            longest = QSize(min(LONGEST, room.width()), min(LONGEST, room.height()))
            self.resize(self._picture.size().scaled(longest, Qt.AspectRatioMode.KeepAspectRatio) + QSize(4, 4))
            self.move(self.parentWidget().width() - self.width() - 10, 10)
        self._show_if_useful()

    def _show_if_useful(self) -> None:
        seen = self.view & QRectF(0, 0, 1, 1)
        nearly_all = seen.width() * seen.height() > _NEARLY_ALL
        large = max(self.width(), self.height()) >= _LEAST_SIDE
        self.setVisible(self.wanted and self._picture is not None and large and not nearly_all)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw slide, frame and box."""
        if self._picture is None:
            return
        inside = QRectF(self.rect()).adjusted(2, 2, -2, -2)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(self.rect(), _FRAME)
        painter.drawPixmap(inside, self._picture, QRectF(self._picture.rect()))
        painter.setClipRect(self.rect())
        box = QRectF(self.view.x() * inside.width(), self.view.y() * inside.height(),
                     self.view.width() * inside.width(), self.view.height() * inside.height())  # fmt: skip
        box.translate(inside.topLeft())
        centre, box = box.center(), box & QRectF(self.rect())
        if box.width() < _LEAST_BOX or box.height() < _LEAST_BOX:
            box = QRectF(0, 0, max(box.width(), _LEAST_BOX), max(box.height(), _LEAST_BOX))
            box.moveCenter(centre)
        for colour, width in ((_HALO, 4), (_VIEW, 2)):
            pen = QPen(colour, width)
            pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
            painter.setPen(pen)
            painter.drawRect(box.adjusted(1, 1, -1, -1))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Lead to the place."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._ask(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Lead along while the button is held."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._ask(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Keep what happens on the map from the canvas below."""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Take the second of two quick clicks for a click."""
        self.mousePressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Keep what happens on the map from the canvas below."""
        event.accept()

    def _ask(self, at: QPointF) -> None:
        across, down = ((at.x() - 2) / (self.width() - 4), (at.y() - 2) / (self.height() - 4))
        self.asked.emit(min(max(down, 0.0), 1.0), min(max(across, 0.0), 1.0))
