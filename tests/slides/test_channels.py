"""Channels that are no colours are refused; opacity is what the file calls opacity."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from tests.slides.written import (
    ome_xml,
    planes_of,
    tissue,
    write_bioformats2raw,
    write_multiscale,
    write_pages,
    write_planes,
)

from nucloop.errors import SlideError
from nucloop.slides import open_slide, slide_from_array

RGB = tissue(64, 80)
PLANES = planes_of(RGB)
MARKERS = ["CD3", "PanCK", "CD8", "Ki67"]
NOT_FOR_IT = "NucLoop reads brightfield slides"
RED, GREEN, BLUE, WHITE = -16776961, 16711935, 65535, -1


def read_all(path: Path, **options: Any) -> np.ndarray:
    with open_slide(path, **options) as slide:
        return slide.levels[0].read(0, 0, *slide.shape)


def write_channels(path: Path, count: int, **channel: Any) -> None:
    """Write an OME-TIFF of planes with what is said of its channels."""
    pixels = np.resize(PLANES, (count, 64, 80))
    metadata: dict[str, Any] = {"axes": "CYX"} | ({"Channel": channel} if channel else {})
    tifffile.imwrite(path, pixels, photometric="minisblack", compression="zlib", metadata=metadata)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_an_ome_tiff_of_named_markers_is_refused_with_their_names(tmp_path: Path, count: int) -> None:
    write_channels(tmp_path / "a.ome.tif", count, Name=MARKERS[:count])

    with pytest.raises(SlideError, match=rf"a\.ome\.tif has {count} channels \(CD3, PanCK.*{NOT_FOR_IT}"):
        open_slide(tmp_path / "a.ome.tif")


@pytest.mark.parametrize(
    "channel",
    [
        {},
        {"Name": ["Red", "Green", "Blue"]},
        {"Name": ["R", "G", "B"], "Color": [WHITE, WHITE, WHITE]},
        {"Name": ["Channel 0", "Channel 1", "Channel 2"]},
        {"Name": ["C:0", "C:1", "C:2"], "Color": [RED, GREEN, BLUE]},
        {"Name": ["0", "1", "2"], "Color": [WHITE, WHITE, WHITE]},
        {"Name": ["TL Brightfield"] * 3},
        {"Color": [-65536, -16711936, -16776961]},
    ],
    ids=["nothing", "colours", "letters", "numbered", "shown as RGB", "white", "one name for all", "ARGB"],
)
def test_three_channels_are_colours_unless_the_file_says_otherwise(tmp_path: Path, channel: dict[str, Any]) -> None:
    write_channels(tmp_path / "a.ome.tif", 3, **channel)

    np.testing.assert_array_equal(read_all(tmp_path / "a.ome.tif"), RGB)


@pytest.mark.parametrize(
    "channel",
    [
        {"Color": [BLUE, GREEN, RED]},
        {"Name": ["c0", "c1", "c2"], "Color": [16777215, -16711681, -65281]},
        {"EmissionWavelength": [461, 520, 650]},
        {"Fluor": ["CD3", "CD8", "CD20"]},
        {"ContrastMethod": ["Fluorescence"] * 3},
        {"IlluminationType": ["Epifluorescence"] * 3},
        {"Name": ["Hematoxylin", "Eosin", "Residual"]},
        {"Name": ["Ch1-T1", "Ch2-T2", "Ch3-T3"]},
        {"Name": ["DAPI", "", ""]},
    ],
    ids=["BGR", "cyan", "emission", "fluor", "contrast", "lamp", "stains", "Zeiss", "one dye"],
)
def test_three_channels_with_other_names_or_colours_are_refused(tmp_path: Path, channel: dict[str, Any]) -> None:
    write_channels(tmp_path / "a.ome.tif", 3, **channel)

    with pytest.raises(SlideError, match=NOT_FOR_IT):
        open_slide(tmp_path / "a.ome.tif")


@pytest.mark.parametrize("count", [2, 4, 5, 40])
def test_other_numbers_of_unnamed_channels_are_no_colours_and_no_opacity(tmp_path: Path, count: int) -> None:
    write_channels(tmp_path / "a.ome.tif", count)

    with pytest.raises(SlideError, match=rf"a\.ome\.tif has {count} channels\. {NOT_FOR_IT}"):
        open_slide(tmp_path / "a.ome.tif")


def test_a_fourth_plane_that_is_named_alpha_is_opacity(tmp_path: Path) -> None:
    pixels = np.concatenate([PLANES, np.zeros((1, 64, 80), np.uint8)])
    metadata = {"axes": "CYX", "Channel": {"Name": ["Red", "Green", "Blue", "Alpha"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels, photometric="minisblack", metadata=metadata)

    assert (read_all(tmp_path / "a.ome.tif") == 255).all()


def test_dyes_are_refused_however_their_samples_are_stored(tmp_path: Path) -> None:
    channels = "".join(f'<Channel ID="C:{k}" SamplesPerPixel="1" Name="{name}"/>' for k, name in enumerate(MARKERS[:3]))
    write_pages(tmp_path / "a.ome.tif", [RGB], ome_xml({"shape": (64, 80), "channels": channels}))
    one = '<Channel ID="C:0" SamplesPerPixel="3" Name="Alexa 488"/>'
    write_pages(tmp_path / "b.ome.tif", [RGB], ome_xml({"shape": (64, 80), "channels": one}))

    for name in ("a.ome.tif", "b.ome.tif"):
        with pytest.raises(SlideError, match=NOT_FOR_IT):
            open_slide(tmp_path / name)


def test_a_picture_taken_together_may_have_any_name(tmp_path: Path) -> None:
    one = '<Channel ID="C:0" SamplesPerPixel="3" Name="H&amp;E" EmissionWavelength="550"/>'
    write_pages(tmp_path / "a.ome.tif", [RGB], ome_xml({"shape": (64, 80), "channels": one}))

    np.testing.assert_array_equal(read_all(tmp_path / "a.ome.tif"), RGB)


LUTS = {
    "red": np.stack([np.arange(256), np.zeros(256), np.zeros(256)]).astype(np.uint8),
    "green": np.stack([np.zeros(256), np.arange(256), np.zeros(256)]).astype(np.uint8),
    "blue": np.stack([np.zeros(256), np.zeros(256), np.arange(256)]).astype(np.uint8),
    "grey": np.stack([np.arange(256)] * 3).astype(np.uint8),
}


@pytest.mark.parametrize(
    ("count", "metadata"),
    [
        (2, {}),
        (4, {}),
        (4, {"Labels": MARKERS}),
        (3, {"Labels": MARKERS[:3]}),
        (3, {"LUTs": [LUTS["blue"], LUTS["green"], LUTS["red"]]}),
        (3, {"LUTs": [LUTS["grey"], LUTS["green"], LUTS["red"]]}),
        (7, {}),
    ],
)
def test_an_imagej_composite_of_markers_is_refused(tmp_path: Path, count: int, metadata: dict[str, Any]) -> None:
    pixels = np.resize(PLANES, (count, 64, 80))
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": "CYX", "mode": "composite"} | metadata)

    with pytest.raises(SlideError, match=rf"a\.tif has {count} channels.*{NOT_FOR_IT}"):
        open_slide(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"LUTs": [LUTS["red"], LUTS["green"], LUTS["blue"]]},
        {"Labels": ["Red", "Green", "Blue"]},
        {"Labels": ["c:1/3 - a.svs", "c:2/3 - a.svs", "c:3/3 - a.svs"]},
    ],
)
def test_an_imagej_composite_of_colours_is_read(
    tmp_path: Path, metadata: dict[str, Any], compression: str | None
) -> None:
    metadata = {"axes": "CYX", "mode": "composite", "unit": "inch"} | metadata
    tifffile.imwrite(
        tmp_path / "a.tif", PLANES, imagej=True, resolution=(50_800, 50_800), metadata=metadata, compression=compression
    )

    np.testing.assert_array_equal(read_all(tmp_path / "a.tif"), RGB)
    assert open_slide(tmp_path / "a.tif").mpp == pytest.approx(0.5)


OMERO = {"R": "FF0000", "G": "00FF00", "B": "0000FF", "W": "FFFFFF", "C": "00FFFF"}


@pytest.mark.parametrize("axes", ["tczyx", "cyx", "yxc"])
@pytest.mark.parametrize(
    ("labels", "colours"),
    [
        (MARKERS, "RGBW"),
        (None, "RGBW"),
        (MARKERS[:3], "RGB"),
        (["0", "1", "2"], "BGR"),
        (["0", "1", "2"], "CGR"),
        (["a", "b"], "RG"),
    ],
)
def test_an_ome_zarr_of_markers_is_refused(tmp_path: Path, labels: list[str] | None, colours: str, axes: str) -> None:
    channels = [{"label": (labels or [""] * 9)[k], "color": OMERO[letter]} for k, letter in enumerate(colours)]
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    write_multiscale(group, np.resize(PLANES, (len(colours), 64, 80)), axes, omero={"channels": channels})

    with pytest.raises(SlideError, match=rf"a\.zarr has {len(colours)} channels.*{NOT_FOR_IT}"):
        open_slide(tmp_path / "a.zarr")


@pytest.mark.parametrize(("count", "axes"), [(2, "cyx"), (4, "cyx"), (4, "yxc"), (4, "tczyx")])
def test_an_ome_zarr_whose_channels_are_not_named_has_no_opacity(tmp_path: Path, count: int, axes: str) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    write_multiscale(group, np.resize(PLANES, (count, 64, 80)), axes)

    with pytest.raises(SlideError, match=rf"a\.zarr has {count} channels\. {NOT_FOR_IT}"):
        open_slide(tmp_path / "a.zarr")


def test_bioformats2raws_rgb_is_read_and_its_markers_are_refused_by_the_xml_beside_them(tmp_path: Path) -> None:
    write_bioformats2raw(tmp_path / "a.zarr", [("slide", PLANES, 0.5)])
    np.testing.assert_array_equal(read_all(tmp_path / "a.zarr"), RGB)

    channels = "".join(f'<Channel ID="C:{k}" SamplesPerPixel="1" Name="{name}"/>' for k, name in enumerate(MARKERS[:3]))
    xml = ome_xml({"name": "slide", "shape": (64, 80), "channels": channels})
    (tmp_path / "a.zarr" / "OME" / "METADATA.ome.xml").write_text(xml)
    with pytest.raises(SlideError, match=r"3 channels \(CD3, PanCK, CD8\)"):
        open_slide(tmp_path / "a.zarr")


@pytest.mark.parametrize("compression", [None, "lzw"])
@pytest.mark.parametrize(
    "extra", [["unspecified"], [], ["unspecified", "unspecified"]], ids=["said", "not said", "two"]
)
def test_samples_of_unspecified_kind_do_not_touch_the_colours(
    tmp_path: Path, extra: list[str], compression: str | None
) -> None:
    rest = np.zeros((64, 80, max(1, len(extra))), np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.concatenate([RGB, rest], -1),
        photometric="rgb",
        extrasamples=extra or ["unspecified"],
        compression=compression,
        planarconfig="contig",
        metadata=None,
    )
    if not extra:
        with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
            offset = file.pages[0].tags[338].offset
        data = bytearray((tmp_path / "a.tif").read_bytes())
        data[offset : offset + 2] = (65000).to_bytes(2, "little")  # a tag that nobody knows
        (tmp_path / "a.tif").write_bytes(data)

    np.testing.assert_array_equal(read_all(tmp_path / "a.tif"), RGB)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(("alpha", "colours"), [("unassalpha", (10, 84, 161)), ("assocalpha", (3, 25, 48))])
def test_premultiplied_colours_are_not_multiplied_again(
    tmp_path: Path, alpha: str, colours: tuple[int, int, int], planar: str
) -> None:
    pixels = np.full((64, 80, 4), (*colours, 76), np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels if planar == "contig" else planes_of(pixels),
        photometric="rgb",
        planarconfig=planar,
        extrasamples=[alpha],
        compression="zlib",
        metadata=None,
    )

    assert read_all(tmp_path / "a.tif")[3, 5].tolist() == [182, 204, 227]


@pytest.mark.parametrize("count", [2, 4])
def test_grey_with_further_grey_samples_is_several_channels(tmp_path: Path, count: int) -> None:
    pixels = np.moveaxis(np.resize(PLANES, (count, 64, 80)), 0, -1)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig="contig", metadata=None)

    with pytest.raises(SlideError, match=rf"a\.tif has {count} channels"):
        open_slide(tmp_path / "a.tif")


def test_grey_with_opacity_is_grey_over_white(tmp_path: Path) -> None:
    pixels = np.dstack([RGB[..., 0], np.full((64, 80), 255, np.uint8)])
    pixels[:9, :, 1] = 0
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels,
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"],
        metadata=None,
    )

    seen = read_all(tmp_path / "a.tif")

    assert (seen[:9] == 255).all()
    np.testing.assert_array_equal(seen[9:], np.repeat(RGB[9:, :, :1], 3, -1))


def test_arrays_have_opacity_only_as_the_fourth_of_the_last_axis() -> None:
    rgba = np.dstack([RGB, np.zeros((64, 80), np.uint8)])

    assert (slide_from_array(rgba).levels[0].read(0, 0, 64, 80) == 255).all()
    for array in (planes_of(rgba), rgba[..., :2]):
        with pytest.raises(SlideError, match="channels"):
            slide_from_array(array)


def test_a_plain_zarr_array_does_not_say_opacity(tmp_path: Path) -> None:
    zarr.save_array(tmp_path / "a.zarr", np.dstack([RGB, RGB[..., 0]]))

    with pytest.raises(SlideError, match=rf"a\.zarr has 4 channels\. {NOT_FOR_IT}"):
        open_slide(tmp_path / "a.zarr")


def test_the_colours_of_planes_with_a_pyramid_are_judged_too(tmp_path: Path) -> None:
    write_planes(tmp_path / "a.ome.tif", RGB, metadata={"Channel": {"Name": MARKERS[:3]}})

    with pytest.raises(SlideError, match=r"3 channels \(CD3, PanCK, CD8\)"):
        open_slide(tmp_path / "a.ome.tif")
