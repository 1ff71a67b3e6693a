"""Points are read column by column; whatever is not plain is read one by one, with the same result."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucloop.errors import DataError
from nucloop.formats import read_document
from nucloop.formats.geojson import reading

MEASURED = ["NucLoop score", "NucLoop p(a)", "Area"]


def _identity(feature: dict[str, Any]) -> object:
    return feature["properties"].get("metadata", {}).get("NucLoop id", id(feature))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_block_of_points_is_read_alike_in_columns_and_one_by_one(data: st.DataObject) -> None:
    number = st.integers(-1000, 100_000) | st.floats(-1e6, 1e6)
    classes = st.fixed_dictionaries({"name": st.sampled_from("abc")}, optional={"color": st.just([1, 2, 3])})
    properties = st.fixed_dictionaries(
        {},
        optional={
            "classification": st.none() | classes,
            "measurements": st.dictionaries(
                st.sampled_from(["NucLoop score", "NucLoop p(a)", "Area"]), st.floats(0, 1)
            ),
            "metadata": st.fixed_dictionaries(
                {},
                optional={"NucLoop id": st.integers(1, 10**9).map(str), "NucLoop author": st.sampled_from(["A", "B"])},
            ),
        },
    )
    point = st.fixed_dictionaries({"type": st.just("Point"), "coordinates": st.lists(number, min_size=2, max_size=2)})
    feature = st.fixed_dictionaries({"type": st.just("Feature"), "geometry": point, "properties": properties})
    features = data.draw(st.lists(feature, max_size=5, unique_by=_identity))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        quick = read_document(path)
        with patch.object(reading, "plain_points", return_value=None):
            slow = read_document(path)

    assert quick.nuclei.scheme == slow.nuclei.scheme
    for name in ("ids", "yx", "score", "label", "probability", "origin"):
        np.testing.assert_array_equal(getattr(quick.nuclei, name), getattr(slow.nuclei, name), err_msg=name)
    assert {k: v.tolist() for k, v in quick.notes.items()} == {k: v.tolist() for k, v in slow.notes.items()}


@pytest.mark.parametrize("coordinates", [["1", "2"], [True, False], [1], [None, 2], [[1, 2]], {}, "12"])
def test_a_place_of_a_wrong_type_is_told_with_its_feature(tmp_path: Path, coordinates: object) -> None:
    features = [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": place}, "properties": {}}
        for place in ([1, 2], coordinates)
    ]
    (tmp_path / "a.geojson").write_text(json.dumps(features[1:]))

    with pytest.raises(DataError, match="Feature 1 of"):
        read_document(tmp_path / "a.geojson")
