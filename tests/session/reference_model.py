"""A session in the plainest words: a list of assignments, and a state that is added up from the beginning each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import shapely

from nucloop.metrics.points import match_points
from nucloop.nuclei import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable

Nucleus = dict[str, object]
Ring = list[tuple[float, float]]
Point = tuple[tuple[int, int], str, "Ring | None"]
"""Place, class and outline of a nucleus that comes from elsewhere."""
P, A, C, K, I = Origin.PREDICTED, Origin.ADDED, Origin.CONFIRMED, Origin.CORRECTED, Origin.IMPORTED  # noqa: E741


@dataclass
class Reference:
    """Knows nothing of arrays, files or old values. Classes are names, so that nothing need be renumbered."""

    classes: list[str]
    log: list[tuple[int, str, dict[int, Nucleus], list[str]]] = field(default_factory=list)
    """(step, author, assignments, classes afterwards) of each edit."""
    done: list[int] = field(default_factory=list)
    undone: list[int] = field(default_factory=list)
    authors: dict[int, str] = field(default_factory=dict)
    steps: int = 0
    last_id: int = 0
    outlines: int = 0
    """Outlines that were drawn or learned: each is another one, whatever its corners."""

    def state(self) -> dict[int, Nucleus]:
        """Return every nucleus that is or was there."""
        nuclei: dict[int, Nucleus] = {}
        for step, _, assignments, _ in self.log:
            if step in self.done:
                for number, values in assignments.items():
                    nuclei[number] = nuclei.get(number, {}) | values
        return nuclei

    def alive(self) -> dict[int, Nucleus]:
        return {k: n for k, n in self.state().items() if "yx" in n and n.get("exists") and not n.get("removed")}

    def scheme(self) -> list[str]:
        found = self.classes
        for step, _, _, classes in self.log:
            if step in self.done and classes:
                found = classes
        return found

    def edit(
        self, author: str, wanted: dict[int, Nucleus], step: int | None = None, classes: list[str] | None = None
    ) -> int | None:
        """Note those assignments that change something; return the step, None when nothing does."""
        state = self.state()
        changes = {
            k: {f: v for f, v in n.items() if state.get(k, {}).get(f, BLANK.get(f)) != v} for k, n in wanted.items()
        }
        changes = {k: n for k, n in changes.items() if n}
        if not changes and classes is None:
            return None
        if step is None:
            self.steps += 1
            step = self.steps
            self.done.append(step)
            self.undone.clear()
            self.authors[step] = author
        self.log.append((step, author, changes, classes or []))
        return step

    def new(self, nuclei: Iterable[Nucleus]) -> dict[int, Nucleus]:
        """Give ids to nuclei."""
        numbered = {}
        for nucleus in nuclei:
            self.last_id += 1
            numbered[self.last_id] = {"exists": True} | nucleus
        return numbered

    def add(self, author: str, yx: list[tuple[int, int]], label: str | None) -> None:
        said = {} if label is None else {f"said {author}": label}
        self.edit(author, self.new({"yx": p, "found": p, "label": label, "origin": A, **said} for p in yx))

    def move(self, author: str, places: dict[int, tuple[int, int]]) -> None:
        self.edit(author, {k: {"yx": p} for k, p in places.items() if k in self.alive()})

    def delete(self, author: str, ids: Iterable[int]) -> None:
        self.edit(author, {k: {"removed": True} for k in ids if k in self.alive()})

    def set_class(self, author: str, ids: Iterable[int], label: str | None, force: bool, blinded: bool) -> None:
        wanted: dict[int, Nucleus] = {}
        for k in ids:
            n = self.alive().get(k)
            if n is None:
                continue
            own, now, origin = n.get(f"said {author}"), n.get("label"), n["origin"]
            locked = own not in (None, NOTHING) if blinded else origin != P and now is not None
            if locked and not force:
                continue
            agrees = label is not None and (n.get("model") == label or (origin in (I, C) and now == label))
            new = A if origin == A else C if agrees else K
            wanted[k] = {"label": label, "origin": new, f"said {author}": NOTHING if label is None else label}
        self.edit(author, wanted)

    def confirm(self, author: str, ids: Iterable[int], blinded: bool) -> None:
        alive = {} if blinded else self.alive()
        chosen = {k: alive[k] for k in ids if k in alive and alive[k].get("label") is not None}
        self.edit(
            author,
            {
                k: {"origin": C if n["origin"] in (P, I) else n["origin"], f"said {author}": n["label"]}
                for k, n in chosen.items()
            },
        )

    def import_points(self, author: str, points: list[Point]) -> None:
        self.edit(author, self.imported(author, points))

    def imported(self, author: str, points: list[Point]) -> dict[int, Nucleus]:
        return self.new(
            {"yx": p, "found": p, "label": c, "origin": I, f"said {author}": c} | drawn(p, ring)
            for p, c, ring in points
        )

    def import_onto(self, author: str, points: list[Point]) -> None:
        """Import points of which each lies on at most one nucleus, that then is taken for the same."""
        alive = self.alive()
        at = {n["yx"]: k for k, n in alive.items()}
        wanted = self.imported(author, [point for point in points if point[0] not in at])
        for p, c, ring in points:
            if p in at:
                n = alive[at[p]]
                gets = n["origin"] == P or n.get("label") is None
                wanted[at[p]] = {"label": c, "origin": I, f"said {author}": c} if gets else {}
                wanted[at[p]] |= drawn(p, ring) if n.get("outline") is None else {}
        self.edit(author, wanted)

    def tile(self, author: str, points: list[Point], radius: float, step: int | None, run: int) -> int | None:
        taken = []
        for n in self.state().values():
            if not n.get("exists"):
                continue
            moved = n.get("run") and n["yx"] != n["found"]
            if n.get("removed"):
                taken += [n["yx"]] + ([n["found"]] if moved else [])
            else:
                taken += [n["found"]] if moved else []
                taken += [n["yx"]] if n.get("run") != run or n["origin"] != P else []
        known = [any((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 <= radius**2 for q in taken) for p, _, _ in points]
        new = [
            {"yx": p, "found": p, "label": c, "model": c, "origin": P, "run": run} | drawn(p, ring)
            for (p, c, ring), old in zip(points, known, strict=True)
            if not old
        ]
        first = self.first_outlines([(p, ring) for (p, _, ring), old in zip(points, known, strict=True) if old], radius)
        return self.edit(author, self.new(new) | first, step=step) or step if new or first else step

    def first_outlines(self, found: list[tuple[tuple[int, int], Ring | None]], radius: float) -> dict[int, Nucleus]:
        """Give nuclei without an outline the one of a nucleus that is found again there, each at most once."""
        bare = sorted(k for k, n in self.alive().items() if n.get("outline") is None)
        bringing = [(p, ring) for p, ring in found if ring is not None]
        places = [self.alive()[k]["yx"] for k in bare]
        if not bare or not bringing:
            return {}
        pairs = match_points(np.array(places, float), np.array([p for p, _ in bringing], float), radius)
        return {bare[i]: drawn(places[i], bringing[j][1]) for i, j in pairs.tolist()}

    def draw(self, author: str, number: int, ring: Ring) -> None:
        """Give a nucleus an outline that lies around its place."""
        self.edit(author, {number: self.shaped(author, self.alive()[number]["yx"], ring)})

    def learn(self, author: str, rings: dict[int, Ring]) -> None:
        """Give nuclei outlines, but those whose own a person drew."""
        alive = self.alive()
        takes = {k: ring for k, ring in rings.items() if k in alive and not alive[k].get("hand")}
        self.edit(author, {k: drawn(alive[k]["yx"], ring) | self.another() for k, ring in takes.items()})

    def split(self, author: str, number: int, x: float) -> bool:
        """Cut a box in two at a column; the wider part stays. False where one would be too small to be a nucleus."""
        n = self.alive()[number]
        top, left, bottom, right = box_of(outline_now(n))
        parts = [(top, left, bottom, x), (top, x, bottom, right)]
        small, large = sorted(parts, key=lambda part: part[3] - part[1])
        if (bottom - top) * (small[3] - small[1]) < 4:
            return False
        place = n["yx"] if large[1] < n["yx"][1] < large[3] else middle(large)
        label = n.get("label")
        said = {} if label is None else {f"said {author}": label}
        other = {"found": middle(small), "label": label, "model": n.get("model"), "origin": A, **said}
        halves = {number: self.shaped(author, place, ring_of(large))}
        self.edit(author, halves | self.new([other | self.shaped(author, middle(small), ring_of(small))]))
        return True

    def merge(self, author: str, ids: list[int]) -> bool:
        """Make one of several nuclei that have boxes or no outlines; False where they are too far apart to be one."""
        alive = self.alive()
        kept = self.stays(ids)
        boxes = [shapely.Polygon(ring) for k in ids if (ring := outline_now(alive[k])) is not None]
        if boxes:
            shape = shapely.union_all(boxes)
            if shape.geom_type != "Polygon":
                hull = shapely.convex_hull(shape)
                if hull.area > 1.5 * shape.area:
                    return False
                shape = hull
            ring = [tuple(corner) for corner in shape.exterior.simplify(0.3).coords[:-1]]
            now = self.shaped(author, alive[kept]["yx"], ring)
        else:
            now = {"yx": tuple(np.mean([alive[k]["yx"] for k in ids], 0).tolist())}
        self.edit(author, {kept: now} | {k: {"removed": True} for k in ids if k != kept})
        return True

    def stays(self, ids: list[int]) -> int:
        """Return which of several nuclei stays: one that a person spoke about, else the largest, else the first."""
        alive = self.alive()
        return min(ids, key=lambda k: (alive[k]["origin"] == P, -size(outline_now(alive[k])), k))

    def shaped(self, author: str, place: tuple[float, float], ring: Ring) -> Nucleus:
        return {"yx": place, "hand": author} | drawn(place, ring) | self.another()

    def another(self) -> Nucleus:
        self.outlines += 1
        return {"outline number": self.outlines}

    def relabel(self, author: str, labels: dict[int, str], force: bool) -> None:
        alive, wanted = self.alive(), {}
        for k, label in labels.items():
            if k in alive:
                keeps = alive[k]["origin"] != P and alive[k].get("label") is not None and not force
                wanted[k] = {"model": label} | ({} if keeps else {"label": label, "origin": P})
        self.edit(author, wanted)

    def add_class(self, author: str, name: str) -> None:
        self.edit(author, {}, classes=[*self.scheme(), name])

    def remove_class(self, author: str, name: str, into: str | None) -> None:
        wanted: dict[int, Nucleus] = {}
        for k, n in self.state().items():
            changed: Nucleus = {f: into for f, v in n.items() if v == name and (f in ("label", "model") or "said" in f)}
            if n.get("label") == name and into is None and n["origin"] != A:
                changed["origin"] = P
            wanted[k] = changed
        self.edit(author, wanted, classes=[c for c in self.scheme() if c != name])

    def undo(self, author: str, blinded: bool) -> None:
        if self.done and not (blinded and self.authors[self.done[-1]] != author):
            self.undone.append(self.done.pop())

    def redo(self, author: str, blinded: bool) -> None:
        if self.undone and not (blinded and self.authors[self.undone[-1]] != author):
            self.done.append(self.undone.pop())


def drawn(yx: tuple[float, float], ring: Ring | None) -> Nucleus:
    """An outline, and where its nucleus was when it got it."""
    return {} if ring is None else {"outline": tuple(ring), "drawn at": yx}


def outline_now(nucleus: Nucleus) -> Ring | None:
    """The outline of a nucleus, moved with it."""
    if nucleus.get("outline") is None:
        return None
    (y, x), (old_y, old_x) = nucleus["yx"], nucleus["drawn at"]
    return [[a + y - old_y, b + x - old_x] for a, b in nucleus["outline"]]


def box_of(ring: Ring | None) -> tuple[float, float, float, float] | None:
    """Top, left, bottom and right of an outline that is a box; None of any other."""
    if ring is None:
        return None
    (top, left), (bottom, right) = np.min(ring, 0).tolist(), np.max(ring, 0).tolist()
    return (top, left, bottom, right) if same_ring(ring) == same_ring(ring_of((top, left, bottom, right))) else None


def ring_of(box: tuple[float, float, float, float]) -> Ring:
    top, left, bottom, right = box
    return [(top, left), (top, right), (bottom, right), (bottom, left)]


def middle(box: tuple[float, float, float, float]) -> tuple[float, float]:
    return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def size(ring: Ring | None) -> float:
    return 0.0 if ring is None else shapely.Polygon(ring).area


def same_ring(ring: Ring | None) -> Ring | None:
    """Write an outline in one way, wherever it begins and whichever way round it goes."""
    if ring is None:
        return None
    ways = [[tuple(corner) for corner in way] for way in (ring, ring[::-1])]
    return min(way[k:] + way[:k] for way in ways for k in range(len(way)))


NOTHING = "(no class)"
"""What a reader says who takes a class away."""
BLANK: Nucleus = {"exists": False, "removed": False, "label": None, "model": None}
