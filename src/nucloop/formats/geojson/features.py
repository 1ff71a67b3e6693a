"""What stands in a GeoJSON file, brought into one shape: features with one geometry each, and what class they name."""

from __future__ import annotations

from typing import Any

import orjson

from nucloop.errors import MisfitError

__all__ = ["CLASS_KEYS", "class_of", "features_of", "kind_of", "plane_of"]

_GEOMETRIES = {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"}
_BELOW = "childObjects"
_NOTHING: dict[str, Any] = {}
# QuPath 0.2 has the kind where others have an identity
_KINDS = {
    "PathAnnotationObject": "annotation",
    "PathDetectionObject": "detection",
    "PathCellObject": "cell",
    "PathTileObject": "tile",
    "TMACoreObject": "tmacore",
    "PathRootObject": "root",
}
CLASS_KEYS = ("class", "type", "label", "class_name", "cell_type", "celltype", "category", "group")
"""Properties in which other programs (TIAToolbox, geopandas tables) name a class, the first that is there."""


def features_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the features that an object of a file stands for.

    That is itself, as a rule. A bare geometry becomes a feature, a GeometryCollection one for each geometry, and what
    lies below an object in QuPath's hierarchy stands behind it.

    Raises
    ------
    TypeError, AttributeError
        If it is malformed.
    """
    geometry = record.get("geometry")
    if geometry is None and record.get("type") in _GEOMETRIES and "geometry" not in record:
        geometry, record = record, {"type": "Feature", "geometry": record, "properties": {}}
    below = record.get(_BELOW) or (record.get("properties") or _NOTHING).get(_BELOW)
    if not below and (not geometry or geometry["type"] != "GeometryCollection"):
        return [record]
    features = [record]
    if geometry and geometry["type"] == "GeometryCollection":
        features = [{**record, "geometry": one} for one in geometry["geometries"]]
    for one in below or ():
        features += features_of(one)
    return features


def kind_of(feature: dict[str, Any]) -> str:
    """Return what an object of QuPath is; an annotation, where the file does not say."""
    properties = feature.get("properties") or _NOTHING
    said = properties.get("objectType") or properties.get("object_type")
    if said is None:
        identity = feature.get("id")
        said = _KINDS.get(identity) if type(identity) is str else None
    return str(said or "annotation").lower()


def plane_of(feature: dict[str, Any]) -> tuple[int, int]:
    """Return the place in a stack and in time of an object of QuPath, (z, t); (0, 0) where it says nothing."""
    plane = (feature.get("geometry") or {}).get("plane")
    return (int(plane.get("z") or 0), int(plane.get("t") or 0)) if plane else (0, 0)


def class_of(properties: dict[str, Any]) -> tuple[str, Any] | None:
    """Return the class that an object names, and its colour as the file has it; None where it names none.

    QuPath's classification is an object, in tables of geopandas its text; other programs have a plain property.
    """
    said = properties.get("classification")
    if type(said) is str and said.lstrip().startswith("{"):
        said = orjson.loads(said)
    if isinstance(said, dict):
        names = said.get("names")
        name = ": ".join(map(str, names)) if names else said["name"]
        return None if name is None else (name, said.get("color", said.get("colorRGB")))
    if not said:
        said = next((properties[key] for key in CLASS_KEYS if properties.get(key) not in (None, "")), None)
    if said is None:
        return None
    if not isinstance(said, str | int | float):
        raise MisfitError("its class is no name")
    whole = isinstance(said, float) and said.is_integer()
    return str(int(said) if whole else said), properties.get("color")
