"""Worth of a task's data, as in the AWAC paper's Table 3: clones of them beside random actions and the expert."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from algos.networks.policy_file import load_policy
from envs.task import Task
from suite.experiment.request import Override, Request
from suite.experiment.resolve import resolve
from suite.recipes import experts as distill
from suite.recipes.policies import expert_of
from suite.record.folders import policy_folder, policy_path
from suite.record.metrics import shown
from suite.record.papers import printed
from suite.train.cell import run_cell
from suite.train.hardware import Hardware
from suite.train.means import Means

__all__ = ["table"]

PLACE = "AWAC Table 3"
CLONES = ("bc-demos", "bc")  # BC(1), BC(2): of the demonstrations, of everything
# dataset seeds of the episodes scored; the tables in benchmarks/README.md were made with these
_NUMBERS = {"random actions": 11, "expert": 12, "bc-demos": 13, "bc": 13}


def table(
    tasks: Sequence[Task],
    profile: str,
    seeds: Sequence[int],
    episodes: int,
    out: Path,
    hardware: Hardware,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Rows (task, what is scored, score, 95 % interval over episodes, ...), one per training seed of a clone.

    Clones are runs of `bc-demos` and `bc` in `out`, which go on where they stopped. Scores are over `episodes` episodes
    by which nothing was chosen: the same ones for all clones, others for the expert, others for random actions. Clones
    and expert act by their mode.
    """
    # evaluations of the runs themselves would choose nothing and cost time
    few = (Override("eval_episodes", "1"),)
    cells = {
        (task.id, algo): resolve(Request((algo,), (task.id,), tuple(seeds), profile, name="worth", overrides=few))
        for task in tasks
        for algo in _clones(task)
    }
    rows = []
    for task in tasks:
        say(f"{task.short_name}: random actions and expert")
        rows.append(_row(task, "random actions", None, None, episodes, hardware))
        if task.expert:
            rows.append(_row(task, "expert", None, expert_of(task), episodes, hardware))
        for algo in CLONES:
            if algo not in _clones(task):
                rows.append({**_empty(task, algo, None), "score": "no demonstrations"})
                continue
            folder = policy_folder(run_cell(cells[task.id, algo], Means(out, hardware)))
            for seed in seeds:
                path = policy_path(folder, seed)
                if path.is_file():  # a diverged seed leaves none
                    rows.append(_row(task, algo, seed, load_policy([path])[0], episodes, hardware))
                else:
                    rows.append({**_empty(task, algo, seed), "score": "diverged"})
    return rows


def _clones(task: Task) -> tuple[str, ...]:
    """Clones that the task has data for."""
    return CLONES if hasattr(task.recipe, "demonstrations") else CLONES[1:]


def _row(
    task: Task, what: str, seed: int | None, policy: nn.Module | None, episodes: int, hardware: Hardware
) -> dict[str, Any]:
    workers = hardware.worker_count()
    found = distill.scores(task, policy, episodes, _NUMBERS[what], workers, sample=policy is None)
    std = found.get(f"{task.headline}_std", 0.0)  # a share needs none
    score, interval = shown(task.headline, found[task.headline], std, episodes)
    return {
        **_empty(task, what, seed),
        "score": score,
        "95 %": interval,
        "episodes": episodes,
        "length": round(found["episode_length"]),
    }


def _empty(task: Task, what: str, seed: int | None) -> dict[str, Any]:
    beside = {"random actions": 0, "expert": 1}.get(what)
    d4rl = task.d4rl_anchors[beside] if task.d4rl_anchors and beside is not None else "-"
    paper = [p.value for p in printed(PLACE, task.id) if p.what == what]
    return {
        "task": task.short_name,
        "what": what,
        "seed": "-" if seed is None else seed,
        "metric": task.headline,
        "score": "-",
        "95 %": "-",
        "episodes": "-",
        "length": "-",
        "paper": f"{paper[0]:g}" if paper else "-",
        "D4RL": d4rl if isinstance(d4rl, str) else f"{d4rl:g}",
    }
