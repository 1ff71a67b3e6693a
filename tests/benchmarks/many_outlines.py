"""A session with a million outlines: opened, and written as GeoJSON."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.benchmarks.isolation import in_fresh_process

if TYPE_CHECKING:
    from tests.benchmarks.isolation import Models

NUCLEI, CORNERS, RADIUS_PX = 1_000_000, 32, 12.0
SIDE = 80_000


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Open and write, each in a process of its own, so that its peak memory is its own; the models play no part."""
    del models
    samples: dict[str, list[float]] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "slide.nucloop"
        in_fresh_process(_begin, path)
        for _ in range(repeat):
            for name, work in (("open", _open), ("geojson", _write)):
                seconds, peak = in_fresh_process(work, path)
                samples.setdefault(f"{name}_outlined_1e6_s", []).append(seconds)
                samples.setdefault(f"{name}_outlined_peak_mb", []).append(peak)
    return samples


def _begin(path: Path) -> None:
    """Keep nuclei with round outlines, strewn over a slide."""
    import numpy as np

    from nucloop.classes import ClassScheme
    from nucloop.formats.slide_info import SlideInfo
    from nucloop.nuclei import Nuclei
    from nucloop.outlines import Outlines
    from nucloop.session import Session, SlideIdentity

    scheme, rng = ClassScheme.named("brca-m2c"), np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    circle = RADIUS_PX * np.stack([np.sin(angle), np.cos(angle)], 1)
    slide = SlideIdentity(SlideInfo(name="slide", height=SIDE, width=SIDE, mpp=0.25))
    with Session.open(path, slide=slide, scheme=scheme, author="benchmark") as session:
        for part in np.array_split(rng.uniform(0, SIDE, (NUCLEI, 2)), 10):
            corners = (part[:, None] + circle).reshape(-1, 2).astype(np.float32)
            outlines = Outlines(corners, np.arange(len(part) + 1, dtype=np.int64) * CORNERS)
            session.import_nuclei(Nuclei.from_points(scheme, part, label=0, outlines=outlines))


def _open(path: Path) -> tuple[float, float]:
    """Seconds to open, and peak memory in MB."""
    from nucloop.evaluation.dataset import peak_memory_mb
    from nucloop.session import Session

    began = time.perf_counter()
    with Session.open(path) as session:
        seconds = time.perf_counter() - began
        if not session.has_outline(session.ids()).all() or len(session) != NUCLEI:
            raise RuntimeError("the nuclei have no outlines")
        return seconds, peak_memory_mb()


def _write(path: Path) -> tuple[float, float]:
    """Seconds to write all of it as GeoJSON, and peak memory in MB."""
    from nucloop.evaluation.dataset import peak_memory_mb
    from nucloop.formats import write_document
    from nucloop.session import Session
    from nucloop.session.exchange import document_of

    with Session.open(path) as session:
        began = time.perf_counter()
        write_document(path.with_name("out.geojson"), document_of(session))
        return time.perf_counter() - began, peak_memory_mb()
