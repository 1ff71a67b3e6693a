"""Readers of the public data sets, by name: images with reference points and classes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nucloop.classes import ClassScheme
from nucloop.errors import DataError

__all__ = ["DATASETS", "Dataset", "Field", "leave_out", "only", "open_dataset"]


@dataclass(frozen=True)
class Field:
    """One annotated image.

    Parameters
    ----------
    image : Path
        RGB file.
    yx : (N, 2) float32
        Reference centres in pixels of the image, pixel centres at integers.
    label : (N,) int16
        Rows in the data set's scheme; -1 marks a nucleus without a class.
    mpp : float
        Microns per pixel.
    group : str
        Hospital, slide or patient: never divided between training and measuring.
    """

    image: Path
    yx: NDArray[np.float32]
    label: NDArray[np.int16]
    mpp: float
    group: str

    @property
    def name(self) -> str:
        """File name without its ending."""
        return self.image.stem

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The image, (H, W, 3)."""
        try:
            with Image.open(self.image) as file:
                return np.asarray(file.convert("RGB"))
        except OSError as error:
            raise DataError(f"Cannot read the image {self.image}: {error}. Copy the data set again.") from error


@dataclass(frozen=True)
class Dataset:
    """A named set of fields with one class scheme, and what its licence allows."""

    name: str
    scheme: ClassScheme
    fields: tuple[Field, ...]
    licence: str
    shippable: bool
    """Whether weights trained on it may be distributed with NucLoop."""
    exhaustive: bool = True
    """False where only some kinds of nuclei are marked, so that precision means nothing."""


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


def _brca_m2c(folder: Path, split: str) -> list[Field]:
    names = [n.strip() for n in (folder / f"brca_ds_{split}.txt").read_text(encoding="utf-8").split("\n") if n.strip()]
    fields = []
    for name in names:
        label_file = folder / "labels" / f"{Path(name).stem}_gt_class_coords.txt"
        rows = (line.split() for line in label_file.read_text(encoding="utf-8").splitlines() if line.strip())
        yx, label = _table((float(y), float(x), int(c) - 1) for y, x, c in rows)
        fields.append(Field(folder / "images" / name, yx, label, 0.5, "-".join(name.split("-")[1:3])))
    return fields


def _consep(folder: Path, split: str) -> list[Field]:
    validation = {f"train_{k}" for k in (5, 8, 11, 16, 23)}
    images = sorted((folder / "images").glob("test_*.png" if split == "test" else "train_*.png"))
    if split != "test":
        images = [image for image in images if (image.stem in validation) == (split == "val")]
    return [
        Field(image, *_table(_csv_rows(folder / "labels" / f"{image.stem}.csv", header=True, shift=1)), 0.5, image.stem)
        for image in images
    ]


def _crchisto(folder: Path, split: str) -> list[Field]:
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


def _nucls(folder: Path, split: str) -> list[Field]:
    root = folder / split
    return [
        # the export does not record its scale; NuCLS is read at 0.2 and was resampled, so 0.25 is our estimate
        Field(image, *_table(_csv_rows(root / "labels" / f"{image.stem}.csv", header=False, shift=0)), 0.25, image.stem)
        for image in sorted((root / "images").glob("*.png"))
    ]


def _bcdata(folder: Path, split: str) -> list[Field]:
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


def _deepliif(folder: Path, split: str) -> list[Field]:
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


