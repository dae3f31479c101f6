"""Sawyer push: its physics against numbers worked out by hand, its rewards, its data, and a run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
import torch
from asked import resolve
from command import Bench

import envs  # noqa: F401  # registers the task
from algos.settings import SettingError
from envs import tasks
from envs.data import datasets
from envs.errors import DatasetError, UnknownTaskError
from envs.simulators.sawyer import CONTACT, HAND_HIGH, HAND_LOW, SawyerPushEnv, controller
from envs.stepping.vector import VectorEnv
from envs.tasks import DemoRecipe, NoiseRecipe, Task
from suite.experiment.experiment import task_of
from suite.recipes import build as recipes
from suite.recipes import play, policies

TASK = tasks.get("sawyer-push")
STILL, FORWARD = np.zeros(2, np.float32), np.array([0, 1], np.float32)


def started(seed: int = 0, **options: Any) -> SawyerPushEnv:
    env = SawyerPushEnv(**options)
    env.reset(seed=seed)
    return env


def metres(obs: Any) -> Any:
    """Positions as multiworld has them."""
    return (obs.reshape(*obs.shape[:-1], -1, 2) * 0.1 + [0, 0.6]).reshape(obs.shape)


def placed(hand: tuple[float, float], puck: tuple[float, float], goal: tuple[float, float] = (0, 0.6)) -> SawyerPushEnv:
    """Hand and puck at rest elsewhere."""
    env = started()
    env.data.qpos[:4] = (*hand, *puck)
    env.data.act[:] = hand
    env.goal = np.array(goal)
    return env


# the scene


def test_the_registered_task() -> None:
    env = gymnasium.make(TASK.id)
    obs, info = env.reset(seed=3)
    assert info == {"success": False}
    assert (env.observation_space.shape, env.action_space.shape) == ((TASK.obs_dim,), (TASK.action_dim,))
    assert metres(obs)[:4] == pytest.approx([0, 0.55, 0, 0.6])
    for t in range(TASK.horizon):
        obs, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert env.observation_space.contains(obs)
        at = metres(obs)
        assert reward == pytest.approx(-np.hypot(*(at[2:4] - at[4:])))
        assert info["success"] == (np.hypot(*(at[2:4] - at[4:])) < 0.05)
        assert TASK.reward_range[0] <= reward <= TASK.reward_range[1]
        assert not terminated
        assert truncated == (t == TASK.horizon - 1)


def test_goals_fill_forty_by_twenty_centimetres_or_what_is_asked_for() -> None:
    for options, low, high in (
        ({}, [-0.2, 0.5], [0.2, 0.7]),
        ({"goal_width": 0.3}, [-0.15, 0.5], [0.15, 0.7]),
        ({"hand_goal": True}, [-0.1, 0.55, -0.2, 0.5], [0.1, 0.65, 0.2, 0.7]),
    ):
        env = SawyerPushEnv(**options)  # type: ignore[arg-type]
        goals = np.array([metres(env.reset(seed=s)[0])[4:] for s in range(400)])
        assert goals.shape[1] == len(low)
        assert (goals >= low).all()
        assert (goals <= high).all()
        spread = np.ptp(goals, axis=0) / np.subtract(high, low)
        assert (spread > 0.97).all()


def test_the_same_seed_and_actions_give_the_same_bytes_whatever_came_before() -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (40, 2)).astype(np.float32)
    fresh, used = started(5), started(6)
    for a in actions:
        used.step(a)
    first, second = (e.reset(seed=5)[0] for e in (fresh, used))
    assert first.tobytes() == second.tobytes()
    for a in actions:
        (obs, reward, *_), (again, same, *_) = fresh.step(a), used.step(a)
        assert obs.tobytes() == again.tobytes()
        assert reward == same
    assert used.reset(seed=7)[0][4:].tolist() != first[4:].tolist()


def test_the_hand_moves_two_centimetres_per_unit_of_action_within_its_box() -> None:
    env = placed((0, 0.55), (0.2, 0.9))
    for _ in range(3):
        obs, *_ = env.step(np.array([0.5, 0.25], np.float32))
    for _ in range(2):
        obs, *_ = env.step(STILL)
    assert metres(obs)[:2] == pytest.approx([0.03, 0.565], abs=1e-5)
    for _ in range(20):
        obs, *_ = env.step(np.array([9.0, -9.0], np.float32))  # counts as full
    assert metres(obs)[:2] == pytest.approx([HAND_HIGH[0], HAND_LOW[1]], abs=1e-4)


def test_a_push_carries_the_puck_along_and_friction_stops_it() -> None:
    env = started()
    for _ in range(3):
        obs, *_ = env.step(FORWARD)
    # 6 cm of the hand's way less the millimetre between them; at 0.2 m/s friction of 0.5 g leaves 4 mm to slide
    for _ in range(2):
        obs, *_ = env.step(STILL)
    slide = 0.2**2 / (2 * 0.5 * 9.81)
    assert metres(obs)[2] == pytest.approx(0, abs=1e-6)
    assert 0.6 + 0.059 - 0.002 < metres(obs)[3] < 0.6 + 0.059 + slide
    rest = obs
    for _ in range(100):
        obs, *_ = env.step(STILL)
    assert obs == pytest.approx(rest, abs=1e-6)


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4, 2.0])
def test_a_sliding_puck_goes_straight_on_and_as_far_as_coulomb_friction_says(angle: float) -> None:
    """v^2 / (2 mu g), in every direction alike."""
    env = placed((0.0, 0.55), (0.3, 0.9))
    way = np.array([np.cos(angle), np.sin(angle)])
    env.data.qvel[2:4] = 0.8 * way
    for _ in range(4):
        obs, *_ = env.step(STILL)
    assert metres(obs)[2:4] - [0.3, 0.9] == pytest.approx(0.8**2 / (2 * 0.5 * 9.81) * way, abs=0.002)


def test_nothing_moves_before_it_is_pushed() -> None:
    env = started()
    for _ in range(50):
        obs, *_ = env.step(STILL)
    assert metres(obs)[:4] == pytest.approx([0, 0.55, 0, 0.6], abs=1e-7)


def test_random_pushes_leave_the_puck_on_the_table_and_out_of_the_hand() -> None:
    rng, env = np.random.default_rng(0), SawyerPushEnv()
    for episode in range(20):
        env.reset(seed=episode)
        for _ in range(TASK.horizon):
            obs, *_ = env.step(rng.uniform(-1, 1, 2))
            assert abs(env.data.qpos[4]) < 1e-3, "the puck left the plane"
            hand, puck = metres(obs)[:2], metres(obs)[2:4]
            assert np.hypot(*(hand - puck)) > CONTACT - 0.003, "the hand went into the puck"
            assert (hand >= HAND_LOW - 1e-3).all()
            assert (hand <= HAND_HIGH + 1e-3).all()


def test_the_scripted_pusher_brings_the_puck_to_every_goal_that_it_can_reach() -> None:
    """Those within the narrower 30 cm: at least 95 % to 5 cm and most to 2 cm."""
    env, final = SawyerPushEnv(goal_width=0.3), []
    for episode in range(40):
        obs, _ = env.reset(seed=episode)
        for _ in range(TASK.horizon):
            obs, reward, *_ = env.step(controller(obs))
        final.append(-reward)
    assert np.mean(np.array(final) < 0.05) >= 0.95
    assert np.mean(np.array(final) < 0.02) >= 0.8


def test_substeps_are_fine_enough() -> None:
    """Where the puck ends after a push off its middle, against substeps of a tenth."""

    def end(refined: int) -> Any:
        env = placed((-0.02, 0.55), (0, 0.6))
        env.model.opt.timestep /= refined
        for t in range(6):
            env.data.ctrl[:] = np.array([0.3, 1.0]) * 0.2 * (t < 5)
            mujoco.mj_step(env.model, env.data, 20 * refined)
        return env.data.qpos[2:4].copy()

    coarse, fine = end(1), end(10)
    assert np.hypot(*(fine - [0, 0.6])) > 0.03, "it was not pushed"
    assert coarse == pytest.approx(fine, abs=0.002)


# goals and rewards


def test_rewards_are_computed_for_many_goals_at_once() -> None:
    achieved = np.array([[[0.0, 1.0], [3.0, -1.0]]])
    desired = np.array([[[0.3, 1.4], [3.0, -1.0]]])
    assert started().compute_reward(achieved, desired, {}) == pytest.approx(np.array([[-0.05, 0.0]]))


def test_the_goal_for_the_hand_counts_too_where_it_is_asked_for() -> None:
    env = started(hand_goal=True)
    obs, reward, *_ = env.step(STILL)
    assert obs.shape == (8,)
    assert reward == pytest.approx(-0.1 * np.linalg.norm(obs[:4] - obs[4:]))
    env.goal = metres(obs)[:4] + np.array([0.03, 0, 0, 0.03])
    assert env.step(STILL)[4]["success"]
    env.goal = metres(obs)[:4] + np.array([0.04, 0, 0, 0.04])
    assert not env.step(STILL)[4]["success"]


def test_the_task_takes_reward_and_success_from_the_observation() -> None:
    env = gymnasium.make(TASK.id)
    obs, _ = env.reset(seed=1)
    seen, rewards, hits = [], [], []
    for _ in range(TASK.horizon):
        obs, reward, _, _, info = env.step(controller(obs).astype(np.float32))
        seen.append(obs), rewards.append(reward), hits.append(info["success"])
    assert TASK.reward(np.array(seen, np.float32)) == pytest.approx(rewards, abs=1e-6)
    assert TASK.success is not None
    assert TASK.success(np.array(seen)).tolist() == hits
    assert any(hits)
    assert not all(hits)


def test_goals_have_the_same_reward_as_arrays_and_as_tensors() -> None:
    goal = TASK.goal
    assert goal is not None
    rng = np.random.default_rng(0)
    achieved, desired = rng.standard_normal((2, 3, 4, 2)).astype(np.float32)
    of_arrays = goal.reward(achieved, desired)
    of_tensors = goal.reward(torch.from_numpy(achieved), torch.from_numpy(desired))
    assert of_arrays == pytest.approx(-0.1 * np.linalg.norm(achieved - desired, axis=-1), rel=1e-6)
    assert of_tensors.numpy() == pytest.approx(of_arrays, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"), [({"goal_width": -1}, "goal_width=-1"), ({"render_mode": "human"}, "only rgb_array")]
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SawyerPushEnv(**options)


def test_pictures_show_the_goal() -> None:
    env = started(render_mode="rgb_array")
    try:
        first = env.render()
    except Exception as error:
        pytest.skip(f"no OpenGL here: {error}")
    env.reset(seed=1)
    second = env.render()
    env.close()
    assert first is not None
    assert second is not None
    assert first.shape == (480, 480, 3)
    assert not np.array_equal(first, second)
    assert started().render() is None


# the task's names and facts


@pytest.mark.parametrize("name", ["SawyerPush-v0", "sawyer-push", "sawyerpush", "Sawyer-Push-V0"])
def test_capitals_and_dashes_of_a_name_do_not_matter(name: str) -> None:
    assert tasks.get(name) is TASK
    assert tasks.get("HalfCheetah-v5") is tasks.get("halfcheetah")


def test_names_stay_apart_without_capitals_and_dashes() -> None:
    plain = [tasks._plain(t.short_name) for t in tasks.TASKS.values()]
    assert len(set(plain)) == len(plain)
    with pytest.raises(UnknownTaskError, match="did you mean 'sawyer-push'"):
        tasks.get("SawyerPish-v0")
    with pytest.raises(UnknownTaskError):
        tasks.get("sawyer-push-v1")


# data


def tiny(**changes: Any) -> Task:
    return dataclasses.replace(TASK, recipe=dataclasses.replace(NoiseRecipe(rollouts=4), **changes))


def test_noise_walks_as_the_ornstein_uhlenbeck_process_does() -> None:
    """Variance s^2 (1 - (1-theta)^2t) / (1 - (1-theta)^2) after t steps, correlation (1-theta)^k across k."""
    rng = np.random.default_rng(0)
    walk = play._walk(NoiseRecipe(), (50, 40_000), rng)
    keep, t = 0.85, np.arange(1, 51)
    assert walk.var(axis=1) == pytest.approx(0.09 * (1 - keep ** (2 * t)) / (1 - keep**2), rel=0.04)
    assert walk.mean(axis=1) == pytest.approx(np.zeros(50), abs=0.015)
    assert np.corrcoef(walk[40], walk[43])[0, 1] == pytest.approx(keep**3, abs=0.015)
    assert np.corrcoef(walk[40, ::2], walk[40, 1::2])[0, 1] == pytest.approx(0, abs=0.03)


def test_the_default_dataset_is_clipped_noise_and_does_not_depend_on_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    data = recipes.build(tiny(sigma=1.5), 0, 0)
    assert (data.info.episodes, data.info.demos, data.info.steps) == (4, 0, 200)
    assert data.info.description.startswith("4 rollouts of Ornstein-Uhlenbeck noise in sawyer-push-v0; success: ")
    assert data.info.recipe["recipe"] == {"rollouts": 4, "theta": 0.15, "sigma": 1.5}
    assert "expert" not in data.info.recipe
    rows = data.transitions
    assert np.abs(rows.action).max() == 1.0
    away = np.linalg.norm(rows.next_obs[:, 2:4] - rows.next_obs[:, 4:], axis=1)
    assert rows.reward == pytest.approx(-0.1 * away, rel=1e-5)
    assert not rows.terminated.any()
    streams = play.random_streams(0, 1, range(4))
    for e, rng in zip(datasets.load_episodes(TASK, data.info.id), streams, strict=True):
        assert e.seed == play.env_seed(rng)
        walk = play._walk(NoiseRecipe(sigma=1.5), (50, 2), rng)
        np.testing.assert_array_equal(e.action, walk.clip(-1, 1))
    again = play.noise(TASK, NoiseRecipe(rollouts=4, sigma=1.5), 0, 2)
    assert datasets.fingerprint(again) == data.info.fingerprint


def test_more_rollouts_begin_with_the_fewer() -> None:
    few, more = (play.noise(TASK, NoiseRecipe(rollouts=n), 0, 0) for n in (2, 3))
    assert datasets.fingerprint(more[:2]) == datasets.fingerprint(few)


def test_the_id_changes_with_the_noise_and_not_with_an_expert() -> None:
    ids = {recipes.built_id(task) for task in (TASK, tiny(), tiny(theta=0.2), tiny(sigma=0.2))}
    assert len(ids) == 4
    assert recipes.built_id(TASK).startswith("awac-bench/sawyer-push/default-s0-")


def test_ids_of_cloned_data_are_what_they_were() -> None:
    """A recipe whose hash moved would be built anew everywhere; of mujoco 4.0.0 and gymnasium-robotics 1.4.2."""
    versions = {"gymnasium-robotics": "1.4.2", "mujoco": "4.0.0"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes.metadata, "version", versions.__getitem__)
        assert recipes.built_id(tasks.get("door-binary")) == "awac-bench/door-binary/default-s0-fa2fe599-v0"


def test_sizes_of_the_protocol_reach_the_recipe() -> None:
    assert task_of(resolve("awac", "sawyer-push", (0,), overrides=["rollouts=7"])).recipe == NoiseRecipe(rollouts=7)
    door = task_of(resolve("awac", "door-binary", (0,), overrides=["rollouts=7", "demonstrations=3"])).recipe
    assert isinstance(door, DemoRecipe)
    assert (door.rollouts, door.demonstrations) == (7, 3)
    assert "demonstrations" not in resolve("awac", "sawyer-push", (0,)).settings
    with pytest.raises(
        SettingError, match="--set demonstrations: no dataset of sawyer-push-v0 is counted in demonstrations"
    ):
        resolve("awac", "sawyer-push", (0,), overrides=["demonstrations=3"])


def test_its_data_are_made_of_no_policy() -> None:
    assert recipes.sources(TASK, TASK.recipe) == {}
    with pytest.raises(DatasetError, match="sawyer-push-v0 has no default dataset, as no expert of it is at hand"):
        policies.expert_file(TASK)


# the scores and a run


def test_the_anchors_are_random_actions_and_the_scripted_pusher() -> None:
    """Thirty other goals, against the measured means: within three standard errors."""
    rng = np.random.default_rng(0)
    found: list[list[float]] = [[], []]
    with VectorEnv(TASK.id, 30, 0) as env:
        for returns, act in zip(found, (lambda obs: rng.uniform(-1, 1, (30, 2)), by_script), strict=True):
            obs, total = env.reset(range(30)), np.zeros(30)
            for _ in range(TASK.horizon):
                step = env.step(act(obs))
                obs = step.obs
                total += step.reward
            returns.extend(total)
    assert TASK.anchors is not None
    for returns, anchor in zip(found, TASK.anchors, strict=True):
        assert np.mean(returns) == pytest.approx(anchor, abs=3 * np.std(returns, ddof=1) / np.sqrt(30))


def by_script(obs: Any) -> Any:
    return np.stack([controller(o) for o in obs])


@pytest.mark.slow
def test_a_smoke_run_from_the_command_line_and_what_it_records(bench: Bench, tmp_path: Path) -> None:
    command = "run --algo awac --env SawyerPush-v0 --profile smoke --seeds 2 --workers 0 --threads 1 --set rollouts=3"
    said = bench(*command.split())
    assert said.code == 0, said.err
    folder = tmp_path / said.out.strip()
    settings = json.loads((folder / "run.json").read_text())["settings"]
    assert (settings["her_future"]["value"], settings["her_fresh"]["value"]) == (0.8, 0.0)
    assert settings["rollouts"]["value"] == 3
    metrics = {line.split(",")[4] for line in (folder / "metrics.csv").read_text().splitlines()[1:]}
    assert {"success", "return", "normalized_score", "final_reward"} <= metrics
