"""Cells of a report, made in memory."""

from __future__ import annotations

import numpy as np

from reports.runs.cells import Cell, Source
from reports.runs.curves import Curve

STEPS = (-100, 0, 100, 200, 300, 400)


def cell(task, label, scores, steps=STEPS, metric="success", **over):
    """A finished cell; `scores` is seed -> a value at each of the last steps given."""
    seeds = tuple(scores)
    steps = np.array(steps[len(steps) - len(scores[seeds[0]]) :])
    values = np.array([scores[seed] for seed in seeds], dtype=float)
    run = {"profile": "quick", "settings": {}, "success_rule": "rule", "dataset": {"id": "d", "fingerprint": "f"}}
    run |= over.pop("run", {})
    if over.pop("external", False):
        run = {}
    source = Source(
        f"{task}/{label}",
        label,
        task,
        seeds,
        over.pop("finished", True),
        run,
        {"state": "finished"},
        {metric: Curve(seeds, steps, values)},
        over.pop("diverged", {}),
        [],
    )
    assert not over
    return Cell(task, label, (source,))
