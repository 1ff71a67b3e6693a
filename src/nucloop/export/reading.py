"""Reading a training set that NucLoop wrote in its own layout."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from nucloop.errors import DataError
from nucloop.export.manifest import Manifest
from nucloop.formats import read_nuclei

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nucloop.export.manifest import PatchRecord
    from nucloop.nuclei import Nuclei

__all__ = ["altered_files", "open_split", "read_labels"]


def open_split(folder: Path, split: str) -> tuple[Manifest, list[PatchRecord]]:
    """Return the record of a training set and the patches of a split (see `Manifest.of_split`).

    Raises
    ------
    DataError
        If the folder is no such set, is in the layout of another program, or has no such split.
    """
    manifest = Manifest.read(folder)
    if manifest.layout != "nucloop":
        raise DataError(
            f"{folder} is in the layout {manifest.layout}. Export it with --layout nucloop, or read it by that name."
        )
    return manifest, manifest.of_split(split)


def read_labels(folder: Path, manifest: Manifest, patch: PatchRecord) -> Nuclei:
    """Read the nuclei of a patch, in pixels of its image."""
    return read_nuclei(folder / patch.labels, manifest.scheme, "csv")


def altered_files(folder: Path) -> Iterator[str]:
    """Yield the files of a training set that are missing or not as they were exported."""
    for patch in Manifest.read(folder).patches:
        for name, said in ((patch.image, patch.image_sha256), (patch.labels, patch.labels_sha256)):
            path = folder / name
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != said:
                yield name
