"""From the rounds of `peers.py` to its tables: medians, ratios taken within a round, shares of the floor."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from peer_groups import Group

Round = dict[str, float]  # side -> updates per second, counting one update of all packed seeds once


def show(result: Round) -> str:
    """One round on one line."""
    return ", ".join(f"{name} {value:.1f}/s" for name, value in result.items())


def gflop_per_seed(group: Group, told: Mapping[str, float]) -> dict[str, float]:
    """Matrix-product work of a side's update of one seed; a peer's update is worth what ours needs for the same."""
    own = next(told[s.name] / s.seeds for s in group.sides if s.kind == "ours")
    return {s.name: own if s.peer else told[s.name] / s.seeds for s in group.sides}


def summary(group: Group, rounds: Sequence[Round], gflop: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Medians over the rounds; ratios and shares are taken within each round first."""
    floors = [r["floor"] * gflop["floor"] for r in rounds]  # GFLOP/s
    out = {"floor": {"gflop_per_s": statistics.median(floors)}}
    for side in group.sides[1:]:
        per_seed = [r[side.name] * side.seeds for r in rounds]
        shares = [v * gflop[side.name] / f for v, f in zip(per_seed, floors, strict=True)]
        out[side.name] = {
            "updates_per_s": statistics.median(r[side.name] for r in rounds),
            "updates_per_s_per_seed": statistics.median(per_seed),
            "gflop_per_update": gflop[side.name],
            "share_of_floor": statistics.median(shares),
        }
        for peer in (s.name for s in group.sides if s.peer):
            ratios = [v / r[peer] for v, r in zip(per_seed, rounds, strict=True)]
            out[side.name][f"times_{peer}"] = statistics.median(ratios)
    return out


# what the table shows of a side, and how; then come the ratios to each peer
COLUMNS = {
    "updates/s": ("updates_per_s", ".2f"),
    "x seeds": ("updates_per_s_per_seed", ".2f"),
    "GFLOP": ("gflop_per_update", ".2f"),
    "of floor": ("share_of_floor", ".0%"),
}


def table(group: Group, medians: Mapping[str, Mapping[str, float]]) -> str:
    """A line per side."""
    columns = COLUMNS | {f"x {s.name}": (f"times_{s.name}", ".2f") for s in group.sides if s.peer}
    lines = [f"{group.title}; floor: {medians['floor']['gflop_per_s']:.0f} GFLOP/s"]
    lines.append(f"{'':12}" + "".join(f"{name:>11}" for name in columns))
    for side in group.sides[1:]:
        row = medians[side.name]
        cells = [format(row[key], form) if key in row else "-" for key, form in columns.values()]
        lines.append(f"{side.name:12}" + "".join(f"{cell:>11}" for cell in cells))
    return "\n".join(lines)
