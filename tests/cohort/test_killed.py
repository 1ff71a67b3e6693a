"""Whole cohorts in real processes, stopped and killed at random moments: nothing lost, nothing twice, the same bytes.

Once each; with NUCLOOP_KILLS=10 in the environment, as ``make kills`` has it, ten times each and with more slides.
However fast a machine is, no run is over before it is stopped: its last slide waits at a gate.
"""

from __future__ import annotations

import json
import os
import random
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.cohort.conftest import contents, states, write_slide
from tests.cohort.processes import (
    PATIENCE,
    Gate,
    family,
    finished_here,
    gone,
    kill,
    kill_all,
    results,
    running,
    started,
    until,
    until_some_moment,
    workers_of,
)

from nucloop import cohort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytest.importorskip("distributed", reason="distributed is not installed: pip install 'napari-nucloop[cluster]'")
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs SIGKILL"),
    pytest.mark.slow,
    pytest.mark.timeout(3000),
]
TIMES = int(os.environ.get("NUCLOOP_KILLS", "1"))
SLIDES = 8 if TIMES == 1 else 24
WORKERS = 1 if TIMES == 1 else 2
"""Each of them takes seconds to start."""


@pytest.fixture(autouse=True)
def _hears_ctrl_c() -> Iterator[None]:
    """Have programs hear Ctrl+C also where the tests run behind a shell, which tells its children to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slides")
    for number in range(SLIDES):
        write_slide(folder / f"s{number:02}.tif", number, 128 + 64 * (number % 5), 512)
    # the smallest: it is begun last
    write_slide(folder / "last.tif", SLIDES, 64, 512)
    return folder


def made(folder: Path, settings: cohort.CohortSettings, place: Path) -> tuple[Path, Path]:
    """Make a cohort of the slides in a new folder; return it, and the regions without which the last slide waits."""
    place.mkdir()
    ring = [[-1, -1], [600, -1], [600, 70], [-1, 70], [-1, -1]]
    drawn = {"properties": {"objectType": "annotation", "name": "all of it"}, "type": "Feature"}
    drawn["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    regions = place / "regions.geojson"
    regions.write_text(json.dumps({"type": "FeatureCollection", "features": [drawn]}))
    rows = [f"{path},{regions if path.stem == 'last' else ''}" for path in sorted(folder.glob("*.tif"))]
    (place / "list.csv").write_text("\n".join(["slide,regions", *rows]))
    list(cohort.init(place / "list.csv", place / "study", settings))
    return place / "study", regions


@pytest.fixture(scope="module")
def settings(weights: Path) -> cohort.CohortSettings:
    places = {kind: str(weights / f"{kind}.safetensors") for kind in ("detector", "encoder", "head")}
    return cohort.CohortSettings(**places)


@pytest.fixture(scope="module")
def expected(
    folder: Path, settings: cohort.CohortSettings, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """What one process makes of the slides."""
    study, _ = made(folder, settings, tmp_path_factory.mktemp("alone") / "place")
    finished_here(study)
    return contents(study)


@pytest.fixture
def new_study(folder: Path, settings: cohort.CohortSettings, tmp_path: Path) -> Callable[[int], tuple[Path, Gate]]:
    def make(number: int) -> tuple[Path, Gate]:
        study, regions = made(folder, settings, tmp_path / f"place-{number}")
        return study, Gate(regions)

    return make


def test_two_workers_one_of_them_killed_at_times_make_the_same_bytes_as_one_process(
    new_study: Callable[[int], tuple[Path, Gate]], expected: dict[str, bytes]
) -> None:
    for number in range(TIMES):
        (study, gate), chance = new_study(number), random.Random(number)
        with running(study, "--workers", 2) as program:
            until_some_moment(study, program, chance, SLIDES)
            until(lambda run=program: len(workers_of(run)) == 2, program)
            kill(chance.choice(workers_of(program)))
            gate.open()
            out, err = program.communicate(timeout=PATIENCE)
            assert program.returncode == 0, err
            assert f"{SLIDES + 1} slides done, 0 failed" in out
        assert contents(study) == expected


def test_a_run_whose_client_is_killed_goes_on_where_it_was(
    new_study: Callable[[int], tuple[Path, Gate]], expected: dict[str, bytes]
) -> None:
    for number in range(TIMES):
        (study, gate), chance = new_study(number), random.Random(100 + number)
        with running(study, "--workers", WORKERS) as program:
            until_some_moment(study, program, chance, SLIDES)
            everybody = family(program)
            kill(everybody[0])
            # nobody works on in secret
            until(lambda all_=everybody: gone(all_))
        there = results(study)
        assert 0 < there <= SLIDES
        assert list(states(study).values()).count("done") == there

        gate.open()
        finished_here(study)

        assert contents(study) == expected


def test_ctrl_c_ends_a_run_with_a_sentence_and_the_same_command_goes_on(
    new_study: Callable[[int], tuple[Path, Gate]], expected: dict[str, bytes]
) -> None:
    study, gate = new_study(0)
    with running(study, "--workers", WORKERS) as program:
        until(lambda: results(study) >= 1, program)
        everybody = family(program)
        os.killpg(program.pid, signal.SIGINT)
        _, err = program.communicate(timeout=PATIENCE)
        until(lambda: gone(everybody))
    assert program.returncode == 130, err
    assert "stopped; " in err
    assert "Go on with: nucloop cohort run" in err
    assert "Traceback" not in err, err

    gate.open()
    finished_here(study)

    assert contents(study) == expected


@contextmanager
def cluster(folder: Path) -> Iterator[list[object]]:
    """A scheduler and workers, as an administrator starts them."""
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    quiet = ("--no-dashboard",)
    programs = [started("dask", "scheduler", "--scheduler-file", file, "--port", 0, *quiet)]
    try:
        until(file.exists, programs[0])
        options = ("--scheduler-file", file, "--nthreads", 1, "--local-directory", folder, *quiet)
        programs += [started("dask", "worker", *options) for _ in range(WORKERS)]
        yield programs
    finally:
        for program in programs:
            kill_all(program)


def test_a_cluster_that_is_killed_is_missed_with_a_sentence_and_another_one_goes_on(
    new_study: Callable[[int], tuple[Path, Gate]], expected: dict[str, bytes]
) -> None:
    for number in range(TIMES):
        (study, gate), chance = new_study(number), random.Random(200 + number)
        with cluster(study.parent) as programs:
            with running(study, "--scheduler-file", study.parent / "scheduler.json") as program:
                until_some_moment(study, program, chance, SLIDES)
                for one in programs:
                    kill_all(one)
                _, err = program.communicate(timeout=PATIENCE)
            assert program.returncode == 1, err
            assert "The cluster was lost" in err
            assert "Traceback" not in err, err
        assert 0 < results(study) <= SLIDES

        gate.open()
        finished_here(study)

        assert contents(study) == expected
