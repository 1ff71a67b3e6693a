"""The record of a training set: what is in it, from where, under which licence, and which fold is which."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nucloop.classes import ClassScheme
from nucloop.configuration import first_fault, read_strictly
from nucloop.errors import DataError
from nucloop.export.folds import TEST

__all__ = ["FILE_NAME", "Manifest", "PatchRecord", "SourceRecord"]

FILE_NAME = "dataset.json"
LARGEST = 256_000_000


@read_strictly
@dataclass(frozen=True, kw_only=True)
class SourceRecord:
    """Where patches come from."""

    slide: str
    slide_sha256: str | None
    """Of the slide's first megabyte."""
    mpp: float
    height: int
    width: int
    patient: str
    annotation: str
    annotation_sha256: str
    regions: int
    nuclei: int


@read_strictly
@dataclass(frozen=True, kw_only=True)
class PatchRecord:
    """One image with its labels."""

    image: str
    labels: str
    image_sha256: str
    labels_sha256: str
    fold: int
    group: str
    source: int
    region: int
    top: int
    left: int
    height: int
    width: int
    counts: dict[str, int]
    """Nuclei per class; those without a class under ""."""


@read_strictly
@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything that is known of a training set."""

    name: str
    scheme: ClassScheme
    mpp: float
    size: int | None
    stride: int | None
    blank: bool
    folds: int
    group_by: str
    layout: str
    licence: str
    authors: tuple[str, ...]
    description: str
    program: str
    created: str
    protocol: dict[str, Any]
    sources: tuple[SourceRecord, ...]
    patches: tuple[PatchRecord, ...]
    left_out: tuple[str, ...] = ()
    exhaustive: bool = True
    """Whether every nucleus of the annotated areas is marked."""
    format: str = field(default="nucloop-dataset-1")

    def counts(self, fold: int) -> dict[str, int]:
        """Nuclei per class in a fold, in the scheme's order, then those without a class."""
        return {
            name: sum(patch.counts.get(name, 0) for patch in self.patches if patch.fold == fold)
            for name in (*self.scheme.names, "")
        }

    def of_split(self, split: str) -> list[PatchRecord]:
        """Patches of ``train``, ``val`` or ``test``; ``train-2`` and ``val-2`` measure on fold 2 instead of 0.

        Raises
        ------
        DataError
            If there is no such split.
        """
        kind, dash, number = split.partition("-")
        fold = int(number) if number.isdecimal() and len(number) < 4 else -1
        if kind == "test" and not dash:
            return [patch for patch in self.patches if patch.fold == TEST]
        fold = fold if dash else 0
        if kind not in {"train", "val"} or not 0 <= fold < self.folds:
            raise DataError(
                f"{self.name} has no split {split!r}; choose train, val or test, or train-0 and val-0 to "
                f"train-{self.folds - 1} and val-{self.folds - 1}."
            )
        if self.folds == 1:
            # A single fold is all there is to train on.
            return [patch for patch in self.patches if patch.fold == 0 and kind == "train"]
        return [patch for patch in self.patches if patch.fold != TEST and (patch.fold == fold) == (kind == "val")]

    def to_json(self) -> bytes:
        """Text of the file ``dataset.json``."""
        data = TypeAdapter(Manifest).dump_python(self, mode="json")
        data["scheme"] = self.scheme.to_dict()
        folds = [*range(self.folds), *([TEST] if any(patch.fold == TEST for patch in self.patches) else [])]
        data["counts_per_fold"] = {("test" if fold == TEST else str(fold)): self.counts(fold) for fold in folds}
        return json.dumps(data, indent=1, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the record of a training set.

        Raises
        ------
        DataError
            If there is none, or it is not as NucLoop writes it, or it names files outside its folder.
        """
        path = folder / FILE_NAME
        try:
            if path.stat().st_size > LARGEST:
                raise DataError(f"{path} is too large for the record of a training set.")
            data = json.loads(path.read_text(encoding="utf-8"))
            data.pop("counts_per_fold", None)
            manifest = TypeAdapter(cls).validate_python(data)
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror}. Is {folder} a data set of NucLoop?") from error
        except ValidationError as error:
            raise DataError(f"{path} is not as NucLoop writes it ({first_fault(error)}). Export it again.") from error
        except (ValueError, RecursionError, AttributeError) as error:
            raise DataError(f"{path} is damaged. Export it again.") from error
        for patch in manifest.patches:
            for name in (patch.image, patch.labels):
                if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
                    raise DataError(f"{path} names {name!r}, which is not in its folder. Do not use this data set.")
        return manifest
