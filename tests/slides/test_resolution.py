"""Resolution as programs state it: units, quotes, commas, and each image's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from tests.slides.written import ome_xml, planes_of, tissue, write_multiscale, write_pages

from nucloop.slides import open_slide
from nucloop.slides.headers.resolution import microns_of

RGB = tissue(64, 80)


@pytest.mark.parametrize(
    ("unit", "microns"),
    [
        ("µm", 1), ("\N{GREEK SMALL LETTER MU}m", 1), ("um", 1), ("\\u00B5m", 1), ("micron", 1), ("Microns", 1),
        ("micrometer", 1), ("micrometres", 1), ("nm", 1e-3), ("mm", 1e3), ("cm", 1e4), ("m", 1e6), ("pm", 1e-6),
        ("km", 1e9), ("Å", 1e-4), ("angstrom", 1e-4), ("inch", 25_400), ("in", 25_400), ("inches", 25_400),
        ("thou", 25.4), ("mil", 25.4), ("ft", 304_800), ("foot", 304_800), ("yard", 914_400), ("pt", 25_400 / 72),
        ("pixel", None), ("", None), ("reference frame", None), ("second", None), ("s", None),
    ],
)  # fmt: skip
def test_lengths_are_known_by_their_names(unit: str, microns: float | None) -> None:
    assert microns_of(unit) == (None if microns is None else pytest.approx(microns))


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize(
    ("size", "unit"), [(0.5, None), (500, "nm"), (0.5 / 25_400, "in"), (0.5 / 25.4, "thou"), (5e-7, "m")]
)
def test_ome_states_lengths_in_any_unit_and_quotes(tmp_path: Path, size: float, unit: str | None, quote: str) -> None:
    pixels = " ".join(
        f'PhysicalSize{axis}="{size!r}"' + (f' PhysicalSize{axis}Unit="{unit}"' if unit else "") for axis in "XY"
    )
    write_pages(tmp_path / "a.ome.tif", [RGB], ome_xml({"shape": (64, 80), "pixels": pixels}, quote=quote))

    assert open_slide(tmp_path / "a.ome.tif").mpp == pytest.approx(0.5)


@pytest.mark.parametrize(("unit", "number"), [("INCH", 50_800), ("CENTIMETER", 20_000)])
@pytest.mark.parametrize("program", ["tifffile", "Pillow"])
def test_tags_state_pixels_per_inch_or_centimetre(tmp_path: Path, unit: str, number: int, program: str) -> None:
    if program == "tifffile":
        tifffile.imwrite(
            tmp_path / "a.tif", RGB, photometric="rgb", resolution=(number,) * 2, resolutionunit=unit, metadata=None
        )
    else:
        unit_tag = {"INCH": 2, "CENTIMETER": 3}[unit]
        Image.fromarray(RGB).save(
            tmp_path / "a.tif",
            x_resolution=number,
            y_resolution=number,
            resolution_unit=unit_tag,
            compression="tiff_lzw",
        )

    assert open_slide(tmp_path / "a.tif").mpp == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("unit", "number"), [("inch", 50_800), ("in", 50_800), ("micron", 2), ("\\u00B5m", 2), ("mm", 2000), ("cm", 20_000)]
)
def test_imagej_states_pixels_per_unit(tmp_path: Path, unit: str, number: int) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RGB, imagej=True, resolution=(number,) * 2, metadata={"unit": unit})

    assert open_slide(tmp_path / "a.tif").mpp == pytest.approx(0.5)


@pytest.mark.parametrize(("unit", "size"), [("inch", 0.5 / 25_400), ("micrometer", 0.5), ("yard", 0.5 / 914_400)])
def test_ome_zarr_states_lengths_in_any_unit(tmp_path: Path, unit: str, size: float) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    axes = [{"name": "c", "type": "channel"}, *({"name": axis, "type": "space", "unit": unit} for axis in "yx")]
    write_multiscale(group, planes_of(RGB), "cyx", size, multiscale={"axes": axes})

    assert open_slide(tmp_path / "a.zarr").mpp == pytest.approx(0.5)


def write_described(path: Path, description: str, **options: Any) -> None:
    tifffile.imwrite(path, RGB, photometric="rgb", tile=(64, 64), metadata=None, description=description, **options)


@pytest.mark.parametrize("number", ["0.2498", "0,2498", ".2498", "2.498e-1"])
def test_aperio_states_microns_with_a_point_or_a_comma(tmp_path: Path, number: str) -> None:
    write_described(tmp_path / "a.svs", f"Aperio Image Library\n80x64|AppMag = 40|MPP = {number}|Left = 1,5")

    assert open_slide(tmp_path / "a.svs").mpp == pytest.approx(0.2498)


@pytest.mark.parametrize(
    "text",
    [
        '<Attribute Name="DICOM_PIXEL_SPACING">"0.000227" "0.000227"</Attribute>',
        "<Attribute Name='DICOM_PIXEL_SPACING'>&quot;0.000227&quot; &quot;0.000227&quot;</Attribute>",
        "<?xml version='1.0'?><DataObject ObjectType='DPUfsImport'><Attribute Name='OTHER'>\"7\"</Attribute><Attribute "
        "Group='0x0028' Name='DICOM_PIXEL_SPACING' >\n\"0.000227\"</Attribute></DataObject>",
    ],
)
def test_philips_states_millimetres(tmp_path: Path, text: str) -> None:
    write_described(tmp_path / "a.tiff", text)

    assert open_slide(tmp_path / "a.tiff").mpp == pytest.approx(0.227)


@pytest.mark.parametrize(
    "xmp", [b'<iScan ScanRes="0.2325"/>', b"<iScan ScanRes='0.2325'/>", b"<M><iScan Z='1' ScanRes = '0.2325' /></M>\0"]
)
def test_ventana_states_microns_in_either_quotes(tmp_path: Path, xmp: bytes) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", RGB, photometric="rgb", metadata=None, extratags=[(700, "B", len(xmp), xmp, True)]
    )

    assert open_slide(tmp_path / "a.tif").mpp == pytest.approx(0.2325)


def test_what_is_no_xml_says_nothing(tmp_path: Path) -> None:
    xmp = b"<iScan ScanRes='0.23'"
    write_described(tmp_path / "a.tif", "DICOM_PIXEL_SPACING <Attribute", extratags=[(700, "B", len(xmp), xmp, True)])

    assert open_slide(tmp_path / "a.tif").mpp is None
    assert open_slide(tmp_path / "a.tif").levels[0].read(0, 0, 9, 9).dtype == np.uint8
