"""The point task: its motion against the formula, its reward from the observation, and the expert's teacher."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
import pytest

import envs  # noqa: F401  # registers the task
from algos.networks.policy_file import load_policy
from envs import tasks
from envs.simulators.point import DRAG, PUSH, STEP, PointReachEnv, controller, record
from suite.recipes import experts as distill
from suite.recipes import policies

TASK = tasks.get("point-reach")


def started(seed: int = 0) -> PointReachEnv:
    env = PointReachEnv()
    env.reset(seed=seed)
    return env


def test_a_steady_push_approaches_the_speed_at_which_drag_balances_it() -> None:
    env = started()
    env.position[:] = 0.0
    velocities = []
    for _ in range(5):
        obs, *_ = env.step(np.array([0.2, 0.0], np.float32))
        velocities.append(obs[2])
    limit = 0.2 * PUSH / DRAG
    expected = limit * (1 - (1 - STEP * DRAG) ** np.arange(1, 6))
    assert velocities == pytest.approx(expected, rel=1e-6)
    assert obs[0] == pytest.approx(STEP * expected.sum(), rel=1e-6)
    assert obs[[1, 3]] == pytest.approx(0.0)


def test_walls_stop_the_point_in_their_own_direction_only() -> None:
    env = started()
    env.position[:], env.velocity[:] = (0.99, 0.0), (2.0, 1.0)
    obs, *_ = env.step(np.zeros(2, np.float32))
    assert obs[0] == 1.0
    assert obs[2] == 0.0
    assert obs[3] == pytest.approx(1.0 - STEP * DRAG)


def test_pushes_beyond_the_bounds_count_as_full_ones() -> None:
    far, full = started(), started()
    assert np.array_equal(
        far.step(np.array([9.0, -9.0], np.float32))[0], full.step(np.array([1.0, -1.0], np.float32))[0]
    )


def test_an_episode_of_the_registered_task() -> None:
    env = gymnasium.make(TASK.id)
    first, _ = env.reset(seed=3)
    again, _ = env.reset(seed=3)
    assert np.array_equal(first, again)
    assert env.observation_space.shape == (TASK.obs_dim,)
    assert env.action_space.shape == (TASK.action_dim,)
    low, high = TASK.reward_range
    for t in range(TASK.horizon):
        obs, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert reward == pytest.approx(-np.hypot(obs[4], obs[5]))
        assert low <= reward <= high
        assert not terminated
        assert truncated == (t == TASK.horizon - 1)


def test_the_controller_comes_to_rest_at_the_goal() -> None:
    for seed in range(5):
        env = started(seed)
        obs = env._observation()
        for _ in range(TASK.horizon):
            obs, *_ = env.step(controller(obs).astype(np.float32))
        assert np.abs(obs[2:]).max() < 1e-2


def test_a_recording_is_what_distilling_reads(tmp_path: Path) -> None:
    record(tmp_path / "a.npz")
    record(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    obs, wish, std = distill._read_rollouts(TASK, tmp_path / "a.npz")
    assert wish == pytest.approx(controller(obs), abs=1e-5)
    assert std == pytest.approx(0.2, rel=0.1)


def test_the_shipped_expert_scores_as_its_file_says() -> None:
    policy, meta = load_policy([policies.expert_file(TASK)])
    found = distill.scores(TASK, policy, 20, seed=9, workers=0)
    assert TASK.anchors is not None
    assert meta["return"] == pytest.approx(TASK.anchors[1], abs=0.01)
    assert found["return"] == pytest.approx(meta["return"], abs=3 * meta["return_std"] / np.sqrt(20))
