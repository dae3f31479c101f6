"""The hand tasks: success rules, and environments that agree with them and with recordings."""

import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from envs import tasks
from envs.rules import adroit

HANDS = ("pen", "door", "relocate", "hammer")


def observation(width, **entries):
    """Zeros, with `e27=...` setting entries from 27 on."""
    obs = np.zeros(width, dtype=np.float32)
    for name, values in entries.items():
        start = int(name[1:])
        obs[start : start + np.size(values)] = values
    return obs


# the printed thresholds, just inside and just outside; float32 as recorded
@pytest.mark.parametrize(
    ("hand", "obs", "success"),
    [
        ("pen", observation(45, e33=(0, 0, 1), e36=(0, 0, 1), e39=(0, 0.0749, 0)), True),
        ("pen", observation(45, e33=(0, 0, 1), e36=(0, 0, 1), e39=(0, 0.0751, 0)), False),
        ("pen", observation(45, e33=(0, 0, 1), e36=(0, np.sqrt(1 - 0.951**2), 0.951)), True),
        ("pen", observation(45, e33=(0, 0, 1), e36=(0, np.sqrt(1 - 0.949**2), 0.949)), False),
        ("pen", observation(45, e33=(0, 0, 1), e36=(0, 0, -1)), False),
        ("door", observation(39, e28=1.401, e38=1), True),
        ("door", observation(39, e28=1.399, e38=1), False),  # open already for gymnasium-robotics
        ("relocate", observation(39, e36=(0.07, -0.07, 0)), True),
        ("relocate", observation(39, e36=(0.08, -0.07, 0)), False),
        ("relocate", np.full(39, np.nan, dtype=np.float32), False),
    ],
)
def test_rule_at_its_threshold(hand, obs, success):
    task = tasks.get(f"{hand}-binary")
    assert task.success(obs) == success
    assert task.reward(obs) == (0 if success else -1)


@pytest.mark.parametrize("hand", HANDS)
def test_rule_keeps_leading_axes(hand):
    task = tasks.get(f"{hand}-binary")
    out = task.success(np.zeros((2, 3, task.obs_dim)))
    assert out.shape == (2, 3)
    assert out.dtype == bool
    with pytest.raises(ValueError, match=f"{task.obs_dim} entries, these have 7"):
        task.success(np.zeros((2, 7)))


def nudge(hand, sim, rng):
    """Move goal or object so that success and failure both come up, near the threshold among others."""
    if hand == "pen":
        sim.model.body_quat[sim.target_obj_body_id] = sim.data.xquat[sim.obj_body_id] + rng.uniform(-0.1, 0.1, 4)
        sim.model.site_pos[sim.eps_ball_site_id] = sim.data.xpos[sim.obj_body_id] + rng.uniform(-0.07, 0.07, 3)
    elif hand == "door":
        sim.data.qpos[sim.door_hinge_addrs] = rng.uniform(1.3, 1.5)
    elif hand == "relocate":
        sim.model.site_pos[sim.target_obj_site_id] = sim.data.xpos[sim.obj_body_id] + rng.uniform(-0.1, 0.1, 3)
    else:
        sim.data.qpos[26] = rng.uniform(0.07, 0.09)
        sim.data.qvel[26] = rng.uniform(-0.5, 0.5)


@pytest.mark.parametrize("hand", HANDS)
def test_reward_of_simulator_is_reward_of_observation(hand):
    task = tasks.get(f"{hand}-binary")
    rewards = []
    with gymnasium.make(task.id) as env:
        for seed in range(2):
            env.action_space.seed(seed)
            rng = np.random.default_rng(seed)
            _, info = env.reset(seed=seed)
            assert info["success"] is False
            for step in range(1, 201):
                if step % 4 == 0:
                    nudge(hand, env.unwrapped, rng)
                # recorded actions may lie outside the bounds, and a warning would fail this test
                obs, reward, terminated, truncated, info = env.step(3 * env.action_space.sample())
                assert (terminated, truncated) == (False, step == 200)
                assert type(info["success"]) is bool
                assert reward == float(info["success"]) - 1
                assert reward == task.reward(obs) == task.reward(obs.astype(np.float32))
                rewards.append(reward)
    assert set(rewards) == {-1.0, 0.0}


