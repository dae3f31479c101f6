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
from envs.motion.clip import HINGE_SPEEDS, HINGES, JOINTS, QUATERNIONS, TURNS
from envs.motion.quaternions import exponential, logarithm, product
from envs.simulators import imitate, imitate_gait
from envs.simulators.imitate import HumanoidImitateEnv, action_of, targets_of
from envs.simulators.imitate_character import BODIES, FEET, build

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


# the character


def test_the_humanoid_has_deepmimics_degrees_of_freedom_and_mass() -> None:
    model = build(1 / 300)
    assert (model.nq, model.nv, len(BODIES)) == (43, 34, 15)
    assert model.body_mass.sum() == pytest.approx(45.0)
    assert sum(3 if size == 4 else 1 for size in JOINTS.values()) == TASK.action_dim == 28


def test_a_standing_humanoid_is_as_tall_as_its_parts(env: HumanoidImitateEnv) -> None:
    env.reset(seed=0)
    pose = np.zeros(43)
    pose[QUATERNIONS[:, 0]] = 1.0
    pose[1] = 0.421546 + 0.40987 + 0.0225 + 0.055 / 2
    env.actual.place(pose, np.zeros(34))
    lowest = dict(zip(BODIES, env._lowest(), strict=True))
    assert [lowest[name] for name in FEET] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert lowest["neck"] == pytest.approx(pose[1] + 0.236151 + 0.223894 + 0.175 - 0.205 / 2)
    assert lowest["left_hip"] == pytest.approx(pose[1] - 0.21 - 0.15 - 0.055)


def test_drives_pull_towards_their_target_with_kp_and_no_more_than_the_largest_torque(env: HumanoidImitateEnv) -> None:
    env.reset(seed=0)
    pose = np.zeros(43)
    pose[QUATERNIONS[:, 0]] = 1.0
    pose[HINGES[0]] = -0.5
    env.actual.place(pose, np.zeros(34))
    drives, data = env.actual.drives, env.data
    balls, hinges = np.tile([1.0, 0, 0, 0], (8, 1)), np.array([-0.3, 0.0, -1.0, 0.0])
    balls[0], balls[2] = exponential(np.array([0.0, 0.1, 0.0])), exponential(np.array([0.0, 0.0, 2.0]))
    drives.aim(balls, hinges)
    drives.apply(data)
    torque = data.qfrc_applied[drives.velocity][6:]
    expected = np.zeros(28)
    expected[1] = 1000 * 0.1  # chest
    expected[8] = 200  # right hip: 500 * 2 is more
    expected[9] = 500 * 0.2  # right knee
    expected[20] = -150  # left knee: -500 * 1 is more
    np.testing.assert_allclose(torque, expected, atol=1e-9)


def test_drives_are_stable_proportional_derivative_control(env: HumanoidImitateEnv) -> None:
    """One step in free fall, beside the torque of Tan et al. (2011) solved here with MuJoCo's mass matrix."""
    env.reset(seed=3)
    pose, velocity = env.clip.pose(0.2), 0.1 * env.clip.velocity(0.2)  # no torque is cut
    pose[1] += 5.0
    env.actual.place(pose, velocity)
    model, data, drives = env.model, env.data, env.actual.drives
    mujoco.mj_forward(model, data)
    dt, inertia = model.opt.timestep, np.zeros((34, 34))
    mujoco.mj_fullM(model, data, inertia)
    aim = exponential(logarithm(pose[QUATERNIONS[1:]]) * 1.05), pose[HINGES] + 0.03
    order = drives.velocity
    gain = np.concatenate([np.full(3 if JOINTS[name] == 4 else 1, BODIES[name].stiffness) for name in JOINTS])
    kp = np.concatenate([np.zeros(6), gain])
    off = np.zeros(34)
    conjugate = pose[QUATERNIONS[1:]] * (1, -1, -1, -1)
    off[TURNS[1:].reshape(-1)] = logarithm(product(conjugate, aim[0])).reshape(-1)
    off[HINGE_SPEEDS] = aim[1] - pose[HINGES]
    speed = data.qvel[order]
    mass, bias = inertia[np.ix_(order, order)], data.qfrc_bias[order]
    push = kp * (off - dt * speed) - 0.1 * kp * speed
    expected = np.linalg.solve(mass + dt * np.diag(0.1 * kp), push - bias)
    drives.aim(*aim)
    drives.apply(data)
    before = data.qvel.copy()
    mujoco.mj_step(model, data)
    np.testing.assert_allclose((data.qvel - before)[order] / dt, expected, rtol=1e-6, atol=1e-4)


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


# following the clip


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


def test_the_shipped_clip_is_what_its_script_writes(tmp_path: Path) -> None:
    imitate_gait.write(tmp_path / "walk.txt")
    found, shipped = (json.loads(path.read_text())["Frames"] for path in (tmp_path / "walk.txt", WALK))
    np.testing.assert_allclose(found, shipped, atol=2e-6)
    assert WALK.stat().st_size < 20_000


def test_standing_feet_of_the_shipped_clip_stay_where_they_are(env: HumanoidImitateEnv) -> None:
    """The foot that stands through the middle of its stance neither slides nor sinks."""
    at = []
    for time in np.linspace(0.12, 0.48, 13):
        env.wanted.place(env.clip.pose(float(time)), np.zeros(34))
        at.append(env.wanted.data.xpos[env.model.body("right_ankle").id].copy())
    assert np.ptp(at, axis=0).max() < 2e-3
    assert np.mean(at, axis=0)[1] == pytest.approx(imitate_gait.SOLE, abs=1e-3)


def test_the_mass_of_the_shipped_clip_moves_as_its_pendulum_does(env: HumanoidImitateEnv) -> None:
    moments = np.linspace(0, 1, 11)
    for time, expected in zip(moments, imitate_gait._mass(moments), strict=True):
        env.wanted.place(env.clip.pose(float(time)), np.zeros(34))
        found = env.wanted.data.subtree_com[env.wanted.root]
        assert found[2] == pytest.approx(expected[1] - env_shift(1), abs=4e-3)
        assert found[0] == pytest.approx(expected[0] - env_shift(0), abs=6e-3)


def env_shift(axis: int) -> float:
    """What moves the clip to begin at the origin: the root of its file's first frame, along x and z."""
    first = json.loads(WALK.read_text())["Frames"][0]
    return float(first[(1, 3)[axis]])
