"""DeepMimic's humanoid in MuJoCo: its size, and the control that drives its joints."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from envs.motion.clip import HINGE_SPEEDS, HINGES, JOINTS, QUATERNIONS, TURNS
from envs.motion.quaternions import exponential, logarithm, product
from envs.simulators.imitate import HumanoidImitateEnv
from envs.simulators.imitate_character import BODIES, FEET, build


@pytest.fixture(scope="module")
def env() -> HumanoidImitateEnv:
    return HumanoidImitateEnv("walk")


def test_the_humanoid_has_deepmimics_degrees_of_freedom_and_mass() -> None:
    model = build(1 / 300)
    assert (model.nq, model.nv, len(BODIES)) == (43, 34, 15)
    assert model.body_mass.sum() == pytest.approx(45.0)
    assert sum(3 if size == 4 else 1 for size in JOINTS.values()) == 28


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
