"""How honest the intervals and the verdicts are, as benchmarks/coverage.py measured it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["FALSE", "MEASURED", "coverage_note"]

# python benchmarks/coverage.py: (statistic, seeds, tasks) -> kind of scores -> how often the 95 % interval held the
# truth, in per cent, where that was below 93
MEASURED: dict[tuple[str, int, int], dict[str, int]] = {
    ("IQM of a task", 3, 1): {"all or nothing": 93, "two modes": 88},
    ("IQM of a task", 4, 1): {"two modes": 92},
    ("IQM of a task", 5, 1): {"two modes": 89},
    ("mean of a task", 3, 1): {"all or nothing": 90, "skewed": 92, "two modes": 73},
    ("mean of a task", 4, 1): {"all or nothing": 92, "skewed": 91, "two modes": 76},
    ("mean of a task", 5, 1): {"all or nothing": 92, "skewed": 92, "two modes": 82},
    ("profile", 3, 1): {"success rates": 90},
    ("profile", 4, 1): {"all or nothing": 92, "skewed": 93},
    ("profile", 10, 1): {"all or nothing": 92},
    ("aggregate mean", 3, 10): {"noisy task": 93},
    ("optimality gap", 3, 10): {"noisy task": 91},
    ("optimality gap", 5, 10): {"noisy task": 92},
}
# (seeds, tasks, test) -> kind of scores -> how often any two of four equal methods were told apart, in per cent, where
# that was above 7
FALSE: dict[tuple[int, int, str], dict[str, int]] = {
    (3, 10, "paired"): {"noisy task": 14},
    (4, 10, "paired"): {"noisy task": 9},
    (5, 10, "paired"): {"noisy task": 9},
}
KINDS = {
    "skewed": "skewed scores",
    "success rates": "success rates of 20 episodes",
    "two modes": "scores in two modes",
    "noisy task": "ten tasks of which one is ten times as noisy",
    "all or nothing": "success rates of seeds that learn all or nothing",
}


def coverage_note(seeds: Sequence[int], tasks: int = 0) -> str:
    """Where intervals and verdicts at about these numbers of seeds do not keep what they aim at; '' if nowhere.

    `tasks` is the number of tasks of the common grid, 0 without statistics over tasks.
    """
    measured = sorted({n for _, n, _ in MEASURED})
    near = {min(measured, key=lambda n: (abs(n - own), n)) for own in seeds if own > 1} if measured else set()
    short = []
    for (statistic, n, own), kinds in MEASURED.items():
        if n in near and (statistic.endswith("of a task") or (tasks > 0 and (own > 1) == (tasks > 1))):
            shares = ", ".join(f"{share} % for {KINDS[kind]}" for kind, share in kinds.items())
            short.append(f"{statistic} with {n} seeds {shares}")
    parts = []
    if short:
        parts.append(
            "Intervals aim at 95 %. In simulations with a known truth they held it at least 93 times in a hundred, "
            f"except: {'; '.join(short)}. In two modes: three seeds in ten fail."
        )
    false = [
        f"{test} tests of {n} seeds {', '.join(f'{share} for {KINDS[kind]}' for kind, share in kinds.items())}"
        for (n, own, test), kinds in FALSE.items()
        if n in near and (own > 1) == (tasks > 1)
    ]
    if false:
        parts.append(
            "Verdicts aim at 5 false ones in a hundred reports. In simulations any two of four equal methods were told "
            f"apart at most 7 times in a hundred, except: {'; '.join(false)}."
        )
    return " ".join(parts)
