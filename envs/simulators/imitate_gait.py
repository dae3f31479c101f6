"""A walking gait written as a formula, for the clip that ships: nobody's recording.

    python -m envs.simulators.imitate_gait envs/motion/clips/walk.txt

Two steps of 0.5 m in 1 s, at 30 frames. The centre of mass moves as that of a linear inverted pendulum (Kajita et al.
2001) whose centre of pressure goes from heel to toe of the standing foot, and over to the next one while both stand, so
that the gait is near to one that physics allow. Heights stay as they are. Feet stand flat and swing along a smooth
curve; legs follow by inverse kinematics. Arms swing against the legs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from envs.motion.clip import JOINTS
from envs.motion.quaternions import conjugate, exponential, product
from envs.simulators.imitate_character import build
from envs.simulators.imitate_reward import Figure

__all__ = ["frames", "write"]

Array: TypeAlias = NDArray[np.float64]

FRAMES = 30  # of a cycle, which begins and ends as the right foot has come down
CYCLE, STEP = 1.0, 0.5  # seconds; metres of one step, of which a cycle has two
BOTH = 0.2  # share of a step in which both feet stand
HEIGHT, LIFT = 0.8, 0.06  # metres: of the root, and of a swinging foot at its highest
SOLE = 0.0515  # from ankle to ground; the sole is at 0.05, so that feet clear it and no reset has to raise them
APART = 0.085  # from the middle line to an ankle
HEEL, TOE = -0.01, 0.07  # centre of pressure along the foot, from the ankle, as it comes down and as it goes
LEAN, SWING, ELBOW = -0.03, 0.3, 0.4  # rad: of the chest (negative: forward), of shoulders, of elbows
PENDULUM = 0.9  # metres: height of the centre of mass
_THIGH, _SHIN, _HIP = 0.421546, 0.40987, 0.084887
_ALONG = np.array([1.0, 0.0])  # x and z
_FINE = 1200  # moments of a cycle at which the pendulum is solved


def frames() -> list[list[float]]:
    """Frames of one cycle, the last of which is the first one moved on: [31][44]."""
    moments = np.arange(FRAMES + 1) / FRAMES
    mass = _mass(moments)
    root = mass.copy()
    for _ in range(4):  # so that the centre of mass comes to lie where it should
        root += mass - _centres(moments, root)
    poses = [_pose(u, *at) for u, at in zip(moments, root, strict=True)]
    poses[-1] = poses[0] + np.eye(len(poses[0]))[0] * 2 * STEP
    durations = [CYCLE / FRAMES] * FRAMES + [0.0]
    return [[round(d, 9), *(round(float(x), 6) for x in pose)] for d, pose in zip(durations, poses, strict=True)]


def _mass(moments: Array) -> Array:
    """Where the pendulum's mass is at moments [N], in cycles: x and z [N, 2].

    x'' = (g / height) (x - p), where p is the centre of pressure. Of what repeats itself in each cycle, a harmonic of x
    is that of p times g / (g + height omega^2).
    """
    u = np.arange(_FINE) / _FINE
    pressure = np.stack([_pressure(moment) for moment in u])
    pressure[:, 0] -= 2 * STEP * u
    omega = 2 * np.pi * np.fft.rfftfreq(_FINE, 1 / _FINE) / CYCLE
    smooth = np.fft.irfft(np.fft.rfft(pressure, axis=0) * (9.81 / (9.81 + PENDULUM * omega**2))[:, None], _FINE, axis=0)
    out = np.stack([np.interp(moments % 1, np.append(u, 1.0), np.append(row, row[0])) for row in smooth.T], axis=1)
    out[:, 0] += 2 * STEP * moments
    return np.asarray(out)


def _pressure(moment: float) -> Array:
    """Centre of pressure, x and z, at a moment of a cycle: both feet stand while it goes over from one to the other."""
    step, within = divmod(moment * 2, 1.0)  # of the two steps; the right foot stands in the first
    side = 1.0 if step == 0 else -1.0
    here, before = np.array([step * STEP, side * APART]), np.array([(step - 1) * STEP, -side * APART])
    if within < BOTH:
        share = within / BOTH
        return (1 - share) * (before + TOE * _ALONG) + share * (here + HEEL * _ALONG)
    return np.asarray(here + (HEEL + (TOE - HEEL) * (within - BOTH) / (1 - BOTH)) * _ALONG)


def _ankle(moment: float, side: float) -> tuple[Array, float]:
    """Ankle [3] of the right (1) or left (-1) foot at a moment of a cycle, and the foot's pitch in rad."""
    own = moment if side > 0 else moment + 0.5  # the right foot stands from 0 to (1 + BOTH) / 2, then it swings
    cycle, within = divmod(own, 1.0)
    at = np.array([2 * STEP * cycle - (0.0 if side > 0 else STEP), SOLE, side * APART])
    leaves = (1 + BOTH) / 2
    if within < leaves:
        return at, 0.0
    share = (within - leaves) / (1 - leaves)
    smooth = share**3 * (10 - 15 * share + 6 * share**2)
    at[0] += 2 * STEP * smooth
    at[1] += LIFT * np.sin(np.pi * share) ** 2
    return at, -0.25 * float(np.sin(2 * np.pi * share) * np.sin(np.pi * share))


