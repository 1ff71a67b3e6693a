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

HEAVY = ("torch", "scipy", "pandas", "skimage", "zarr", "tifffile", "distributed", "onnxruntime", "nucloop.session")


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
