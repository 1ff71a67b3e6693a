from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.formats.slide_info import SlideInfo
from nucloop.nuclei import Nuclei
from nucloop.session import Session, SlideIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import ArrayLike

SCHEME = ClassScheme(
    "test",
    (NucleusClass("lymphocyte", "#0000ff"), NucleusClass("tumour", "#ff0000"), NucleusClass("stroma", "#00ff00")),
)
SLIDE = SlideIdentity(SlideInfo(name="a.svs", height=4000, width=5000, mpp=0.25, sha256="ab" * 32), 1234)
WEIGHTS = {"detector": {"name": "d", "sha256": "12" * 32}}


class Opens(Protocol):
    def __call__(self, author: str = "Dr A", **options: object) -> Session: ...


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.svs.nucloop"


@pytest.fixture
def opened(path: Path) -> Iterator[Opens]:
    """Open the session of the test (each time in place of the one before), and close it in the end."""
    sessions: list[Session] = []

    def open_it(author: str = "Dr A", **options: object) -> Session:
        if sessions:
            sessions.pop().close()
        sessions.append(Session.open(path, slide=SLIDE, scheme=SCHEME, author=author, **options))
        return sessions[0]

    yield open_it
    for session in sessions:
        session.close()


@pytest.fixture
def session(opened: Opens) -> Session:
    return opened()


def found(*yx: tuple[float, float], label: ArrayLike = 0) -> Nuclei:
    """Return what a model found."""
    return Nuclei.from_points(SCHEME, yx, label=label, score=0.5, probability=[0.5, 0.25, 0.25])
