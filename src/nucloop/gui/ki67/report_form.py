"""What a person says about a report before it is written: case, specimen, reader and a comment."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLineEdit, QPlainTextEdit, QWidget

from nucloop.errors import NucLoopError

if TYPE_CHECKING:
    from nucloop.session import Session

__all__ = ["ReportForm", "ReportWords", "recall_words", "remember_words"]

_KEPT = "ki67 report"


@dataclass(frozen=True)
class ReportWords:
    """What stands at the top of a report."""

    case: str = ""
    specimen: str = ""
    reader: str = ""
    comment: str = ""


def recall_words(session: Session) -> ReportWords:
    """Return what was said about the last report of a slide; the reader is who corrects now."""
    kept = session.recall(_KEPT)
    known = kept if isinstance(kept, dict) else {}
    said = {field.name: str(known.get(field.name, "")) for field in fields(ReportWords)}
    return ReportWords(**{**said, "reader": session.author})


def remember_words(session: Session, words: ReportWords) -> None:
    """Keep what was said for the next report of the slide."""
    with suppress(NucLoopError):
        # it is written into the report all the same
        session.remember(_KEPT, asdict(words))


class ReportForm(QDialog):
    """Asks; everything may stay empty."""

    def __init__(self, words: ReportWords, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Ki-67 report")
        self.case, self.specimen, self.reader = (
            QLineEdit(words.case),
            QLineEdit(words.specimen),
            QLineEdit(words.reader),
        )
        self.comment = QPlainTextEdit(words.comment)
        self.comment.setTabChangesFocus(True)
        self.comment.setFixedHeight(5 * self.fontMetrics().lineSpacing())
        form = QFormLayout(self)
        for name, field in (("Case", self.case), ("Specimen", self.specimen), ("Reader", self.reader)):
            form.addRow(name, field)
        form.addRow("Comment", self.comment)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel)
        buttons.button(QDialogButtonBox.StandardButton.Save).setText("Save as …")
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form.addRow(buttons)
        self.setMinimumWidth(420)

    @property
    def words(self) -> ReportWords:
        """What stands there."""
        said = (self.case.text(), self.specimen.text(), self.reader.text(), self.comment.toPlainText())
        return ReportWords(*(one.strip() for one in said))
