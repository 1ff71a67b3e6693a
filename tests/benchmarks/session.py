"""The session alone, without a window: edits of a large slide until they are safe on disk, undo, and opening."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from nucloop.classes import ClassScheme
from nucloop.formats.slide_info import SlideInfo
from nucloop.nuclei import Nuclei
from nucloop.session import Session, SlideIdentity

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.isolation import Models

SIDE = 80_000
SINGLE_EDITS = 50
SIZES = {"1e5": 100_000, "1e6": 1_000_000}


def measure(models: Models, repeat: int) -> dict[str, list[float]]:
    """Measure sessions of two sizes on this disk; the models play no part."""
    samples: dict[str, list[float]] = {}
    for size, count in SIZES.items():
        with TemporaryDirectory() as folder:
            path = Path(folder) / "slide.nucloop"
            with _session(path) as session:
                session.import_nuclei(_nuclei(session.scheme, count))
                _edit(session, size, repeat, samples)
            if size == "1e6":
                samples["open_1e6_s"] = [_opened(path) for _ in range(repeat)]
    return samples


def _edit(session: Session, size: str, repeat: int, samples: dict[str, list[float]]) -> None:
    random = np.random.default_rng(0)
    count = len(session)
    single = samples.setdefault(f"journal_edit_{size}_ms", [])
    for k, number in enumerate(random.choice(count, SINGLE_EDITS * repeat, replace=False)):
        single.append(1000 * _seconds(lambda n=number, k=k: session.set_class([n + 1], k % 3, force=True)))
    for name, many in (("brush", 1_000), ("bulk", 100_000)):
        some = random.choice(count, min(many, count), replace=False) + 1
        for k in range(repeat):
            done = _seconds(lambda k=k, some=some: session.set_class(some, k % 3, force=True))
            samples.setdefault(f"journal_{name}_{size}_ms", []).append(1000 * done)
            samples.setdefault(f"journal_undo_{name}_{size}_ms", []).append(1000 * _seconds(session.undo))
    for y, x in random.uniform(0, SIDE - 4096, (SINGLE_EDITS, 2)):
        seconds = _seconds(lambda y=y, x=x: session.shown(session.in_box(y, x, 4096, 4096)))
        samples.setdefault(f"in_view_{size}_ms", []).append(1000 * seconds)
        seconds = _seconds(lambda y=y, x=x: session.nearest((y, x), 40))
        samples.setdefault(f"nearest_{size}_ms", []).append(1000 * seconds)


def _opened(path: Path) -> float:
    sessions: list[Session] = []
    seconds = _seconds(lambda: sessions.append(_session(path)))
    sessions[0].close()
    return seconds


def _session(path: Path) -> Session:
    slide = SlideIdentity(SlideInfo(name="slide", height=SIDE, width=SIDE, mpp=0.25))
    return Session.open(path, slide=slide, scheme=ClassScheme.named("brca-m2c"), author="benchmark")


def _nuclei(scheme: ClassScheme, count: int) -> Nuclei:
    """Return nuclei of a model, strewn over a slide."""
    random = np.random.default_rng(0)
    p = random.dirichlet(np.ones(len(scheme)), count)
    yx = random.uniform(0, SIDE, (count, 2))
    return Nuclei.from_points(scheme, yx, label=p.argmax(1), score=random.uniform(size=count), probability=p)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
