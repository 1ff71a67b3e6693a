"""One table of all slides, and one of all regions, from the results of a cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nucloop.cohort.outliers import with_outliers
from nucloop.cohort.result import read_figures
from nucloop.cohort.states import State, states_of
from nucloop.errors import DataError
from nucloop.formats.atomic import replacing
from nucloop.spreadsheets import as_cells

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from nucloop.cohort.project import Project
    from nucloop.cohort.states import SlideState

__all__ = ["tables_of", "write_tables"]


def tables_of(project: Project, states: list[SlideState] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table of slides and that of regions.

    Parameters
    ----------
    project : Project
    states : list of SlideState, optional
        Where they are known already.

    Returns
    -------
    slides : DataFrame
        A row for each slide of the cohort, in its order; what is not known is empty. Figures of a stale result are
        left out.
    regions : DataFrame
        A row for each region of each slide.
    """
    import pandas as pd

    rows, regions = [], []
    for one in states_of(project) if states is None else states:
        row, more = _rows(one)
        rows.append(row)
        regions += more
    slides = pd.DataFrame(rows)
    first = [name for name in slides.columns if not name.startswith(("n_", "per_mm2_", "sha256_"))]
    # where slides have other classes: a class that a slide does not know has no count there
    order = [*first, *(name for name in slides.columns if name not in first)]
    return with_outliers(slides[order]), pd.DataFrame(regions)


def _rows(one: SlideState) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    entry = one.entry
    row: dict[str, Any] = {"id": entry.id, "patient": entry.patient, **entry.labels}
    row |= {"state": one.state.value, "sentence": one.sentence, "path": entry.path, "mpp": entry.mpp}
    if one.state is not State.DONE or one.folder is None:
        return row, []
    try:
        figures = read_figures(one.folder)
        return row | _figures(figures), [_region(one, region) for region in figures["regions"]]
    except (DataError, KeyError, TypeError) as error:
        sentence = str(error) if isinstance(error, DataError) else f"The result {one.folder} is damaged. Delete it."
        return row | {"state": State.FAILED.value, "sentence": sentence}, []


def _figures(figures: dict[str, Any]) -> dict[str, Any]:
    quality, counts = figures["quality"], figures["counts"]
    area = quality["tissue_mm2"]
    ki67 = figures["ki67"] or {}
    row = {
        "tissue_mm2": area,
        "nuclei": figures["nuclei"],
        "per_mm2": _over(figures["nuclei"], area),
        "ki67": ki67.get("index"),
        "ki67_low": ki67.get("low") if ki67.get("index") is not None else None,
        "ki67_high": ki67.get("high") if ki67.get("index") is not None else None,
        "ki67_counted": ki67.get("counted"),
        "ki67_by": ki67.get("by", ""),
        "stain": quality["stain"],
        "pen": quality["pen"],
        "folds": quality["folds"],
        "out_of_focus": quality["out_of_focus"],
        "flags": "; ".join([*quality["flags"], *figures["notices"]]),
    }
    row |= {f"n_{name}": count for name, count in counts.items()}
    row |= {f"per_mm2_{name}": _over(count, area) for name, count in counts.items()}
    return row | {f"sha256_{kind}": one.get("sha256", "") for kind, one in figures["weights"].items()}


def _region(one: SlideState, region: dict[str, Any]) -> dict[str, Any]:
    counts = region["counts"]
    row = {"id": one.entry.id, "patient": one.entry.patient, "region": region["name"], "mm2": region["mm2"]}
    row |= {"nuclei": sum(counts.values()), **{f"n_{name}": count for name, count in counts.items()}}
    return row | {f"per_mm2_{name}": _over(count, region["mm2"]) for name, count in counts.items()}


def _over(count: int, area: float) -> float | None:
    return round(count / area, 2) if area else None


def write_tables(project: Project, slides: pd.DataFrame, regions: pd.DataFrame) -> list[Path]:
    """Write slides.csv and, where there are regions, regions.csv; return which.

    Raises
    ------
    DataError
        If they cannot be written.
    """
    written = []
    for name, table in (("slides.csv", slides), ("regions.csv", regions)):
        path = project.folder / name
        if len(table):
            with replacing(path) as file:
                file.write(as_cells(table).to_csv(index=False).encode())
            written.append(path)
    return written
