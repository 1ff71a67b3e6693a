"""What drawn regions are called, and the names of those in which a nucleus lies: the same in every table and figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nucloop.geometry import to_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from nucloop.geometry import Region

__all__ = ["named", "names_at"]

BETWEEN = "; "


def named(regions: Sequence[Region]) -> dict[str, Region]:
    """Call regions by their names, else by what they are made of and their number: tumour 1, region 2 and so on.

    What is ignored is cut out of them. Two of one name get numbers too.
    """
    wanted = to_count(regions)
    known = [region.name for region in wanted]
    found: dict[str, Region] = {}
    for k, region in enumerate(wanted, 1):
        name = region.name or f"{region.kind or 'region'} {k}"
        found[f"{name} ({k})" if (known.count(region.name) > 1 and region.name) or name in found else name] = region
    return found


def names_at(yx: ArrayLike, regions: Mapping[str, Region]) -> NDArray[np.object_]:
    """Return the names of the regions in which each point (N, 2) lies, in their order: (N,) of str, empty for none.

    >>> square = np.array([[0.0, 0], [0, 4], [4, 4], [4, 0]])
    >>> from nucloop.geometry import Region
    >>> names_at([[1, 1], [3, 3], [9, 9]], {"a": Region(square), "b": Region(square + 2)}).tolist()
    ['a', 'a; b', '']
    """
    points = np.asarray(yx).reshape(-1, 2)
    names = np.full(len(points), "", object)
    for name, region in regions.items():
        within = region.contains(points)
        names[within] = names[within] + np.where(names[within] == "", "", BETWEEN).astype(object) + name
    return names
