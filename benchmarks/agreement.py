"""Scores of this project's methods beside those of CORL's own classes, trained on the same data with the same settings.

    python benchmarks/agreement.py --corl ../CORL [--env halfcheetah,walker2d] [--algo awac,iql,td3-bc]
                                   [--updates 20000] [--seeds 5] [--episodes 10] [--runs FOLDER] [--out FILE.json]

Each side makes as many offline updates from the task's default dataset, of the quick profile; ours by `bench run`, all
seeds at once, CORL's one seed after the other: its networks, its buffer and its update, put together as its training
script does. Both are scored by this project, on the same initial states. They agree, as far as these seeds can tell,
where the interval of the difference holds 0; what ours cannot do as CORL does, `bench explain` names.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peer_stand_ins import ignore, module_at
from scipy import stats

import envs.tasks
import suite
from envs.data import datasets
from envs.data.datasets import Transitions
from envs.stepping.vector import VectorEnv
from envs.task import Task
from suite.train.evaluate import evaluate
from suite.train.hardware import device_name, versions

# of both sides: the sizes and rates of CORL's configurations for these tasks
SHARED: dict[str, Any] = {
    "batch_size": 256,
    "policy_lr": 3e-4,
    "critic_lr": 3e-4,
    "tau": 0.005,
    "policy_weight_decay": 0.0,
    "normalise_obs": True,
    "online_steps": 0,
}
# Of advantages, on both sides: returns are in the hundreds, and by CORL's own, a third in AWAC and IQL, few rows
# decide: after some thousand updates neither side has learned to run.
SCALE = 10.0

Rows = Mapping[str, NDArray[np.float32]]
Peer = tuple[Callable[[Any], object], Callable[[torch.Tensor], torch.Tensor], torch.nn.Module]  # update, mode, policy


@dataclass(frozen=True)
class Method:
    """One method on both sides."""

    file: str  # of CORL
    preset: str  # ours
    settings: Mapping[str, Any]  # ours, beside `SHARED`
    make: Callable[[Any, int, int, int], Peer]  # from CORL's module, sizes of observations and actions, and updates


def awac(corl: Any, obs_dim: int, action_dim: int, updates: int) -> Peer:
    """CORL's AWAC: three hidden layers of 256."""
    nets = [net(obs_dim, action_dim, 256) for net in (corl.Actor, corl.Critic, corl.Critic)]
    parts = [part for net in nets for part in (net, adam(net))]
    algo = corl.AdvantageWeightedActorCritic(*parts, awac_lambda=SCALE)
    return algo.update, lambda obs: nets[0]._get_policy(obs).mean, nets[0]


def iql(corl: Any, obs_dim: int, action_dim: int, updates: int) -> Peer:
    """CORL's IQL, its policy's step size falling along a cosine."""
    policy = corl.GaussianPolicy(obs_dim, action_dim, 1.0)
    q, v = corl.TwinQ(obs_dim, action_dim), corl.ValueFunction(obs_dim)
    algo = corl.ImplicitQLearning(1.0, policy, adam(policy), q, adam(q), v, adam(v), beta=1 / SCALE, max_steps=updates)
    return algo.train, lambda obs: policy(obs).mean, policy


def td3_bc(corl: Any, obs_dim: int, action_dim: int, updates: int) -> Peer:
    """CORL's TD3+BC."""
    policy = corl.Actor(obs_dim, action_dim, 1.0)
    critics = [corl.Critic(obs_dim, action_dim) for _ in range(2)]
    parts = [part for net in (policy, *critics) for part in (net, adam(net))]
    return corl.TD3_BC(1.0, *parts).train, policy, policy


def adam(net: torch.nn.Module) -> torch.optim.Adam:
    """Adam with the step size of all of them."""
    return torch.optim.Adam(net.parameters(), lr=3e-4)


METHODS = {
    "awac": Method("awac.py", "corl", {"hidden": (256, 256, 256), "temperature": SCALE}, awac),
    "iql": Method("iql.py", "official", {"hidden": (256, 256), "inverse_temperature": 1 / SCALE}, iql),
    "td3-bc": Method("td3_bc.py", "official", {"hidden": (256, 256)}, td3_bc),
}


def ours(method: str, env: str, updates: int, seeds: int, episodes: int, runs: Path) -> suite.Run:
    """Train all seeds of our side at once, or read them where they are finished."""
    settings = {
        **SHARED,
        **METHODS[method].settings,
        "offline_updates": updates,
        "eval_every_offline": updates,
        "eval_episodes": episodes,
    }
    preset = METHODS[method].preset
    return suite.run(method, env, seeds=seeds, preset=preset, settings=settings, out=runs, threads=1, workers=0)


