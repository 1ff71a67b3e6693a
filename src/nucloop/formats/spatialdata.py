"""SpatialData (scverse): nuclei as circles with a table beside them, in a zarr folder; needs the extra `spatialdata`.

The circles are the element ``nuclei``, in pixels of the finest level (coordinate system ``global``), indexed by nucleus
id, with the scaling to µm as coordinate system ``micrometers`` where the resolution is known. The AnnData table
``nuclei_table`` annotates them: class probabilities in X, class, score, origin and notes in obs. Outlines are the
elements ``nucleus_outlines`` and ``cell_outlines``, polygons by the same index.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.errors import DataError
from nucloop.formats.document import NOTES, file_header
from nucloop.formats.rings import polygons_of
from nucloop.formats.slide_info import FileHeader
from nucloop.formats.tables.columns import GrowingTable, outlines_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.formats.document import Document
    from nucloop.outlines import Outlines

__all__ = ["read_spatialdata", "write_spatialdata"]

ELEMENT, TABLE, HEADER = "nuclei", "nuclei_table", "nucloop"
SHAPES = {"outline": "nucleus_outlines", "cell_outline": "cell_outlines"}
RADIUS_UM = 3.0
RADIUS_PX = 6.0


def write_spatialdata(path: Path, document: Document) -> None:
    """Write nuclei as a SpatialData store; the folder is whole or not there.

    Raises
    ------
    DataError
        If SpatialData is not installed, something stands there already, or it cannot be written.
    """
    library = _library()
    if not len(document.nuclei):
        raise DataError(f"There are no nuclei to write to {path.name}: SpatialData keeps no empty sets of shapes.")
    if path.exists():
        raise DataError(f"{path} is there already. Give a new name: a folder is not written over.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    except OSError as error:
        raise DataError(f"Cannot write {path}: {error.strerror}. Choose another place.") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _elements(library, document).write(part / "whole.zarr")
        (part / "whole.zarr").rename(path)
    except OSError as error:
        raise DataError(
            f"Cannot write {path}: {error.strerror or error}. Make room, or choose another place."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read_spatialdata(path: Path) -> Document:
    """Read the element ``nuclei`` of a SpatialData store, or its only element of points or circles, and its table.

    Raises
    ------
    DataError
        If SpatialData is not installed, or the folder is no such store.
    """
    library = _library()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            store = library.read_zarr(path)
            return _document(store, path.name)
    except DataError:
        raise
    except Exception as error:
        # whatever the library stumbles over, a person is told which file it is
        short = " ".join(str(error).split())[:200]
        raise DataError(f"{path.name} is not a SpatialData store of nuclei: {short}. Export it again.") from error


def _library() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import spatialdata
    except ImportError as error:
        raise DataError(
            'SpatialData is an extra that is not installed: pip install "napari-nucloop[spatialdata]".'
        ) from error
    return spatialdata


def _elements(library: Any, document: Document) -> Any:
    import anndata
    from spatialdata.models import ShapesModel, TableModel
    from spatialdata.transformations import Identity, Scale

    nuclei, slide = document.nuclei, document.slide
    given = len(nuclei) > 0 and bool((nuclei.ids > 0).all())
    ids = nuclei.ids if given else np.arange(1, len(nuclei) + 1)
    mpp = slide.mpp if slide is not None else None
    places = {"global": Identity()}
    if mpp:
        places["micrometers"] = Scale([mpp, mpp], axes=("x", "y"))
    circles = ShapesModel.parse(
        nuclei.yx[:, ::-1].astype(np.float64),
        geometry=0,
        radius=RADIUS_UM / mpp if mpp else RADIUS_PX,
        index=ids,
        transformations=places,
    )
    shapes = {ELEMENT: circles} | {
        SHAPES[name]: _polygons(outlines, ids, places) for name, outlines in outlines_of(document).items()
    }
    obs = nuclei.to_frame()[["class", "score", "origin"]]
    for name, texts in document.notes.items():
        obs[name] = texts
    for name in obs.columns.difference(["score"]):
        obs[name] = obs[name].astype("str").astype("category")
    obs["nucleus"], obs["region"] = ids, ELEMENT
    obs["region"] = obs["region"].astype("category")
    obs.index = ids.astype(str)
    table = anndata.AnnData(X=nuclei.probability, obs=obs)
    table.var_names = list(nuclei.scheme.names)
    table.uns[HEADER] = orjson.dumps({**file_header(document), "ids": given}).decode()
    annotated = TableModel.parse(table, region=ELEMENT, region_key="region", instance_key="nucleus")
    return library.SpatialData(shapes=shapes, tables={TABLE: annotated})


def _polygons(outlines: Outlines, ids: NDArray[np.int64], places: dict[str, Any]) -> Any:
    import geopandas
    from spatialdata.models import ShapesModel

    there = outlines.there
    shapes = geopandas.GeoDataFrame(geometry=polygons_of(outlines)[there], index=ids[there])
    return ShapesModel.parse(shapes, transformations=places)


def _document(store: Any, name: str) -> Document:
    import pandas as pd

    element = _element(store, name)
    table = store.tables.get(TABLE, None)
    text = None if table is None else table.uns.get(HEADER)
    header = FileHeader() if text is None else FileHeader.from_text(str(text), name)
    columns: dict[str, Any] = {"y": element.geometry.y.to_numpy(), "x": element.geometry.x.to_numpy()}
    if table is not None:
        rows = pd.Index(table.obs["nucleus"]).get_indexer(element.index)
        if (rows < 0).any():
            raise DataError(f"The table {TABLE} of {name} has no row for some nuclei. Export it again.")
        columns |= _attributes(table.obs.iloc[rows])
        columns |= {f"p_{one}": np.asarray(table.X)[rows, k] for k, one in enumerate(table.var_names)}
        if text is not None and orjson.loads(str(text)).get("ids"):
            columns["id"] = element.index.to_numpy(np.int64)
    grown = GrowingTable(name, header)
    for column, key in SHAPES.items():
        if key in store.shapes:
            grown.add_shapes(column, store.shapes[key].geometry.reindex(element.index).to_numpy())
    grown.add(columns)
    return grown.document()


def _attributes(obs: Any) -> dict[str, Any]:
    texts = {one: obs[one].astype(str).to_numpy(object) for one in ("class", "origin", *NOTES) if one in obs}
    return texts | ({"score": obs["score"].to_numpy(np.float64)} if "score" in obs else {})


def _element(store: Any, name: str) -> Any:
    shapes = {key: one for key, one in store.shapes.items() if (one.geometry.geom_type == "Point").all()}
    if ELEMENT in shapes or len(shapes) == 1:
        return shapes.get(ELEMENT, next(iter(shapes.values())))
    raise DataError(
        f"{name} holds {len(shapes)} elements of circles, and none is called {ELEMENT!r}. Rename the one that is meant."
    )
