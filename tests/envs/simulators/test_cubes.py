"""OGBench's cubes: the package's own goals and rule, rewards after the step, and play that follows from its seed."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ogbench", reason="no ogbench: pip install 'awac-bench[ogbench]'")

import gymnasium

from envs import tasks
from envs.data.datasets import transitions
from envs.rules import cubes
from envs.simulators.cubes import CubeEnv, play
from envs.task import PlayRecipe
from suite.recipes.oracle import played

NUMBERS = range(1, 6)
of_every_task = pytest.mark.parametrize("number", NUMBERS)


def observed(*places: tuple[float, float, float]) -> np.ndarray:
    """Observations with the cube at these places, in metres."""
    obs = np.zeros((len(places), cubes.OBS_DIM))
    obs[:, 19:22] = 10 * (np.array(places) - [0.425, 0, 0])
    return obs


@pytest.fixture(scope="module")
def env() -> CubeEnv:
    return CubeEnv(1)


def test_goals_and_horizon_are_the_packages(env: CubeEnv) -> None:
    theirs = [info["goal_xyzs"][0] for info in env.env.task_infos]
    np.testing.assert_array_equal(theirs, cubes.GOALS)
    import ogbench  # noqa: F401 - registers its environments

    assert {tasks.get(f"cube-single-task{n}").horizon for n in NUMBERS} == {
        gymnasium.spec("cube-single-v0").max_episode_steps
    }


@of_every_task
def test_the_rule_is_a_distance_of_four_centimetres(number: int) -> None:
    x, y, z = cubes.GOALS[number - 1]
    near = observed((x, y, z), (x + 0.0399, y, z), (x, y, z + 0.0399), (x, y - 0.0401, z), (x - 0.03, y - 0.03, z))
    assert cubes.success(number, near).tolist() == [True, True, True, False, False]


def test_reward_end_and_success_are_of_the_state_after_the_step(env: CubeEnv) -> None:
    """The cube is put 3 cm from its goal, and far from it; the state before the step is another one each time."""
    obs, info = env.reset(seed=3)
    assert info == {"success": False}
    assert not cubes.success(1, obs)
    for offset, there in ((0.03, True), (0.2, False), (0.03, True)):
        env.env._data.joint("object_joint_0").qpos[:3] = np.add(cubes.GOALS[0], [0, offset, 0])
        obs, reward, terminated, truncated, info = env.step(np.zeros(5, np.float32))
        assert (info["success"], reward, terminated, truncated) == (there, there - 1.0, there, False)
        assert bool(cubes.success(1, obs)) == there


def test_the_same_seed_begins_alike_and_another_does_not(env: CubeEnv) -> None:
    first, again, other = (env.reset(seed=seed)[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_play_follows_from_its_seed_and_carries_the_cube() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    obs, action = play(7, 120, 0.1, 0.5)
    play(8, 10, 0.1, 0.5)
    again = play(7, 120, 0.1, 0.5)
    np.testing.assert_array_equal(obs, again[0])
    np.testing.assert_array_equal(action, again[1])
    assert np.array_equal(before, np.random.get_state()[1]), "numpy's own stream is left as it was"  # type: ignore[index]
    cube = cubes.cube_position(obs)
    assert cube[:, 2].max() > 0.1, "lifted"
    assert np.linalg.norm(cube[-1, :2] - cube[0, :2]) > 0.05, "and put down elsewhere"
    assert np.abs(action).max() <= 1


def test_play_is_cut_after_each_success_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight steps, the third, fourth and last of which arrive at the goal of task 2."""
    there, away = (0.5, 0.0, 0.02), (0.3, 0.1, 0.02)
    obs = observed(away, away, away, there, there, away, away, away, there).astype(np.float32)
    obs[:, 0] = np.arange(9)
    action = np.tile(np.arange(8, dtype=np.float32)[:, None] / 10, (1, 5))
    made: list[Any] = []

    def one(seed: int, steps: int, noise: float, smoothing: float) -> Any:
        made.append((steps, noise, smoothing))
        return obs, action

    monkeypatch.setitem(sys.modules, "envs.simulators.cubes", SimpleNamespace(play=one))
    task = tasks.get("cube-single-task2")
    pieces = played(task, PlayRecipe(rollouts=2, length=8), seed=0, workers=0)
    assert made == [(8, 0.1, 0.5)] * 2
    assert [len(p.action) for p in pieces] == [3, 1, 4] * 2
    assert all(p.terminated for p in pieces)
    rows = transitions(task, pieces[:3])
    np.testing.assert_array_equal(rows.obs, obs[:-1])
    np.testing.assert_array_equal(rows.next_obs, obs[1:])
    np.testing.assert_array_equal(rows.action, action)
    assert rows.reward.tolist() == [-1, -1, 0, 0, -1, -1, -1, 0]
    assert rows.terminated.tolist() == [reward == 0 for reward in rows.reward]


def test_a_task_says_how_its_package_is_installed() -> None:
    task = tasks.get("cube-single-task1")
    assert (task.extra, task.datasets) == ("ogbench", ["default"])