def _monuseg(folder: Path, split: str) -> list[Field]:
    with (folder / "images.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    fields = []
    for row in rows:
        stem = Path(row["image"]).stem
        with (folder / "labels" / f"{stem}.csv").open(newline="", encoding="utf-8") as file:
            table = _table((float(r["y"]), float(r["x"]), 0) for r in csv.DictReader(file))
        mpp = 0.25 if row["mpp"] in {"", "None"} else float(row["mpp"])  # MoNuSeg is read at 40x
        fields.append(Field(folder / "images" / f"{stem}.png", *table, mpp, stem))
    return fields


@dataclass(frozen=True)
class _Source:
    scheme: str
    splits: tuple[str, ...]
    read: Callable[[Path, str], list[Field]]
    licence: str
    shippable: bool = False
    exhaustive: bool = True


DATASETS: dict[str, _Source] = {
    "brca-m2c": _Source("brca-m2c", ("train", "val", "test"), _brca_m2c, "BSD-3-Clause", shippable=True),
    "nucls": _Source("nucls", ("train", "test"), _nucls, "CC0-1.0", shippable=True, exhaustive=False),
    "consep-20x": _Source("consep-3", ("train", "val", "test"), _consep, "citation required, licence uncertain"),
    "crchisto": _Source("crchisto", ("train", "val", "test"), _crchisto, "research only"),
    "bcdata": _Source("ki67", ("test",), _bcdata, "none stated", exhaustive=False),
    "deepliif": _Source("ki67", ("test",), _deepliif, "Apache-2.0 with Commons Clause", exhaustive=False),
    "monuseg": _Source("nucleus", ("train", "test"), _monuseg, "CC-BY-NC-SA-4.0"),
}


def _nucloop(folder: Path, split: str) -> Dataset:
    """Open a training set of ``nucloop export-dataset``; it knows its own classes, licence and splits."""
    from nucloop.export.reading import open_split, read_labels

    manifest, patches = open_split(folder, split)
    if not patches:
        raise DataError(f"{manifest.name}: no images of split {split!r} in {folder}.")
    fields = []
    for patch in patches:
        nuclei = read_labels(folder, manifest, patch)
        fields.append(Field(folder / patch.image, nuclei.yx, nuclei.label, manifest.mpp, patch.group))
    return Dataset(manifest.name, manifest.scheme, tuple(fields), manifest.licence, False, manifest.exhaustive)


def open_dataset(spec: str, split: str) -> Dataset:
    """Open ``NAME:PATH`` (for example ``brca-m2c:/data/brca-m2c``), one split.

    ``nucloop:PATH`` is a training set of ``nucloop export-dataset``.

    Raises
    ------
    DataError
        When the name, the split or a file of the folder is unknown, missing or malformed.
    """
    name, colon, path = spec.partition(":")
    if name == "nucloop" and colon:
        return _nucloop(Path(path), split)
    if not colon or name not in DATASETS:
        raise DataError(
            f"Data set {spec!r} is not of the form NAME:PATH with NAME one of nucloop, {', '.join(DATASETS)}."
        )
    reader, folder = DATASETS[name], Path(path)
    if split not in reader.splits:
        raise DataError(f"{name} has no split {split!r}; choose one of {', '.join(reader.splits)}.")
    try:
        fields = reader.read(folder, split)
    except FileNotFoundError as error:
        raise DataError(f"{name}: {error.filename} is missing. Is {folder} the data set's folder?") from error
    except (OSError, ValueError, KeyError, IndexError, csv.Error) as error:
        raise DataError(f"{name}: a file in {folder} cannot be read ({error}).") from error
    if not fields:
        raise DataError(f"{name}: no images of split {split!r} in {folder}.")
    scheme = ClassScheme.named(reader.scheme)
    for field in fields:
        if not np.isfinite(field.yx).all() or (len(field.label) and field.label.max() >= len(scheme)):
            raise DataError(
                f"{name}: the labels of {field.image.name} hold a class or a place that does not exist. "
                "Copy the data set again."
            )
    return Dataset(name, scheme, tuple(fields), reader.licence, reader.shippable, reader.exhaustive)


def leave_out(fields: Sequence[Field], groups: Sequence[str]) -> list[Field]:
    """Fields whose group begins with none of `groups` (a hospital or a patient)."""
    return [f for f in fields if not any(f.group.startswith(g) for g in groups)]


def only(fields: Sequence[Field], groups: Sequence[str]) -> list[Field]:
    """Fields whose group begins with one of `groups`; all of them when `groups` is empty."""
    return [f for f in fields if not groups or any(f.group.startswith(g) for g in groups)]
