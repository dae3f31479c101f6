"""OGBench's manipulation tasks with a fixed goal, and play data of its scripted oracles.

    cube-single-task1-v0 ... -task5-v0      (200 steps)
    cube-double-task1-v0 ... -task5-v0      (500 steps)
    scene-task1-v0 ... -task5-v0            (750 steps)
    puzzle-3x3-task1-v0 ... -task5-v0       (500 steps)

The first success is the end. Observations, parts of a task and success: `envs.rules.ogbench_manipulation`. Action [5]:
how far the gripper is to move (x, y, z, yaw) and close, in [-1, 1]. The reward is minus the number of parts that are
not done, judged after the step: ogbench's `success_timing="post"`. Its registered single-task environments, and the
rewards that it gives its data, judge the state before the step (its issue 34).

Play data are made as by ogbench's data_gen_scripts/generate_manipspace.py: the arm carries, presses, pulls one thing
after the other along plans with noise, and starts another plan when one is done, without regard to any task.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from envs.errors import SimulatorError
from envs.rules.ogbench_manipulation import ACTION_DIM, SCENES, cube_position
from envs.simulators.ogbench_tasks import Action, Obs, SingleTask
from envs.task import PlayRecipe

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glfw, which nothing here opens a window with, asks for a display
        from ogbench.manipspace.envs.cube_env import CubeEnv
        from ogbench.manipspace.envs.puzzle_env import PuzzleEnv
        from ogbench.manipspace.envs.scene_env import SceneEnv
        from ogbench.manipspace.oracles.plan.button_plan import ButtonPlanOracle
        from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle
        from ogbench.manipspace.oracles.plan.drawer_plan import DrawerPlanOracle
        from ogbench.manipspace.oracles.plan.window_plan import WindowPlanOracle
except ImportError:
    raise SimulatorError("OGBench's tasks need ogbench: pip install 'awac-bench[ogbench]'") from None

__all__ = ["ManipulationEnv", "play"]


class ManipulationEnv(SingleTask):
    """Bring the things of a scene to where task `number` wants them."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012 - as gymnasium declares it
    action_space = Box(-1.0, 1.0, (ACTION_DIM,), np.float32)

    def __init__(self, scene: str, number: int, render_mode: str | None = None) -> None:
        self.render_mode, self.scene, self.number = render_mode, scene, number
        self.observation_space = Box(-np.inf, np.inf, (SCENES[scene].obs_dim,), np.float64)
        self.env = _quiet(scene, reward_task_id=number)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        super().reset(seed=seed)
        with _silence():
            obs, _ = self.env.reset(seed=seed)
        return obs, {"success": False}

    def step(self, action: Action) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        with contextlib.redirect_stdout(sys.stderr):  # where the scene says that a cube was out of bounds
            return super().step(action)


def play(
    options: Mapping[str, Any], recipe: PlayRecipe, seed: int, reached: list[bool] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Play one episode of the oracles in the scene of `options`: observations [T + 1, O], actions [T, 5].

    It follows from the seed alone. To `reached` is added, for every plan that came to its end, whether what it was
    made for had then been reached.
    """
    scene, before = options["scene"], np.random.get_state()
    env = _collecting(scene)
    np.random.seed(seed)
    try:
        with _silence():
            _, info = env.reset(seed=seed)
        while True:
            obs, action, done = _episode(env, scene, recipe, info)
            if scene != "scene" or _cube_in_sight(obs):
                break
            _, info = env.reset()
    finally:
        np.random.set_state(before)
    if reached is not None:
        reached += done
    return np.asarray(obs, np.float32), np.asarray(action, np.float32)


def _episode(env: Any, scene: str, recipe: PlayRecipe, info: dict[str, Any]) -> tuple[Obs, Obs, list[bool]]:
    """One episode from a reset, which gave `info`: observations, actions, and whether each plan reached its target."""
    stacking = _stacking(scene)
    oracles = _oracles(env, scene, recipe)
    oracle = oracles[info["privileged/target_task"]]
    seen, sent, done = [env.compute_observation()], [], []
    oracle.reset(seen[-1], info)
    for _ in range(recipe.length):
        sent.append(np.clip(oracle.select_action(seen[-1], info), -1.0, 1.0).astype(np.float32))
        obs, _, _, _, info = env.step(sent[-1])
        seen.append(obs)
        if oracle.done:
            done.append(bool(info["success"]))
            target = env.set_new_target(p_stack=stacking)
            oracle = oracles[target[1]["privileged/target_task"]]
            oracle.reset(*target)
    return np.asarray(seen), np.asarray(sent), done


def _stacking(scene: str) -> float:
    """Probability, in one episode, that a cube is put on top of another one."""
    if scene == "cube-single":
        return 0.0
    return np.random.uniform(0.0, 0.25) if scene == "cube-double" else 0.5


def _oracles(env: Any, scene: str, recipe: PlayRecipe) -> dict[str, Any]:
    """The oracles of a scene, by what they are for."""
    noise = {"env": env, "noise": recipe.noise, "noise_smoothing": recipe.smoothing}
    if scene == "puzzle-3x3":
        return {"button": ButtonPlanOracle(gripper_always_closed=True, **noise)}
    oracles = {"cube": CubePlanOracle(**noise)}
    if scene == "scene":
        oracles |= {"button": ButtonPlanOracle(**noise)}
        oracles |= {"drawer": DrawerPlanOracle(**noise), "window": WindowPlanOracle(**noise)}
    return oracles


def _cube_in_sight(obs: Obs) -> bool:
    """Whether the cube was on the table or in the drawer before every step; ogbench plays other episodes again."""
    y, z = cube_position(obs[:-1])[:, 1:].T
    return not ((y >= 0.29) | ((y <= -0.3) & ((z < 0.06) | (z > 0.08)))).any()


@functools.lru_cache(maxsize=1)
def _collecting(scene: str) -> Any:
    """The environment that play is recorded in, made once in each process."""
    return _quiet(scene, mode="data_collection", terminate_at_goal=False)


def _quiet(scene: str, **options: Any) -> Any:
    """An environment of ogbench's, which paints no marks of success and failure."""
    family, _, kind = scene.partition("-")
    if family != "puzzle":
        options["permute_blocks"] = False
    made = _FAMILIES[family]
    with _silence():
        env = made(env_type=kind or family, success_timing="post", visualize_info=False, **options)
    env._ik = _Rounded(env._ik)
    return env


class _Rounded:
    """Inverse kinematics with its solutions in single precision.

    Every kind of processor rounds the last digits of linear algebra in its own way, and the arm, which is told to go
    there, would soon be elsewhere.
    """

    def __init__(self, ik: Any) -> None:
        self.ik = ik

    def solve(self, **target: Any) -> Obs:
        return np.asarray(self.ik.solve(**target), np.float32).astype(np.float64)


class _Repeatable:
    """Mixin: a reset moves the arm at random for a moment, to observe the goal; here in the same way each time."""

    _moves = Box(-1.0, 1.0, (ACTION_DIM,), np.float32)

    @property
    def action_space(self) -> Box:
        return self._moves

    def initialize_episode(self) -> None:
        self._moves.seed(0)
        super().initialize_episode()  # type: ignore[misc]


def _repeatable(kind: type) -> type:
    return type(kind.__name__, (_Repeatable, kind), {})


_FAMILIES = {name: _repeatable(kind) for name, kind in (("cube", CubeEnv), ("scene", SceneEnv), ("puzzle", PuzzleEnv))}


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Silence gymnasium, which warns of the precision of bounds that the package gives in float64."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
