import json

import numpy as np
import pytest
from PIL import Image

from nucloop.classes import ClassScheme
from nucloop.formats import SlideInfo, write_nuclei
from nucloop.ki67 import Ki67Settings, measure
from nucloop.ki67.regions import named_regions
from nucloop.nuclei import Nuclei

PATHEREA = ClassScheme.named("patherea-ki67")
MPP = 0.5


def nuclei(n=200):
    rng = np.random.default_rng(0)
    return Nuclei.from_points(
        PATHEREA, rng.uniform(1, 199, (n, 2)), label=rng.integers(-1, 5, n), ids=np.arange(1, n + 1)
    )


def test_the_command_gives_the_same_figures(nucloop, tmp_path):
    table = nuclei()
    write_nuclei(tmp_path / "n.csv", table, SlideInfo(name="s", height=200, width=200, mpp=MPP))
    rings = [[[x, 0], [x + 100, 0], [x + 100, 100], [x, 100], [x, 0]] for x in (0, 100)]
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}} for ring in rings
    ]
    (tmp_path / "r.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    run = nucloop("ki67", tmp_path / "n.csv", "--regions", tmp_path / "r.geojson", "--json", tmp_path / "f.json",
                  "--report", tmp_path / "r.html")  # fmt: skip
    assert run.code == 0
    expected = measure(table, Ki67Settings.guess(PATHEREA), MPP, named_regions(tmp_path / "r.geojson")).to_dict()
    assert json.loads((tmp_path / "f.json").read_text()) == json.loads(json.dumps(expected))
    assert "Ki-67 index" in (tmp_path / "r.html").read_text()


def test_the_command_tells_positive_nuclei_by_dab(nucloop, tmp_path):
    rng = np.random.default_rng(0)
    picture = np.full((200, 200, 3), 235, np.uint8)
    rows = [(y, x) for y in range(20, 200, 20) for x in range(20, 200, 20)]
    for k, (y, x) in enumerate(rows):
        colour = (120, 70, 30) if k % 4 == 0 else (110, 120, 180)
        picture[y - 5 : y + 6, x - 5 : x + 6] = np.clip(np.array(colour) + rng.integers(-15, 16, 3), 0, 255)
    Image.fromarray(picture).save(tmp_path / "s.png")
    (tmp_path / "n.csv").write_text("y,x\n" + "".join(f"{y},{x}\n" for y, x in rows))
    told = ("--slide", tmp_path / "s.png", "--mpp", "0.5", "--dab", "--json", tmp_path / "f.json")
    run = nucloop("ki67", tmp_path / "n.csv", *told)
    assert run.code == 0
    found = json.loads((tmp_path / "f.json").read_text())
    assert found["slide"]["positive"] == len(rows[::4])
    assert found["threshold"]["method"] == "otsu"
    assert "found by the program" in run.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--dab",), "Give it with --slide"),
        (("--report", "r.doc"), "written as .html"),
        (("--positive", "blue"), "class 'blue' is not in scheme"),
        ((), "do not say which are Ki-67 positive"),
    ],
)
def test_what_the_command_cannot_do_is_a_sentence(nucloop, tmp_path, words, sentence):
    (tmp_path / "n.csv").write_text("y,x,class\n1,1,a\n5,5,b\n")
    run = nucloop("ki67", tmp_path / "n.csv", "--mpp", "0.5", *words)
    assert run.code == 1
    assert sentence in run.err
