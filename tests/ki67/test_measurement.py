from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from nucloop.classes import ClassScheme
from nucloop.errors import DataError
from nucloop.formats import SlideInfo
from nucloop.geometry import Region
from nucloop.ki67 import Ki67Settings, Provenance, measure, report_html
from nucloop.ki67.density import Densities
from nucloop.ki67.measurement import POSITIVE_AND_NEGATIVE, counted_by_dab
from nucloop.ki67.pictures import report_pictures
from nucloop.ki67.tally import tally
from nucloop.ki67.words import counted_words
from nucloop.nuclei import Nuclei, Origin
from nucloop.region_names import named
from nucloop.slides import slide_from_array
from nucloop.slides.stain_kind import StainKind

PATHEREA = ClassScheme.named("patherea-ki67")
BRCA = ClassScheme.named("brca-m2c")
MPP = 0.5
SQUARES = named([Region(np.array([[0.0, x], [0, x + 100], [100, x + 100], [100, x]])) for x in (0, 100)])


def nuclei(scheme, seed=0, n=200):
    rng = np.random.default_rng(seed)
    return Nuclei.from_points(
        scheme, rng.uniform(1, 199, (n, 2)), label=rng.integers(-1, len(scheme), n), ids=np.arange(1, n + 1)
    )


def test_a_scheme_that_names_them_is_counted_by_class_any_other_by_dab():
    by_class = Ki67Settings.guess(PATHEREA)
    assert (by_class.by_dab, by_class.positive, by_class.negative) == (
        False, frozenset({"tumour positive"}), frozenset({"tumour negative"}),
    )  # fmt: skip
    assert Ki67Settings.guess(BRCA).by_dab
    assert Ki67Settings.guess(BRCA, StainKind.H_DAB).by_dab
    assert not Ki67Settings.guess(BRCA, StainKind.H_E).by_dab, "there is no DAB to decide"


def test_other_tissue_is_left_out_where_the_model_knows_the_stain_and_else_where_people_said_so():
    table = nuclei(BRCA)
    table = replace(table, origin=np.where(np.arange(200) % 2, Origin.CORRECTED, Origin.PREDICTED).astype(np.uint8))
    other = np.isin(table.label, [BRCA.index("lymphocyte"), BRCA.index("stromal")])
    said = table.origin == Origin.CORRECTED

    believed, doubted = (Ki67Settings.guess(BRCA, believed=known) for known in (True, False))

    assert (counted_by_dab(table, believed) == ~other).all()
    assert (counted_by_dab(table, doubted) == ~(other & said)).all()
    assert counted_by_dab(replace(table, origin=np.full(200, Origin.IMPORTED, np.uint8)), doubted).all()
    assert "All nuclei are counted" in counted_words(doubted, "uncheck them")
    assert "To leave them out, uncheck them." in counted_words(doubted, "uncheck them")
    assert counted_words(believed, "uncheck them") == "Not counted: lymphocyte, stromal."


def test_by_class_it_is_the_index_of_these_classes():
    table = nuclei(PATHEREA)
    result = measure(table, Ki67Settings.guess(PATHEREA), MPP)
    counts = table.counts()
    assert result.ki67.slide.positive == counts["tumour positive"]
    assert result.ki67.slide.negative == counts["tumour negative"]


def test_by_dab_what_is_left_out_or_was_not_measured_is_not_counted():
    table = nuclei(BRCA)
    density = np.where(np.arange(200) % 3 == 0, 1.2, 0.1) + np.random.default_rng(1).normal(0, 0.02, 200)
    density[:10] = np.nan
    result = measure(table, Ki67Settings.guess(BRCA, believed=True), MPP, density=density)
    counted = np.isin(table.label, [-1, BRCA.index("tumour")]) & np.isfinite(density)
    assert result.ki67.slide.total == counted.sum()
    assert result.ki67.slide.positive == (counted & (density > 0.6)).sum()
    assert result.threshold.certain

    by_hand = measure(table, Ki67Settings(by_dab=True, threshold=0.01), MPP, density=density)
    assert by_hand.threshold.method == "chosen"
    assert by_hand.ki67.slide.value == 1.0


def test_settings_that_say_nothing_are_refused_in_a_sentence():
    with pytest.raises(DataError, match="Say which classes are positive"):
        measure(nuclei(PATHEREA), Ki67Settings(), MPP)
    with pytest.raises(DataError, match="no nuclei"):
        measure(nuclei(BRCA).take([]), Ki67Settings(by_dab=True), MPP, density=np.zeros(0))


