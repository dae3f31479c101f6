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

from envs.discrete import one_hot
from envs.errors import SimulatorError

try:
    from gymnasium.envs.box2d.lunar_lander import LunarLander, heuristic
except DependencyNotInstalled:
    raise SimulatorError("the lunar lander needs Box2D: pip install 'awac-bench[box2d]'") from None

__all__ = ["LanderEnv", "record"]

Array: TypeAlias = NDArray[np.float32]

EPISODES, HORIZON, SEED = 150, 1000, 700  # of a recording
NOISE = 0.1  # share of random choices, or standard deviation of what is added to throttles


class LanderEnv(LunarLander):
    """Land between the flags: `continuous` is whether throttles are set, or engines chosen."""


def record(path: Path, continuous: bool) -> None:
    """Episodes of the controller, two of three with noise, end to end as `bench data distill` reads them."""
    rng = np.random.default_rng(SEED)
    env: Any = LanderEnv(continuous=continuous)
    seen, wish, sent, lengths = [], [], [], []
    for e in range(EPISODES):
        obs, _ = env.reset(seed=SEED + e)
        for t in range(HORIZON):
            seen.append(obs)
            wish.append(_vector(_controller(env, obs), continuous))
            sent.append(_disturbed(wish[-1], rng, continuous) if e % 3 else wish[-1])
            obs, _, terminated, _, _ = env.step(sent[-1] if continuous else int(sent[-1].argmax()))
            if terminated or t == HORIZON - 1:
                lengths.append(t + 1)
                break
    np.savez_compressed(
        path, observations=np.stack(seen), expert_actions=np.stack(wish), actions=np.stack(sent),
        episode_lengths=np.array(lengths),
    )  # fmt: skip


_controller: Any = heuristic  # gymnasium's is untyped


def _vector(action: Any, continuous: bool) -> Array:
    """What the controller returned, as the suite writes it."""
    return np.asarray(action, np.float32) if continuous else one_hot(action, 4)


def _disturbed(wish: Array, rng: np.random.Generator, continuous: bool) -> Array:
    if continuous:
        return np.clip(wish + NOISE * rng.standard_normal(2, np.float32), -1, 1)
    return one_hot(rng.integers(4), 4) if rng.random() < NOISE else wish


if __name__ == "__main__":
    record(Path(sys.argv[2]), {"lunarlander": False, "lunarlander-continuous": True}[sys.argv[1]])
