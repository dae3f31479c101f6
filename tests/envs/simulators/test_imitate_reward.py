"""The reward of following a clip, beside the formulas of DeepMimic's SceneImitate.cpp worked out in another way.

Places are found by going down the tree of joints, velocities of the centre of mass by moving on for an instant.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from envs.motion import library
from envs.motion.clip import JOINTS
from envs.simulators.imitate_character import BODIES, build
from envs.simulators.imitate_reward import Figure, errors, heading, rewards

Array: TypeAlias = NDArray[np.float64]

MODEL = build(1 / 300)
WALK = library.find("walk").clip
# DiffWeight of humanoid3d.txt
WEIGHT = {
    "root": 1, "chest": 0.5, "neck": 0.3, "right_hip": 0.5, "right_knee": 0.3, "right_ankle": 0.2,
    "right_shoulder": 0.3, "right_elbow": 0.2, "left_hip": 0.5, "left_knee": 0.3, "left_ankle": 0.2,
    "left_shoulder": 0.3, "left_elbow": 0.2,
}  # fmt: skip


def split(pose: Array, velocity: Array) -> tuple[dict[str, Rotation], dict[str, Array]]:
    """Rotations of joints and their angular velocities; the root's own in the world, of others in their own frames."""
    turns, speeds = {"root": Rotation.from_quat(pose[3:7], scalar_first=True)}, {"root": velocity[3:6]}
    at, speed_at = 7, 6
    for name, size in JOINTS.items():
        if size == 4:
            turns[name] = Rotation.from_quat(pose[at : at + 4], scalar_first=True)
            speeds[name] = velocity[speed_at : speed_at + 3]
        else:
            turns[name] = Rotation.from_rotvec([0, 0, pose[at]])
            speeds[name] = np.array([0, 0, velocity[speed_at]])
        at, speed_at = at + size, speed_at + (3 if size == 4 else 1)
    return turns, speeds


def places(position: Array, turns: dict[str, Rotation]) -> tuple[dict[str, Array], Array]:
    """Where joints are in the world, and the centre of mass."""
    joints, frames = {"root": position}, {"root": turns["root"]}
    mass = total = 0.0
    for name, body in BODIES.items():
        if name != "root":
            joints[name] = joints[body.parent] + frames[body.parent].apply(body.at)
            frames[name] = frames[body.parent] * turns.get(name, Rotation.identity())
        mass = mass + body.mass * (joints[name] + frames[name].apply(body.centre))
        total += body.mass
    return joints, np.asarray(mass) / total


def drift(pose: Array, velocity: Array) -> Array:
    """Velocity of the centre of mass, by where it is an instant before and after."""
    turns, speeds = split(pose, velocity)
    found = []
    for t in (-1e-5, 1e-5):
        moved = {n: r * Rotation.from_rotvec(t * speeds[n]) for n, r in turns.items() if n != "root"}
        moved["root"] = Rotation.from_rotvec(t * speeds["root"]) * turns["root"]
        found.append(places(pose[:3] + t * velocity[:3], moved)[1])
    return np.asarray(found[1] - found[0]) / 2e-5


