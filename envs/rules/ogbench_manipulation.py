"""What the manipulation tasks of OGBench (Park et al. 2025) ask for; an observation alone decides it.

An observation begins with the arm [19]: joints (6 positions, 6 velocities), gripper (position, cosine and sine of its
yaw, opening, contact). Behind it lie the things of the scene, in this order:

    cube [9]      position, quaternion, cosine and sine of its yaw
    button [4]    whether it is 0, whether it is 1, how far it is pressed, its velocity
    slider [2]    position and velocity; the first is a drawer, the second a window

Positions of gripper and cubes are ten times the distance in metres from a point on the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ACTION_DIM", "SCENES", "TOLERANCE", "Scene", "Wanted", "cube_position", "parts", "reward", "success"]

ACTION_DIM = 5
TOLERANCE = 0.04  # metres, of cubes and sliders
_ARM, _CUBE, _BUTTON, _SLIDER = 19, 9, 4, 2  # entries of an observation for each
_CENTER, _SCALE = np.array([0.425, 0.0, 0.0]), 10.0
_SLIDER_SCALES = (18.0, 15.0)  # of the drawer, of the window


@dataclass(frozen=True)
class Wanted:
    """What one task wants of the things in its scene, and the task in words that follow "a robot arm"."""

    words: str
    cubes: tuple[tuple[float, float, float], ...] = ()  # metres
    buttons: tuple[int, ...] = ()  # 0 or 1 each
    sliders: tuple[float, ...] = ()  # metres


@dataclass(frozen=True)
class Scene:
    """One scene and its five tasks (`set_tasks` of ogbench's environments)."""

    horizon: int  # steps, as ogbench registers it but for the scene
    rule: str  # in words
    tasks: tuple[Wanted, ...]

    @property
    def obs_dim(self) -> int:
        """Number of entries of an observation."""
        first = self.tasks[0]
        return _ARM + _CUBE * len(first.cubes) + _BUTTON * len(first.buttons) + _SLIDER * len(first.sliders)

    @property
    def size(self) -> int:
        """Number of parts that a task consists of: a reward is minus the number of those that are not done."""
        first = self.tasks[0]
        return len(first.cubes) + len(first.buttons) + len(first.sliders)


_Z = 0.02  # metres, the middle of a cube that lies on the table
_IN_DRAWER = (0.33, -0.356, 0.065986)

SCENES = {
    "cube-single": Scene(
        200,
        "cube within 0.04 m of its goal",
        (
            Wanted("carries a cube to the side", ((0.425, -0.1, _Z),)),
            Wanted("carries a cube away from the robot", ((0.5, 0.0, _Z),)),
            Wanted("carries a cube towards the robot", ((0.35, 0.0, _Z),)),
            Wanted("carries a cube across, one way", ((0.5, 0.2, _Z),)),
            Wanted("carries a cube across, the other way", ((0.5, -0.2, _Z),)),
        ),
    ),
    "cube-double": Scene(
        500,
        "both cubes within 0.04 m of their goals",
        (
            Wanted("carries one of two cubes to the side", ((0.425, 0.0, _Z), (0.425, 0.1, _Z))),
            Wanted("carries two cubes to the side", ((0.35, 0.1, _Z), (0.5, 0.1, _Z))),
            Wanted("carries two cubes apart", ((0.425, -0.2, _Z), (0.425, 0.2, _Z))),
            Wanted("swaps two cubes", ((0.425, 0.1, _Z), (0.425, -0.1, _Z))),
            Wanted("stacks two cubes", ((0.425, 0.0, _Z), (0.425, 0.0, 0.06))),
        ),
    ),
    "scene": Scene(
        750,
        "cube, drawer and window within 0.04 m of their goals, both buttons as wanted",
        (
            Wanted("opens drawer and window", ((0.35, 0.05, _Z),), (1, 1), (-0.16, 0.2)),
            Wanted("unlocks, closes and locks drawer and window", ((0.35, -0.05, _Z),), (0, 0), (0.0, 0.0)),
            Wanted("opens the drawer, closes the window, carries the cube", ((0.4, 0.15, _Z),), (1, 1), (-0.16, 0.0)),
            Wanted("puts the cube into the drawer", (_IN_DRAWER,), (1, 0), (0.0, 0.0)),
            Wanted("puts the cube into the drawer and opens the window", (_IN_DRAWER,), (0, 0), (0.0, 0.2)),
        ),
    ),
    "puzzle-3x3": Scene(
        500,
        "all nine buttons as wanted",
        tuple(
            Wanted(f"presses buttons that switch their neighbours too, {count}", buttons=tuple(map(int, states)))
            for count, states in (
                ("from all off", "110101011"),
                ("from all on to all but one", "011111111"),
                ("from a cross to its opposite", "101010101"),
                ("from the edges to all", "111111111"),
                ("from all on to two columns", "101101101"),
            )
        ),
    ),
}


def cube_position(obs: NDArray[Any], cube: int = 0) -> NDArray[np.float64]:
    """Position in metres of a cube, counted from 0: obs [..., O] -> [..., 3]."""
    start = _ARM + _CUBE * cube
    return np.asarray(obs[..., start : start + 3] / _SCALE + _CENTER, np.float64)


def parts(scene: str, number: int, obs: NDArray[Any]) -> NDArray[np.bool_]:
    """Which parts of task `number`, counted from 1, are done: obs [..., O] -> cubes, buttons, sliders [..., P]."""
    wanted = SCENES[scene].tasks[number - 1]
    done = [
        np.linalg.norm(cube_position(obs, i) - np.array(place), axis=-1) <= TOLERANCE
        for i, place in enumerate(wanted.cubes)
    ]
    at = _ARM + _CUBE * len(wanted.cubes)
    done += [obs[..., at + _BUTTON * i + 1] == state for i, state in enumerate(wanted.buttons)]
    at += _BUTTON * len(wanted.buttons)
    for i, (place, scale) in enumerate(zip(wanted.sliders, _SLIDER_SCALES, strict=False)):
        done.append(np.abs(obs[..., at + _SLIDER * i] / scale - place) <= TOLERANCE)
    return np.stack(done, axis=-1)


def success(scene: str, number: int, next_obs: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether all parts of task `number` are done: [..., O] -> [...]."""
    return np.asarray(parts(scene, number, next_obs).all(axis=-1))


def reward(scene: str, number: int, next_obs: NDArray[Any]) -> NDArray[np.float64]:
    """Minus the number of parts of task `number` that are not done: [..., O] -> [...]."""
    done = parts(scene, number, next_obs)
    return np.asarray(done.sum(axis=-1, dtype=np.float64) - done.shape[-1])
