"""One table of all slides, and one of all regions, from the results of a cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nucloop.cohort.marks import Mark, read_marks
from nucloop.cohort.outliers import with_outliers
from nucloop.cohort.result import read_figures
from nucloop.cohort.states import State, states_of
from nucloop.errors import DataError
from nucloop.formats.atomic import replacing
from nucloop.spreadsheets import as_cells

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import pandas as pd

    from nucloop.cohort.project import Project
    from nucloop.cohort.slide_entry import SlideEntry
    from nucloop.cohort.states import SlideState

__all__ = ["figures_of", "tables_of", "write_tables"]


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
        A row for each slide of the cohort, in its order, with the labels of its list and what people said of it; what
        is not known is empty. Figures of a stale result are left out.
    regions : DataFrame
        A row for each region of each slide.
    """
    import pandas as pd

    rows, regions, marks = [], [], read_marks(project)
    states = states_of(project) if states is None else states
    for one in states:
        row, more = _rows(one)
        rows.append(_said(marks.get(one.entry.id)) | row)
        regions += more
    own = {name for row in rows for name in row}
    slides = pd.DataFrame([_beginning(one.entry, own) | row for one, row in zip(states, rows, strict=True)])
    first = [name for name in slides.columns if not name.startswith(("n_", "per_mm2_", "sha256_"))]
    # where slides have other classes: a class that a slide does not know has no count there
    order = [*first, *(name for name in slides.columns if name not in first)]
    return with_outliers(slides[order]), pd.DataFrame(regions)


def figures_of(one: SlideState) -> dict[str, Any]:
    """Return the figures of one slide, by the columns of the table; empty where there is no result that stands."""
    return _rows(one)[0] if one.state is State.DONE else {}


def _rows(one: SlideState) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    entry = one.entry
    row = {"state": one.state.value, "sentence": one.sentence, "path": entry.path, "mpp": entry.mpp}
    if one.state is not State.DONE or one.folder is None:
        return row, []
    try:
        figures = read_figures(one.folder)
        return row | _figures(figures), _regions(one, figures)
    except (DataError, KeyError, TypeError) as error:
        sentence = str(error) if isinstance(error, DataError) else f"The result {one.folder} is damaged. Delete it."
        return row | {"state": State.FAILED.value, "sentence": sentence}, []


def _beginning(entry: SlideEntry, own: Collection[str]) -> dict[str, Any]:
    """Return what the list says of a slide; a label that is called as a column of the table says whose it is."""
    labels = {f"{name} in the list" if name in own else name: value for name, value in entry.labels.items()}
    return {"id": entry.id, "patient": entry.patient, **labels}


def _said(mark: Mark | None) -> dict[str, Any]:
    """Return what people said of a slide."""
    mark = mark or Mark("")
    return {"marked": mark.state, "marked_by": mark.by, "marked_at": mark.when, "tags": ", ".join(mark.tags)}


def _figures(figures: dict[str, Any]) -> dict[str, Any]:
    quality, counts = figures["quality"], figures["counts"]
    area = quality["tissue_mm2"]
    ki67 = figures["ki67"] or {}
    flags = [*quality["flags"], *figures["notices"], *([ki67["why"]] if "why" in ki67 else [])]
    row = {
        "tissue_mm2": area,
        "nuclei": figures["nuclei"],
        "per_mm2": _over(figures["nuclei"], area),
        "without_contrast": figures["without_contrast"],
        **_index(ki67),
        "ki67_by": ki67.get("by", ""),
        **_ends("ki67_with_errors", ki67.get("with_errors_95")),
        "dab_threshold": ki67.get("threshold"),
        **_scores((ki67.get("intensity") or {}).get("slide") or {}),
        "stain": quality["stain"],
        "pen": quality["pen"],
        "folds": quality["folds"],
        "out_of_focus": quality["out_of_focus"],
        "flags": "; ".join(flags),
    }
    row |= {f"n_{name}": count for name, count in counts.items()}
    row |= {f"per_mm2_{name}": _over(count, area) for name, count in counts.items()}
    return row | {f"sha256_{kind}": one.get("sha256", "") for kind, one in figures["weights"].items()}


def _index(ki67: dict[str, Any]) -> dict[str, Any]:
    """Return the index and Wilson's interval; where nothing was counted there is neither."""
    known = ki67 if ki67.get("index") is not None else {}
    ends = {f"ki67_{end}": known.get(end) for end in ("low", "high")}
    return {"ki67": known.get("index"), **ends, "ki67_counted": ki67.get("counted")}


def _scores(score: dict[str, Any]) -> dict[str, Any]:
    """Return H-score, its interval, Allred's and the nuclei of each grade; empty without DAB."""
    grades = score.get("grades") or (None,) * 4
    return {
        "h_score": score.get("h_score"),
        **_ends("h_score", score.get("h_score_95")),
        "allred": score.get("allred"),
        **{f"grade_{grade}": count for grade, count in enumerate(grades)},
    }


def _ends(name: str, interval: Sequence[float] | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _regions(one: SlideState, figures: dict[str, Any]) -> list[dict[str, Any]]:
    ki67 = figures["ki67"] or {}
    scores = {score["name"]: score for score in (ki67.get("intensity") or {}).get("regions", ())}
    return [_region(one, each, ki67.get("regions", {}), scores) for each in figures["regions"]]


def _region(one: SlideState, region: dict[str, Any], indices: dict[str, Any], scores: dict[str, Any]) -> dict[str, Any]:
    counts, name = region["counts"], region["name"]
    row = {"id": one.entry.id, "patient": one.entry.patient, "region": name, "mm2": region["mm2"]}
    row |= {"nuclei": sum(counts.values()), **_index(indices.get(name, {})), **_scores(scores.get(name, {}))}
    row |= {f"n_{name}": count for name, count in counts.items()}
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