def last(run: suite.Run, metric: str) -> list[float]:
    """Final value of a metric, per seed."""
    rows = run.metrics.query("metric == @metric")
    return [float(v) for v in rows[rows["step"] == rows["step"].max()].sort_values("seed")["value"]]


def theirs(peer: Any, method: Method, data: Transitions, task: Task, updates: int, seed: int, episodes: int) -> float:
    """Train one seed of CORL's side as its script does, and score its policy's mode as ours are scored."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # its buffer draws from there
    mean, std = data.obs.mean(0), data.obs.std(0) + 1e-3
    buffer = peer.ReplayBuffer(task.obs_dim, task.action_dim, len(data.obs))
    buffer.load_d4rl_dataset(
        {
            "observations": (data.obs - mean) / std,
            "actions": data.action,
            "rewards": data.reward,
            "next_observations": (data.next_obs - mean) / std,
            "terminals": data.terminated.astype(np.float32),
        }
    )
    update, mode, policy = method.make(peer, task.obs_dim, task.action_dim, updates)
    for _ in range(updates):
        update(buffer.sample(SHARED["batch_size"]))
    policy.eval()

    @torch.no_grad()
    def act(obs: NDArray[np.float32], noise: object) -> NDArray[np.float32]:
        scaled = torch.from_numpy((obs[0] - mean) / std).float()
        return np.clip(mode(scaled).numpy(), -1.0, 1.0)[None]

    with VectorEnv(task.id, episodes, 0) as env:
        return float(evaluate(env, act, 1, episodes, task)[score_of(task)][0])


def score_of(task: Task) -> str:
    """What a task is compared by."""
    return "success" if task.success is not None else "return" if task.anchors is None else "normalized_score"


def difference(a: list[float], b: list[float]) -> tuple[float, float, float]:
    """Difference of means and its 95 % interval by Welch's t: seeds of the two sides have nothing in common."""
    if np.std(a) == np.std(b) == 0:
        return (float(np.mean(a) - np.mean(b)),) * 3
    low, high = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    return float(np.mean(a) - np.mean(b)), float(low), float(high)


def table(cells: list[dict[str, Any]]) -> str:
    """The comparison in Markdown: means, deviations over seeds, and the difference."""
    lines = ["| task | method | score | this project | CORL | difference |", "|---|---|---|---|---|---|"]
    for cell in cells:
        sides = [f"{np.mean(x):.3g} (sd {np.std(x, ddof=1):.2g})" for x in (cell["ours"], cell["theirs"])]
        middle, low, high = difference(cell["ours"], cell["theirs"])
        end = f"{middle:.3g} [{low:.3g}, {high:.3g}]"
        lines.append(f"| {cell['task']} | `{cell['algo']}` | {cell['score']} | {' | '.join(sides)} | {end} |")
    return "\n".join(lines)


def main() -> None:
    """Fill the cells that were asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corl", type=Path, required=True, help="checkout of CORL")
    parser.add_argument("--env", default="halfcheetah,walker2d")
    parser.add_argument("--algo", default=",".join(METHODS))
    parser.add_argument("--updates", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--runs", type=Path, default=Path("runs/agreement"), help="where our side's runs are kept")
    parser.add_argument("--out", type=Path, help="a JSON file; cells that it holds are not trained again")
    asked = parser.parse_args()
    ignore(
        "d4rl", "gym", "pyrallis", "wandb", "tqdm"
    )  # imported by CORL's files, not used by the parts taken from them
    cells = json.loads(asked.out.read_text(encoding="utf-8"))["cells"] if asked.out and asked.out.exists() else []
    for task in map(envs.tasks.get, asked.env.split(",")):
        for algo in asked.algo.split(","):
            facts = {"task": task.id, "algo": algo, "score": score_of(task)}
            facts |= {"updates": asked.updates, "seeds": asked.seeds, "episodes": asked.episodes}
            if any(facts.items() <= cell.items() for cell in cells):
                continue
            run = ours(algo, task.id, asked.updates, asked.seeds, asked.episodes, asked.runs)
            data = datasets.load(task, run.facts["dataset"]["id"])
            peer = module_at(asked.corl / "algorithms" / "offline" / METHODS[algo].file)
            scores = []
            for seed in range(asked.seeds):
                scores.append(theirs(peer, METHODS[algo], data.transitions, task, asked.updates, seed, asked.episodes))
                print(f"{algo} on {task.id}: seed {seed} of CORL's: {scores[-1]:.3g}", flush=True)
            mine = last(run, score_of(task))
            cells.append({**facts, "fingerprint": data.info.fingerprint, "ours": mine, "theirs": scores})
            if asked.out:
                about = {"date": str(date.today()), "device": device_name(torch.device("cpu")), "versions": versions()}
                asked.out.write_text(json.dumps({**about, "cells": cells}, indent=1) + "\n", encoding="utf-8")
    print(table(cells))


if __name__ == "__main__":
    main()
