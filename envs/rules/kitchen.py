"""What the Franka Kitchen tasks of D4RL (Fu et al. 2020) ask for, which an observation alone decides. No simulator.

An observation [60] is D4RL's: joint positions of the arm and its two fingers [9], then of the kitchen [21] (knobs and
burners, light, cabinets, microwave, the kettle's position and quaternion), then where the task wants all of these [30],
zero where it wants nothing. There are no velocities in it.

A subtask is in place where its joints are less than 0.3 from its goal, in the norm over them. Numbers as in D4RL's
kitchen_envs.py, which takes them from Relay Policy Learning (Gupta et al. 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ARM", "GOALS", "OBS_DIM", "check_goal", "goal", "of", "subtasks", "success"]

OBS_DIM = 60
ARM = 9  # joint positions of arm and fingers
TOLERANCE = 0.3  # exclusive
_JOINTS = 30

# entries of an observation, and what they are to be
GOALS: Mapping[str, tuple[tuple[int, ...], tuple[float, ...]]] = {
    "bottom burner": ((11, 12), (-0.88, -0.01)),
    "top burner": ((15, 16), (-0.92, -0.01)),
    "light switch": ((17, 18), (-0.69, -0.05)),
    "slide cabinet": ((19,), (0.37,)),
    "hinge cabinet": ((20, 21), (0.0, 1.45)),
    "microwave": ((22,), (-0.75,)),
    "kettle": ((23, 24, 25, 26, 27, 28, 29), (-0.23, 0.75, 1.62, 0.99, 0.0, 0.0, -0.06)),
}


def goal(names: tuple[str, ...]) -> NDArray[np.float64]:
    """Where subtasks want the joints [30], as observations hold it."""
    wanted = np.zeros(_JOINTS)
    for name in names:
        entries, values = GOALS[name]
        wanted[list(entries)] = values
    return wanted


def subtasks(names: tuple[str, ...], next_obs: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each of K subtasks is in place [..., K], in observations [..., 60]."""
    if next_obs.shape[-1] != OBS_DIM:
        raise ValueError(f"kitchen observations have {OBS_DIM} entries, these have {next_obs.shape[-1]}")
    away = [next_obs[..., list(e)].astype(np.float64) - np.array(v) for e, v in map(GOALS.__getitem__, names)]
    return np.stack([np.linalg.norm(a, axis=-1) < TOLERANCE for a in away], axis=-1)


def success(names: tuple[str, ...], next_obs: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether all subtasks are in place at once [...], in observations [..., 60]."""
    return np.asarray(subtasks(names, next_obs).all(axis=-1))


def check_goal(
    names: tuple[str, ...], columns: dict[str, Any], infos: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Return a file's arrays as they are; raise `ValueError` where the goal they hold is another task's."""
    obs = columns["observations"]
    if len(obs.shape) == 2 and obs.shape[1] == OBS_DIM and obs.shape[0]:
        held = np.asarray(obs[:1][0, _JOINTS:], np.float64)
        if not np.allclose(held, goal(names), atol=1e-4):
            known = [name for name, (entries, _) in GOALS.items() if held[list(entries)].any()]
            raise ValueError(
                f"its observations ask for {', '.join(known) or 'nothing'}, the task for {', '.join(names)}; "
                "--env names the task that the data are of"
            )
    return columns, infos, []


def of(names: tuple[str, ...]) -> dict[str, Any]:
    """Facts of a task with these subtasks, by the names of `envs.task.Task`."""
    return {
        "subtasks": partial(subtasks, names),
        "success": partial(success, names),
        "from_columns": partial(check_goal, names),
    }
