"""The page of the export dialog that writes nuclei to one file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QFormLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from nucloop.classes import builtin_schemes
from nucloop.errors import NucLoopError, RegionError
from nucloop.formats import FORMATS, Document, Format, adopt, format_of, unknown_classes, write_document
from nucloop.formats.scope import select
from nucloop.gui.canvas.drawn_regions import drawn_regions, regions_of
from nucloop.gui.files.class_table import ClassTable
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.gui.widgets.place_field import PlaceField, first_folder, is_file, is_folder, remember_folder
from nucloop.session.exchange import document_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from nucloop.gui.layer.nuclei_layer import NucleiLayer
    from nucloop.nuclei import Nuclei

__all__ = ["ExportScope", "FilePage", "Written"]

EVERY_CLASS = "Every class"
PURPOSE = "export"


class ExportScope(Enum):
    """Which nuclei are written; the value is what a person reads."""

    ALL = "All nuclei"
    VIEW = "What is on screen"
    REGIONS = "Inside the drawn regions"


@dataclass(frozen=True)
class Written:
    """What was written."""

    path: Path
    nuclei: int
    left_out: tuple[str, ...]


class FilePage(QWidget):
    """Asks what to write and where, and says beforehand what will be lost.

    Parameters
    ----------
    nuclei : NucleiLayer
        Whose nuclei are written.
    """

    changed = Signal()
    BUTTON = "Export"

    def __init__(self, nuclei: NucleiLayer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._nuclei = nuclei
        self._missing = ""
        self._written: Path | None = None
        self._build()
        self._fill()
        for box in (self.format, self.scope, self.classes, self.places):
            box.currentIndexChanged.connect(self._choice_changed)
        self.confirmed.toggled.connect(self.refresh)
        self.file.changed.connect(self._path_changed)
        self.table.changed.connect(self.changed)
        self._choice_changed()

    def _build(self) -> None:
        self.format, self.scope, self.classes, self.places = (QComboBox() for _ in range(4))
        self.format.setMaxVisibleItems(20)
        for box in (self.format, self.scope, self.classes, self.places):
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.loses, self.count, self.hint = (QLabel() for _ in range(3))
        for label in (self.loses, self.count, self.hint):
            label.setObjectName("NucloopDim")
            label.setWordWrap(True)
        self.confirmed = QCheckBox("Only those about which a person spoke here")
        self.confirmed.setToolTip("Confirmed, corrected or added in NucLoop; imported ones do not count")
        self.file = PlaceField(self._ask_for_file, "File to write")
        self.table = ClassTable()
        form = QFormLayout()
        form.setHorizontalSpacing(14)
        form.setVerticalSpacing(8)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("Format", self.format)
        form.addRow("", self.loses)
        form.addRow("Nuclei", self.scope)
        form.addRow("Class", self.classes)
        form.addRow("", self.confirmed)
        form.addRow("", self.count)
        form.addRow("Places in", self.places)
        form.addRow("File", self.file)
        form.addRow("", self.hint)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 8)
        layout.addLayout(form)
        layout.addWidget(self.table)
        layout.addStretch()

    def _fill(self) -> None:
        for name, one in FORMATS.items():
            self.format.addItem(f"{one.title}  ({one.suffixes[0]})", name)
        self.format.setCurrentIndex(self.format.findData("geojson"))
        for scope in ExportScope:
            self.scope.addItem(scope.value, scope)
        self._show_classes()
        self.places.addItem("pixels of the finest level", False)
        self.places.addItem("µm", True)
        slide = self._nuclei.session.slide.info
        session = self._nuclei.session.path
        folder = first_folder(session, PURPOSE)
        self.file.show_path(folder / f"{Path(slide.name).stem or 'nuclei'}{self._kind.suffixes[0]}")
        self._suffix = self._kind.suffixes[0]

    @property
    def _kind(self) -> Format:
        return FORMATS[self.format.currentData()]

    def _show_classes(self) -> None:
        """Offer the classes there are; every class where the chosen one is gone."""
        names = (EVERY_CLASS, *self._nuclei.session.scheme.names)
        if tuple(self.classes.itemText(k) for k in range(self.classes.count())) == names:
            return
        before = self.classes.currentData()
        now = None if before is None else self._nuclei.session.name_now(before)
        with QSignalBlocker(self.classes):
            self.classes.clear()
            for k, name in enumerate(names):
                self.classes.addItem(name, name if k else None)
            self.classes.setCurrentIndex(0 if now is None else names.index(now))

    def refresh(self) -> None:
        """Count again: the view, the regions or the nuclei have changed."""
        self._show_classes()
        try:
            count = len(self._ids())
            total = len(self._nuclei.session)
            self.count.setText(f"{count:,} of {total:,} nuclei" if count != total else f"{count:,} nuclei")
            self._missing = "" if count else "There is no such nucleus."
        except RegionError:
            self.count.setText("")
            self._missing = "No region is drawn yet. Draw one in the Detect dock, or export all nuclei."
        self._ask_about_classes()
        self.changed.emit()

    @property
    def missing(self) -> str:
        """Why it cannot be written yet; empty when it can."""
        path = self.file.path
        if path is None:
            return "Give the file a name."
        if is_folder(path):
            return f"{path.name} is a folder. Give the file a name."
        if self._missing:
            return self._missing
        return f"Say what {self.table.open[0]} stands for." if self.table.open else ""

    def steps(self) -> Callable[[], Iterator[Written]]:
        """Take the nuclei as they are now; return what writes them, in another thread."""
        path, format_name = self.file.path, self.format.currentData()
        assert path is not None
        document = replace(self._document(), microns=bool(self.places.currentData()))
        mapping, bound = self.table.mapping, FORMATS[format_name].carries.classes
        self.table.remember()
        remember_folder(path.parent, PURPOSE)

        def write() -> Iterator[Written]:
            nuclei = document.nuclei
            if bound is not None:
                nuclei = adopt(nuclei, builtin_schemes()[bound], mapping, source="The session")
            left_out = write_document(path, replace(document, nuclei=nuclei), format_name)
            yield Written(path, len(nuclei), tuple(left_out))

        return write

    def result(self, last: Written) -> tuple[Message, Path]:
        """Say what was written, and where."""
        size, self._written = last.path.stat().st_size, last.path
        text = f"{last.nuclei:,} nuclei are in {last.path.name} ({_bytes(size)})."
        if last.left_out:
            text += f" Left out: {'; '.join(last.left_out)}."
        return Message(text, Tone.GOOD), last.path.parent

    def _document(self) -> Document:
        nuclei = self._nuclei
        document = document_of(nuclei.session, nuclei.shown(self._ids()))
        slide = document.slide
        if slide is not None and slide.mpp is None:
            slide = replace(slide, mpp=nuclei.mpp)
        regions = regions_of(nuclei.viewer, nuclei.image) or list(document.regions)
        return replace(document, slide=slide, regions=tuple(regions))

    def _ids(self) -> NDArray[np.int64]:
        """Ids of the nuclei that are meant."""
        nuclei = self._nuclei
        scope, name, confirmed = self.scope.currentData(), self.classes.currentData(), self.confirmed.isChecked()
        if scope is ExportScope.VIEW:
            ids = nuclei.in_view()
        elif scope is ExportScope.REGIONS:
            outlines = drawn_regions(nuclei.viewer, nuclei.image)
            ids = np.unique(np.concatenate([nuclei.session.in_polygon(one) for one in outlines]))
        else:
            ids = nuclei.session.ids()
        if name is None and not confirmed:
            return ids
        return _selected(nuclei.shown(ids), name, confirmed)

    def _choice_changed(self) -> None:
        kind = self._kind
        lost = kind.carries.lost()
        self.loses.setText(f"It cannot carry {_listed(lost)}." if lost else "It carries everything.")
        self.places.setEnabled(kind.carries.microns)
        if not kind.carries.microns:
            self.places.setCurrentIndex(0)
        self.places.setToolTip("" if kind.carries.microns else "This format counts in pixels")
        text = self.file.line.text()
        if self._suffix != kind.suffixes[0] and text.endswith(self._suffix):
            self.file.line.setText(text[: -len(self._suffix)] + kind.suffixes[0])
        self._suffix = kind.suffixes[0]
        self.show_place()
        self.refresh()

    def _ask_about_classes(self) -> None:
        bound = self._kind.carries.classes
        if bound is None or self._missing:
            self.table.setVisible(False)
            return
        scheme = builtin_schemes()[bound]
        unknown = unknown_classes(self._nuclei.shown(self._ids()), scheme)
        self.table.ask(unknown, scheme, "This format has its own classes. What do these become?")

    def _path_changed(self) -> None:
        """Follow a file name that ends as another format does."""
        name = "" if self.file.path is None else self.file.path.name.lower()
        if name and not name.endswith(self._kind.suffixes):
            with suppress(NucLoopError):
                meant = format_of(Path(name))
                self._suffix = meant.suffixes[0]
                self.format.setCurrentIndex(next(k for k, one in enumerate(FORMATS.values()) if one is meant))
        self.show_place()

    def show_place(self) -> None:
        """Say what is in the chosen place by now."""
        path = self.file.path
        there = path is not None and path != self._written and is_file(path)
        self.hint.setText("This file is there already and will be replaced." if there else "")
        self.hint.setVisible(there)
        self.changed.emit()

    def _ask_for_file(self, at: str) -> str:
        endings = " ".join(f"*{suffix}" for suffix in self._kind.suffixes if suffix.startswith("."))
        chosen, _ = QFileDialog.getSaveFileName(self, "Export nuclei to", at, f"{self._kind.title} ({endings})")
        if chosen and not Path(chosen).suffix:
            chosen += self._kind.suffixes[0]
        return str(chosen)


def _selected(nuclei: Nuclei, name: str | None, confirmed: bool) -> NDArray[np.int64]:
    chosen = select(Document(nuclei=nuclei), confirmed=confirmed, classes=None if name is None else [name])
    return chosen.nuclei.ids


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
