from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nucloop.classes import ClassScheme, builtin_schemes
from nucloop.errors import DataError
from nucloop.formats import SlideInfo, read_nuclei, read_slide_info, write_nuclei
from nucloop.nuclei import UNLABELLED, Nuclei, Origin


@pytest.fixture
def scheme() -> ClassScheme:
    return builtin_schemes()["brca-m2c"]


def test_other_programs_can_read_the_table_as_plain_csv(tmp_path: Path, scheme: ClassScheme) -> None:
    path = tmp_path / "nuclei.csv"
    nuclei = Nuclei.from_points(scheme, [[3.5, 4.25]], label=[1], ids=[1])

    write_nuclei(path, nuclei, SlideInfo(name="s", height=10, width=10))

    table = pd.read_csv(path, comment="#")
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


def test_a_damaged_first_line_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "nuclei.csv"
    path.write_text('# nucloop {"slide":\ny,x\n1,2\n')

    with pytest.raises(DataError, match=r"first line of nuclei\.csv says of its slide is damaged"):
        read_slide_info(path)
