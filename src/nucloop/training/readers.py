"""Readers of the public data sets: from a folder and the name of a split to annotated images."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from nucloop.training.fields import Field

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "bcdata",
    "brca_m2c",
    "brecahad",
    "consep",
    "crchisto",
    "deepliif",
    "dsb2018_tissue",
    "monuseg",
    "nucls",
    "tnbc",
]


_Rows = Iterable[tuple[float, float, int]]


def _table(rows: _Rows) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    values = np.array(list(rows), np.float32).reshape(-1, 3)
    return values[:, :2].copy(), values[:, 2].astype(np.int16)


def _csv_rows(path: Path, *, header: bool, shift: int) -> _Rows:
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        if header:
            next(lines, None)
        for x, y, label in lines:
            yield float(y), float(x), int(float(label)) - shift


def brca_m2c(folder: Path, split: str) -> list[Field]:
    """BRCA-M2C: the group is TCGA's source site and patient, such as A7-A13G."""
    names = [n.strip() for n in (folder / f"brca_ds_{split}.txt").read_text(encoding="utf-8").split("\n") if n.strip()]
    fields = []
    for name in names:
        label_file = folder / "labels" / f"{Path(name).stem}_gt_class_coords.txt"
        rows = (line.split() for line in label_file.read_text(encoding="utf-8").splitlines() if line.strip())
        yx, label = _table((float(y), float(x), int(c) - 1) for y, x, c in rows)
        fields.append(Field(folder / "images" / name, yx, label, 0.5, "-".join(name.split("-")[1:3])))
    return fields


def consep(folder: Path, split: str) -> list[Field]:
    """CoNSeP at 20x with three classes."""
    validation = {f"train_{k}" for k in (5, 8, 11, 16, 23)}
    images = sorted((folder / "images").glob("test_*.png" if split == "test" else "train_*.png"))
    if split != "test":
        images = [image for image in images if (image.stem in validation) == (split == "val")]
    return [
        Field(image, *_table(_csv_rows(folder / "labels" / f"{image.stem}.csv", header=True, shift=1)), 0.5, image.stem)
        for image in images
    ]


