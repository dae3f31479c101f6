"""Recordings of an environment as somebody else's program stores them, for the tests of what checks them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minari.data_collector.episode_buffer import EpisodeBuffer

from envs.data import minari_write
from envs.task import Task
from envs.verify.rerun import simulator

Parts = dict[str, Any]  # of one episode, by EpisodeBuffer's names


def record(task: Task, lengths: Sequence[int], scale: float = 1.0, states: bool = False) -> list[Parts]:
    """Episodes of random actions, ended early where the environment terminates; single precision, own rewards."""
    env, out = simulator(task), []
    for seed, steps in enumerate(lengths):
        rng = np.random.default_rng(seed)
        obs, reward, ends, qpos, qvel = [env.reset(seed=seed)[0]], [], [], [], []
        action = scale * rng.uniform(-1, 1, (steps, task.action_dim)).astype(np.float32)
        for a in action:
            if states:
                qpos.append(env.data.qpos.copy())
                qvel.append(env.data.qvel.copy())
            found, r, terminated, *_ = env.step(a)
            obs.append(found)
            reward.append(r)
            ends.append(terminated)
            if terminated:
                break
        out.append(
            {
                "observations": np.array(obs, np.float32),
                "actions": action[: len(reward)],
                "rewards": np.array(reward, np.float32),
                "terminations": np.array(ends),
                "truncations": np.arange(len(reward)) == (steps - 1 if not ends[-1] else -1),
                "seed": seed,
                "infos": {"qpos": np.array(qpos), "qvel": np.array(qvel)} if states else None,
            }
        )
    return out


def save(task: Task, dataset_id: str, episodes: Sequence[Parts]) -> str:
    """Store the episodes as a foreign dataset; its id."""
    minari_write.create(dataset_id, [EpisodeBuffer(**e) for e in episodes], task.id, {})
    return dataset_id


def early(part: Parts) -> Parts:
    """The episode with every observation one row too early: the reset's is lost."""
    cut = {k: part[k][:-1] for k in ("actions", "rewards", "terminations", "truncations")}
    return {**part, **cut, "observations": part["observations"][1:]}


def late(part: Parts) -> Parts:
    """The episode with every observation one row too late: the reset's comes twice."""
    obs = part["observations"]
    return {**part, "observations": np.concatenate((obs[:1], obs[:-1]))}


def bare(part: Parts) -> Parts:
    """The episode without its reset seed."""
    return {**part, "seed": None}
