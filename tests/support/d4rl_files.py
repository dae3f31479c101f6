"""Small files in the layouts of D4RL's, written as the scripts in its scripts/generation write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# kitchen_envs.py, written out once more so that what is tested is not tested by itself
ELEMENTS = {
    "bottom burner": ([11, 12], [-0.88, -0.01]),
    "light switch": ([17, 18], [-0.69, -0.05]),
    "slide cabinet": ([19], [0.37]),
    "microwave": ([22], [-0.75]),
    "kettle": ([23, 24, 25, 26, 27, 28, 29], [-0.23, 0.75, 1.62, 0.99, 0.0, 0.0, -0.06]),
}
SLIDE = ("microwave", "kettle", "light switch", "slide cabinet")
BURNER = ("microwave", "kettle", "bottom burner", "light switch")


def kitchen(path: Path, demos: Sequence[Sequence[str]], elements: Sequence[str] = SLIDE, steps: int = 10) -> Path:
    """Demonstrations of `steps` rows, in which one element after the other is put in place.

    Labelled as by generate_kitchen_datasets.py: rewards are of the row's own state, the last row of each is a terminal.
    """
    rng, goal = np.random.default_rng(0), np.zeros(30)
    for name in elements:
        goal[ELEMENTS[name][0]] = ELEMENTS[name][1]
    obs: list[Array] = []
    for done in demos:
        rows = np.concatenate((rng.normal(0, 0.01, (steps, 30)), np.tile(goal, (steps, 1))), 1)
        for i, name in enumerate(done):
            rows[2 * (i + 1) :, ELEMENTS[name][0]] += np.array(ELEMENTS[name][1])
        obs.append(rows)
    flat = np.concatenate(obs)
    away = [np.linalg.norm(flat[:, e] - np.array(g), axis=1) for e, g in (ELEMENTS[name] for name in elements)]
    last = np.tile(np.arange(steps) == steps - 1, len(demos))
    content = {
        "observations": flat.astype("f4"),
        "actions": rng.uniform(-1, 1, (len(flat), 9)).astype("f4"),
        "rewards": (np.array(away) < 0.3).sum(0).astype("f4"),
        "terminals": last.astype("f4"),
        "infos": np.repeat(np.arange(len(demos)), steps),
    }
    return _written(path, content)


def _written(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            file.create_dataset(name, data=values, compression="gzip")
    return path


def ant_maze(path: Path, lengths: Sequence[int], goal: tuple[float, float], radius: float = 0.6) -> Path:
    """Trajectories that circle around a goal, nearer and farther than half a metre, from other places to others.

    As generate_ant_maze_datasets.py stores them and relabel_antmaze_rewards.py labels them: rewards and terminals are
    of the row that follows, also across ends, and `infos/goal` is where the ant was steered to.
    """
    rng, rows = np.random.default_rng(0), sum(lengths)
    obs = rng.normal(0, 0.1, (rows, 29))
    start = np.cumsum(lengths) - np.array(lengths)
    for first, length in zip(start, lengths, strict=True):
        turn = np.linspace(0, 40, length)
        away = radius * (0.4 + 0.6 * np.cos(turn / 7) ** 2)
        obs[first : first + length, 0] = goal[0] + away * np.cos(turn)
        obs[first : first + length, 1] = goal[1] + away * np.sin(turn)
        obs[first : first + 10, 1] -= np.linspace(6, 0, 10)  # it comes from elsewhere
    near = np.append(np.linalg.norm(obs[1:, :2] - goal, axis=1) <= 0.5, False)
    timeouts = np.zeros(rows, bool)
    timeouts[np.cumsum(lengths) - 1] = True
    content = {
        "observations": obs.astype("f4"),
        "actions": rng.uniform(-1, 1, (rows, 8)).astype("f4"),
        "rewards": near.astype("f4"),
        "terminals": near.astype("f4"),
        "timeouts": timeouts,
        "infos/goal": rng.uniform(0, 8, (rows, 2)).astype("f4"),
        "infos/qpos": obs[:, :15].astype("f4"),
        "infos/qvel": obs[:, 15:].astype("f4"),
    }
    return _written(path, content)
