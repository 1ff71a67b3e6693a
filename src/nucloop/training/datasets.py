"""The public data sets by name: how each is read, what its licence allows, what its classes mean in others' schemes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from nucloop.classes import ClassScheme
from nucloop.errors import DataError
from nucloop.training import readers
from nucloop.training.fields import UNREADABLE, Dataset, Field, leave_out, only

__all__ = ["DATASETS", "Dataset", "Field", "leave_out", "only", "open_dataset"]


@dataclass(frozen=True)
class _Source:
    scheme: str
    splits: tuple[str, ...]
    read: Callable[[Path, str], list[Field]]
    licence: str
    shippable: bool = False
    exhaustive: bool = True
    means: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


DATASETS: dict[str, _Source] = {
    "brca-m2c": _Source("brca-m2c", ("train", "val", "test"), readers.brca_m2c, "BSD-3-Clause", shippable=True),
    "nucls": _Source("nucls", ("train", "test"), readers.nucls, "CC0-1.0", shippable=True, exhaustive=False),
    "consep-20x": _Source("consep-3", ("train", "val", "test"), readers.consep, "citation required, licence uncertain"),
    "crchisto": _Source("crchisto", ("train", "val", "test"), readers.crchisto, "research only"),
    "bcdata": _Source("ki67", ("test",), readers.bcdata, "none stated", exhaustive=False),
    "deepliif": _Source("ki67", ("test",), readers.deepliif, "Apache-2.0 with Commons Clause", exhaustive=False),
    "monuseg": _Source("nucleus", ("train", "test"), readers.monuseg, "CC-BY-NC-SA-4.0"),
    # the three have no splits of their own: all is train, and groups are left out to measure on
    "tnbc": _Source("nucleus", ("train",), readers.tnbc, "CC-BY-4.0", shippable=True),
    "dsb2018-tissue": _Source("nucleus", ("train",), readers.dsb2018_tissue, "CC0-1.0", shippable=True),
    "brecahad": _Source(
        "brecahad",
        ("train",),
        readers.brecahad,
        "CC-BY-4.0",
        shippable=True,
        exhaustive=False,
        # what is dying may have been of any class
        means={"lymphocyte or stromal": ("lymphocyte", "stromal"), "mitosis": ("tumour",)},
    ),
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
        table = (nuclei.yx, nuclei.label, manifest.mpp, patch.group)
        fields.append(Field(folder / patch.image, *table, exhaustive=manifest.exhaustive))
    return Dataset(manifest.name, manifest.scheme, tuple(fields), manifest.licence, False)


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
    except (*UNREADABLE, KeyError, IndexError, TypeError, OverflowError, csv.Error) as error:
        raise DataError(f"{name}: a file in {folder} cannot be read ({error}).") from error
    if not fields:
        raise DataError(f"{name}: no images of split {split!r} in {folder}.")
    scheme = ClassScheme.named(reader.scheme)
    for one in fields:
        if not np.isfinite(one.yx).all() or (
            len(one.label) and not -1 <= one.label.min() <= one.label.max() < len(scheme)
        ):
            raise DataError(
                f"{name}: the labels of {one.image.name} hold a class or a place that does not exist. "
                "Copy the data set again."
            )
    marked = tuple(replace(one, exhaustive=reader.exhaustive) for one in fields)
    return Dataset(name, scheme, marked, reader.licence, reader.shippable, reader.means)
