import numpy as np
import pytest

from nucloop.classes import ClassScheme, NucleusClass, builtin_schemes
from nucloop.errors import DataError
from nucloop.formats import Document, SlideInfo, UnknownClassesError, adopt, suggested_mapping
from nucloop.formats.fitting import misfits
from nucloop.formats.scope import select
from nucloop.nuclei import UNLABELLED, Nuclei, Origin

BRCA = builtin_schemes()["brca-m2c"]
FOREIGN = ClassScheme("foreign", tuple(NucleusClass(name, "#123456") for name in ("TUMOR", "TIL", "Mitosis", "unused")))
SLIDE = SlideInfo(name="a.svs", height=1000, width=2000, mpp=0.25, sha256="a" * 64)


def foreign() -> Nuclei:
    probability = [[0.5, 0.25, 0.125, 0.125], [0.25, 0.5, 0.25, 0], [np.nan] * 4]
    return Nuclei.from_points(FOREIGN, [[1, 2], [3, 4], [5, 6]], label=[0, 1, 2], probability=probability)


def test_all_unknown_classes_are_listed_at_once_with_their_counts_and_a_guess() -> None:
    with pytest.raises(UnknownClassesError, match=r"'TIL' \(1\), 'Mitosis' \(1\) are not in scheme brca-m2c") as told:
        adopt(foreign(), BRCA, source="cells.json")

    assert told.value.classes == {"TIL": 1, "Mitosis": 1}
    assert told.value.suggestion == {"TIL": "lymphocyte", "Mitosis": None}


def test_a_mapping_decides_and_probabilities_of_joined_classes_are_added() -> None:
    nuclei = adopt(foreign(), BRCA, {"TIL": "lymphocyte", "Mitosis": "tumour"})

    assert [BRCA.names[label] for label in nuclei.label] == ["tumour", "lymphocyte", "tumour"]
    np.testing.assert_allclose(nuclei.probability[:2, 1], [0.625, 0.5])
    assert np.isnan(nuclei.probability[:, 2]).all()
    assert np.isnan(nuclei.probability[2]).all()


def test_a_class_mapped_to_none_leaves_its_nuclei_unlabelled() -> None:
    assert adopt(foreign(), BRCA, {"TIL": None, "Mitosis": None}).label.tolist() == [1, UNLABELLED, UNLABELLED]


def test_a_mapping_to_a_class_that_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match="'TIL' of f cannot become 'unicorn'"):
        adopt(foreign(), BRCA, {"TIL": "unicorn"}, source="f")


def test_classes_of_other_data_sets_are_recognised() -> None:
    assert suggested_mapping(("Neoplastic", "Stroma", "sTIL", "odd"), BRCA) == {
        "Neoplastic": "tumour",
        "Stroma": "stromal",
        "sTIL": "lymphocyte",
        "odd": None,
    }


def spread(height: float, width: float, slide: SlideInfo | None = None) -> Document:
    rng = np.random.default_rng(0)
    return Document(nuclei=Nuclei.from_points(BRCA, rng.uniform(0, (height, width), (400, 2))), slide=slide)


def test_a_file_of_the_slide_itself_fits() -> None:
    assert misfits(spread(999, 1999, SLIDE), SLIDE) == []
    assert misfits(spread(999, 1999), SLIDE) == []


def test_nuclei_of_a_single_field_fit() -> None:
    assert misfits(spread(300, 300), SLIDE) == []


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (SlideInfo(name="b", height=1000, width=2000, sha256="b" * 64), "another slide, b"),
        (SlideInfo(name="b", height=1000, width=3000), "of 3000 x 1000 pixels"),
        (SlideInfo(name="b", height=1000, width=2000, mpp=0.5), "multiplied by 2"),
    ],
)
def test_a_file_of_another_slide_is_noticed(said: SlideInfo, sentence: str) -> None:
    assert sentence in " ".join(misfits(spread(999, 1999, said), SLIDE))


@pytest.mark.parametrize(("factor", "words"), [(0.5, "multiplied by 2"), (2, "multiplied by 0.5"), (0.25, "by 4")])
def test_a_file_of_another_magnification_is_noticed_by_where_its_nuclei_end(factor: float, words: str) -> None:
    assert words in " ".join(misfits(spread(999 * factor, 1999 * factor), SLIDE))


def test_nuclei_outside_the_slide_are_counted() -> None:
    document = Document(nuclei=Nuclei.from_points(BRCA, [[-0.4, 0], [999.4, 0], [-1, 0], [0, 2000]]))

    assert misfits(document, SLIDE)[0].startswith("2 of 4 nuclei lie outside the slide, the first at y -1, x 0;")


def test_the_scope_of_an_export_is_regions_people_and_classes() -> None:
    origin = [Origin.PREDICTED, Origin.CORRECTED, Origin.IMPORTED, Origin.ADDED]
    nuclei = Nuclei.from_points(
        BRCA, [[1, 1], [2, 2], [3, 3], [90, 90]], label=[0, 1, 1, 1], origin=origin, ids=[1, 2, 3, 4]
    )
    document = Document(nuclei=nuclei, notes={"author": np.array(["a", "b", "c", "d"], object)})
    square = np.array([[0, 0], [0, 10], [10, 10], [10, 0]])

    assert select(document).nuclei.ids.tolist() == [1, 2, 3, 4]
    assert select(document, regions=[square]).nuclei.ids.tolist() == [1, 2, 3]
    assert select(document, confirmed=True).nuclei.ids.tolist() == [2, 4]
    assert select(document, classes=["Tumor"]).nuclei.ids.tolist() == [2, 3, 4]
    only = select(document, regions=[square], confirmed=True, classes=["tumour"])
    assert only.nuclei.ids.tolist() == [2]
    assert only.notes["author"].tolist() == ["b"]
