"""The rules for a dock's words: however long a name or large a font, nothing makes it wider, and words are plain.

What has no room ends in dots, and hovering over it says all of it. Sentences break, within a long name if need be: see
:func:`breakable`. A name is shown as it is, whatever signs it has: only a label that says so itself takes them for
markup, and for buttons and menus there is :func:`literally`.
"""

from __future__ import annotations

import re
from typing import Any

from qtpy import sip
from qtpy.QtCore import QChildEvent, QEvent, QObject, Qt
from qtpy.QtGui import QHelpEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QStyleOptionComboBox,
    QStyleOptionFrame,
    QStyleOptionToolButton,
    QStylePainter,
    QToolButton,
    QToolTip,
    QWidget,
)

__all__ = ["FittedWords", "breakable", "literally"]

_BREAK = "\u200b"
"""Zero width: a line may end here."""
_LEAST_WIDTHS: tuple[tuple[type[QWidget], int], ...] = (
    (QCheckBox, 150),
    (QToolButton, 40),
    (QAbstractButton, 60),
    (QComboBox, 70),
    (QLineEdit, 60),
    (QAbstractSpinBox, 46),
    (QLabel, 84),
)
"""Down to how many pixels a widget gives way, where a row has no room for all."""
_WITH_WORDS = (QLabel, QAbstractButton, QComboBox)
_WRAPPED_LEAST = 150
_LONGEST_WORD = 180
"""Of a text that wraps, pixels: one without a break would be cut off in a narrow dock."""
_LONGEST_PLAIN_WORD = 20
"""Letters; more have names."""
_COMBO_MARGIN = 2
_FEW_LETTERS = 6
"""Of a drop-down list, wherever the rest of a name has no room."""


def breakable(text: str, most: int) -> str:
    """Return a text in which words of more than `most` letters may break: between the parts of a name, and within them.

    >>> breakable("a_long_file_name.svs is open", 12).split("\u200b")
    ['a_', 'long_', 'file_', 'name.', 'svs is open']
    """
    return re.sub(rf"[^\s{_BREAK}]{{{most + 1},}}", lambda word: _broken(word.group(), most), text)


def literally(text: str) -> str:
    """Return a text that buttons and menus show as it is: Qt takes & for the mark of a key, and leaves it out.

    >>> literally("T & B cells")
    'T && B cells'
    """
    return text.replace("&", "&&")


def _broken(word: str, most: int) -> str:
    parts = re.findall(r"[^_\-./\\]*[_\-./\\]+|[^_\-./\\]+", word)
    return _BREAK.join(part[k : k + most] for part in parts for k in range(0, len(part), most))


