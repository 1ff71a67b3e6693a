"""How the commands read files of nuclei: what a person says of them, and what there is to say to the person."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from nucloop.cli.terminal import complain
from nucloop.errors import DataError, RegionError
from nucloop.formats import Asked, Document, only_areas, read_regions
from nucloop.geometry import to_count
from nucloop.session.exchange import read_annotations

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.geometry import Region

__all__ = ["AREAS_HELP", "Areas", "drawn_areas", "read_told"]

AREAS_HELP = "What drawn areas in files of nuclei are: nuclei, each with its outline, or regions."


class Areas(StrEnum):
    """What a drawn area stands for."""

    REGIONS = "regions"
    NUCLEI = "nuclei"


def read_told(
    path: Path,
    *,
    areas: Areas | None = None,
    mpp: float | None = None,
    file_format: str | None = None,
    regions_will_do: bool = False,
    told: set[str] | None = None,
) -> Document:
    """Read a file of nuclei or a session, and say on standard error what was left out.

    Parameters
    ----------
    path : Path
        Of any format.
    areas : Areas, optional
        What drawn areas are; regions, unless said.
    mpp : float, optional
        µm per pixel of its slide, for tables in µm.
    file_format : str, optional
        Its format, where it does not show.
    regions_will_do : bool
        Whether a file of regions without nuclei is of use.
    told : set of str, optional
        What was said already, and need not be said again.

    Raises
    ------
    DataError
        If it cannot be read, or holds areas and no nuclei where nobody said what the areas are.
    """
    asked = Asked(areas_are_nuclei=areas is Areas.NUCLEI, mpp=mpp)
    document = read_annotations(path, file_format, asked)
    trouble = "" if areas is Areas.REGIONS else only_areas(document, path.name)
    if trouble and not regions_will_do:
        raise DataError(trouble)
    lines = [*document.remarks, *([trouble] if trouble else [])]
    if not len(document.nuclei) and not trouble:
        lines.append(f"{path.name} holds no nuclei.")
    for line in lines:
        if told is None or line not in told:
            complain(line, about=path.name)
    if told is not None:
        told.update(lines)
    return document


def drawn_areas(path: Path | None) -> list[Region]:
    """Read the areas of a file, none without one, and say on standard error which were left out.

    What is ignored is cut out of the others.

    Raises
    ------
    RegionError
        If all of them are ignored.
    """
    if path is None:
        return []
    counted = to_count(read_regions(path, complain))
    if not counted:
        raise RegionError(
            f"{path.name} holds nothing but areas that are ignored. Draw the area too in which nuclei count, and "
            "export both."
        )
    return counted
