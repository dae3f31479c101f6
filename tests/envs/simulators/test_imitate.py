"""The humanoid that follows a clip: states, phase, rewards, falls, and the same bytes for the same seed and actions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from envs import plugins, tasks
from envs.motion import library
from envs.motion.clip import HINGE_SPEEDS, HINGES, QUATERNIONS, TURNS
from envs.motion.quaternions import exponential, logarithm, product
from envs.simulators import imitate
from envs.simulators.imitate import HumanoidImitateEnv, action_of, targets_of
from envs.simulators.imitate_character import BODIES, FEET

WALK = Path(library.__file__).parent / "clips" / "walk.txt"
TASK = tasks.get("humanoid-imitate-walk")


@pytest.fixture(scope="module")
def env() -> HumanoidImitateEnv:
    return HumanoidImitateEnv("walk")


def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, touching: str = "feet", **more: Any) -> HumanoidImitateEnv:
    """An environment of the shipped clip with some of its file changed."""
    monkeypatch.setenv("BENCH_MOTIONS", str(tmp_path / "motions"))
    (tmp_path / "other.txt").write_text(json.dumps({**json.loads(WALK.read_text()), **more}))
    library.add(tmp_path / "other.txt", touching=touching)
    return HumanoidImitateEnv("other")


def replay(env: HumanoidImitateEnv) -> float:
    """Put the humanoid where its clip will be, let the step end, and return the reward."""
    pose, velocity = env.clip.pose(env.time + 1 / 30), env.clip.velocity(env.time + 1 / 30)
    pose[:3] += env.origin
    env.actual.place(pose, velocity)
    substeps, env.substeps = env.substeps, 0
    try:
        return float(env.step(np.zeros(28, np.float32))[1])
    finally:
        env.substeps = substeps


def tracking(env: HumanoidImitateEnv) -> np.ndarray[Any, Any]:
    """Targets of the clip's own next pose, ahead by what damping takes: Kd is a tenth of Kp."""
    pose, velocity = env.clip.pose(env.time + 1 / 30), env.clip.velocity(env.time + 1 / 30)
    turned = product(pose[QUATERNIONS[1:]], exponential(0.1 * velocity[TURNS[1:]]))
    return action_of(logarithm(turned), pose[HINGES] + 0.1 * velocity[HINGE_SPEEDS])


# following the clip


def test_actions_are_deepmimics_units_cut_to_one() -> None:
    action = np.zeros(28, np.float32)
    balls, hinges = targets_of(action)
    np.testing.assert_allclose(balls, np.tile([1.0, 0, 0, 0], (8, 1)), atol=1e-12)
    np.testing.assert_allclose(hinges, [-1.57, 1.57, -1.57, 1.57])
    action[:3], action[9] = (0.0, 0.0, 0.5), 7.0
    balls, hinges = targets_of(action)
    np.testing.assert_allclose(logarithm(balls[0]), [0, 0, np.pi / 2])
    assert hinges[0] == pytest.approx(-1.57 + 2 * 3.14)
    rng = np.random.default_rng(0)
    vectors, angles = rng.uniform(-1, 1, (8, 3)), rng.uniform(-1, 1, 4)
    balls, hinges = targets_of(action_of(vectors, angles))
    np.testing.assert_allclose(logarithm(balls), vectors)
    np.testing.assert_allclose(hinges, angles)


def test_the_clips_own_states_are_paid_one_per_step_through_several_cycles(env: HumanoidImitateEnv) -> None:
    for seed in range(3):
        env.reset(seed=seed)
        assert [replay(env) for _ in range(100)] == pytest.approx([1.0] * 100, abs=1e-6)
        assert env.clip.cycle(env.time) >= 3


def test_the_phase_is_observed_and_begins_anew_in_each_cycle(env: HumanoidImitateEnv) -> None:
    obs, _ = env.reset(seed=0, options={"time": 0.9})
    phases = [obs[0]]
    for _ in range(40):
        replay(env)
        phases.append(env._observation()[0])
    np.testing.assert_allclose(phases, (0.9 + np.arange(41) / 30) % 1.0, atol=1e-6)


def test_a_clip_that_begins_anew_goes_on_from_where_the_humanoid_is(env: HumanoidImitateEnv) -> None:
    env.reset(seed=0, options={"time": 0.95})
    env.origin = np.array([0.0, 0.02, 0.0])
    pose = env.clip.pose(1.0)
    pose[:3] += (0.3, 0.1, -0.2)  # pushed aside
    env.actual.place(pose, env.clip.velocity(1.0))
    env._advance()  # to 0.983
    assert env.origin.tolist() == [0.0, 0.02, 0.0]
    env._advance()  # to 1.017: a new cycle
    np.testing.assert_allclose(env.wanted.pose[[0, 2]], env.actual.pose[[0, 2]], atol=1e-12)
    assert env.wanted.pose[1] == pytest.approx(env.clip.pose(env.time)[1]), "on the ground again"


