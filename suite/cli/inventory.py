"""Rows that `bench list` shows. Only what needs an algorithm's own code loads torch, which takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import algos
from algos.settings import SettingError, nearest
from suite.api.lists import algorithm_rows, task_rows
from suite.experiment.presets import PAPER, departures
from suite.experiment.profiles import PROFILES
from suite.plans import read as plans
from suite.record.folders import find_runs, read_run
from suite.record.rows import RecordError, Row

__all__ = ["listing", "suites"]


def listing(what: str, out: Path) -> list[dict[str, Any]]:
    """List one kind of thing, as rows; raises `SettingError` for a kind that is none."""
    lists: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "algos": algorithm_rows,
        "envs": task_rows,
        "datasets": _datasets,
        "presets": _presets,
        "profiles": _profiles,
        "runs": lambda: _runs(out),
        "suites": suites,
    }
    if not what:
        raise SettingError(f"name what to list: {', '.join(lists)}")
    if what not in lists:
        raise SettingError(f"cannot list {what!r}; {nearest(what, lists)}")
    return lists[what]()


def _datasets() -> list[dict[str, Any]]:
    from envs.data import datasets  # late: Minari comes with it

    return [
        {
            "dataset": d.id,
            "env": d.env,
            "episodes": d.episodes,
            "steps": d.steps,
            "MB": round(d.size / 1e6, 1),
            "state": d.broken or "ok",
        }
        for d in datasets.local_datasets()
    ]


def _profiles() -> list[dict[str, Any]]:
    return [
        {
            "profile": name,
            "departs from the paper's sizes by": ", ".join(f"{k}={v}" for k, v in values.items()) or "nothing",
        }
        for name, values in PROFILES.items()
    ]


def _presets() -> list[dict[str, Any]]:
    from suite.experiment.resolve import setting_owners  # late: torch comes with it

    rows = []
    for objective in algos.usable():
        algo, entry = objective.name, algos.get(objective.name)
        for name, preset in objective.presets.items():
            moved = departures(entry, setting_owners(objective), preset)
            rows.append(
                {
                    "algo": algo,
                    "preset": name,
                    "moves": len(moved),
                    "source": preset.source,
                    "settings": ", ".join(f"{k}={v}" for k, v in moved.items()),
                }
            )
    return rows


def _runs(out: Path) -> list[dict[str, Any]]:
    return [_run(path) for path in find_runs(out)]


def _run(path: Path) -> dict[str, Any]:
    try:
        r = read_run(path)
    except RecordError as error:  # one broken folder must not hide the others; its place says what it was of
        facts = {"task": path.parent.parent.name, "algo": path.parent.name, "seeds": "-", "profile": "-", "preset": "-"}
        scores = dict.fromkeys(("step", "success", "return"), "-")
        return {**facts, "state": f"broken: {error}", **scores, "folder": str(path)}
    return {
        "task": r.task,
        "algo": r.algo,
        "seeds": len(r.seeds),
        "profile": r.run.get("profile", "-"),
        "preset": r.run.get("preset", PAPER),
        "state": r.status.get("state", "-"),
        "step": r.status.get("env_step", "-"),
        **{name: _newest(r.rows, name) for name in ("success", "return")},
        "folder": str(path),
    }


def _newest(rows: Sequence[Row], metric: str) -> str:
    """Mean over the seeds of the metric's newest evaluation, to which those that have diverged add no row."""
    own = [row for row in rows if row.metric == metric]
    values = [row.value for row in own if (row.update, row.env_step) == (own[-1].update, own[-1].env_step)]
    return f"{sum(values) / len(values):.2f}" if values else "-"


def suites() -> list[dict[str, Any]]:
    """List every suite that comes with the package."""
    return [
        {"suite": p.name, "place": p.place, "cells": len(p.entries), "seeds": p.seeds, "title": p.title}
        for p in map(plans.load, plans.names())
    ]
