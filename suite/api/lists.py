"""Algorithms and tasks as rows. Only what needs an algorithm's own code loads torch, which takes seconds."""

from __future__ import annotations

from typing import Any

import algos
from algos.settings import SettingError
from envs import tasks
from envs.errors import TaskPluginError

__all__ = ["algorithm_rows", "task_rows"]


def algorithm_rows() -> list[dict[str, Any]]:
    """One row per algorithm: name, kind of actions, summary, module."""
    return [_algorithm(name, entry) for name, entry in algos.names().items()]


def _algorithm(name: str, entry: algos.Entry) -> dict[str, Any]:
    facts = {"algo": name, "actions": "-", "summary": entry.summary, "module": entry.module}
    try:
        return {**facts, "actions": algos.load(name).default_needs.actions}
    except SettingError as error:  # one broken package must not hide the others' algorithms
        return {**facts, "summary": str(error)}


def task_rows() -> list[dict[str, Any]]:
    """One row per task: id, sizes, horizon, rule of success, names of its data, summary."""
    return [_task(task_id) for task_id in tasks.ids()]


def _task(task_id: str) -> dict[str, Any]:
    try:
        t = tasks.get(task_id)
    except TaskPluginError as error:  # one broken package must not hide the others' tasks
        facts = dict.fromkeys(("observation", "action", "actions", "horizon", "success", "data"), "-")
        return {"env": task_id, **facts, "summary": str(error)}
    return {
        "env": t.id,
        "observation": t.obs_dim,
        "action": t.action_dim,
        "actions": "choices" if t.discrete else "continuous",
        "horizon": t.horizon,
        "success": t.success_rule or "-",
        "data": ", ".join(t.datasets) or "-",
        "summary": t.summary,
    }