class FittedWords(QObject):
    """Watches the widgets of a dock, those that come later too, and lets them be narrower than their words.

    Parameters
    ----------
    dock : QWidget
        Keeps this object.
    """

    def __init__(self, dock: QWidget) -> None:
        super().__init__(dock)
        self._watch(dock)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Shorten what is painted, say the whole of it under the mouse, and let go of widths."""
        if event is None or not isinstance(watched, QWidget):
            return False
        kind = event.type()
        if kind == QEvent.Type.Paint:
            return _paint_shortened(watched)
        if kind in (QEvent.Type.LayoutRequest, QEvent.Type.Show):
            _let_go(watched)
        elif kind == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            return _say_all(watched, event)
        elif kind == QEvent.Type.ChildPolished and isinstance(event, QChildEvent):
            child = event.child()
            if isinstance(child, QWidget):
                self._watch(child)
                _let_go(watched)
        return False

    def _watch(self, widget: QWidget) -> None:
        # what Qt itself has made, the cross in a field for instance, has no words
        for one in filter(sip.ispycreated, (widget, *widget.findChildren(QWidget))):
            if isinstance(one, QLabel) and one.textFormat() == Qt.TextFormat.AutoText:
                one.setTextFormat(Qt.TextFormat.PlainText)
            # lists, tables and plots lay out what is in them by themselves
            if isinstance(one, _WITH_WORDS) or one.layout() is not None:
                one.installEventFilter(self)
            if one.layout() is not None:
                _let_go(one)


def _let_go(parent: QWidget) -> None:
    """Bound how much room each widget within another insists on."""
    if parent.layout() is None:
        return
    for child in parent.children():
        if not isinstance(child, QWidget) or child.minimumWidth() == child.maximumWidth():
            continue
        if isinstance(child, QLabel) and child.wordWrap() and child.textFormat() == Qt.TextFormat.PlainText:
            text = breakable(child.text(), _LONGEST_WORD // child.fontMetrics().averageCharWidth())
            if text != child.text():
                child.setText(text)
        if isinstance(child, QComboBox):
            child.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            child.setMinimumContentsLength(max(child.minimumContentsLength(), _FEW_LETTERS))
        least = _least_width(child)
        if least:
            child.setMinimumWidth(min(child.minimumSizeHint().width(), least))


def _least_width(widget: QWidget) -> int:
    if widget.sizePolicy().horizontalPolicy() == QSizePolicy.Policy.Ignored:
        return 0
    if isinstance(widget, QLabel) and widget.wordWrap():
        return _WRAPPED_LEAST
    return next((least for kind, least in _LEAST_WIDTHS if isinstance(widget, kind)), 0)


def _paint_shortened(widget: QWidget) -> bool:
    """Paint a widget with what fits of its words; False where all of them do."""
    option = _option_of(widget)
    if option is None:
        return False
    words, room = _words(widget), _room(widget, option)
    if _width(widget, words) <= room:
        return False
    shown = "\n".join(_shortened(widget, line, room) for line in words.split("\n"))
    painter = QStylePainter(widget)
    if isinstance(widget, QComboBox):
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        option.currentText = shown
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        return True
    if isinstance(widget, QLabel):
        painter.drawControl(QStyle.ControlElement.CE_ShapedFrame, option)
        align = widget.alignment()
        painter.drawItemText(
            widget.contentsRect(), int(align), widget.palette(), widget.isEnabled(), shown, widget.foregroundRole()
        )
        return True
    option.text = shown
    if isinstance(widget, QToolButton):
        painter.drawComplexControl(QStyle.ComplexControl.CC_ToolButton, option)
    elif isinstance(widget, QCheckBox):
        painter.drawControl(QStyle.ControlElement.CE_CheckBox, option)
    else:
        painter.drawControl(QStyle.ControlElement.CE_PushButton, option)
    return True


def _option_of(widget: QWidget) -> Any:
    """Return how the style is to paint a widget with words, None for one that needs no help."""
    option: Any
    if isinstance(widget, QLabel):
        if widget.wordWrap() or not widget.text() or widget.textFormat() != Qt.TextFormat.PlainText:
            return None
        option = QStyleOptionFrame()
    elif isinstance(widget, (QPushButton, QCheckBox)):
        option = QStyleOptionButton()
    elif isinstance(widget, QToolButton):
        option = QStyleOptionToolButton()
    elif isinstance(widget, QComboBox) and not widget.isEditable():
        option = QStyleOptionComboBox()
    else:
        return None
    widget.initStyleOption(option)
    return option


def _words(widget: Any) -> str:
    return str(widget.currentText() if isinstance(widget, QComboBox) else widget.text())


def _room(widget: QWidget, option: Any) -> int:
    """Return how many pixels there are for words."""
    if isinstance(widget, QComboBox):
        part, field = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
        return widget.style().subControlRect(part, option, field, widget).width() - _COMBO_MARGIN
    if isinstance(widget, QLabel):
        return widget.contentsRect().width()
    if isinstance(widget, QCheckBox):
        return widget.style().subElementRect(QStyle.SubElement.SE_CheckBoxContents, option, widget).width()
    if isinstance(widget, QToolButton):
        return widget.width() - (widget.sizeHint().width() - _width(widget, _words(widget)))
    room = widget.style().subElementRect(QStyle.SubElement.SE_PushButtonContents, option, widget).width()
    return room if option.icon.isNull() else room - option.iconSize.width() - 4


def _width(widget: QWidget, words: str) -> int:
    return max(widget.fontMetrics().horizontalAdvance(line) for line in words.split("\n"))


def _shortened(widget: QWidget, line: str, room: int) -> str:
    # what tells one file's name from another's is often its end
    name = max(map(len, line.split()), default=0) > _LONGEST_PLAIN_WORD
    mode = Qt.TextElideMode.ElideMiddle if name else Qt.TextElideMode.ElideRight
    return widget.fontMetrics().elidedText(line, mode, room)


def _say_all(widget: QWidget, event: QHelpEvent) -> bool:
    """Say all words of a widget that shows only some of them, before what its tooltip says."""
    option = _option_of(widget)
    if option is None or _width(widget, _words(widget)) <= _room(widget, option):
        return False
    beside = widget.parentWidget()
    said = [_words(widget), widget.toolTip() or ("" if beside is None else beside.toolTip())]
    QToolTip.showText(event.globalPos(), "\n".join(one for one in said if one), widget)
    return True
