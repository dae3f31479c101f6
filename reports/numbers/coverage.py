"""How honest the intervals and the verdicts are, as benchmarks/coverage.py measured it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["MEASURED", "coverage_note"]

# python benchmarks/coverage.py: (statistic, seeds, tasks) -> kind of scores -> how often the 95 % interval held the
# truth, in per cent, where that was below 93
MEASURED: dict[tuple[str, int, int], dict[str, int]] = {
    ("IQM of a task", 3, 1): {"two modes": 88},
    ("IQM of a task", 5, 1): {"two modes": 89},
    ("mean of a task", 3, 1): {"skewed": 92, "two modes": 72},
    ("mean of a task", 5, 1): {"skewed": 92, "two modes": 82},
    ("mean of a task", 10, 1): {"skewed": 92},
    ("aggregate IQM", 3, 1): {"two modes": 88},
    ("aggregate IQM", 5, 1): {"two modes": 89},
    ("aggregate mean", 3, 1): {"skewed": 92, "two modes": 72},
    ("aggregate mean", 5, 1): {"skewed": 92, "two modes": 82},
    ("aggregate mean", 10, 1): {"skewed": 92},
    ("aggregate median", 3, 1): {"skewed": 92, "two modes": 72},
    ("aggregate median", 5, 1): {"skewed": 92, "two modes": 82},
    ("aggregate median", 10, 1): {"skewed": 92},
    ("optimality gap", 3, 1): {"skewed": 92, "two modes": 72},
    ("optimality gap", 5, 1): {"skewed": 92, "two modes": 82},
    ("profile", 3, 1): {"success rates": 90},
    ("aggregate median", 3, 12): {"skewed": 92, "success rates": 92},
}
KINDS = {
    "skewed": "skewed scores",
    "success rates": "success rates of 20 episodes",
    "two modes": "scores in two modes",
}


def coverage_note(seeds: Sequence[int], tasks: int = 0) -> str:
    """Where intervals at about these numbers of seeds hold the truth less often than they aim to; '' if nowhere.

    `tasks` is the number of tasks of the common grid, 0 without statistics over tasks.
    """
    measured = sorted({n for _, n, _ in MEASURED})
    near = {min(measured, key=lambda n: (abs(n - own), n)) for own in seeds if own > 1} if measured else set()
    short = []
    for (statistic, n, own), kinds in MEASURED.items():
        if n in near and (statistic.endswith("of a task") or (tasks > 0 and (own > 1) == (tasks > 1))):
            shares = ", ".join(f"{share} % for {KINDS[kind]}" for kind, share in kinds.items())
            short.append(f"{statistic} with {n} seeds {shares}")
    if not short:
        return ""
    return (
        "Intervals aim at 95 %. In simulations with a known truth they held it at least 93 times in a hundred, "
        f"except: {'; '.join(short)}. In two modes: three seeds in ten fail."
    )