def test_episodes_begin_at_random_times_in_the_state_of_the_clip(env: HumanoidImitateEnv) -> None:
    times = []
    for seed in range(200):
        env.reset(seed=seed)
        times.append(env.time)
        np.testing.assert_allclose(env.actual.pose, env.wanted.pose, atol=1e-6)
        np.testing.assert_allclose(env.actual.velocity, env.wanted.velocity, atol=1e-9)
    shares = np.histogram(times, bins=4, range=(0.0, env.clip.duration))[0] / 200
    assert (abs(shares - 0.25) < 0.1).all()


def test_a_clip_that_begins_in_the_ground_is_raised_out_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = json.loads(WALK.read_text())["Frames"]
    for frame in frames:
        frame[2] -= 0.1
    env = brought(tmp_path, monkeypatch, Frames=frames)
    env.reset(seed=0)
    assert env._lowest().min() == pytest.approx(imitate.CLEARANCE)
    assert env.origin[1] == pytest.approx(0.1, abs=2e-3)
    assert env.wanted.pose[1] == pytest.approx(env.actual.pose[1])


def parts(obs: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Of each body: place and two axes [15, 3, 3], linear and angular velocity [15, 2, 3]."""
    return obs[2:137].reshape(15, 3, 3), obs[137:].reshape(15, 2, 3)


def test_bodies_are_observed_about_the_root_as_they_are_and_move(env: HumanoidImitateEnv) -> None:
    """Velocities beside how far bodies come in an instant."""
    env.reset(seed=0, options={"time": 0.3})
    pose, velocity = env.clip.pose(0.3), env.clip.velocity(0.3)
    pose[3:7] = exponential(np.array([0.1, 0.0, 0.2]))  # leaning, but facing along x
    env.actual.place(pose, velocity)
    where, moving = parts(env._observation())
    centres, frames = env.data.xipos[env._bodies].copy(), env.data.xmat[env._bodies].reshape(-1, 3, 3).copy()
    assert env._observation()[1] == pose[1]
    facing = np.arctan2(frames[0, 2, 0], frames[0, 0, 0])
    c, s = np.cos(facing), np.sin(facing)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    np.testing.assert_allclose(where[:, 0], (centres - pose[:3]) @ turn.T, atol=1e-12)
    np.testing.assert_allclose(where[1:, 1:], frames[1:, :, [1, 0]].transpose(0, 2, 1) @ turn.T, atol=1e-12)
    np.testing.assert_allclose(where[0, 1:], frames[0][:, [1, 0]].T, atol=1e-12)
    instant = 1e-6
    later = env.data.qpos.copy()
    mujoco.mj_integratePos(env.model, later, env.data.qvel, instant)
    env.data.qpos[:] = later
    env.actual.look()
    speed = (env.data.xipos[env._bodies] - centres) / instant
    turned = (env.data.xmat[env._bodies].reshape(-1, 3, 3) - frames) / instant @ frames.transpose(0, 2, 1)
    spin = np.stack([turned[:, 2, 1], turned[:, 0, 2], turned[:, 1, 0]], axis=-1)
    np.testing.assert_allclose(moving[1:], np.stack([speed, spin], axis=1)[1:] @ turn.T, atol=2e-4)
    np.testing.assert_allclose(moving[0], [speed[0], spin[0]], atol=2e-4)


def test_where_the_humanoid_stands_and_faces_is_seen_in_the_roots_own_entries_alone(env: HumanoidImitateEnv) -> None:
    env.reset(seed=0)
    pose, velocity = env.clip.pose(0.4), env.clip.velocity(0.4)
    env.actual.place(pose, velocity)
    before = [part.copy() for part in parts(env._observation())]
    about = exponential(np.array([0.0, 1.3, 0.0]))
    turn = np.array([[np.cos(1.3), 0, np.sin(1.3)], [0, 1, 0], [-np.sin(1.3), 0, np.cos(1.3)]])
    pose[[0, 2]] += 3.0
    pose[3:7] = product(about, pose[3:7])
    velocity[:3], velocity[3:6] = turn @ velocity[:3], turn @ velocity[3:6]
    env.actual.place(pose, velocity)
    after = parts(env._observation())
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(one[1:], other[1:], atol=1e-9)
    np.testing.assert_allclose(before[0][0, 0], after[0][0, 0], atol=1e-9)
    np.testing.assert_allclose(before[0][0, 1:] @ turn.T, after[0][0, 1:], atol=1e-9)
    np.testing.assert_allclose(before[1][0] @ turn.T, after[1][0], atol=1e-9)


# ends


def test_a_fall_ends_the_episode_and_pays_nothing(env: HumanoidImitateEnv) -> None:
    env.reset(seed=0)
    for _ in range(90):
        _, reward, terminated, truncated, info = env.step(np.zeros(28, np.float32))
        low = env._lowest()[env._falls].min()
        assert terminated == (low <= 0)
        if terminated:
            break
        assert reward == pytest.approx(sum(info.values()))
        assert 0 < reward <= 1
    assert (terminated, truncated, reward, sum(info.values())) == (True, False, 0.0, 0.0)


def test_feet_may_touch_the_ground_and_of_one_who_crawls_other_limbs_too(
    env: HumanoidImitateEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [name for name, falls in zip(BODIES, env._falls, strict=True) if not falls] == list(FEET)
    limbs = brought(tmp_path, monkeypatch, touching="limbs")
    assert [name for name, falls in zip(BODIES, limbs._falls, strict=True) if falls] == ["root", "chest", "neck"]


def test_a_clip_that_does_not_loop_ends_the_episode_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = brought(tmp_path, monkeypatch, Loop="none")
    env.reset(seed=0, options={"time": 0.9})
    ends = []
    for _ in range(4):
        pose = env.clip.pose(env.time + 1 / 30)
        env.actual.place(pose, np.zeros(34))
        monkeypatch.setattr(env, "substeps", 0)
        ends.append(env.step(np.zeros(28, np.float32))[2])
    assert ends == [False, False, True, True], "the clip lasts 1 second"


def test_an_episode_is_cut_off_at_the_horizon() -> None:
    made: Any = plugins.make(TASK.id)
    made.reset(seed=0)
    inside = made.unwrapped
    for t in range(TASK.horizon):
        inside.actual.place(inside.clip.pose(0.0), np.zeros(34))
        inside.substeps = 0
        *_, terminated, truncated, _ = made.step(np.zeros(28, np.float32))
        assert (terminated, truncated) == (False, t == TASK.horizon - 1)


# the same again


def test_the_same_seed_and_actions_give_the_same_bytes_whatever_was_before(env: HumanoidImitateEnv) -> None:
    actions = np.random.default_rng(0).uniform(-0.3, 0.3, (12, 28)).astype(np.float32)

    def run(made: HumanoidImitateEnv, seed: int) -> bytes:
        seen = [made.reset(seed=seed)[0]]
        for action in actions:
            obs, reward, terminated, *_ = made.step(action)
            seen.append(np.append(obs, (reward, terminated)))
        return b"".join(part.tobytes() for part in seen)

    first = run(env, 5)
    run(env, 6)
    assert run(env, 5) == first == run(HumanoidImitateEnv("walk"), 5)


# how well the clip's own poses do as targets, and the clip itself


def test_the_clips_own_targets_follow_it_well_until_the_humanoid_falls() -> None:
    """Without feedback it falls within two seconds; until then it is paid more than half."""
    env = HumanoidImitateEnv("walk")
    steps, paid = [], []
    for time in np.arange(5) / 5:
        env.reset(seed=0, options={"time": float(time)})
        rewards = []
        for _ in range(60):
            _, reward, terminated, *_ = env.step(tracking(env))
            rewards.append(reward)
            if terminated:
                break
        steps.append(len(rewards))
        paid.append(np.mean(rewards[:10]))
    assert min(steps) > 15
    assert min(paid) > 0.6


def test_held_upright_the_clips_own_targets_are_paid_nearly_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hand that leads the root along the clip stands in for the balance that only a policy has."""
    env = HumanoidImitateEnv("walk")
    apply = env.actual.drives.apply

    def led(data: Any) -> None:
        apply(data)
        pose, velocity = env.clip.pose(env.time), env.clip.velocity(env.time)
        pose[:3] += env.origin
        data.qfrc_applied[:3] = 2000 * (pose[:3] - data.qpos[:3]) + 200 * (velocity[:3] - data.qvel[:3])
        off = logarithm(product(data.qpos[3:7] * (1, -1, -1, -1), pose[3:7]))
        data.qfrc_applied[3:6] = 2000 * off - 100 * data.qvel[3:6]

    monkeypatch.setattr(env.actual.drives, "apply", led)
    env.reset(seed=0, options={"time": 0.0})
    paid = [env.step(tracking(env))[1] for _ in range(150)]
    assert np.mean(paid) > 0.8