def crchisto(folder: Path, split: str) -> list[Field]:
    """CRCHistoPhenotypes."""
    wanted = {"train": "train", "val": "validation", "test": "test"}[split]
    with (folder / "splits.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if len(row) >= 2]
    fields = []
    for row in rows:
        stem = Path(row[0]).stem
        image = folder / "images" / f"{stem}.png"
        if wanted in row[1:] and image.exists():
            table = _table(_csv_rows(folder / "labels" / f"{stem}.csv", header=True, shift=1))
            fields.append(Field(image, *table, 0.55, stem))
    return fields


def nucls(folder: Path, split: str) -> list[Field]:
    """NuCLS, a sample of it."""
    root = folder / split
    return [
        # the export does not record its scale; NuCLS is read at 0.2 and was resampled, so 0.25 is our estimate
        Field(image, *_table(_csv_rows(root / "labels" / f"{image.stem}.csv", header=False, shift=0)), 0.25, image.stem)
        for image in sorted((root / "images").glob("*.png"))
    ]


def bcdata(folder: Path, split: str) -> list[Field]:
    """BCData, Ki-67: tumour nuclei, positive and negative."""
    import h5py

    fields = []
    for image in sorted((folder / "images" / split).glob("*.png"), key=lambda p: int(p.stem)):
        rows: list[tuple[float, float, int]] = []
        for label, kind in enumerate(("positive", "negative")):
            with h5py.File(folder / "annotations" / split / kind / f"{image.stem}.h5", "r") as file:
                xy = np.asarray(file["coordinates"]).reshape(-1, 2)
            rows += [(float(y), float(x), label) for x, y in xy]
        fields.append(Field(image, *_table(rows), 0.25, image.stem))
    return fields


def deepliif(folder: Path, split: str) -> list[Field]:
    """DeepLIIF, Ki-67: areas by colour, at least 20 pixels large."""
    from scipy.ndimage import center_of_mass, label

    fields = []
    for image in sorted((folder / "images").glob("*.png")):
        with Image.open(folder / "ground_truth" / image.name) as file:
            truth = np.asarray(file.convert("RGB"))
        rows: list[tuple[float, float, int]] = []
        for kind, channel in enumerate((0, 2)):
            areas, count = label(truth[..., channel] > 128)
            numbers = np.flatnonzero(np.bincount(areas.ravel(), minlength=count + 1)[1:] >= 20) + 1
            rows += [(float(y), float(x), kind) for y, x in center_of_mass(areas > 0, areas, numbers)]
        fields.append(Field(image, *_table(rows), 0.25, image.stem))
    return fields


def monuseg(folder: Path, split: str) -> list[Field]:
    """MoNuSeg, several organs."""
    with (folder / "images.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    fields = []
    for row in rows:
        stem = Path(row["image"]).stem
        with (folder / "labels" / f"{stem}.csv").open(newline="", encoding="utf-8") as file:
            table = _table((float(r["y"]), float(r["x"]), 0) for r in csv.DictReader(file))
        mpp = 0.25 if row["mpp"] in {"", "None"} else float(row["mpp"])  # MoNuSeg is read at 40x
        mask = folder / "labels" / f"{stem}.png"
        fields.append(Field(folder / "images" / f"{stem}.png", *table, mpp, stem, mask=mask))
    return fields


TNBC_PATIENTS = ((1001, 1007), (1008, 1010), (1011, 1015), (1016, 1023), (1024, 1027), (1028, 1030), (1031, 1033),
                 (1034, 1037), (1038, 1043), (1044, 1047), (1048, 1050))  # fmt: skip
"""First and last image of each patient, as the numbers of the folders suggest: the set names no patient."""


def tnbc(folder: Path, split: str) -> list[Field]:
    """TNBC at 40x: nuclei of masks; the group is the probable patient, patient-01 to patient-11."""
    fields = []
    for row in _listed(folder):
        number = int(row["name"].rpartition("_")[2])
        patient = next(k for k, (first, last) in enumerate(TNBC_PATIENTS, 1) if first <= number <= last)
        group, mask = f"patient-{patient:02d}", _mask(folder, row["name"])
        fields.append(Field(*_image_and_points(folder, row["name"]), 0.25, group, mask=mask))
    return fields


def dsb2018_tissue(folder: Path, split: str) -> list[Field]:
    """Tissue of the Data Science Bowl 2018; the group is the look of the slide, since no patient is known.

    No scale is recorded: each image has its own, by which its median nucleus measures 7.5 µm.
    """
    return [
        Field(
            *_image_and_points(folder, row["name"]),
            float(row["um_per_px_estimate"]),
            row["look"],
            mask=_mask(folder, row["name"]),
        )
        for row in _listed(folder)
    ]


def brecahad(folder: Path, split: str) -> list[Field]:
    """BreCaHAD at 40x (0.25 µm/px is an estimate), half of its nuclei marked; the group is the patient, as Case_10."""
    fields = []
    for row in _listed(folder):
        name = row["name"]
        table = _table(_csv_rows(folder / "labels" / f"{name}.csv", header=True, shift=1))
        fields.append(Field(folder / "images" / f"{name}.jpg", *table, 0.25, name.partition("-")[0]))
    return fields


def _listed(folder: Path) -> list[dict[str, str]]:
    with (folder / "images.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _image_and_points(folder: Path, name: str) -> tuple[Path, NDArray[np.float32], NDArray[np.int16]]:
    """Return an image with the middles of its nuclei, all of one class."""
    with (folder / "labels" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        table = _table((float(row["y"]), float(row["x"]), 0) for row in csv.DictReader(file))
    return folder / "images" / f"{name}.png", *table


def _mask(folder: Path, name: str) -> Path:
    return folder / "masks" / f"{name}.png"
