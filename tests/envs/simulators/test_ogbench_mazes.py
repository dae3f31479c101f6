"""OGBench's mazes: the package's own goals and rule, rewards after the step, and bodies led from goal to goal."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ogbench", reason="no ogbench: pip install 'awac-bench[ogbench]'")

import gymnasium

from envs import tasks
from envs.errors import DatasetError
from envs.rules import ogbench_mazes as rules
from envs.simulators import ogbench_mazes as simulators
from envs.simulators.ogbench_mazes import MazeEnv, navigate
from envs.task import NavigateRecipe
from suite.recipes import build as recipes

BODIES = ("pointmaze", "antmaze", "humanoidmaze")
of_every_body = pytest.mark.parametrize("body", BODIES)


@functools.cache
def env_of(body: str, number: int = 1) -> MazeEnv:
    return MazeEnv(body, "medium", number)


def led(obs: np.ndarray, direction: np.ndarray) -> np.ndarray:
    return direction


@of_every_body
def test_sizes_horizon_radius_and_goals_are_the_packages(body: str) -> None:
    import ogbench  # noqa: F401 - registers its environments

    facts, env = rules.BODIES[body], env_of(body).env
    assert facts.horizon == gymnasium.spec(f"{body}-medium-v0").max_episode_steps
    assert (env.observation_space.shape, env.action_space.shape) == ((facts.obs_dim,), (facts.action_dim,))
    assert facts.radius == env._goal_tol
    for number, info in enumerate(env.task_infos, 1):
        np.testing.assert_array_equal(rules.goal("medium", number), info["goal_xy"])
        assert rules.ROUTES["medium"][number - 1] == (info["init_ij"], info["goal_ij"])


def test_the_large_maze_has_the_packages_goals() -> None:
    for number, info in enumerate(MazeEnv("pointmaze", "large", 1).env.task_infos, 1):
        assert rules.ROUTES["large"][number - 1] == (info["init_ij"], info["goal_ij"])


@of_every_body
@pytest.mark.parametrize("share", [0.9, 1.1])  # of the radius
def test_reward_end_and_success_are_of_the_state_after_the_step(body: str, share: float) -> None:
    env, radius = env_of(body), rules.BODIES[body].radius
    task = tasks.get(f"{body}-medium-navigate-task1")
    obs, info = env.reset(seed=0)
    assert info == {"success": False}
    assert not task.success(obs)  # type: ignore[misc]
    env.env.set_xy(np.add(rules.goal("medium", 1), [share * radius, 0.0]))
    obs, reward, terminated, truncated, info = env.step(np.zeros(task.action_dim, np.float32))
    there = share < 1
    assert (reward, terminated, truncated, info) == (there - 1.0, there, False, {"success": there})
    assert bool(task.success(obs)) == there  # type: ignore[misc]
    assert task.reward(obs) == reward


@of_every_body
def test_a_seed_names_an_episode_whatever_numpys_own_stream_holds(body: str) -> None:
    env = env_of(body)
    actions = np.random.default_rng(0).uniform(-1, 1, (5, *env.action_space.shape)).astype(np.float32)

    def seen(seed: int) -> bytes:
        return np.stack([env.reset(seed=seed)[0], *(env.step(a)[0] for a in actions)]).tobytes()

    first = seen(7)
    np.random.seed(1)
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    assert seen(8) != first == seen(7)
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]


def test_the_file_that_the_simulator_read_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    MazeEnv("pointmaze", "medium", 1).close()
    assert list(tmp_path.iterdir()) == []


def test_corners_are_all_free_cells_but_those_in_straight_corridors() -> None:
    drawn = ["#######", "#    ##", "# ## ##", "#     #", "#######"]
    walls = np.array([[mark == "#" for mark in row] for row in drawn]).astype(int)
    free, corners = simulators._cells(walls)
    assert len(free) == 11
    assert set(free) - set(corners) == {(1, 2), (1, 3), (2, 1), (2, 4), (3, 2), (3, 3)}


def test_a_point_is_led_from_goal_to_goal() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    options, recipe, reached = {"body": "pointmaze", "maze": "medium"}, NavigateRecipe(length=400, noise=0.5), []
    obs, action = navigate(options, recipe, led, 3, reached)
    again = navigate(options, recipe, led, 3)
    np.testing.assert_array_equal(obs, again[0])
    np.testing.assert_array_equal(action, again[1])
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]
    assert (obs.shape, action.shape) == ((401, 2), (400, 2))
    assert reached[0] >= 2
    assert np.abs(action).max() <= 1
    assert np.ptp(obs, axis=0).min() > 4, "through several cells"


def test_a_maze_without_data_of_its_own_takes_the_published_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tasks.get("humanoidmaze-medium-navigate-task2")
    assert task.given == "ogbench/humanoidmaze-medium-navigate-singletask-task2-v0"
    for name, value in {"MINARI_DATASETS_PATH": "minari", "OGBENCH_DATASET_DIR": "ogbench"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("BENCH_OFFLINE", "1")
    with pytest.raises(DatasetError) as caught:
        recipes.dataset(task)
    assert "put humanoidmaze-medium-navigate-v0.npz, which is https://" in str(caught.value)
    assert "\n" not in str(caught.value)
