"""Gymnasium's lunar lander, with four choices or with two throttles; 1000 steps.

    observation [8]: position, velocity, angle and its speed, contact of each leg
    lunarlander-v3: nothing, left engine, main engine, right engine    lunarlander-continuous-v3: main and side throttle

It is `LunarLander-v3` unchanged. It needs Box2D, which the extra `box2d` of this package installs.

    python -m envs.simulators.lander lunarlander ROLLOUTS.npz

records gymnasium's own controller, of which the shipped experts are clones; `lunarlander-continuous` likewise.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray

from envs.catalogue.lander import TASKS
from envs.discrete import one_hot
from envs.errors import SimulatorError
from envs.task import Task

try:
    from gymnasium.envs.box2d.lunar_lander import LunarLander, heuristic
except DependencyNotInstalled:
    raise SimulatorError("the lunar lander needs Box2D: pip install 'awac-bench[box2d]'") from None

__all__ = ["LanderEnv", "record"]

Array: TypeAlias = NDArray[np.float32]

EPISODES, SEED = 150, 700  # of a recording
NOISE = 0.1  # share of random choices, or standard deviation of what is added to throttles


class LanderEnv(LunarLander):
    """Land between the flags; with `continuous`, throttles are set, otherwise engines are chosen."""


def record(path: Path, task: Task) -> None:
    """Record episodes of the controller, two of three with noise, end to end as `bench data distill` reads them."""
    rng = np.random.default_rng(SEED)
    env: Any = LanderEnv(**task.options)
    seen, wish, sent, lengths = [], [], [], []
    for e in range(EPISODES):
        obs, _ = env.reset(seed=SEED + e)
        for t in range(task.horizon):
            seen.append(obs)
            wish.append(_vector(_controller(env, obs), task))
            sent.append(_disturbed(wish[-1], rng, task) if e % 3 else wish[-1])
            obs, _, terminated, _, _ = env.step(int(sent[-1].argmax()) if task.discrete else sent[-1])
            if terminated or t == task.horizon - 1:
                lengths.append(t + 1)
                break
    np.savez_compressed(
        path,
        observations=np.stack(seen),
        expert_actions=np.stack(wish),
        actions=np.stack(sent),
        episode_lengths=np.array(lengths),
    )


_controller: Any = heuristic  # gymnasium's is untyped


def _vector(action: Any, task: Task) -> Array:
    """Turn what the controller returned into an action as the suite writes it."""
    return one_hot(action, task.action_dim) if task.discrete else np.asarray(action, np.float32)


def _disturbed(wish: Array, rng: np.random.Generator, task: Task) -> Array:
    n = task.action_dim
    if task.discrete:
        return one_hot(rng.integers(n), n) if rng.random() < NOISE else wish
    return np.clip(wish + NOISE * rng.standard_normal(n, np.float32), -1, 1)


if __name__ == "__main__":
    record(Path(sys.argv[2]), {task.short_name: task for task in TASKS}[sys.argv[1]])
