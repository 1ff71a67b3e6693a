"""What was measured, beside what it should be: statistics, the bars, a table for people and a file for programs."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from rich.table import Table
from tests.benchmarks.isolation import CORES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSIONS = ("torch", "onnxruntime", "napari", "numpy")


@dataclass(frozen=True)
class Measurement:
    """The values of one quantity, summed up."""

    median: float
    min: float
    max: float
    n: int
    unit: str

    @classmethod
    def of(cls, values: Sequence[float], unit: str) -> Measurement:
        """Sum up at least one value."""
        return cls(statistics.median(values), min(values), max(values), len(values), unit)


@dataclass(frozen=True)
class Bar:
    """What a quantity must not exceed."""

    limit: float
    aim: float | None = None
    worst: bool = False
    """Whether every single value must hold ("never longer than"), not the median."""

    def verdict(self, measured: Measurement) -> str:
        """Say in words whether it is met."""
        value = measured.max if self.worst else measured.median
        if value > self.limit:
            return f"missed: {value / self.limit:.1f} times the bar"
        if self.aim is None:
            return "met"
        return "met, and the aim" if value <= self.aim else f"met; the aim of {self.aim:g} is not"

    def __str__(self) -> str:
        aim = "" if self.aim is None else f", aim {self.aim:g}"
        return f"{self.limit:,g}{aim}{' at worst' if self.worst else ''}"


BARS = {
    "view_first_s": Bar(0.5),
    "view_all_s": Bar(1.0),
    "seconds_per_mm2": Bar(4.0, aim=2.0),
    "slide_peak_mb": Bar(2000, worst=True),
    "longest_freeze_ms": Bar(200, worst=True),
    "walk_freeze_ms": Bar(200, worst=True),
    "project_open_s": Bar(1),
    "project_freeze_ms": Bar(200, worst=True),
    "project_scroll_freeze_ms": Bar(200, worst=True),
    "edit_1e5_ms": Bar(60),
    "edit_1e6_ms": Bar(80),
    "outlines_edit_ratio": Bar(1.1),
    "brush_ms": Bar(100),
    "undo_ms": Bar(100),
    "queue_next_ms": Bar(50),
    "gallery_page_ms": Bar(300),
    "learn_s": Bar(1),
    "learn_freeze_ms": Bar(200, worst=True),
    "correcting_freeze_ms": Bar(200, worst=True),
    "f1_full_1e5_s": Bar(2),
    "f1_edit_1e5_ms": Bar(5),
    "open_1e6_s": Bar(5),
    "open_outlined_1e6_s": Bar(5),
    "open_outlined_peak_mb": Bar(1500, worst=True),
    "geojson_outlined_1e6_s": Bar(60),
    **{f"geojson_{way}_1e6_s": Bar(15) for way in ("write", "read")},
    **{f"parquet_{way}_1e6_s": Bar(2) for way in ("write", "read")},
    **{f"sqlite_{way}_1e6_s": Bar(15) for way in ("write", "read")},
    "formats_peak_mb": Bar(3000, worst=True),
}
"""The program's promises to the people who use it, on two CPU cores."""


def machine() -> dict[str, object]:
    """Describe the machine, and how busy it is with other things."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "cores_used": CORES,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: _version(name) for name in VERSIONS},
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
    }


def taken_by_others(before: Any, after: Any) -> float | None:
    """Return which share of the processor time that this machine asked for went to others on the same host.

    Parameters
    ----------
    before, after : psutil's cpu_times
        Of the whole machine. None is returned where they do not tell, as outside of Linux.
    """
    if not hasattr(before, "steal"):
        return None
    stolen = after.steal - before.steal
    used = sum(getattr(after, part) - getattr(before, part) for part in ("user", "nice", "system"))
    return float(stolen / (used + stolen)) if used + stolen > 0 else 0.0


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def write_report(path: Path, measured: Mapping[str, Measurement], machine: Mapping[str, object]) -> None:
    """Write {name: {median, min, max, n, unit}} and the machine."""
    content = {name: asdict(m) for name, m in measured.items()} | {"machine": dict(machine)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def table(measured: Mapping[str, Measurement]) -> Table:
    """Return what was measured as a table, the quantities that have a bar first."""
    shown = Table("name", "median", "min", "max", "n", "unit", "bar", "is it met?")
    for column in shown.columns[1:5]:
        column.justify = "right"
    for name in sorted(measured, key=lambda name: name not in BARS):
        m, bar = measured[name], BARS.get(name)
        numbers = [_number(value) for value in (m.median, m.min, m.max)]
        words = ["", ""] if bar is None else [str(bar), bar.verdict(m)]
        colour = "red" if words[1].startswith("missed") else "green" if bar else None
        shown.add_row(name, *numbers, str(m.n), m.unit, *words, style=colour)
    return shown


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
