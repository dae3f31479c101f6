"""Finished runs on the Hugging Face Hub: their records and policies, without checkpoints; fetched to be run again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from algos.settings import SettingError
from envs.data import hub
from suite.output import say
from suite.policies.trained import FINAL, Trained, found
from suite.record.folders import policy_folder
from suite.record.metrics import digits

__all__ = ["at_hand", "push_runs"]

_KEPT = ("run.json", "metrics.csv", "status.json")  # of a run folder, beside its final policies


def push_runs(runs: Sequence[Path], repo: str, private: bool) -> tuple[list[dict[str, Any]], int]:
    """Put finished runs into a repository of models: one row per run, and the exit code.

    Raises `SettingError` where there is a policy file that is of no run, `DatasetError` where the Hub says no.
    """
    chosen, code = found(runs, FINAL, None)
    if alone := [str(one.where) for one in chosen if one.run is None]:
        raise SettingError(f"--to hub: {alone[0]} is a file of its own, and what is shared is a run with its record")
    with tempfile.TemporaryDirectory() as folder:
        rows = [_copied(one, Path(folder)) for one in chosen]
        (Path(folder) / "README.md").write_text(_card(rows, repo), encoding="utf-8")
        url = hub.push_folder(Path(folder), repo, "model", private, f"{len(rows)} runs")
    say(f"{url}: `bench eval hub:{repo}` scores what is there")
    return rows, code


def at_hand(runs: Sequence[Path]) -> list[Path]:
    """The places of runs, those on the Hub (`hub:OWNER/NAME`) fetched."""
    return [_fetched(str(place)) if str(place).startswith(hub.PREFIX) else place for place in runs]


def _fetched(name: str) -> Path:
    say(f"{name}: fetching runs")
    return hub.fetch_folder(name, [f"**/{file}" for file in _KEPT] + ["**/policy/*"])


def _copied(one: Trained, folder: Path) -> dict[str, Any]:
    """Copy what is shared of a run into its place below `folder`, and say what it is."""
    assert one.run is not None
    name = f"{one.task.id}/{one.algo}/{one.name}"
    for file in (*(one.where / kept for kept in _KEPT), *policy_folder(one.where).iterdir()):
        if file.is_file():
            place = folder / name / file.relative_to(one.where)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
    metric = one.task.headline
    scores = [meta[metric] for meta in one.metas if metric in meta]
    mean = f"{sum(scores) / len(scores):.{digits(metric)}f}" if scores else "-"
    facts = one.run.run
    return {
        "task": one.task.short_name,
        "algo": one.algo,
        "run": one.name,
        "seeds": len(one.seeds),
        "profile": facts.get("profile", "-"),
        "metric": metric,
        "mean": mean,
        "command": " ".join(facts.get("command", [])),
    }


def _card(rows: Sequence[dict[str, Any]], repo: str) -> str:
    names = list(rows[0])
    table = "\n".join("| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows)
    algos = "\n".join(f"- {algo}" for algo in sorted({row["algo"] for row in rows}))
    return f"""---
library_name: awac-bench
pipeline_tag: reinforcement-learning
tags:
- reinforcement-learning
- offline-rl
{algos}
---
# {repo.partition("/")[2]}

Runs of awac-bench with their records and final policies, one npz per seed (no pickle). `bench eval hub:{repo}`
scores them once more, `bench video` and `bench export` take the same name. Scores are of each run's last evaluation.

| {" | ".join(names)} |
|{"---|" * len(names)}
{table}
"""
