"""How often the intervals of a report hold the truth, and how often its verdicts are false: simulated scores.

    python benchmarks/coverage.py [--replications 2000] [--out benchmarks/results/coverage.json]

Six kinds of scores whose truth is known: normal; success rates of 20 episodes; skewed (gamma of shape 2); two modes
(three seeds in ten fail and score 0.5 less); one noisy task (a standard deviation of 0.5 beside 0.05 on the others; on
a single task simply 0.5); all or nothing (success rates of 20 episodes of seeds that mostly learn the task or do not).
3, 4, 5 and 10 seeds; 1 task, or 10 whose levels lie between 0.2 and 0.9 (success rates between 0.1 and 0.95). Beside
the interval that the report prints stands the plain percentile bootstrap, rliable's. Verdicts: four equal methods, and
how often any of the six tests, corrected as in the report, tells two of them apart. Five minutes of one core.
`short` in the JSON is what reports/numbers/coverage.py tells the reader.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
from collections.abc import Callable, Iterator
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.numbers import stats
from reports.numbers.aggregates import AGGREGATES, aggregates
from reports.numbers.bounds import UNBOUNDED, Bounds
from reports.numbers.differences import Sides, difference, holm
from reports.numbers.intervals import CONFIDENCE, Interval
from reports.numbers.shares import improvement, profile

Floats = NDArray[np.float64]

SEEDS, TASKS = (3, 4, 5, 10), (1, 10)
REPS = 500  # bootstrap repetitions of the plain percentile interval
ONE_OF = 4  # of so many replications one is resampled, too, as that takes longest
TRUTH = 400_000  # draws per task for what has no closed form
AIM = 0.93
BEHIND = 0.08  # what the weaker side of a comparison scores less
EPISODES = 20
METHODS = 4  # that are equal, of which no two should be told apart
LEVEL = 0.05
TOO_OFTEN = 7.5  # per cent of simulations with a false verdict, from which on the reader is told


def normal(rng: np.random.Generator, shape: tuple[int, ...], tasks: int) -> Floats:
    """Standard deviation 0.15."""
    return levels(tasks) + 0.15 * rng.standard_normal(shape)


def success(rng: np.random.Generator, shape: tuple[int, ...], tasks: int) -> Floats:
    """Share of 20 episodes."""
    return rng.binomial(EPISODES, np.broadcast_to(rates(tasks), shape)) / EPISODES


def skewed(rng: np.random.Generator, shape: tuple[int, ...], tasks: int) -> Floats:
    """Gamma of shape 2, skewness 1.4, standard deviation 0.15."""
    return levels(tasks) + 0.15 * (rng.gamma(2, size=shape) - 2) / np.sqrt(2)


def two_modes(rng: np.random.Generator, shape: tuple[int, ...], tasks: int) -> Floats:
    """Three seeds in ten fail."""
    return levels(tasks) - 0.5 * (rng.random(shape) < 0.3) + 0.05 * rng.standard_normal(shape)


def noisy_task(rng: np.random.Generator, shape: tuple[int, ...], tasks: int) -> Floats:
    """One task ten times as noisy as the others."""
    spread = np.where(np.arange(tasks) == tasks // 2, 0.5, 0.05)
    return levels(tasks) + spread * rng.standard_normal(shape)


def all_or_nothing(rng: np.random.Generator, shape: tuple[int, ...], tasks: int) -> Floats:
    """Share of 20 episodes, of seeds whose own rates pile up at 0 and 1."""
    rate = np.broadcast_to(rates(tasks), shape)
    return rng.binomial(EPISODES, rng.beta(2 * rate, 2 * (1 - rate))) / EPISODES


def levels(tasks: int) -> Floats:
    """The level of each task."""
    return np.array([0.6]) if tasks == 1 else np.linspace(0.2, 0.9, tasks)


def rates(tasks: int) -> Floats:
    """The success rate of each task."""
    return np.array([0.8]) if tasks == 1 else np.linspace(0.1, 0.95, tasks)


KINDS: dict[str, Callable[..., Floats]] = {
    "normal": normal, "success rates": success, "skewed": skewed, "two modes": two_modes,
    "noisy task": noisy_task, "all or nothing": all_or_nothing,
}  # fmt: skip
SHARES = ("success rates", "all or nothing")


def bounds_of(kind: str) -> Bounds:
    """What a score of this kind can be."""
    return Bounds(0.0, 1.0, EPISODES) if kind in SHARES else UNBOUNDED


def truths(kind: str, tasks: int, tau: float) -> dict[str, float]:
    """The value each statistic estimates."""
    draw = KINDS[kind]
    x = draw(np.random.default_rng(11), (TRUTH, tasks), tasks)
    y = draw(np.random.default_rng(12), (TRUTH, tasks), tasks) - BEHIND
    runs = np.sort(x, axis=None)
    middle = runs[len(runs) // 4 : len(runs) - len(runs) // 4].mean()
    values = {
        "profile": (x > tau).mean(),
        "P(X > Y)": ((x > y) + 0.5 * (x == y)).mean(),
        "paired difference": BEHIND,
        "unpaired difference": BEHIND,
    }
    if tasks == 1:
        values |= {"mean of a task": x.mean(), "median of a task": np.median(x), "IQM of a task": middle}
    else:
        values |= {"aggregate mean": x.mean(), "aggregate median": np.median(x.mean(axis=0)), "aggregate IQM": middle}
        values["optimality gap"] = 1 - np.minimum(x, 1).mean()
    return {name: float(value) for name, value in values.items()}


def printed(kind: str, x: Floats, y: Floats, tau: float) -> Iterator[tuple[str, list[Interval]]]:
    """The intervals of the report; x and y [replications, n, M]."""
    tasks, bounds = x.shape[2], bounds_of(kind)
    if tasks == 1:  # where aggregates are those of the task
        for centre in stats.CENTRES:
            yield f"{centre} of a task", [stats.interval(row, centre, 0, bounds) for row in x[..., 0]]
    else:
        found = [aggregates(list(one.T), 0, [bounds] * tasks) for one in x]
        for name in AGGREGATES:
            yield AGGREGATE_NAMES.get(name, name), [one[name] for one in found]
    profiles = [profile(list(one.T), np.array([tau])) for one in x]
    yield "profile", [Interval(*(float(part[0]) for part in one)) for one in profiles]
    yield "P(X > Y)", [improvement(list(one.T), list(other.T)) for one, other in zip(x, y, strict=True)]
    for name, paired in (("paired difference", True), ("unpaired difference", False)):
        both = zip(x, y, strict=True)
        sides = ([Sides(a, b, paired) for a, b in zip(one.T, other.T, strict=True)] for one, other in both)
        yield name, [difference(one).interval for one in sides]


AGGREGATE_NAMES = {"median": "aggregate median", "IQM": "aggregate IQM", "mean": "aggregate mean"}


def percentile(x: Floats, y: Floats, tau: float) -> Iterator[tuple[str, list[Interval]]]:
    """rliable's percentile intervals, resampled here as its own path takes seconds for each."""
    _, n, tasks = x.shape
    rng = np.random.default_rng(0)
    drawn, other = (rng.integers(n, size=(REPS, n, tasks)) for _ in range(2))
    found: dict[str, list[Interval]] = {}
    for one, rival in zip(x, y, strict=True):
        resampled = np.take_along_axis(one[None], drawn, axis=1)  # [reps, n, M]
        values = {"profile": (resampled > tau).mean(axis=(1, 2))}
        rivals = np.take_along_axis(rival[None], other, axis=1)
        ahead = resampled[:, :, None] - rivals[:, None]  # [reps, n, n, M]
        values["P(X > Y)"] = ((ahead > 0) + 0.5 * (ahead == 0)).mean(axis=(1, 2, 3))
        mean, middle = resampled.mean(axis=(1, 2)), trimmed(resampled.reshape(REPS, -1))
        if tasks == 1:
            median = np.median(resampled[..., 0], axis=1)
            values |= {"mean of a task": mean, "IQM of a task": middle, "median of a task": median}
        else:
            median, gap = np.median(resampled.mean(axis=1), axis=1), 1 - np.minimum(resampled, 1).mean(axis=(1, 2))
            values |= {"aggregate mean": mean, "aggregate IQM": middle, "aggregate median": median}
            values["optimality gap"] = gap
        for name, value in values.items():
            low, high = np.quantile(value, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
            found.setdefault(name, []).append(Interval(float(value.mean()), float(low), float(high)))
    yield from found.items()


def trimmed(runs: Floats) -> Floats:
    """IQM of each row."""
    cut = int(0.25 * runs.shape[1])
    return np.asarray(np.sort(runs, axis=1)[:, cut : runs.shape[1] - cut].mean(axis=1))


def measure(job: tuple[str, int, int, int]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All statistics and the verdicts of one kind of scores, number of seeds and number of tasks."""
    kind, n, tasks, replications = job
    draw, tau = KINDS[kind], 0.7 if kind in SHARES else 0.5
    truth = truths(kind, tasks, tau)
    x = draw(np.random.default_rng(1), (replications, n, tasks), tasks)
    # rounded, so that ties of success rates stay ties
    y = np.round(draw(np.random.default_rng(2), (replications, n, tasks), tasks) - BEHIND, 12)
    rows: dict[str, dict[str, Any]] = {}
    some = max(1, replications // ONE_OF)
    for way, pairs in (("printed", printed(kind, x, y, tau)), ("percentile", percentile(x[:some], y[:some], tau))):
        for statistic, intervals in pairs:
            low, high = np.array([(one.low, one.high) for one in intervals]).T
            held = (low <= truth[statistic] + 1e-9) & (truth[statistic] <= high + 1e-9)
            row = rows.setdefault(statistic, {"statistic": statistic, "kind": kind, "seeds": n, "tasks": tasks})
            row[way] = round(100 * float(held.mean()), 2)
            row[f"{way}_width"] = round(float((high - low).mean()), 4)
    return list(rows.values()), {"kind": kind, "seeds": n, "tasks": tasks, **false_verdicts(job)}


def false_verdicts(job: tuple[str, int, int, int]) -> dict[str, float]:
    """How often any two of METHODS equal methods are told apart, in per cent, paired by seed and not."""
    kind, n, tasks, replications = job
    scores = KINDS[kind](np.random.default_rng(3), (replications, METHODS, n, tasks), tasks)
    out = {}
    for name, paired in (("paired", True), ("unpaired", False)):
        false = 0
        for one in scores:
            pairs = combinations(one, 2)
            p = [difference([Sides(a, b, paired) for a, b in zip(x.T, y.T, strict=True)]).p for x, y in pairs]
            false += min(holm(p)) < LEVEL
        out[name] = round(100 * false / replications, 2)
    return out


def short_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is printed and falls short of the aim."""
    keys = ("statistic", "seeds", "tasks", "kind")
    short = [row for row in rows if row["printed"] < 100 * AIM]
    return [{**{key: row[key] for key in keys}, "coverage": round(row["printed"])} for row in short]


def false_of(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tests that tell equal methods apart more often than they should."""
    return [
        {**{key: row[key] for key in ("seeds", "tasks", "kind")}, "test": test, "false": round(row[test])}
        for row in verdicts
        for test in ("paired", "unpaired")
        if row[test] > TOO_OFTEN
    ]


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
        found = list(pool.imap_unordered(measure, sorted(jobs, key=lambda j: -j[2])))
    rows = [row for part, _ in found for row in part]
    rows.sort(key=lambda row: (row["tasks"], row["statistic"], row["seeds"], row["kind"]))
    verdicts = sorted((one for _, one in found), key=lambda row: (row["tasks"], row["seeds"], row["kind"]))
    print(table(rows))
    for one in verdicts:
        print("false verdicts, %:", *one.values(), sep=", ")
    short = short_of(rows)
    for row in short:
        print(*row.values(), sep=", ")
    content = {
        "replications": arguments.replications,
        "reps": REPS,
        "confidence": CONFIDENCE,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }
    write(arguments.out, content, {"short": short, "false": false_of(verdicts), "verdicts": verdicts, "rows": rows})


def write(path: Path, facts: dict[str, Any], lists: dict[str, list[dict[str, Any]]]) -> None:
    """One row of a list per line, so that a new measurement reads as a change of numbers."""
    parts = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in facts.items()]
    for name, rows in lists.items():
        parts.append(f"{json.dumps(name)}: [\n " + ",\n ".join(map(json.dumps, rows)) + "\n]")
    path.write_text("{" + ",\n".join(parts) + "}\n")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
