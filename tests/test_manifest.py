from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path

import pytest

from nucloop.formats import FORMATS
from nucloop.slides import reader_for

npe2 = pytest.importorskip("npe2", reason="npe2 is not installed: pip install 'napari-nucloop[dev]'")

ROOT = Path(__file__).parents[1]
NAME = "napari-nucloop"


@pytest.fixture
def manifest() -> "npe2.PluginManifest":
    return npe2.PluginManifest.from_distribution(NAME)


def test_the_installed_manifest_is_the_one_at_the_top(manifest: "npe2.PluginManifest") -> None:
    at_the_top = (ROOT / "napari.yaml").read_text()

    assert files("nucloop").joinpath("napari.yaml").read_text() == at_the_top
    assert manifest.name == NAME
    assert manifest.display_name == "NucLoop"


def test_every_command_of_the_manifest_exists(manifest: "npe2.PluginManifest") -> None:
    pytest.importorskip("napari", reason="napari is not installed: pip install 'napari-nucloop[app]'")

    manifest.validate_imports()


def test_every_contribution_names_a_command_of_the_manifest(manifest: "npe2.PluginManifest") -> None:
    contributions = manifest.contributions
    known = {command.id for command in contributions.commands or ()}
    used = [
        *(contributions.readers or ()),
        *(contributions.writers or ()),
        *(contributions.widgets or ()),
        *(contributions.sample_data or ()),
        *(item for items in contributions.menus.values() for item in items),
    ]

    assert {one.command for one in used} <= known
    assert len(used) > 5


@pytest.mark.parametrize("name", ["a.svs", "b.NDPI", "c.ome.tif", "d.tiff", "e.png", "f.JPG", "g.mrxs"])
def test_napari_offers_nucloop_for_a_slide(manifest: "npe2.PluginManifest", name: str) -> None:
    manager = npe2.PluginManager()
    manager.register(manifest)

    assert [reader.plugin_name for reader in manager.iter_compatible_readers([name])] == [NAME]


def test_napari_offers_nucloop_for_a_zarr_folder(manifest: "npe2.PluginManifest", tmp_path: Path) -> None:
    folder = tmp_path / "slide.zarr"
    folder.mkdir()
    manager = npe2.PluginManager()
    manager.register(manifest)

    assert [reader.plugin_name for reader in manager.iter_compatible_readers([str(folder)])] == [NAME]


def test_a_reader_stands_behind_every_file_name_of_the_manifest(manifest: "npe2.PluginManifest") -> None:
    patterns = {
        pattern
        for reader in manifest.contributions.readers or ()
        for pattern in reader.filename_patterns
        if reader.command.endswith("get_reader")
    }

    assert patterns
    assert [pattern for pattern in patterns if reader_for(Path("slide" + pattern[1:])) is None] == []


def test_every_format_has_a_writer_and_its_files_a_reader(manifest: "npe2.PluginManifest") -> None:
    written = {one.filename_extensions[0] for one in manifest.contributions.writers or ()}
    read = [
        pattern
        for reader in manifest.contributions.readers or ()
        for pattern in reader.filename_patterns
        if reader.command.endswith("get_annotation_reader")
    ]

    assert written == {one.suffixes[0] for one in FORMATS.values()}
    assert [s for one in FORMATS.values() for s in one.suffixes if not any(fnmatch(f"a{s}", p) for p in read)] == []
