"""The Correct dock: classes, tools, undo, readers and keys; what it asks for is done to the nuclei that are meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from nucloop.gui.canvas.dock import Dock
from nucloop.gui.correct.class_changes import ClassChanges
from nucloop.gui.correct.class_palette import ClassPalette
from nucloop.gui.correct.correct_tools import CorrectTools
from nucloop.gui.correct.correcting import Correcting
from nucloop.gui.correct.key_dialog import KeyDialog
from nucloop.gui.correct.keys import CLASS_COMMANDS, COMMANDS
from nucloop.gui.correct.readers_box import ReadersBox
from nucloop.gui.correct.review_strip import ReviewStrip
from nucloop.gui.widgets.deferred import DeferredCall
from nucloop.gui.widgets.dock_layout import heading, line, section, show_scrolled
from nucloop.gui.widgets.messages import MessageLine
from nucloop.gui.widgets.undo_bar import UndoBar

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from superqt import QCollapsible

    from nucloop.gui.correct.class_menu import ClassMenu
    from nucloop.gui.correct.pointer import Tool
    from nucloop.gui.layer.nuclei_layer import NucleiLayer

__all__ = ["CorrectDock"]

_EMPTY = "No nuclei yet. Detect some first; a slide that was worked on before shows its nuclei when it is opened."
_BEFOREHAND = (
    "No nuclei yet. Their classes can be chosen beforehand; what a model finds of other classes has none then."
)


class CorrectDock(Dock):
    """The dock widget; reads its fields, calls Corrections and Pointer, shows the session.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self.correcting = Correcting.of(self.viewer)
        self._shown_keys: dict[str, str] = {}
        self._build()
        self._connect()
        self.restyle()
        self._show()
        self.correcting.focus()
        self.correcting.brush_circle.make()

    def _build(self) -> None:
        self.empty = QLabel(_EMPTY)
        self.empty.setObjectName("NucloopDim")
        self.empty.setWordWrap(True)
        self.inactive = QPushButton("Keys are off: another layer is active.\nGo to the nuclei")
        self.inactive.setObjectName("NucloopNotice")
        self.palette_rows = ClassPalette()
        self.selection = QLabel()
        self.selection.setObjectName("NucloopDim")
        self.tools = CorrectTools()
        self.undo = UndoBar()
        self.review = ReviewStrip()
        self.messages = MessageLine()
        self.readers = ReadersBox()
        self.keys = self._keys_section()
        self._content = QWidget()
        column = QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(10)
        column.addWidget(self.inactive)
        column.addLayout(self._heading())
        column.addWidget(self.palette_rows)
        column.addWidget(self.tools)
        column.addLayout(self._view_buttons())
        column.addWidget(self.undo)
        column.addWidget(self.review)
        for widget in (self.messages, line(), self.readers, line(), self.keys):
            column.addWidget(widget)
        inside = QWidget()
        outer_column = QVBoxLayout(inside)
        outer_column.setContentsMargins(12, 10, 12, 10)
        outer_column.addWidget(self.empty)
        outer_column.addWidget(self._content)
        outer_column.addStretch()
        show_scrolled(self, inside)
        for button in self.findChildren(QPushButton):
            # a click here leaves the keyboard with the slide
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def _heading(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(heading("Give the class"))
        row.addStretch()
        row.addWidget(self.selection)
        return row

    def _view_buttons(self) -> QHBoxLayout:
        self.select_view = QPushButton("Select all")
        self.select_view.setToolTip("Select every nucleus on screen; once more selects none")
        self.confirm_view = QPushButton("Confirm all")
        self.confirm_view.setToolTip("Say that every nucleus on screen has the right class")
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(QLabel("On screen"))
        row.addWidget(self.select_view, 1)
        row.addWidget(self.confirm_view, 1)
        return row

    def _keys_section(self) -> QCollapsible:
        content = QWidget()
        self._key_form = QFormLayout(content)
        self._key_form.setContentsMargins(0, 2, 0, 6)
        self._key_form.setHorizontalSpacing(12)
        self._key_form.setVerticalSpacing(5)
        self.change_keys = QPushButton("Change keys …")
        return section("Keys", content, self.change_keys)

    def _connect(self) -> None:
        correcting = self.correcting
        self.showing = DeferredCall(self._show, self)
        correcting.changed.connect(self.showing.ask)
        correcting.said.connect(self.messages.say)
        self.undo.said.connect(self.messages.say)
        self.inactive.clicked.connect(correcting.focus)
        self.palette_rows.chosen.connect(self._class_chosen)
        self.palette_rows.released.connect(self.correcting.focus)
        self.palette_rows.menu_made.connect(self._class_menu)
        self.palette_rows.added.connect(lambda name: self._change_classes(lambda c: c.add(name)))
        self.palette_rows.renamed.connect(lambda label, name: self._change_classes(lambda c: c.rename(label, name)))
        self.palette_rows.moved.connect(lambda label, to: self._change_classes(lambda c: c.move(label, to)))
        self.palette_rows.scheme_asked.connect(lambda: self._change_classes(lambda c: c.choose_scheme()))
        self.tools.tool_chosen.connect(self._tool_chosen)
        self.tools.radius_chosen.connect(self._radius_chosen)
        self.tools.lock_chosen.connect(self._lock_chosen)
        self.select_view.clicked.connect(lambda: self._ask("select_in_view"))
        self.confirm_view.clicked.connect(lambda: self._ask("confirm_in_view"))
        self.review.next_clicked.connect(lambda: self._review("next"))
        self.review.back_clicked.connect(lambda: self._review("back"))
        self.review.stop_clicked.connect(lambda: self._review("stop"))
        self.readers.author_chosen.connect(self._author_chosen)
        self.readers.blinded_chosen.connect(self._blinded_chosen)
        self.readers.reader_chosen.connect(self._reader_chosen)
        self.change_keys.clicked.connect(self._change_keys)

    def _show(self) -> None:
        nuclei = self.correcting.nuclei
        # classes are chosen, and nuclei added by hand, before any are found; what was undone can be done again
        untouched = nuclei is None or not (len(nuclei.session) or nuclei.session.ledger.history.last)
        self.empty.setText(_EMPTY if nuclei is None else _BEFOREHAND)
        self.empty.setVisible(untouched)
        self._content.setVisible(nuclei is not None)
        if nuclei is not None:
            self._show_nuclei(nuclei)
        else:
            # a session that is closed goes, also from here
            self.undo.show_session(None)

    def _show_nuclei(self, nuclei: NucleiLayer) -> None:
        corrections, pointer = self.correcting.corrections, self.correcting.pointer
        assert corrections is not None
        assert pointer is not None
        self.inactive.setVisible(self.viewer.layers.selection.active is not nuclei.layer)
        keys = self.correcting.class_keys(nuclei.session.scheme)
        self.palette_rows.show_classes(nuclei.session.scheme, nuclei.counts(), nuclei.current_label, keys)
        count = len(nuclei.selected)
        self.selection.setText(f"{count:,} selected" if count else "")
        self.tools.show_tool(pointer.tool, pointer.radius_um, corrections.lock)
        self.undo.show_session(nuclei.session)
        if self.correcting.review is not None:
            self.review.show_review(self.correcting.review)
        self.readers.show_session(nuclei.session, nuclei.reader)
        if self.readers.apart.isVisibleTo(self):
            session = nuclei.session
            others = [name for name in session.readers if name != session.author and len(session.spoken_by(name))]
            other = nuclei.reader or (others[-1] if others else "")
            self.readers.apart.setVisible(bool(other))
            self.readers.show_disagreements(session, other)
        self._show_keys()

    def _show_keys(self) -> None:
        if self._shown_keys == self.correcting.keys:
            return
        while self._key_form.rowCount():
            self._key_form.removeRow(0)
        self._shown_keys = self.correcting.keys
        of_classes = [_native(self._shown_keys[command.name]) for command in CLASS_COMMANDS]
        usual = of_classes == [command.key for command in CLASS_COMMANDS]
        shown = [(f"1 – {len(of_classes)}" if usual else " ".join(of_classes), "Give the class")]
        others = [command for command in COMMANDS if command not in CLASS_COMMANDS]
        shown += [(_native(self._shown_keys[command.name]), command.words) for command in others]
        for key, words in shown:
            chip, label = QLabel(key or "–"), QLabel(words)
            chip.setObjectName("NucloopKey")
            label.setWordWrap(True)
            for one in (chip, label):
                one.setIndent(0)
            self._key_form.addRow(chip, label)

    def _class_chosen(self, label: int) -> None:
        corrections, nuclei = self.correcting.corrections, self.correcting.nuclei
        if corrections is None or nuclei is None:
            return
        corrections.pixel = None
        if len(nuclei.selected):
            corrections.give_class(label)
        else:
            corrections.current = label
        self.correcting.focus()

    def _class_menu(self, label: int, menu: ClassMenu) -> None:
        menu.colour_chosen.connect(lambda colour: self._change_classes(lambda c: c.colour(label, colour)))
        menu.key_chosen.connect(lambda key: self._change_classes(lambda c: c.key(label, key)))
        menu.merge_into.connect(lambda name: self._change_classes(lambda c: c.merge(label, name)))
        menu.delete.connect(lambda: self._change_classes(lambda c: c.delete(label)))

    def _change_classes(self, change: Callable[[ClassChanges], None]) -> None:
        corrections = self.correcting.corrections
        if corrections is not None:
            change(ClassChanges(corrections, self))
            self.correcting.focus()
            self.showing.ask()

    def _tool_chosen(self, tool: Tool) -> None:
        if self.correcting.pointer is not None:
            self.correcting.pointer.tool = tool
            self.correcting.focus()

    def _radius_chosen(self, radius: int) -> None:
        if self.correcting.pointer is not None:
            self.correcting.pointer.radius_um = radius

    def _lock_chosen(self, lock: bool) -> None:
        if self.correcting.corrections is not None:
            self.correcting.corrections.lock = lock

    def _ask(self, what: str) -> None:
        if self.correcting.corrections is not None:
            getattr(self.correcting.corrections, what)()
            self.correcting.focus()

    def _review(self, what: str) -> None:
        if self.correcting.review is not None:
            getattr(self.correcting.review, what)()
            self.correcting.focus()

    def _author_chosen(self, name: str) -> None:
        self.correcting.sessions.set_author(name)
        nuclei = self.correcting.nuclei
        if nuclei is not None and nuclei.session.blinded:
            nuclei.push()
        self.showing.ask()

    def _blinded_chosen(self, blinded: bool) -> None:
        nuclei = self.correcting.nuclei
        if nuclei is not None:
            nuclei.session.blinded = blinded
            nuclei.push()

    def _reader_chosen(self, name: str | None) -> None:
        nuclei = self.correcting.nuclei
        if nuclei is not None:
            nuclei.reader = name

    def _change_keys(self) -> None:
        dialog = KeyDialog(self.correcting.keys, self)
        if dialog.exec():
            self.correcting.set_keys(dialog.keys)


def _native(key: str) -> str:
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
