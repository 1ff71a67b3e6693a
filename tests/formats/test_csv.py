import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nucloop.classes import ClassScheme, NucleusClass, builtin_schemes
from nucloop.errors import DataError
from nucloop.formats import SlideInfo, read_document, read_nuclei, read_slide_info, write_nuclei
from nucloop.nuclei import UNLABELLED, Nuclei, Origin


@pytest.fixture
def scheme() -> ClassScheme:
    return builtin_schemes()["brca-m2c"]


def test_other_programs_can_read_the_table_as_plain_csv(tmp_path: Path, scheme: ClassScheme) -> None:
    path = tmp_path / "nuclei.csv"
    nuclei = Nuclei.from_points(scheme, [[3.5, 4.25]], label=[1], ids=[1])

    write_nuclei(path, nuclei, SlideInfo(name="s", height=10, width=10))

    table = pd.read_csv(path)
    assert list(table.columns[:6]) == ["id", "y", "x", "class", "score", "origin"]
    assert table.loc[0, ["y", "x"]].tolist() == [3.5, 4.25]
    assert table.loc[0, "class"] == scheme.names[1]


def test_a_table_longer_than_one_portion_comes_back_whole(tmp_path: Path, scheme: ClassScheme) -> None:
    path = tmp_path / "many.csv"
    yx = np.random.default_rng(0).uniform(0, 50_000, (100_003, 2)).astype(np.float32)

    write_nuclei(
        path, Nuclei.from_points(scheme, yx, ids=np.arange(1, 100_004)), SlideInfo(name="s", height=1, width=1)
    )

    np.testing.assert_array_equal(read_nuclei(path, scheme).yx, yx)


def test_y_and_x_alone_are_enough(tmp_path: Path, scheme: ClassScheme) -> None:
    path = tmp_path / "points.csv"
    path.write_text("x,y,note\n4,3,a\n6,5,b\n")

    nuclei = read_nuclei(path, scheme)

    np.testing.assert_array_equal(nuclei.yx, [[3, 4], [5, 6]])
    assert set(nuclei.label) == {UNLABELLED}
    assert set(nuclei.origin) == {Origin.IMPORTED}
    assert read_slide_info(path) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,2\n", "no columns y and x"),
        ("", "no columns y and x"),
        ("y,x\n1,\n", "Nucleus 1 .* no finite y and x"),
        ("y,x\n1,2\ninf,2\n", "Nucleus 2 .* no finite y and x"),
        ("y,x\n1,two\n", "not a table of nuclei: .two. stands where a number should be"),
        ("y,x,class\n1,2,unicorn\n", r"'unicorn' \(1\) is not in scheme brca-m2c"),
        ("y,x,origin\n1,2,guessed\n", "origin 'guessed'"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused_in_a_sentence(
    tmp_path: Path, scheme: ClassScheme, text: str, sentence: str
) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text(text)

    with pytest.raises(DataError, match=sentence):
        read_nuclei(path, scheme)


def test_a_file_that_is_no_text_is_refused_in_a_sentence(tmp_path: Path, scheme: ClassScheme) -> None:
    path = tmp_path / "picture.csv"
    path.write_bytes(bytes(range(256)) * 10)

    with pytest.raises(DataError, match=r"picture\.csv"):
        read_nuclei(path, scheme)


def test_a_missing_table_is_named(tmp_path: Path, scheme: ClassScheme) -> None:
    with pytest.raises(DataError, match=r"Cannot read .*gone\.csv"):
        read_nuclei(tmp_path / "gone.csv", scheme)


def test_the_names_of_columns_are_the_first_line_and_letters_come_out_right_in_excel(tmp_path: Path) -> None:
    umlaut = ClassScheme("own", (NucleusClass("Drüse", "#d55e00"), NucleusClass("a, b", "#0072b2")))
    path = tmp_path / "nuclei.csv"
    slide = SlideInfo(name="s", height=10, width=10, mpp=0.25)
    write_nuclei(path, Nuclei.from_points(umlaut, [[3, 4]], label=[0], ids=[7]), slide)

    head = path.read_bytes()
    assert head.startswith(b"\xef\xbb\xbfid,y,x,class")
    again = read_document(path).nuclei
    assert again.scheme == umlaut
    assert again.ids.tolist() == [7]
    info = read_slide_info(path)
    assert info is not None
    assert info.mpp == 0.25

    write_nuclei(path, Nuclei.from_points(builtin_schemes()["brca-m2c"], [[3, 4]], ids=[7]), slide)
    assert path.read_bytes().startswith(b"id,y,x,class")


def test_a_table_saved_again_by_a_spreadsheet_is_still_known(tmp_path: Path, scheme: ClassScheme) -> None:
    path = tmp_path / "nuclei.csv"
    slide = SlideInfo(name="s", height=10, width=10, mpp=0.25)
    write_nuclei(path, Nuclei.from_points(scheme, [[3, 4], [5, 6.5]], label=[1, 0], ids=[7, 9]), slide)
    table = pd.read_csv(path).sort_values("id", ascending=False)

    table.to_csv(path, index=False, sep=";", decimal=",", lineterminator="\r\n", encoding="utf-8-sig")

    again = read_document(path).nuclei
    assert again.scheme == scheme
    assert sorted(again.ids.tolist()) == [7, 9]
    assert sorted(again.yx[:, 1].tolist()) == [4, 6.5]


def test_a_table_of_an_earlier_version_is_read(tmp_path: Path, scheme: ClassScheme) -> None:
    path = tmp_path / "nuclei.csv"
    slide = SlideInfo(name="s", height=10, width=10, mpp=0.25)
    write_nuclei(path, Nuclei.from_points(scheme, [[3, 4]], label=[1], ids=[7]), slide)
    names = next(csv.reader(io.StringIO(path.read_text())))
    row = path.read_text().splitlines()[1].removesuffix(",")
    path.write_text(f"{names[-1]}\n{','.join(names[:-1])}\n{row}\n")

    again, info = read_document(path).nuclei, read_slide_info(path)

    assert again.scheme == scheme
    assert again.ids.tolist() == [7]
    assert info is not None
    assert info.mpp == 0.25


def test_a_damaged_first_line_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "nuclei.csv"
    path.write_text('# nucloop {"slide":\ny,x\n1,2\n')

    with pytest.raises(DataError, match=r"first line of nuclei\.csv says of its slide is damaged"):
        read_slide_info(path)