def rollout(env, seed, steps=20):
    actions = np.random.default_rng(0).uniform(-1, 1, (steps, *env.action_space.shape)).astype(np.float32)
    return np.stack([env.reset(seed=seed)[0], *(env.step(a)[0] for a in actions)])


@pytest.mark.parametrize("hand", HANDS)
def test_a_seed_names_an_episode(hand):
    with gymnasium.make(f"{hand}-binary-v0") as one, gymnasium.make(f"{hand}-binary-v0") as two:
        first = rollout(one, 7)
        rollout(two, 8)
        np.testing.assert_array_equal(first, rollout(one, 7))
        np.testing.assert_array_equal(first, rollout(two, 7))
        assert (first[0] != rollout(one, 8)[0]).any()


@pytest.mark.parametrize("hand", HANDS)
def test_actions_are_clipped(hand):
    with gymnasium.make(f"{hand}-binary-v0") as env:
        wide = np.linspace(-2, 2, env.action_space.shape[0], dtype=np.float32)
        env.reset(seed=0)
        first = env.step(wide)[0]
        env.reset(seed=0)
        np.testing.assert_array_equal(first, env.step(np.clip(wide, -1, 1))[0])


@pytest.mark.filterwarnings("ignore:.*Box observation space m.*imum value is")  # unbounded, as the base says
@pytest.mark.parametrize("hand", HANDS)
def test_environment_is_what_gymnasium_expects(hand):
    task = tasks.get(f"{hand}-binary")
    env = gymnasium.make(task.id)
    check_env(env.unwrapped, skip_render_check=True)
    assert env.observation_space.shape == (task.obs_dim,)
    assert env.action_space.shape == (task.action_dim,)
    assert env.spec.max_episode_steps == task.horizon == 200
    assert EnvSpec.from_json(env.spec.to_json()) == env.spec  # what a Minari dataset keeps of it
    env.close()
    with gymnasium.make(task.id, render_mode="rgb_array") as seen:
        assert seen.render_mode == "rgb_array"


def test_import_is_light_and_making_is_silent():
    program = """
import sys, envs, envs.tasks, gymnasium
assert not {"mujoco", "torch", "gymnasium_robotics"} & set(sys.modules)
gymnasium.make("door-binary-v0").reset(seed=0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("hand", HANDS)
def test_recorded_episode_replays(hand):
    """The environments of gymnasium-robotics wrote these: holds observation, reset, rule and simulator."""
    folder = os.environ.get("BENCH_TEST_DATA")
    if folder is None:
        pytest.skip("BENCH_TEST_DATA is not set: no recorded rollouts")
    task, episode = tasks.get(f"{hand}-binary"), 4
    with np.load(Path(folder) / f"{hand}-expert-rollouts.npz") as data:
        recorded, actions, theirs = (data[k][episode] for k in ("observations", "actions", "success"))
    with gymnasium.make(task.id) as env:
        np.testing.assert_allclose(env.reset(seed=500 + episode)[0], recorded[0], rtol=0, atol=1e-5)
        steps = [env.step(action) for action in actions]
    np.testing.assert_allclose([obs for obs, *_ in steps], recorded[1:], rtol=0, atol=1e-5)
    ours = np.array([info["success"] for *_, info in steps])
    np.testing.assert_array_equal(ours, task.success(recorded[1:]))
    if hand == "door":  # theirs counts from 1.35 rad
        theirs = theirs & (recorded[1:, 28] > adroit.DOOR_ANGLE)
    np.testing.assert_array_equal(ours, theirs)
    assert 0 < ours.sum() < ours.size
