"""OGBench's arm: the package's own goals and rules, rewards after the step, and play that follows from its seed."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ogbench", reason="no ogbench: pip install 'awac-bench[ogbench]'")

import gymnasium

from envs import tasks
from envs.rules import ogbench_manipulation as rules
from envs.simulators import ogbench_manipulation as simulators
from envs.simulators.ogbench_manipulation import ManipulationEnv, play
from envs.task import PlayRecipe

SCENES = tuple(rules.SCENES)
of_every_scene = pytest.mark.parametrize("scene", SCENES)
of_every_task = pytest.mark.parametrize("number", range(1, 6))


@functools.cache
def env_of(scene: str, number: int = 1) -> ManipulationEnv:
    return ManipulationEnv(scene, number)


def observed(*places: tuple[float, float, float]) -> np.ndarray:
    """Observations of the single cube at these places, in metres."""
    obs = np.zeros((len(places), 28))
    obs[:, 19:22] = 10 * (np.array(places) - [0.425, 0, 0])
    return obs


def test_every_scene_has_five_tasks_with_the_horizon_of_the_package() -> None:
    import ogbench  # noqa: F401 - registers its environments

    for scene in SCENES:
        own = [tasks.get(f"{scene}-task{n}") for n in range(1, 6)]
        (horizon,) = {task.horizon for task in own}
        assert horizon == gymnasium.spec(f"{scene}-v0").max_episode_steps
        assert [task.reward_range[0] for task in own] == [-len(rules.parts(scene, 1, np.zeros(own[0].obs_dim)))] * 5


@of_every_scene
def test_goals_are_the_packages(scene: str) -> None:
    for info, wanted in zip(env_of(scene).env.task_infos, rules.SCENES[scene].tasks, strict=True):
        goal = info.get("goal", info)
        cubes = goal.get("goal_xyzs", goal.get("block_xyzs", np.zeros((0, 3))))
        buttons = goal.get("goal_button_states", goal.get("button_states", ()))
        sliders = [goal[name] for name in ("drawer_pos", "window_pos") if name in goal]
        np.testing.assert_array_equal(cubes, np.reshape(wanted.cubes, (-1, 3)))
        assert (tuple(buttons), tuple(sliders)) == (wanted.buttons, wanted.sliders)


@of_every_scene
def test_rule_and_reward_are_those_of_the_state_after_the_step(scene: str) -> None:
    """Things are put at random near their goals; the state before the step is another one each time."""
    env, rng, seen = env_of(scene), np.random.default_rng(0), []
    wanted, inner = rules.SCENES[scene].tasks[0], env.env
    assert env.reset(seed=3)[1] == {"success": False}
    for _ in range(25):
        for i, place in enumerate(wanted.cubes):
            inner._data.joint(f"object_joint_{i}").qpos[:3] = np.add(place, [rng.uniform(-0.06, 0.06), 0, 0])
        for name, place in zip(("drawer_slide", "window_slide"), wanted.sliders, strict=False):
            inner._data.joint(name).qpos[0] = place * rng.uniform(0.6, 1.0)
        if wanted.buttons:
            flipped = rng.random(len(wanted.buttons)) < 0.5 / len(wanted.buttons)
            inner._cur_button_states = np.array(wanted.buttons) ^ flipped
        obs, reward, terminated, truncated, info = env.step(np.zeros(5, np.float32))
        assert (obs.shape, truncated) == ((rules.SCENES[scene].obs_dim,), False)
        assert reward == rules.reward(scene, 1, obs) == tasks.get(f"{scene}-task1").reward(obs)
        assert info["success"] == terminated == (reward == 0) == bool(rules.success(scene, 1, obs))
        seen.append(reward)
    assert {0.0, -1.0} <= set(seen)


@of_every_task
def test_the_rule_of_cubes_is_a_distance_of_four_centimetres(number: int) -> None:
    ((x, y, z),) = rules.SCENES["cube-single"].tasks[number - 1].cubes
    near = observed((x, y, z), (x + 0.0399, y, z), (x, y, z + 0.0399), (x, y - 0.0401, z), (x - 0.03, y - 0.03, z))
    assert rules.success("cube-single", number, near).tolist() == [True, True, True, False, False]


@of_every_scene
def test_the_same_seed_begins_alike_and_another_does_not(scene: str) -> None:
    env, goals = env_of(scene), []

    def begun(seed: int) -> np.ndarray:
        obs = env.reset(seed=seed)[0]
        goals.append(env.env._cur_goal_ob)  # observed after moves at random, which must not differ either
        return obs

    first, again, other = map(begun, (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(goals[0], goals[1])
    assert np.abs(first - other).max() > 1e-3


@of_every_scene
def test_play_follows_from_its_seed_and_reaches_what_it_is_made_for(scene: str) -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    recipe, reached = PlayRecipe(length=120), []
    obs, action = play({"scene": scene, "number": 2}, recipe, 7, reached)
    play({"scene": scene, "number": 2}, PlayRecipe(length=10), 8)
    again = play({"scene": scene, "number": 1}, recipe, 7)
    np.testing.assert_array_equal(obs, again[0])
    np.testing.assert_array_equal(action, again[1])
    assert np.array_equal(before, np.random.get_state()[1]), "numpy's own stream is left as it was"  # type: ignore[index]
    assert (obs.dtype, obs.shape, action.shape) == (np.float32, (121, rules.SCENES[scene].obs_dim), (120, 5))
    assert np.abs(action).max() <= 1
    assert reached
    assert np.mean(reached) > 0.5
    if scene == "cube-single":
        cube = rules.cube_position(obs)
        assert cube[:, 2].max() > 0.1, "lifted"
        assert np.linalg.norm(cube[-1, :2] - cube[0, :2]) > 0.05, "and put down elsewhere"


def test_what_a_processor_rounds_otherwise_does_not_change_play(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linear algebra differs in its last digits between kinds of processors; without rounding play soon differs."""

    class Other:
        def __init__(self, ik: Any) -> None:
            self.ik, self.rng = ik, np.random.default_rng(0)

        def solve(self, **target: Any) -> np.ndarray:
            found = self.ik.solve(**target)
            return np.asarray(found * (1 + 1e-15 * self.rng.standard_normal(found.shape)))

    recipe = PlayRecipe(length=60)
    here = play({"scene": "cube-single"}, recipe, 7)
    arm = simulators._collecting("cube-single")
    monkeypatch.setattr(arm._ik, "ik", Other(arm._ik.ik))
    there = play({"scene": "cube-single"}, recipe, 7)
    np.testing.assert_array_equal(here[0], there[0])
    monkeypatch.setattr(arm, "_ik", Other(arm._ik.ik))
    raw = play({"scene": "cube-single"}, recipe, 7)
    assert not np.array_equal(here[0], raw[0])


