"""Where the files of a training set lie, for NucLoop and for the programs of others."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import yaml

from nucloop.classes import ClassScheme, builtin_schemes
from nucloop.errors import DataError
from nucloop.export.folds import TEST
from nucloop.formats import Document, SlideInfo
from nucloop.formats.coco import coco_annotations, coco_categories
from nucloop.formats.plain_text import rounded, write_brca_m2c, write_ocelot_csv
from nucloop.formats.tables.csv import write_csv
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nucloop.export.manifest import Manifest, PatchRecord
    from nucloop.nuclei import Nuclei

__all__ = ["LAYOUTS", "Layout"]


class Layout(ABC):
    """How one program expects a training set; one object writes one set."""

    title: str
    scheme: str | None = None
    """The built-in scheme it is bound to."""
    mpp: float | None = None
    """The resolution it is bound to, µm per pixel."""
    unlabelled = False
    """Whether nuclei without a class have a place in it."""

    @abstractmethod
    def image(self, name: str, fold: int) -> str:
        """Where an image goes, relative to the set."""

    @abstractmethod
    def labels(self, name: str, fold: int) -> str:
        """Where the labels of an image go."""

    def write_labels(self, path: Path, nuclei: Nuclei, slide: SlideInfo) -> None:
        """Write the labels of one image, whole pixels as x,y,label from 0."""
        known = nuclei.take(nuclei.label != UNLABELLED)
        rows = np.column_stack([rounded(known.yx)[:, ::-1], known.label]).tolist()
        path.write_text("".join(f"{x},{y},{label}\n" for x, y, label in rows), encoding="utf-8")

    @abstractmethod
    def finish(self, folder: Path, manifest: Manifest) -> None:
        """Write the lists that say which image is in which split."""


class NucLoopLayout(Layout):
    """``images/``, ``points/`` with all columns, and ``dataset.json``: nothing is lost."""

    title = "NucLoop"
    unlabelled = True

    def image(self, name: str, fold: int) -> str:
        return f"images/{name}.png"

    def labels(self, name: str, fold: int) -> str:
        return f"points/{name}.csv"

    def write_labels(self, path: Path, nuclei: Nuclei, slide: SlideInfo) -> None:
        write_csv(path, Document(nuclei=nuclei, slide=slide))

    def finish(self, folder: Path, manifest: Manifest) -> None:
        """Nothing more: the manifest says it all."""


class CellvitLayout(Layout):
    """CellViT++: ``train/images``, ``train/labels``, ``label_map.yaml`` and ``splits/fold_n``."""

    title = "CellViT++"

    def image(self, name: str, fold: int) -> str:
        return f"{_train_or_test(fold)}/images/{name}.png"

    def labels(self, name: str, fold: int) -> str:
        return f"{_train_or_test(fold)}/labels/{name}.csv"

    def finish(self, folder: Path, manifest: Manifest) -> None:
        names = dict(enumerate(manifest.scheme.names))
        (folder / "label_map.yaml").write_text(yaml.safe_dump(names, allow_unicode=True), encoding="utf-8")
        for fold in range(manifest.folds):
            for split in ("train", "val"):
                _write_names(
                    folder / "splits" / f"fold_{fold}" / f"{split}.csv", manifest.of_split(f"{split}-{fold}"), _stem
                )


class OcelotLayout(Layout):
    """OCELOT: ``images/SPLIT/cell``, ``annotations/SPLIT/cell`` and ``metadata.json``; fold 0 is ``val``."""

    title = "OCELOT"
    scheme = "ocelot"

    def image(self, name: str, fold: int) -> str:
        return f"images/{_three_way(fold)}/cell/{name}.png"

    def labels(self, name: str, fold: int) -> str:
        return f"annotations/{_three_way(fold)}/cell/{name}.csv"

    def write_labels(self, path: Path, nuclei: Nuclei, slide: SlideInfo) -> None:
        write_ocelot_csv(path, Document(nuclei=nuclei))

    def finish(self, folder: Path, manifest: Manifest) -> None:
        pairs = {
            _stem(patch): {
                "slide_name": manifest.sources[patch.source].slide,
                "subset": _three_way(patch.fold),
                "mpp_x": manifest.mpp,
                "mpp_y": manifest.mpp,
                "cell": {"x_start": patch.left, "y_start": patch.top, "width": patch.width, "height": patch.height},
            }
            for patch in manifest.patches
        }
        (folder / "metadata.json").write_bytes(orjson.dumps({"sample_pairs": pairs}, option=orjson.OPT_INDENT_2))


class BrcaM2cLayout(Layout):
    """BRCA-M2C: ``images``, ``labels`` and a list of names for each split; fold 0 is ``val``."""

    title = "BRCA-M2C"
    scheme = "brca-m2c"
    mpp = 0.5

    def image(self, name: str, fold: int) -> str:
        return f"images/{name}.png"

    def labels(self, name: str, fold: int) -> str:
        return f"labels/{name}_gt_class_coords.txt"

    def write_labels(self, path: Path, nuclei: Nuclei, slide: SlideInfo) -> None:
        write_brca_m2c(path, Document(nuclei=nuclei))

    def finish(self, folder: Path, manifest: Manifest) -> None:
        for split in ("train", "val", "test"):
            _write_names(folder / f"brca_ds_{split}.txt", manifest.of_split(split), lambda patch: f"{_stem(patch)}.png")


class CocoLayout(Layout):
    """COCO: ``images`` and, for each fold, ``annotations/fold_n/{train,val}.json``; keypoints, one a nucleus."""

    title = "COCO"
    unlabelled = True

    def __init__(self) -> None:
        self._tables: dict[str, Document] = {}

    def image(self, name: str, fold: int) -> str:
        return f"images/{name}.png"

    def labels(self, name: str, fold: int) -> str:
        return f"annotations/images/{name}.json"

    def write_labels(self, path: Path, nuclei: Nuclei, slide: SlideInfo) -> None:
        document = Document(nuclei=nuclei, slide=slide)
        self._tables[path.stem] = document
        rows = slice(0, len(nuclei))
        path.write_bytes(orjson.dumps(list(coco_annotations(document, rows, 0, list(range(1, len(nuclei) + 1))))))

    def finish(self, folder: Path, manifest: Manifest) -> None:
        for fold in range(manifest.folds):
            for split in ("train", "val"):
                path = folder / "annotations" / f"fold_{fold}" / f"{split}.json"
                self._write(path, manifest, manifest.of_split(f"{split}-{fold}"))
        self._write(folder / "annotations" / "test.json", manifest, manifest.of_split("test"))

    def _write(self, path: Path, manifest: Manifest, patches: list[PatchRecord]) -> None:
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, patch in enumerate(patches, 1):
            size = {"width": patch.width, "height": patch.height}
            images.append({"id": number, "file_name": _stem(patch) + ".png", **size})
            document = self._tables[_stem(patch)]
            first = len(annotations) + 1
            numbers = list(range(first, first + len(document.nuclei)))
            annotations += coco_annotations(document, slice(0, len(numbers)), number, numbers)
        data = {
            "info": {"description": manifest.name, "contributor": ", ".join(manifest.authors)},
            "licenses": [{"id": 1, "name": manifest.licence, "url": ""}],
            "images": images,
            "categories": coco_categories(manifest.scheme, unlabelled=any(p.counts.get("") for p in manifest.patches)),
            "annotations": annotations,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data), encoding="utf-8")


LAYOUTS: dict[str, Callable[[], Layout]] = {
    "nucloop": NucLoopLayout,
    "cellvit": CellvitLayout,
    "ocelot": OcelotLayout,
    "brca-m2c": BrcaM2cLayout,
    "coco": CocoLayout,
}
"""Every layout by the name a person types."""


def scheme_of(layout: Layout, own: ClassScheme) -> ClassScheme:
    """Return the scheme that a layout is bound to, else the set's own."""
    return own if layout.scheme is None else builtin_schemes()[layout.scheme]


def check_resolution(layout: Layout, mpp: float) -> None:
    """Refuse a resolution at which a layout's readers would see everything too large or too small."""
    if layout.mpp is not None and abs(layout.mpp - mpp) > 1e-9:
        raise DataError(f"The images of {layout.title} have {layout.mpp:g} µm per pixel, not {mpp:g}. Choose that.")


def _stem(patch: PatchRecord) -> str:
    return patch.image.rpartition("/")[2].removesuffix(".png")


def _write_names(path: Path, patches: list[PatchRecord], name: Callable[[PatchRecord], str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name(patch)}\n" for patch in patches), encoding="utf-8")


def _train_or_test(fold: int) -> str:
    return "test" if fold == TEST else "train"


def _three_way(fold: int) -> str:
    return "test" if fold == TEST else "val" if fold == 0 else "train"
