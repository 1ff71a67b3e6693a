"""What a command loads before it begins: its own, and no network where it needs none."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.cohort.conftest import settings, slides, study
from typer.testing import CliRunner

from nucloop.cli import _COMMANDS, app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Outcome

__all__ = ["settings", "slides", "study"]

HEAVY = (
    "torch",
    "scipy",
    "pandas",
    "skimage",
    "zarr",
    "tifffile",
    "distributed",
    "onnxruntime",
    "nucloop.formats",
    "nucloop.session",
)


def test_how_far_a_cohort_is_is_told_without_loading_what_works_on_slides(study: Path) -> None:
    told = (
        f"import sys; sys.argv = ['nucloop', 'cohort', 'status', {str(study)!r}]\n"
        "from nucloop.cli import main\n"
        "try: main()\n"
        f"finally: print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)

    assert "4 slides: 4 not started" in done.stdout
    assert "loaded: []" in done.stdout


def test_the_client_of_a_cluster_knows_the_work_by_name_and_loads_nothing_of_it() -> None:
    pytest.importorskip("distributed", reason="distributed is not installed: pip install 'napari-nucloop[cluster]'")
    told = (
        "import sys\n"
        "from nucloop.cohort import client_of, run\n"
        "from nucloop.cohort.cluster import outcomes_of_cluster\n"
        "from distributed import Client, LocalCluster\n"
        "from distributed.protocol.pickle import dumps\n"
        "from nucloop.cohort.work import do_part, do_slide, join_parts\n"
        "print('as they travel:', max(len(dumps(work)) for work in (do_part, do_slide, join_parts)))\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules and name != 'distributed'])"
    )

    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)

    assert "loaded: []" in done.stdout
    assert int(done.stdout.split()[3]) < 200


def test_every_command_is_there_and_says_what_it_is_for() -> None:
    for name in _COMMANDS:
        told = CliRunner().invoke(app, [name, "--help"])
        assert told.exit_code == 0, name
        assert f" {name} " in told.output


@pytest.mark.parametrize("name", ["detectt", "cohrt"])
def test_a_misspelt_command_is_answered_with_the_one_that_was_meant(name: str, nucloop: Callable[..., Outcome]) -> None:
    refused = nucloop(name)

    assert refused.code == 2
    assert "Did you mean" in refused.err
