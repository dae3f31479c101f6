"""How often the intervals of a report hold the truth: simulated scores, every interval that is printed.

    python benchmarks/coverage.py [--replications 2000] [--out benchmarks/results/coverage.json]

Four kinds of scores whose truth is known: normal; success rates of 20 episodes; skewed (gamma of shape 2); two modes
(three seeds in ten fail and score 0.5 less). 3, 5 and 10 seeds; 1 task, or 12 whose levels lie between 0.2 and 0.9
(success rates between 0.1 and 0.95). Beside the interval that the report prints stands the plain percentile bootstrap,
rliable's; a difference "by bootstrap" is not printed and has the expanded levels in its place. Four minutes of one
core. `short` in the JSON is what reports/notes.py tells the reader.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.numbers import stats
from reports.numbers.differences import Sides, difference
from reports.numbers.intervals import CONFIDENCE, Interval, counts, limits
from reports.numbers.shares import improvement, profile

Floats = NDArray[np.float64]

SEEDS, TASKS = (3, 5, 10), (1, 12)
REPS = 1000  # bootstrap repetitions: half of a report's
TRUTH = 400_000  # draws per task for what has no closed form
AIM = 0.93
BEHIND = 0.08  # what the weaker side of a comparison scores less


def normal(rng: np.random.Generator, shape: tuple[int, ...], tasks: int) -> Floats:
    """Standard deviation 0.15."""
    return levels(tasks) + 0.15 * rng.standard_normal(shape)


def success(rng: np.random.Generator, shape: tuple[int, ...], tasks: int) -> Floats:
    """Share of 20 episodes."""
    rates = np.array([0.8]) if tasks == 1 else np.linspace(0.1, 0.95, tasks)
    return rng.binomial(20, np.broadcast_to(rates, shape)) / 20


def skewed(rng: np.random.Generator, shape: tuple[int, ...], tasks: int) -> Floats:
    """Gamma of shape 2, skewness 1.4, standard deviation 0.15."""
    return levels(tasks) + 0.15 * (rng.gamma(2, size=shape) - 2) / np.sqrt(2)


def two_modes(rng: np.random.Generator, shape: tuple[int, ...], tasks: int) -> Floats:
    """Three seeds in ten fail."""
    return levels(tasks) - 0.5 * (rng.random(shape) < 0.3) + 0.05 * rng.standard_normal(shape)


def levels(tasks: int) -> Floats:
    """The level of each task."""
    return np.array([0.6]) if tasks == 1 else np.linspace(0.2, 0.9, tasks)


KINDS: dict[str, Callable[..., Floats]] = {
    "normal": normal, "success rates": success, "skewed": skewed, "two modes": two_modes,
}  # fmt: skip


def truths(kind: str, tasks: int, tau: float) -> dict[str, float]:
    """The value each statistic estimates."""
    draw = KINDS[kind]
    x = draw(np.random.default_rng(11), (TRUTH, tasks), tasks)
    y = draw(np.random.default_rng(12), (TRUTH, tasks), tasks) - BEHIND
    runs = np.sort(x, axis=None)
    middle = runs[len(runs) // 4 : len(runs) - len(runs) // 4].mean()
    values = {
        "aggregate median": np.median(x.mean(axis=0)),
        "aggregate IQM": middle,
        "aggregate mean": x.mean(),
        "optimality gap": 1 - np.minimum(x, 1).mean(),
        "profile": (x > tau).mean(),
        "P(X > Y)": ((x > y) + 0.5 * (x == y)).mean(),
        "paired difference": BEHIND,
        "unpaired difference": BEHIND,
        "paired difference by bootstrap": BEHIND,
    }
    if tasks == 1:
        values |= {"mean of a task": x.mean(), "median of a task": np.median(x), "IQM of a task": middle}
    return {name: float(value) for name, value in values.items()}


def per_task(x: Floats, plain: bool) -> Iterator[tuple[str, list[Interval]]]:
    """The scores of one task, x [replications, n]."""
    for centre in stats.CENTRES:
        yield f"{centre} of a task", [stats.interval(row, centre, 0, plain=plain) for row in x]


def over_tasks(x: Floats, y: Floats, tau: float, plain: bool) -> Iterator[tuple[str, list[Interval]]]:
    """What is computed on grids, x and y [replications, n, M]."""
    names = {"median": "aggregate median", "IQM": "aggregate IQM", "mean": "aggregate mean"}
    found = [stats.aggregates(one, 0, REPS, plain) for one in x]
    for name in stats.AGGREGATES:
        yield names.get(name, name), [one[name] for one in found]
    profiles = [profile(one, np.array([tau]), 0, REPS, plain) for one in x]
    yield "profile", [Interval(*(float(part[0]) for part in one)) for one in profiles]
    yield "P(X > Y)", [improvement(one, other, 0, REPS, plain) for one, other in zip(x, y, strict=True)]
    means = np.matmul(counts(*x.shape[1:], REPS, 0), (x - y).transpose(2, 1, 0)).mean(axis=0) / x.shape[1]
    low, high = limits(
        (x - y).mean(axis=(1, 2)), means, *x.shape[1:], plain
    )  # resampled pairs, [resamples, replications]
    yield "paired difference by bootstrap", [Interval(0, *one) for one in zip(low, high, strict=True)]
    for name, paired in () if plain else (("paired difference", True), ("unpaired difference", False)):
        both = zip(x, y, strict=True)
        sides = ([Sides(a, b, paired) for a, b in zip(one.T, other.T, strict=True)] for one, other in both)
        yield name, [difference(one).interval for one in sides]


def measure(job: tuple[str, int, int, int]) -> list[dict[str, Any]]:
    """All statistics of one kind of scores, number of seeds and number of tasks."""
    kind, n, tasks, replications = job
    draw, tau = KINDS[kind], 0.7 if kind == "success rates" else 0.5
    truth = truths(kind, tasks, tau)
    x = draw(np.random.default_rng(1), (replications, n, tasks), tasks)
    # rounded, so that ties of success rates stay ties
    y = np.round(draw(np.random.default_rng(2), (replications, n, tasks), tasks) - BEHIND, 12)
    rows: dict[str, dict[str, Any]] = {}
    for way, plain in (("printed", False), ("percentile", True)):
        found = list(over_tasks(x, y, tau, plain)) + (list(per_task(x[..., 0], plain)) if tasks == 1 else [])
        for statistic, intervals in found:
            low, high = np.array([(one.low, one.high) for one in intervals]).T
            held = (low <= truth[statistic] + 1e-9) & (truth[statistic] <= high + 1e-9)
            row = rows.setdefault(statistic, {"statistic": statistic, "kind": kind, "seeds": n, "tasks": tasks})
            row[way] = round(100 * float(held.mean()), 2)
            row[f"{way}_width"] = round(float((high - low).mean()), 4)
    return list(rows.values())


def short_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is printed and falls short of the aim."""
    keys = ("statistic", "seeds", "tasks", "kind")
    printed = [row for row in rows if not row["statistic"].endswith("by bootstrap")]
    short = [row for row in printed if row["printed"] < 100 * AIM]
    return [{**{key: row[key] for key in keys}, "coverage": round(row["printed"])} for row in short]


