"""Folders, formats, devices and numbers that cannot be used: what the person reads."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    """A folder that may be read but not written to; root, who may write anywhere, becomes somebody else meanwhile."""
    if not hasattr(os, "geteuid"):
        pytest.skip("rights of folders are another matter here")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o700)
    shutil.rmtree(folder)


def test_a_read_only_folder_is_said_before_the_work_begins(nucloop, models, slide, read_only_folder):
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", read_only_folder, *models)

    assert run.code == 1
    assert f"Cannot write to {read_only_folder}: Permission denied. Choose another folder." in run.err
    assert "\nnuclei" not in run.out


def test_a_file_in_place_of_the_folder_is_said(nucloop, models, slide, tmp_path):
    (tmp_path / "results").write_text("a file")

    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path / "results", *models)

    assert run.code == 1
    assert f"Cannot write to {tmp_path / 'results'}: File exists. Choose another folder." in run.err


def test_a_full_disk_leaves_what_was_there(nucloop, models, slide, tmp_path, monkeypatch):
    earlier = tmp_path / "results" / "slide.csv"
    earlier.parent.mkdir()
    earlier.write_text("earlier results")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path / "results", *models)

    assert run.code == 1
    assert f"Cannot write {earlier}: No space left on device." in run.err
    assert "make room" in run.err
    assert earlier.read_text() == "earlier results"
    assert os.listdir(earlier.parent) == ["slide.csv"]


def test_an_unknown_format_lists_the_known_ones(nucloop, models, slide, tmp_path):
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, "--format", "xml", *models)

    assert run.code == 1
    assert "There is no format 'xml'. Choose one of: csv, geojson" in run.err


def test_an_unknown_device_lists_the_known_ones(nucloop, models, slide, tmp_path):
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, *models, "--device", "abacus")

    assert run.code == 1
    assert "There is no device 'abacus'. Choose auto" in run.err


@pytest.mark.parametrize(("option", "value"), [("--mpp", "0"), ("--mpp", "nan"), ("--threshold", "2")])
def test_an_impossible_number_is_refused_with_its_option(nucloop, models, slide, tmp_path, option, value):
    run = nucloop("detect", slide, "--mpp", 0.5, "--out", tmp_path, *models, option, value)

    assert run.code in (1, 2)
    assert option in run.err or "not a size of a pixel" in run.err
    assert not (tmp_path / "slide.csv").exists()
