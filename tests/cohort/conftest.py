"""A cohort of small slides, and small random networks to work on it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from tests.cli.conftest import Outcome, nucloop, weights

from nucloop import cohort

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Outcome", "nucloop", "weights"]


def picture(seed: int, height: int = 192, width: int = 224) -> np.ndarray:
    """Coarse coloured noise with a margin of glass: the random detector finds something everywhere else."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 200, (height // 8, width // 8, 3), dtype=np.uint8)
    pixels = coarse.repeat(8, 0).repeat(8, 1)
    pixels[:, : width // 4] = 255
    return pixels


def write_slide(path: Path, seed: int, height: int = 192, width: int = 224) -> None:
    options = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER", "tile": (64, 64)}
    tifffile.imwrite(path, picture(seed, height, width), photometric="rgb", **options)


@pytest.fixture
def settings(weights: Path) -> cohort.CohortSettings:
    """Random networks, which torch runs without a conversion."""
    places = {kind: str(weights / f"{kind}.safetensors") for kind in ("detector", "encoder", "head")}
    return cohort.CohortSettings(**places)


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    """Folder of four slides of 0.5 µm per pixel."""
    folder = tmp_path / "slides"
    folder.mkdir()
    for number in range(4):
        write_slide(folder / f"s{number}.tif", number)
    return folder


@pytest.fixture
def study(slides: Path, settings: cohort.CohortSettings, tmp_path: Path) -> Path:
    """Folder of a cohort of these slides."""
    list(cohort.init(slides, tmp_path / "study", settings))
    return tmp_path / "study"


@pytest.fixture
def worked(study: Path) -> Callable[..., list[cohort.Step]]:
    """Run the cohort in this process."""

    def work(**options: object) -> list[cohort.Step]:
        return list(cohort.run(study, device="torch-cpu", **options))

    return work


def states(study: Path) -> dict[str, str]:
    return {one.entry.id: one.state.value for one in cohort.states_of(cohort.open_project(study))}


def contents(study: Path) -> dict[str, bytes]:
    """Every file of all results, and the table."""
    cohort.write_report(cohort.open_project(study))
    files = [*(study / "results").rglob("*"), study / "slides.csv"]
    return {str(path.relative_to(study)): path.read_bytes() for path in files if path.is_file()}
