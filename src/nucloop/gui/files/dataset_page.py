"""The page of the export dialog that makes a training set of this session and others."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from nucloop.classes import builtin_schemes
from nucloop.export.build import DatasetConfig, ExportProgress, export_dataset
from nucloop.export.cutting import CutConfig
from nucloop.export.groups import GROUPS
from nucloop.export.layouts import LAYOUTS
from nucloop.export.sources import Source, SourceFiles
from nucloop.formats import unknown_classes
from nucloop.gui.canvas.drawn_regions import regions_of
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.files.class_table import ClassTable
from nucloop.gui.files.slide_list import SlideList
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.gui.widgets.place_field import PlaceField, first_folder, is_folder, is_there, remember_folder
from nucloop.session.exchange import keep_regions, kept_regions, slide_of_session
from nucloop.session.training_sources import source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nucloop.formats import Region
    from nucloop.gui.layer.nuclei_layer import NucleiLayer

__all__ = ["DatasetPage"]

PURPOSE = "training sets"


class DatasetPage(QWidget):
    """Asks for the slides, the patches, the folds and what the datasheet should say.

    Parameters
    ----------
    nuclei : NucleiLayer
        The first slide of the set.
    """

    changed = Signal()
    BUTTON = "Make training set"

    def __init__(self, nuclei: NucleiLayer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._nuclei = nuclei
        self._build()
        self._lay_out()
        self.layout_box.currentIndexChanged.connect(self._layout_changed)
        self.whole.toggled.connect(self._layout_changed)
        self.table.changed.connect(self.changed)
        self.folder.changed.connect(self.changed)
        self.slides.changed.connect(self.changed)
        self._layout_changed()

    def _build(self) -> None:
        self.slides = SlideList(Path(self._nuclei.session.slide.info.name).name)
        self.layout_box, self.group = QComboBox(), QComboBox()
        for name, layout in LAYOUTS.items():
            self.layout_box.addItem(layout().title, name)
        for name in GROUPS:
            self.group.addItem(name, name)
        self.size, self.stride = _whole(16, 8192, 224, " px"), _whole(0, 8192, 0, " px")
        self.stride.setSpecialValueText("no overlap")
        self.whole = QCheckBox("each region as one image")
        self.mpp = QDoubleSpinBox()
        self.mpp.setRange(0.05, 20)
        self.mpp.setSingleStep(0.05)
        self.mpp.setValue(0.5)
        self.mpp.setSuffix(" µm per pixel")
        self.folds, self.test = _whole(0, 100, 0, ""), _whole(0, 90, 0, " %")
        self.folds.setSpecialValueText("up to 5")
        self.folds.setAccessibleName("Folds")
        self.test.setSpecialValueText("no test set")
        self.authors, self.licence = QLineEdit(self._nuclei.session.author), QLineEdit()
        self.licence.setPlaceholderText("such as CC-BY-4.0")
        self.partly = QCheckBox("Not every nucleus of the regions is marked")
        self.table = ClassTable()
        self.folder = PlaceField(self._ask_for_folder, "Folder of the training set")
        stem = Path(self._nuclei.session.slide.info.name).stem or "nuclei"
        self.folder.show_path(first_folder(self._nuclei.session.path, PURPOSE) / f"{stem}-training-set")

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(14)
        form.setVerticalSpacing(8)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("Slides", self.slides)
        form.addRow("For", self.layout_box)
        form.addRow("Patches", _row(self.size, QLabel("every"), self.stride))
        form.addRow("", self.whole)
        form.addRow("At", self.mpp)
        form.addRow("Folds", _row(self.folds, QLabel("never divide a"), self.group))
        form.addRow("Test", self.test)
        form.addRow("", self.partly)
        form.addRow("Authors", self.authors)
        form.addRow("Licence", self.licence)
        form.addRow("New folder", self.folder)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 8)
        layout.addLayout(form)
        layout.addWidget(self.table)
        layout.addStretch()

    def refresh(self) -> None:
        """Look again at the regions and the nuclei."""
        regions = self._regions()
        self.slides.show_first(len(regions), len(self._nuclei.session))
        bound = LAYOUTS[self.layout_box.currentData()]().scheme
        if bound is None:
            self.table.setVisible(False)
        else:
            scheme = builtin_schemes()[bound]
            unknown = unknown_classes(self._nuclei.session.shown(), scheme)
            self.table.ask(unknown, scheme, "This layout has its own classes. What do these become?")
        self.changed.emit()

    @property
    def missing(self) -> str:
        """Why it cannot be made yet; empty when it can."""
        path = self.folder.path
        if path is None:
            return "Name a new folder."
        if is_there(path) and (not is_folder(path) or any(path.iterdir())):
            return f"{path.name} is not empty. Name a new folder, so that no old file is taken for a new one."
        return f"Say what {self.table.open[0]} stands for." if self.table.open else ""

    def steps(self) -> Callable[[], Iterator[ExportProgress]]:
        """Take this session as it is now; return what reads the others and writes the set, in another thread."""
        folder = self.folder.path
        assert folder is not None
        config, mapping = self._config(folder.name), self.table.mapping
        self.table.remember()
        remember_folder(folder.parent, PURPOSE)
        session, regions = self._nuclei.session, self._regions()
        if not session.read_only:
            keep_regions(session, regions)
        slide = slide_of_layer(self._nuclei.image)
        first, *others = self.slides.rows()
        own = Source(
            slide=slide,
            nuclei=session.shown(),
            regions=tuple(regions),
            patient=first.patient,
            annotation="" if session.path is None else session.path.name,
        )

        def make() -> Iterator[ExportProgress]:
            with ExitStack() as opened:
                opened.callback(slide.close)
                sources = [own]
                for one in others:
                    files = SourceFiles(slide_of_session(one.session), one.session, patient=one.patient)
                    sources.append(source_of(files, own.nuclei.scheme, {}, opened))
                yield from export_dataset(sources, folder, config, mapping)

        return make

    def result(self, last: ExportProgress) -> tuple[Message, Path]:
        """Say what was made, and where."""
        manifest, folder = last.manifest, self.folder.path
        assert manifest is not None
        assert folder is not None
        folds = f"{manifest.folds} folds" if manifest.folds > 1 else "one fold"
        text = f"{len(manifest.patches):,} images in {folds} are in {folder.name}, with a datasheet."
        return Message(" ".join([text, *manifest.left_out]), Tone.GOOD), folder

    def _config(self, name: str) -> DatasetConfig:
        whole = self.whole.isChecked()
        return DatasetConfig(
            name=name,
            cut=CutConfig(
                mpp=self.mpp.value(),
                size=None if whole else self.size.value(),
                stride=None if whole else self.stride.value() or None,
            ),
            layout=self.layout_box.currentData(),
            group_by=self.group.currentData(),
            folds=self.folds.value() or None,
            test_share=self.test.value() / 100,
            licence=self.licence.text().strip(),
            authors=tuple(name.strip() for name in self.authors.text().split(",") if name.strip()),
            exhaustive=not self.partly.isChecked(),
        )

    def _regions(self) -> list[Region]:
        return regions_of(self._nuclei.viewer, self._nuclei.image) or kept_regions(self._nuclei.session)

    def _layout_changed(self) -> None:
        layout = LAYOUTS[self.layout_box.currentData()]()
        if layout.mpp is not None:
            self.mpp.setValue(layout.mpp)
        self.mpp.setEnabled(layout.mpp is None)
        for box in (self.size, self.stride):
            box.setEnabled(not self.whole.isChecked())
        self.refresh()

    def _ask_for_folder(self, at: str) -> str:
        return str(QFileDialog.getSaveFileName(self, "New folder for the training set", at)[0])


def _whole(low: int, high: int, value: int, suffix: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    box.setSuffix(suffix)
    return box


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(8)
    for widget in widgets:
        row.addWidget(widget, 0 if isinstance(widget, QLabel | QPushButton) else 1)
    return row
