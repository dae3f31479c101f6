"""Which colour and dashes an entry has: methods look the same in every report, and no two of one report look alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.pictures.palette import PALETTE

__all__ = ["DASHES", "Style", "styles"]

DASHES: dict[str, Any] = {
    "solid": "solid",
    "dashed": (0, (5, 1.5)),
    "dotted": (0, (1.4, 1)),
    "dash-dotted": (0, (6, 1.5, 1.4, 1.5)),
    "long-dashed": (0, (9, 2)),
    "dash-dot-dotted": (0, (4, 1.2, 1.4, 1.2, 1.4, 1.2)),
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # when colours and dashes are used up
# in which they are given to those that have none of their own: neighbours of those in use come late
GIVEN = ("red", "violet", "orange", "cyan", "maroon", "olive", "brown", "green", "plum", "grey", "forest", "blue")
CROWD = 4  # entries of one family that share its colour; more than that cannot be told apart by dashes

Spot = tuple[int, int]  # numbers of the dashes and of the marker
SPOTS: list[Spot] = [(dashes, marker) for marker in range(len(MARKERS)) for dashes in range(len(DASHES))]
Home = tuple[str, int]  # a hue, and the number of the dashes


@dataclass(frozen=True)
class Style:
    """How one entry looks in every figure of a report."""

    color: str  # on white, as files have it; `reports.pictures.palette` has its twin for a dark page
    dashes: Any
    marker: str = "o"


def styles(labels: Sequence[str], looks: Mapping[str, str]) -> dict[str, Style]:
    """Choose the look of each label; no two are equal.

    `looks` is what each known method looks like: one of PALETTE, and of DASHES unless it is solid ("blue", "blue
    dashed"). A label is a method and perhaps a tag, `awac [quick]`. Labels of one family, a method with its tags and
    variants (`awac-z`, `awac-mine`), share a colour and differ in their dashes. Families share one only when there are
    more of them than colours: of two that are at home in one, that with the solid line stays.
    """
    homes = {_method(name): _spot(look) for name, look in looks.items()}
    families: dict[str, list[str]] = {}
    for label in sorted(set(labels), key=lambda label: (_method(label) != label.lower(), label)):
        families.setdefault(_family(_method(label), homes), []).append(label)
    taken: dict[str, list[Spot]] = {hue: [] for hue in PALETTE}
    placed: dict[str, tuple[str, Spot]] = {}
    moved = []
    for family in sorted(families, key=lambda name: (homes.get(name, ("", len(DASHES)))[1], name)):
        hue = homes.get(family, ("", 0))[0]
        if not hue or taken[hue]:
            moved.append(family)
        else:
            _place(families[family], hue, homes, taken, placed)
    for family in moved:
        at = _freest(taken)
        if taken[at] and family in homes:  # nothing is free: then every one stays where readers know it
            at = homes[family][0]
        _place(families[family], at, homes, taken, placed)
    dashed = list(DASHES.values())
    return {label: Style(PALETTE[hue], dashed[i], MARKERS[j]) for label, (hue, (i, j)) in sorted(placed.items())}


def _place(
    labels: Sequence[str],
    hue: str,
    homes: Mapping[str, Home],
    taken: dict[str, list[Spot]],
    placed: dict[str, tuple[str, Spot]],
) -> None:
    """Give the labels of a family spots of one hue, and of the freest others when there is a crowd of them."""
    rest = []
    for label in labels:  # first those that have dashes of their own
        spot = (homes[_method(label)][1], 0) if _method(label) in homes else None
        if spot is None or spot in taken[hue]:
            rest.append(label)
        else:
            taken[hue].append(spot)
            placed[label] = (hue, spot)
    kept = {(dashes, 0) for own, dashes in homes.values() if own == hue} - {(0, 0)}  # for the methods they belong to
    for label in rest:
        at = hue if sum(one in placed and placed[one][0] == hue for one in labels) < CROWD else _freest(taken)
        free = [spot for spot in SPOTS if spot not in taken[at]] or SPOTS
        spot = min(free, key=lambda spot: (spot in kept, SPOTS.index(spot)))
        taken[at].append(spot)
        placed[label] = (at, spot)


def _freest(taken: Mapping[str, Sequence[Spot]]) -> str:
    """The hue of the fewest entries, the first of GIVEN where there are several."""
    return min(GIVEN, key=lambda hue: len(taken[hue]))


def _spot(look: str) -> Home:
    """Hue and number of the dashes of a look in words."""
    hue, _, dashes = look.partition(" ")
    if hue not in PALETTE or (dashes or "solid") not in DASHES:
        raise ValueError(f"look {look!r}: name one of {', '.join(PALETTE)}, and perhaps one of {', '.join(DASHES)}")
    return hue, list(DASHES).index(dashes or "solid")


def _method(label: str) -> str:
    """The method of a label: `awac` of `AWAC (external)`."""
    return re.sub(r" [\[(].*$", "", label).lower().replace("_", "-")


def _family(method: str, homes: Mapping[str, Home]) -> str:
    """The method whose variant this one is: the shortest whose name it begins with, of its own colour if it has one.

    A method that is nobody's variant is a family by itself.
    """
    hue = homes.get(method, ("", 0))[0]
    heads = [name for name, home in homes.items() if method.startswith(f"{name}-") and hue in ("", home[0])]
    if method in homes:
        return min([method, *heads], key=len)
    return _family(max(heads, key=len), homes) if heads else method