def table(rows: list[dict[str, Any]]) -> str:
    """Coverage in per cent, printed / percentile, one line per statistic, tasks and seeds, one column per kind."""
    lines = [f"{'printed / percentile, %':44}" + "".join(f"{kind:>16}" for kind in KINDS)]
    keys = sorted({(row["tasks"], row["statistic"], row["seeds"]) for row in rows})
    by_key = {(row["tasks"], row["statistic"], row["seeds"], row["kind"]): row for row in rows}
    for tasks, statistic, n in keys:
        cells = (by_key[tasks, statistic, n, kind] for kind in KINDS)
        shown = "".join(f"{row['printed']:9.1f} / {row.get('percentile', float('nan')):4.1f}" for row in cells)
        lines.append(f"{statistic:31}{tasks:3} x {n:2} seeds{shown}")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/coverage.json")
    arguments = parser.parse_args()
    # the largest first, so that no process is left alone with one at the end
    jobs = [(*job, arguments.replications) for job in product(KINDS, SEEDS[::-1], TASKS)]
    with multiprocessing.Pool(arguments.processes) as pool:
        rows = [row for part in pool.imap_unordered(measure, sorted(jobs, key=lambda j: -j[2])) for row in part]
    rows.sort(key=lambda row: (row["tasks"], row["statistic"], row["seeds"], row["kind"]))
    print(table(rows))
    short = short_of(rows)
    for row in short:
        print(*row.values(), sep=", ")
    content = {
        "replications": arguments.replications,
        "reps": REPS,
        "confidence": CONFIDENCE,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }
    write(arguments.out, content, {"short": short, "rows": rows})


def write(path: Path, facts: dict[str, Any], lists: dict[str, list[dict[str, Any]]]) -> None:
    """One row of a list per line, so that a new measurement reads as a change of numbers."""
    parts = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in facts.items()]
    for name, rows in lists.items():
        parts.append(f"{json.dumps(name)}: [\n " + ",\n ".join(map(json.dumps, rows)) + "\n]")
    path.write_text("{" + ",\n".join(parts) + "}\n")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