def test_densities_are_remembered_until_a_nucleus_moves():
    known, ids = Densities(), np.array([3, 900])
    yx = np.array([[1, 2], [3, 4]], np.float32)
    assert np.isnan(known.of(ids, yx)).all()
    known.keep(ids, yx, np.array([0.5, 0.7]))
    assert known.of(ids, yx).tolist() == [0.5, 0.7]
    yx[1] += 1
    assert np.isnan(known.of(ids, yx)).tolist() == [False, True]


def test_pictures_show_the_outline_of_every_piece_and_of_every_hole():
    slide = slide_from_array(np.full((200, 200, 3), 200, np.uint8), mpp=MPP, name="a")
    square = np.array([[20.0, 20], [20, 120], [120, 120], [120, 20]])
    region = Region.of_pieces([[square, square / 2 + 35], [square / 5 + 150]])
    result = measure(nuclei(PATHEREA).take([]), Ki67Settings.guess(PATHEREA), MPP, {"a": region})

    whole, part = report_pictures(slide, result, {"a": region}).values()

    for data, corner in ((whole, 0), (part, 20)):
        blue = (np.asarray(Image.open(BytesIO(data))) == (31, 111, 208)).all(axis=2)
        for y, x in ((20, 70), (45, 70), (154, 164)):
            assert blue[max(y - corner - 1, 0) : y - corner + 3, x - corner - 1 : x - corner + 3].any()


def test_a_report_says_in_true_words_what_was_counted_and_what_was_not():
    table = nuclei(BRCA)
    settings = Ki67Settings(by_dab=True, left_out=frozenset({"stromal"}))
    result = measure(table, settings, MPP, {"region 1": SQUARES["region 1"]}, np.linspace(0.01, 1, 200))
    counted = tally(result, {"region 1": SQUARES["region 1"]})
    inside = SQUARES["region 1"].contains(table.yx)
    stromal = table.label == BRCA.index("stromal")
    assert counted.left_out == {"stromal": int((inside & stromal).sum())}
    assert sum(counted.counted.values()) == result.ki67.slide.total == int((inside & ~stromal).sum())
    assert counted.outside == int((~inside).sum())
    page = report_html(result, Provenance(slide=SlideInfo(name="a", height=9, width=9, mpp=MPP)), {}, counted=counted)
    assert "tumour nuclei" not in page.split("Enough?")[0], "nobody has looked whether all of them are"
    assert f"Not counted: {counted.left_out['stromal']} stromal; {counted.outside} outside the regions." in page


def test_pictures_of_a_report_have_a_scale_bar_of_the_right_length_and_with_dab_the_histogram():
    slide = slide_from_array(np.full((200, 200, 3), 200, np.uint8), mpp=MPP, name="a")
    by_dab = Ki67Settings(by_dab=True)
    result = measure(nuclei(BRCA), by_dab, MPP, SQUARES, np.linspace(0.01, 1, 200))
    pictures = report_pictures(slide, result, SQUARES)
    assert list(pictures) == ["overview", "histogram", "region 1", "region 2"]
    whole = np.asarray(Image.open(BytesIO(pictures["overview"])))
    bar = (whole == (34, 34, 34)).all(axis=2).sum(axis=1).max()
    # a quarter of 100 um at most, in a round number of um: 20
    assert bar == pytest.approx(20 / MPP, abs=2)
    colours = np.asarray(Image.open(BytesIO(pictures["histogram"]))).reshape(-1, 3)
    for colour in POSITIVE_AND_NEGATIVE.colors:
        assert (colours == [int(colour[k : k + 2], 16) for k in (1, 3, 5)]).all(axis=1).any()


def test_a_report_holds_figures_pictures_settings_and_provenance():
    slide = slide_from_array(np.full((200, 200, 3), 200, np.uint8), mpp=MPP, name="a <slide>")
    result = measure(nuclei(PATHEREA), Ki67Settings.guess(PATHEREA), MPP, SQUARES)
    pictures = report_pictures(slide, result, SQUARES)
    assert list(pictures) == ["overview", "region 1", "region 2"]
    weights = {"detector": {"name": "denuc", "sha256": "ab" * 32}}
    about = Provenance(slide=SlideInfo.of(slide), author="Dr A", weights=weights)
    page = report_html(result, about, pictures)
    index = f"{100 * result.ki67.slide.value:.1f}%"
    for words in (index, "a &lt;slide&gt;", "Dr A", "ab" * 32, "region 2", "30%", "NucLoop", "tumour positive"):
        assert words in page
    assert page.count("data:image/png;base64,") == 3
    assert "<slide>" not in page
    assert 'src="picture:1"' in report_html(result, about, pictures, embed=False)