def by_hand(pose0: Array, vel0: Array, pose1: Array, vel1: Array, ground: float) -> dict[str, float]:
    """The five terms, pose 0 being the simulated one."""
    (turns0, speeds0), (turns1, speeds1) = split(pose0, vel0), split(pose1, vel1)
    joints0, joints1 = places(pose0[:3], turns0)[0], places(pose1[:3], turns1)[0]
    total = sum(WEIGHT.values())
    pose = sum(w / total * (turns0[n] * turns1[n].inv()).magnitude() ** 2 for n, w in WEIGHT.items())
    vel = sum(w / total * np.sum((speeds0[n] - speeds1[n]) ** 2) for n, w in WEIGHT.items())
    reach = 0.0
    for n in ("right_ankle", "right_wrist", "left_ankle", "left_wrist"):
        seen = []
        for joints, root, low in ((joints0, turns0["root"], 0.0), (joints1, turns1["root"], ground)):
            away = joints[n] - joints["root"]
            away[1] = joints[n][1] - low
            facing = root.apply([1, 0, 0])
            seen.append(Rotation.from_rotvec([0, -np.arctan2(-facing[2], facing[0]), 0]).apply(away))
        reach += float(np.sum((seen[0] - seen[1]) ** 2))
    away = pose0[:3] - (pose1[:3] - (0, ground, 0))
    root = (
        away @ away
        + 0.1 * (turns0["root"] * turns1["root"].inv()).magnitude() ** 2
        + 0.01 * np.sum((vel0[:3] - vel1[:3]) ** 2)
        + 0.001 * np.sum((vel0[3:6] - vel1[3:6]) ** 2)
    )
    com = 0.1 * np.sum((drift(pose0, vel0) - drift(pose1, vel1)) ** 2)
    return {
        "pose": 0.5 * np.exp(-2.0 * pose),
        "velocity": 0.05 * np.exp(-0.1 * vel),
        "end_effectors": 0.15 * np.exp(-10 * reach),
        "root": 0.2 * np.exp(-5 * root),
        "centre_of_mass": 0.1 * np.exp(-10 * com),
    }


def disturbed(rng: np.random.Generator, size: float) -> tuple[Array, Array]:
    """A state of the clip with everything changed a little, and turned to anywhere for large sizes."""
    time = float(rng.uniform(0, 3))
    pose, velocity = WALK.pose(time), WALK.velocity(time)
    pose = pose + size * rng.standard_normal(43)
    velocity = velocity + 3 * size * rng.standard_normal(34)
    at = 3
    for n in (4, *JOINTS.values()):
        if n == 4:
            pose[at : at + 4] /= np.linalg.norm(pose[at : at + 4])
        at += n
    return pose, velocity


def figure(pose: Array, velocity: Array) -> Figure:
    made = Figure(MODEL)
    made.place(pose, velocity)
    return made


@pytest.mark.parametrize("size", [0.02, 0.1, 0.5])
def test_the_terms_are_those_of_deepmimics_formulas(size: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        (pose0, vel0), (pose1, vel1) = disturbed(rng, size), disturbed(rng, size)
        pose0[:3] = pose1[:3] + size * rng.standard_normal(3)
        ground = float(rng.uniform(0, 0.1))
        found = rewards(figure(pose0, vel0), figure(pose1, vel1), ground)
        expected = by_hand(pose0, vel0, pose1, vel1, ground)
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_the_same_state_has_no_errors_and_is_paid_one() -> None:
    pose, velocity = disturbed(np.random.default_rng(1), 0.3)
    one, other = figure(pose, velocity), figure(pose, velocity)
    assert errors(one, other) == pytest.approx(dict.fromkeys(errors(one, other), 0.0))
    assert sum(rewards(one, other).values()) == pytest.approx(1.0)


def test_a_state_is_what_was_put_there() -> None:
    pose, velocity = disturbed(np.random.default_rng(2), 0.3)
    made: Any = figure(pose, velocity)
    np.testing.assert_allclose(made.pose, pose, atol=1e-12)
    np.testing.assert_allclose(made.velocity, velocity, atol=1e-12)
    np.testing.assert_allclose(made.drift, drift(pose, velocity), atol=1e-6)


def test_headings_turn_the_root_to_face_along_x() -> None:
    for turn in (0.0, 0.7, 2.0, -3.0):
        q = Rotation.from_rotvec([0, turn, 0]).as_quat(scalar_first=True)
        facing = Rotation.from_rotvec([0, turn, 0]).apply([1, 0, 0])
        np.testing.assert_allclose(heading(q) @ facing, [1, 0, 0], atol=1e-12)
    upwards = Rotation.from_rotvec([0, 0, np.pi / 2]).as_quat(scalar_first=True)
    assert np.isfinite(heading(upwards)).all()
