"""H-score and Allred's score, where grades begin, and DAB within outlines."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from nucloop.classes import ClassScheme
from nucloop.cli import app
from nucloop.formats import write_nuclei
from nucloop.formats.slide_info import SlideInfo
from nucloop.geometry import Region
from nucloop.ki67 import Ki67Settings, Provenance, measure, report_html
from nucloop.ki67.dab import SlideStains, dab_of_slide
from nucloop.ki67.intensity import Allred, HScore, measure_intensity
from nucloop.ki67.words import grade_words, place_words, score_words
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines
from nucloop.slides import slide_from_array, slide_from_levels
from nucloop.slides.stains import H_DAB

SCHEME = ClassScheme.named("ki67")
TEXTBOOK = SlideStains(H_DAB, estimated=False, degrees=0.0)
EVERYWHERE = [("slide", np.ones(8, bool))]


def test_the_h_score_is_what_its_definition_says():
    density = np.array([0.1, 0.2, 0.4, 0.5, 0.8, 0.9, 1.2, 3.0])
    slide = measure_intensity(density, (0.4, 0.8, 1.2), EVERYWHERE).slide
    assert slide.counts == (2, 2, 2, 2)
    assert slide.value == pytest.approx(25 + 2 * 25 + 3 * 25)


@pytest.mark.parametrize(
    ("counts", "score"),
    [
        ((1000, 0, 0, 0), Allred(0, 0)),
        ((999, 1, 0, 0), Allred(1, 1)),
        ((990, 10, 0, 0), Allred(1, 1)),
        ((95, 0, 5, 0), Allred(2, 2)),
        ((90, 0, 10, 0), Allred(2, 2)),
        ((80, 10, 0, 10), Allred(3, 2)),
        ((50, 10, 10, 30), Allred(4, 2)),
        ((30, 0, 10, 60), Allred(5, 3)),
        ((0, 0, 0, 7), Allred(5, 3)),
    ],
)
def test_allred_has_points_for_the_share_and_for_the_mean_grade(counts, score):
    assert HScore("a", counts).allred == score
    assert HScore("a", counts).allred.total == score.proportion + score.intensity


def test_where_nothing_is_counted_there_is_no_score():
    nothing = measure_intensity(np.full(8, np.nan), (0.4, 0.8, 1.2), EVERYWHERE).slide
    assert (nothing.value, nothing.allred, nothing.interval) == (None, None, None)


def test_the_interval_is_a_bootstrap_over_nuclei_and_over_regions():
    rng = np.random.default_rng(0)
    density = rng.exponential(0.6, 4000)
    regions = [(str(k), np.arange(4000) % 4 == k) for k in range(4)]
    found = measure_intensity(density, (0.4, 0.8, 1.2), regions)
    low, high = found.slide.interval
    # the standard error of a mean of points 0, 100, 200 and 300
    points = 100 * np.searchsorted([0.4, 0.8, 1.2], density, side="right")
    half = 1.96 * points.std() / np.sqrt(4000)
    assert (low, high) == pytest.approx((points.mean() - half, points.mean() + half), abs=0.1 * half)
    assert found.region_interval is not None
    assert found.region_interval[0] < found.slide.value < found.region_interval[1]
    assert measure_intensity(density, (0.4, 0.8, 1.2), regions[:1]).region_interval is None


def test_a_nucleus_in_two_regions_counts_once_in_all_of_them():
    rows = np.array([True, True, False])
    both = measure_intensity(np.array([1.0, 0.0, 0.0]), (0.4, 0.8, 1.2), [("a", rows), ("b", rows)])
    assert both.slide.counts == (1, 0, 1, 0)


def test_thresholds_that_do_not_ascend_are_refused():
    with pytest.raises(ValueError, match="ascend"):
        measure_intensity(np.array([1.0]), (0.4, 0.3, 1.2), [("a", np.ones(1, bool))])


def field():
    """Four nuclei, 20 pixels wide, brown at the border and blue in the middle; all of a picture."""
    picture = np.full((100, 100, 3), 245, np.uint8)
    places = np.array([[25, 25], [25, 75], [75, 25], [75, 75]])
    rings = []
    for y, x in places.tolist():
        picture[y - 10 : y + 10, x - 10 : x + 10] = (120, 70, 30)
        picture[y - 5 : y + 5, x - 5 : x + 5] = (90, 90, 180)
        rings.append([[y - 10, x - 10], [y - 10, x + 9], [y + 9, x + 9], [y + 9, x - 10]])
    return picture, places, Outlines.of([rings[0], rings[1], rings[2], None])


def test_dab_is_the_mean_within_the_outline_and_a_squares_where_there_is_none():
    picture, places, outlines = field()
    slide = slide_from_levels([picture], name="field").with_mpp(0.25)

    def density(given):
        found = np.full(4, np.nan)
        for rows, values in dab_of_slide(slide, places, TEXTBOOK, outlines=given):
            found[rows] = values
        return found

    squares, within = density(None), density(outlines)
    assert within[3] == squares[3]
    assert (within[:3] > squares[:3] + 0.3).all()
    assert within[0] == pytest.approx(within[1])


def result(grades=None, outlined=None, regions=None):
    yx = np.random.default_rng(1).uniform(0, 900, (300, 2))
    nuclei = Nuclei.from_points(SCHEME, yx)
    density = np.repeat([0.05, 0.5, 1.0, 1.6], 75)
    settings = Ki67Settings(by_dab=True, threshold=0.4, grades=grades)
    return measure(nuclei, settings, 0.25, regions, density, outlined)


def test_two_and_three_plus_follow_from_where_nuclei_are_positive_unless_a_person_says():
    assert result().intensity.thresholds == pytest.approx((0.4, 0.8, 1.2))
    assert "twice and three times" in grade_words(result())
    chosen = result((0.45, 2.0))
    assert chosen.intensity.thresholds == (0.4, 0.45, 2.0)
    assert chosen.intensity.slide.counts == (75, 0, 225, 0)
    assert "chosen by a person" in grade_words(chosen)
    # dragged past what a person chose before
    assert result((0.1, 0.2)).intensity.thresholds == (0.4, 0.4, 0.4)


def test_the_words_and_the_report_say_scores_thresholds_and_where_dab_was_measured():
    outlined = np.arange(300) < 200
    areas = {
        "left": Region([[0, 0], [900, 0], [900, 450], [0, 450]]),
        "right": Region([[0, 451], [900, 451], [900, 900]]),
    }
    found = result(outlined=outlined, regions=areas)
    words = " ".join(score_words(found))
    assert f"H-score {found.intensity.slide.value:.0f} of 300" in words
    assert "Allred 7 of 8" in words
    assert "from region to region" in words
    assert "outline of 200 nuclei" in place_words(found)
    assert "square of 2.25 µm" in place_words(found)
    page = report_html(found, Provenance(slide=SlideInfo(name="a.svs", height=9, width=9, mpp=0.25)), {})
    for text in ("H-score", "Allred", "1+ from 0.40", "outline of 200 nuclei", "<td>left</td>"):
        assert text in page
    assert found.to_dict()["intensity"]["slide"]["grades"] == list(found.intensity.slide.counts)


def test_an_index_by_class_has_no_scores():
    nuclei = Nuclei.from_points(SCHEME, [[1, 1], [2, 2]], label=[0, 1])
    by_class = measure(nuclei, Ki67Settings.guess(SCHEME), 0.25)
    assert by_class.intensity is None
    assert score_words(by_class) == []
    assert (grade_words(by_class), place_words(by_class)) == ("", "")


def test_the_command_takes_grades_and_writes_the_scores(tmp_path):
    from PIL import Image

    picture, places, outlines = field()
    Image.fromarray(picture).save(tmp_path / "field.png")
    scheme = ClassScheme.named("brca-m2c")
    write_nuclei(tmp_path / "nuclei.csv", Nuclei.from_points(scheme, places, outlines=outlines))
    options = ["--slide", str(tmp_path / "field.png"), "--mpp", "0.25", "--dab", "--threshold", "0.3"]
    out = tmp_path / "index.json"
    asked = ["ki67", str(tmp_path / "nuclei.csv"), *options, "--json", str(out)]
    done = CliRunner().invoke(app, [*asked, "--grades", "0.31,0.32"])
    assert done.exit_code == 0, done.output
    written = json.loads(out.read_text())
    assert written["intensity"]["thresholds"] == [0.3, 0.31, 0.32]
    assert written["dab_by_outline"] == 3
    assert "H-score" in done.output
    for wrong in ("0.5", "0.5,0.2", "a,b"):
        refused = CliRunner().invoke(app, [*asked, "--grades", wrong])
        assert refused.exit_code != 0
        assert "--grades" in str(refused.exception)


def test_an_outline_that_reaches_farther_than_any_nucleus_counts_as_none():
    # drawn by a slip of the hand, zoomed out, or in a file that is not what it says: half the slide was read for it
    pixels = np.random.default_rng(0).integers(40, 250, (200, 200, 3)).astype(np.uint8)
    slide = slide_from_array(pixels, mpp=0.25, name="noise")
    places = np.array([[40.0, 40.0], [120.0, 120.0]])
    corners = np.array([[-1.0, -1], [-1, 1], [1, 1], [1, -1]])
    far = places[0] + 100_000 + 6 * corners

    def densities(*rings):
        found = np.full(2, np.nan)
        for rows, values in dab_of_slide(slide, places, TEXTBOOK, outlines=Outlines.of(rings)):
            found[rows] = values
        return found

    own = places[1] + 6 * corners
    expected = densities(None, own)
    for ring in (places[0] + 50_000 * corners, far):
        np.testing.assert_array_equal(densities(ring, own), expected)