def test_play_in_which_the_cube_leaves_the_table_is_played_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ogbench's generate_manipspace.py has it: too far right, or too far left and not in the drawer."""
    drawn: list[Any] = []

    def episode(env: Any, scene: str, recipe: PlayRecipe, info: Any) -> Any:
        places = ((0.4, 0.3, 0.02), (0.4, -0.31, 0.02), (0.4, -0.31, 0.09), (0.4, -0.31, 0.07))
        obs = np.zeros((3, 40))
        obs[:, 19:22] = observed(places[len(drawn)])[0, 19:22]
        drawn.append(obs)
        return obs, np.zeros((2, 5)), [True]

    monkeypatch.setattr(simulators, "_episode", episode)
    reached: list[bool] = []
    obs, _ = play({"scene": "scene"}, PlayRecipe(length=2), 0, reached)
    np.testing.assert_array_equal(obs, drawn[3].astype(np.float32))
    assert (len(drawn), reached) == (4, [True])


def test_a_task_says_how_its_package_is_installed_and_which_files_are_published() -> None:
    task = tasks.get("puzzle-3x3-task1")
    assert (task.extra, task.datasets) == ("ogbench", ["default", "play", "noisy"])
    assert task.remote["play"] == "ogbench/puzzle-3x3-play-singletask-task1-v0"
