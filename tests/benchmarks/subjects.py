"""What can be measured: the subjects, the quantities each gives, and their units."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.benchmarks.isolation import Models

EDIT_STEPS = ("session_", "layer_", "dock_", "canvas_", "window_")
STAGES = ("read", "detect", "decode", "encode", "classify")

SUBJECTS: dict[str, dict[str, str]] = {
    "window": {
        "view_first_s": "s",
        "view_all_s": "s",
        "longest_freeze_ms": "ms",
        "view_first_cold_s": "s",
        "view_all_cold_s": "s",
        "view_first_inside_s": "s",
        "view_all_inside_s": "s",
        "view_nuclei": "nuclei",
    },
    "walk": {"walk_freeze_ms": "ms"},
    "project": {
        "project_open_s": "s",
        "project_read_s": "s",
        "project_freeze_ms": "ms",
        "project_scroll_freeze_ms": "ms",
    },
    "correcting": {
        **{f"edit_{size}_{step}ms": "ms" for size in ("1e5", "1e6") for step in ("", *EDIT_STEPS)},
        "repaint_ms": "ms",
        "brush_ms": "ms",
        "undo_ms": "ms",
        "brush_nuclei": "nuclei",
        "queue_next_ms": "ms",
        "queue_next_drawn_ms": "ms",
        "gallery_page_ms": "ms",
        "correcting_freeze_ms": "ms",
    },
    "throughput": {
        "seconds_per_mm2": "s/mm²",
        **{f"stage_{stage}_s_per_mm2": "s/mm²" for stage in STAGES},
        "nuclei_per_mm2": "1/mm²",
    },
    "memory": {"slide_peak_mb": "MB", "slide_s": "s"},
    "engines": {"engine_onnx_s_per_mm2": "s/mm²", "engine_torch_s_per_mm2": "s/mm²"},
    "formats": {
        **{f"{name}_{way}_1e6_s": "s" for name in ("geojson", "parquet", "sqlite") for way in ("write", "read")},
        "formats_peak_mb": "MB",
    },
    "session": {
        "open_1e6_s": "s",
        **{
            f"{name}_{size}_ms": "ms"
            for name in (
                "journal_edit",
                "journal_brush",
                "journal_undo_brush",
                "journal_bulk",
                "journal_undo_bulk",
                "in_view",
                "nearest",
            )
            for size in ("1e5", "1e6")
        },
    },
    "outlines": {"edit_1e5_plain_ms": "ms", "edit_1e5_outlined_ms": "ms", "outlines_edit_ratio": ""},
    "many_outlines": {
        "open_outlined_1e6_s": "s",
        "open_outlined_peak_mb": "MB",
        "geojson_outlined_1e6_s": "s",
        "geojson_outlined_peak_mb": "MB",
    },
    "measuring": {"measured_edit_1e5_ms": "ms", "measured_edit_1e6_ms": "ms"},
    "scores": {"f1_full_1e5_s": "s", "f1_full_1e6_s": "s", "f1_edit_1e5_ms": "ms", "f1_edit_1e6_ms": "ms"},
    "learning": {
        **{f"learn_{step}s": "s" for step in ("", "fit_", "relabel_", "with_estimate_", "window_", "apply_")},
        "learn_freeze_ms": "ms",
        "lora_epoch_s": "s",
    },
    "loading": {"load_s": "s", "load_first_s": "s"},
}
"""Modules of this folder, each with a function `measure`, and the unit of every quantity it may give."""


def chosen(names: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the quantities of these names, with their units, by subject; a subject's own name means all of its own.

    Raises
    ------
    ValueError
        If nothing here measures that.
    """
    if not names:
        return SUBJECTS
    picked = {
        subject: {name: unit for name, unit in units.items() if {name, subject} & set(names)}
        for subject, units in SUBJECTS.items()
    }
    unknown = sorted(set(names).difference(SUBJECTS, *SUBJECTS.values()))
    if unknown:
        known = ", ".join(name for subject, units in SUBJECTS.items() for name in (subject, *units))
        raise ValueError(f"nothing here measures {', '.join(unknown)}. Choose among {known}")
    return {subject: units for subject, units in picked.items() if units}


def measure(subject: str, models: Models, repeat: int) -> dict[str, list[float]]:
    """Measure a subject in this process; its module is imported here, so that nothing heavy is before."""
    samples: dict[str, list[float]] = import_module(f"tests.benchmarks.{subject}").measure(models, repeat)
    return samples
