import pytest

from nucloop.ki67.class_giver import model_knows

NAMED = {"name": "a", "sha256": "ff"}


@pytest.mark.parametrize(
    ("weights", "known"),
    [
        (None, False),
        ({"detector": NAMED, "encoder": NAMED}, False),
        ({"detector": NAMED, "head": {**NAMED, "stains": "H&E"}}, False),
        ({"detector": NAMED, "head": {**NAMED, "stains": "H&E, H-DAB"}}, True),
        ({"head": {**NAMED, "taught": "on this slide"}}, True),
        ({"detector": {**NAMED, "stains": "H-DAB"}}, True),
        ({"detector": {**NAMED, "stains": "H-DAB"}, "head": {**NAMED, "stains": "H&E"}}, False),
        ({"head": "of another program"}, False),
    ],
)
def test_classes_are_believed_where_the_head_knows_the_stain_or_was_taught_here(weights, known):
    assert model_knows(weights) is known