def _pose(moment: float, x: float, z: float) -> Array:
    """Pose [43] with the root above (x, z)."""
    root = np.array([x, HEIGHT, z])
    swing = SWING * np.cos(2 * np.pi * (moment - 0.1))  # of the left arm: forward as the right foot comes down
    parts: dict[str, Array] = {"chest": _about_z(LEAN), "neck": _about_z(0.0)}
    for name, side in (("right", 1.0), ("left", -1.0)):
        ankle, pitch = _ankle(moment, side)
        hip, knee = _leg(ankle - root - np.array([0, 0, side * _HIP]))
        parts |= {f"{name}_hip": hip, f"{name}_knee": np.array([knee])}
        parts[f"{name}_ankle"] = product(conjugate(product(hip, _about_z(knee))), _about_z(pitch))
        parts |= {f"{name}_shoulder": _about_z(-side * swing - LEAN), f"{name}_elbow": np.array([ELBOW])}
    return np.concatenate([root, _about_z(0.0), *(parts[name] for name in JOINTS)])


def _leg(way: Array) -> tuple[Array, float]:
    """Rotation of the hip and angle of the knee that bring the ankle to `way` [3] from the hip of an upright root."""
    reach = min(float(np.linalg.norm(way)), 0.999 * (_THIGH + _SHIN))
    knee = -float(np.arccos((reach**2 - _THIGH**2 - _SHIN**2) / (2 * _THIGH * _SHIN)))
    tilt = np.arctan2(-way[2], -way[1])
    bent = np.arctan2(_SHIN * np.sin(knee), _THIGH + _SHIN * np.cos(knee))
    swing = np.arctan2(way[0], np.hypot(way[1], way[2])) - bent
    return product(exponential(np.array([tilt, 0.0, 0.0])), _about_z(swing)), knee


def _about_z(turn: float) -> Array:
    return exponential(np.array([0.0, 0.0, turn]))


def _centres(moments: Array, root: Array) -> Array:
    """Where the centre of mass is, x and z [N, 2], with the root above `root` [N, 2]."""
    figure = Figure(build(1 / 300))
    out = np.empty_like(root)
    for i, (moment, at) in enumerate(zip(moments, root, strict=True)):
        figure.place(_pose(moment, *at), np.zeros(34))
        out[i] = figure.data.subtree_com[figure.root][[0, 2]]
    return out


def write(path: Path) -> None:
    """Write the clip as DeepMimic's format has it, one frame a line."""
    lines = ",\n".join(json.dumps(frame) for frame in frames())
    path.write_text(f'{{"Loop": "wrap", "Frames": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
