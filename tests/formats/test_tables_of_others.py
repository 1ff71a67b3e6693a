"""Tables as people have them: QuPath, ImageJ, napari, CellProfiler, geopandas; spreadsheets of any country."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from nucloop.classes import builtin_schemes
from nucloop.errors import DataError
from nucloop.formats import Asked, SlideInfo, read_document, write_nuclei
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.formats import Document

HALF = Asked(mpp=0.5)
# the same two nuclei in every dialect: (20, 10.5) and (40, 30)
PLAIN = [[20.0, 10.5], [40.0, 30.0]]


def read(folder: Path, text: str, name: str = "a.csv", asked: Asked | None = None) -> Document:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_document(path) if asked is None else read_document(path, asked=asked)


@pytest.mark.parametrize(
    "text",
    [
        "y,x,class\n20,10.5,Tumor\n40,30,Stroma\n",
        "y, x, class\n20, 10.5, Tumor\n40, 30, Stroma\n",
        "y ,x ,class \n20 ,10.5 ,Tumor \n40 ,30 ,Stroma \n",
        "y;x;class\n20;10,5;Tumor\n40;30;Stroma\n",
        "y;x;class\n20;10.5;Tumor\n40;30;Stroma\n",
        "y;x;class\n20,0;10,5;Tumor\n40,0;30,0;Stroma\n",
        "y\tx\tclass\n20\t10.5\tTumor\n40\t30\tStroma\n",
        "y\tx\tclass\n20\t10,5\tTumor\n40\t30\tStroma\n",
        "y|x|class\n20|10.5|Tumor\n40|30|Stroma\n",
        'sep=;\ny;x;class\n20;10,5;Tumor\n40;30;"Stroma"\n',
        "Y,X,Class\n20,10.5,Tumor\n40,30,Stroma\n",
        '"y","x","class"\n"20","10.5","Tumor"\n"40","30","Stroma"\n',
        "y,x,class\r\n20,10.5,Tumor\r\n40,30,Stroma\r\n",
        "y,x,class,\n20,10.5,Tumor,\n40,30,Stroma,\n",
        "\n\n# made by hand\n\ny,x,class\n20,10.5,Tumor\n40,30,Stroma\n",
        "note;y;x;class\na,b;20;10,5;Tumor\nc,d;40;30;Stroma\n",
        "name,y,x,class\n\"a;b\",20,10.5,Tumor\nc,40,30,Stroma\n",
        "centroid-0,centroid-1,cell_type\n20,10.5,Tumor\n40,30,Stroma\n",
        "Location_Center_X,Location_Center_Y,class\n10.5,20,Tumor\n30,40,Stroma\n",
        "index,axis-0,axis-1,class\n0.0,20,10.5,Tumor\n1.0,40,30,Stroma\n",
        "index,axis-0,axis-1,axis-2,class\n0.0,0,20,10.5,Tumor\n1.0,0,40,30,Stroma\n",
        "x (px),y (px),Classification\n10.5,20,Tumor\n30,40,Stroma\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["csv", "tsv", "txt"])
def test_a_table_is_read_however_it_is_written(tmp_path: Path, text: str, ending: str) -> None:
    document = read(tmp_path, text, f"a.{ending}")

    assert document.nuclei.yx.tolist() == PLAIN
    assert document.class_counts == {"Tumor": 1, "Stroma": 1}


@pytest.mark.parametrize("sign", ["µm", "\N{GREEK SMALL LETTER MU}m", "um"])
def test_measurements_of_qupath_in_micrometres_are_read_where_a_pixel_is_known(tmp_path: Path, sign: str) -> None:
    text = f"Image\tObject ID\tObject type\tName\tClassification\tCentroid X {sign}\tCentroid Y {sign}\tArea\n"
    text += "s.svs\t0f2b\tDetection\t\tTumor\t5.5\t10.25\t33\ns.svs\t1f2b\tCell\t\tStroma\t15.25\t20.25\t33\n"

    with pytest.raises(DataError, match=r"how large a pixel is\. Give --mpp"):
        read(tmp_path, text, "measurements.tsv")
    document = read(tmp_path, text, "measurements.tsv", HALF)

    # QuPath counts from the corner of the first pixel
    np.testing.assert_allclose(document.nuclei.yx, PLAIN)
    assert document.class_counts == {"Tumor": 1, "Stroma": 1}


def test_measurements_of_qupath_in_pixels_are_read(tmp_path: Path) -> None:
    text = "Image,Name,Class,ROI,Centroid X px,Centroid Y px\na,,Tumor,Polygon,11,20.5\na,,,P,30.5,40.5\n"

    document = read(tmp_path, text)

    np.testing.assert_allclose(document.nuclei.yx, PLAIN)
    assert document.class_counts == {"Tumor": 1}


def test_classes_that_are_whole_numbers_have_no_fractions(tmp_path: Path) -> None:
    assert read(tmp_path, "y,x,class\n1,2,3.0\n3,4,3\n5,6,\n").class_counts == {"3": 2}


def test_rows_that_speak_of_annotations_are_no_nuclei(tmp_path: Path) -> None:
    old = "Name,Class,Centroid X px,Centroid Y px\nPathAnnotationObject,Tumor,5,5\nPathCellObject,Tumor,11,20.5\n"
    np.testing.assert_allclose(read(tmp_path, old).nuclei.yx, PLAIN[:1])
    text = "Object type,Classification,Centroid X px,Centroid Y px\nPathAnnotationObject,Tumor,500,500\n"
    text += "Annotation,Tumor,600,600\nDetection,Tumor,11,20.5\nTMA core,,9,9\n"

    document = read(tmp_path, text)

    np.testing.assert_allclose(document.nuclei.yx, PLAIN[:1])
    assert "3 rows speak of annotations" in " ".join(document.remarks)


@pytest.mark.parametrize(
    "text",
    [
        "index,axis-0,axis-1,axis-2\n0,3,20,10.5\n1,3,40,30\n2,5,1,1\n",
        "y,x,z\n20,10.5,3\n1,1,4\n40,30,3\n",
        " ,Area,X,Y,Slice\n1,9,11,20.5,3\n2,9,30.5,40.5,3\n3,9,1,1,1\n",
    ],
)
def test_of_rows_on_several_planes_those_of_one_are_read_and_named(tmp_path: Path, text: str) -> None:
    document = read(tmp_path, text)

    np.testing.assert_allclose(document.nuclei.yx, PLAIN)
    assert "those on z 3 were read" in " ".join(document.remarks)


def test_rows_on_one_plane_are_all_read(tmp_path: Path) -> None:
    document = read(tmp_path, "y,x,z\n20,10.5,7\n40,30,7\n")

    assert (document.nuclei.yx.tolist(), document.remarks) == (PLAIN, ())


def test_a_table_of_several_images_is_refused_by_their_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"several images \(one\.svs, two\.svs"):
        read(tmp_path, "Image,Centroid X px,Centroid Y px\none.svs,1,2\ntwo.svs,3,4\n")


@pytest.mark.parametrize(
    "text",
    [
        " ,Area,Mean,X,Y\n1,50,120,11,20.5\n2,51,130,30.5,40.5\n",
        " \tLabel\tArea\tX\tY\n1\tfield.tif\t50\t11\t20.5\n2\tfield.tif\t50\t30.5\t40.5\n",
        " ,Area,X,Y,Circ.\n1,0,11,20.5,0.9\n2,0,30.5,40.5,0.8\n",
    ],
)
def test_results_of_imagej_are_read_and_their_unit_is_doubted(tmp_path: Path, text: str) -> None:
    document = read(tmp_path, text)

    np.testing.assert_allclose(document.nuclei.yx, PLAIN)
    assert "unit of its image" in " ".join(document.remarks)


def test_ids_of_other_programs_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    document = read(tmp_path, "id,y,x\ncell-1,20,10.5\n2,40,30\n")

    assert document.nuclei.yx.tolist() == PLAIN
    assert document.nuclei.ids.tolist() == [0, 0]
    assert "ids are no whole numbers" in " ".join(document.remarks)


@pytest.mark.parametrize("separator", [",", "\t"])
def test_shapes_of_geopandas_in_a_table_are_nuclei_with_outlines(tmp_path: Path, separator: str) -> None:
    rows = [["", "class", "geometry"], ["0", "Tumor", '"POLYGON ((6 16, 15 16, 15 24, 6 24, 6 16))"']]
    text = "\n".join(separator.join(row) for row in rows) + "\n"

    document = read(tmp_path, text)

    np.testing.assert_allclose(document.nuclei.yx, PLAIN[:1])
    outlines = document.nuclei.outlines
    assert outlines is not None
    assert len(outlines[0]) == 4
    assert document.class_counts == {"Tumor": 1}


def test_a_parquet_table_of_geopandas_gives_nuclei_with_outlines(tmp_path: Path) -> None:
    shapes = [shapely.box(6, 16, 15, 24), shapely.box(26, 36, 34, 44)]
    about = {"version": "1.0.0", "primary_column": "geom", "columns": {"geom": {"encoding": "WKB"}}}
    table = pa.table({"type": ["Tumor", "Stroma"], "geom": [shapely.to_wkb(one) for one in shapes]})
    pq.write_table(table.replace_schema_metadata({b"geo": json.dumps(about)}), tmp_path / "a.parquet")

    document = read_document(tmp_path / "a.parquet")

    np.testing.assert_allclose(document.nuclei.yx, PLAIN)
    assert document.class_counts == {"Tumor": 1, "Stroma": 1}
    assert document.nuclei.outlines is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lat,lon\n1,2\n", r"no columns y and x .*it has 'lat', 'lon'"),
        ("1,2,Tumor\n3,4,Tumor\n", "no columns y and x"),
        ("y,x\n1,2\n1,2,3\n", "rows with more columns than names"),
        ("y,x\n10,5,20,5\n", "rows with more columns than names"),
        ("y,x\n" + "1,2\n" * 200 + "1,2,3\n", "line 202 has another number of columns"),
        ("y,x\n1,two\n", "'two' stands where a number should be"),
        ("y,y,x\n1,2,3\n", "two of one name"),
        ("y;x\n1.234,5;2\n", "'1.234,5' stands where a number should be"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_in_plain_words(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read(tmp_path, text)


def test_a_table_with_tabs_is_written_where_its_name_says_so(tmp_path: Path) -> None:
    scheme = builtin_schemes()["ocelot"]
    slide = SlideInfo(name="s", height=100, width=100, mpp=0.25)
    nuclei = Nuclei.from_points(scheme, PLAIN, label=[0, 1])

    write_nuclei(tmp_path / "a.tsv", nuclei, slide)

    assert "\tclass\t" in (tmp_path / "a.tsv").read_text()
    assert read_document(tmp_path / "a.tsv").nuclei.yx.tolist() == PLAIN
