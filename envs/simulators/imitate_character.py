"""DeepMimic's humanoid as a model of MuJoCo: 15 bodies of 45 kg, 34 degrees of freedom, 28 of them driven.

Masses, shapes, joints, limits and gains are those of DeepMimic's data/characters/humanoid3d.txt and
data/controllers/humanoid3d_phase_rot_ctrl.txt (commit 1f915c5; MIT licence, Xue Bin Peng). Its world is kept, too: x is
forward, y up, z to the right. So are the limits that its simulator enforces, those of knees and elbows; the file has
some for ball joints as well, which nothing there reads. Friction is 0.81: Bullet multiplies the 0.9 of body and ground.

What differs: inertias are those of the solid shapes, where Bullet takes a box around a capsule, and contacts are
MuJoCo's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import mujoco
import numpy as np
from numpy.typing import NDArray

from envs.motion.clip import JOINTS, POSE, VELOCITY

__all__ = ["BODIES", "END_EFFECTORS", "FEET", "LIMBS", "Body", "Drives", "build", "scene"]

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Body:
    """One body: a joint to its parent, and a shape about the centre `centre` of its frame; metres, kg, N m, rad."""

    parent: str
    at: tuple[float, float, float]  # where it joins its parent, in the parent's frame
    shape: str
    size: tuple[float, ...]  # diameter; diameter and height of the cylinder; sides of the box
    centre: tuple[float, float, float]
    mass: float
    limits: tuple[float, float] | None = None  # of a hinge
    torque: float = 0.0  # largest
    stiffness: float = 0.0  # Kp; Kd is a tenth of it throughout
    weight: float = 0.0  # in the errors of pose and velocity


def _legs(side: str, z: float) -> dict[str, Body]:
    """The leg on one side: thigh, shin, foot, named as the joints that move them."""
    hip, knee, ankle = f"{side}_hip", f"{side}_knee", f"{side}_ankle"
    return {
        hip: Body("root", (0, 0, z), "capsule", (0.11, 0.3), (0, -0.21, 0), 4.5, None, 200, 500, 0.5),
        knee: Body(hip, (0, -0.421546, 0), "capsule", (0.1, 0.31), (0, -0.2, 0), 3, (-3.14, 0), 150, 500, 0.3),
        ankle: Body(
            knee, (0, -0.40987, 0), "box", (0.177, 0.055, 0.09), (0.045, -0.0225, 0), 1, None, 90, 400, 0.2
        ),
    }  # fmt: skip


def _arms(side: str, z: float) -> dict[str, Body]:
    shoulder, elbow, wrist = f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"
    at = (-0.02405, 0.2435, z)
    return {
        shoulder: Body("chest", at, "capsule", (0.09, 0.18), (0, -0.14, 0), 1.5, None, 100, 400, 0.3),
        elbow: Body(shoulder, (0, -0.274788, 0), "capsule", (0.08, 0.135), (0, -0.12, 0), 1, (0, 3.14), 60, 300, 0.2),
        wrist: Body(elbow, (0, -0.258947, 0), "sphere", (0.08,), (0, 0, 0), 0.5),
    }


# in the order of DeepMimic's file, which is that of observations
BODIES: dict[str, Body] = {
    "root": Body("", (0, 0, 0), "sphere", (0.18,), (0, 0.07, 0), 6, weight=1.0),
    "chest": Body("root", (0, 0.236151, 0), "sphere", (0.22,), (0, 0.12, 0), 14, None, 200, 1000, 0.5),
    "neck": Body("chest", (0, 0.223894, 0), "sphere", (0.205,), (0, 0.175, 0), 2, None, 50, 100, 0.3),
    **_legs("right", 0.084887),
    **_arms("right", 0.18311),
    **_legs("left", -0.084887),
    **_arms("left", -0.18311),
}
END_EFFECTORS = ("right_ankle", "right_wrist", "left_ankle", "left_wrist")
FEET = ("right_ankle", "left_ankle")
LIMBS = tuple(name for name in BODIES if name not in ("root", "chest", "neck"))
_DAMPING = 0.1  # Kd of Kp
FRICTION = 0.9 * 0.9


def scene(timestep: float) -> str:
    """MJCF of the humanoid on a plane; MuJoCo integrates the damping of joints implicitly."""
    bodies = _body("root", "<freejoint/>")
    return f"""
<mujoco model="deepmimic-humanoid">
  <compiler angle="radian"/>
  <option timestep="{timestep!r}" gravity="0 -9.81 0" integrator="implicitfast" cone="elliptic"/>
  <default><geom friction="{FRICTION} 0.005 0.0001" rgba="0.47 0.55 0.69 1"/></default>
  <visual><headlight ambient="0.4 0.4 0.4" diffuse="0.6 0.6 0.6"/></visual>
  <asset>
    <texture type="skybox" builtin="flat" rgb1="0.85 0.88 0.92" width="32" height="192"/>
    <texture name="squares" type="2d" builtin="checker" rgb1="0.8 0.8 0.8" rgb2="0.7 0.7 0.7" width="64" height="64"/>
    <material name="ground" texture="squares" texrepeat="40 40"/>
  </asset>
  <worldbody>
    <light pos="0 4 2" dir="0 -1 -0.4" mode="trackcom" diffuse="0.4 0.4 0.4"/>
    <camera name="side" mode="trackcom" pos="0 0.2 3.2" xyaxes="1 0 0 0 1 -0.1"/>
    <geom name="ground" type="plane" size="40 40 1" zaxis="0 1 0" material="ground" rgba="1 1 1 1"/>
    {bodies}
  </worldbody>
</mujoco>"""


def _body(name: str, joint: str = "") -> str:
    """One body with all that hangs on it."""
    own = BODIES[name]
    if not joint and name in JOINTS:
        kind = "ball" if JOINTS[name] == 4 else "hinge"
        limits = "" if own.limits is None else f'axis="0 0 1" range="{own.limits[0]} {own.limits[1]}" limited="true"'
        joint = f'<joint name="{name}" type="{kind}" damping="{_DAMPING * own.stiffness}" {limits}/>'
    children = "".join(_body(other) for other, body in BODIES.items() if body.parent == name)
    x, y, z = own.centre
    half = [size / 2 for size in own.size]
    place = f'pos="{x} {y} {z}"'
    if own.shape == "capsule":
        place = f'fromto="{x} {y - half[1]} {z} {x} {y + half[1]} {z}"'
    size = " ".join(map(str, half[:1] if own.shape == "capsule" else half))
    geom = f'<geom name="{name}" type="{own.shape}" {place} size="{size}" mass="{own.mass}"/>'
    return f'<body name="{name}" pos="{" ".join(map(str, own.at))}">{joint}{geom}{children}</body>'


def build(timestep: float) -> Any:
    """The compiled model."""
    return mujoco.MjModel.from_xml_string(scene(timestep))


class Drives:
    """Proportional-derivative control of all joints, and the places of a clip's numbers among those of the model.

    Stable as DeepMimic's: its torque Kp (target - q - dt v) - Kd (v + dt dv/dt), cut to the joint's largest, has the
    acceleration of the step to come in it (Tan et al. 2011). Here MuJoCo's implicit integration puts it in: it has the
    damping of the joints, -Kd (v + dt dv/dt), and `torques` all else.
    """

    def __init__(self, model: Any) -> None:
        joints = [model.joint(name) for name in JOINTS]
        starts = [(int(joint.qposadr[0]), int(joint.dofadr[0])) for joint in joints]
        sizes = list(JOINTS.values())
        self.pose = np.concatenate([np.arange(7), *(q + np.arange(n) for (q, _), n in zip(starts, sizes, strict=True))])
        speeds = (v + np.arange(3 if n == 4 else 1) for (_, v), n in zip(starts, sizes, strict=True))
        self.velocity = np.concatenate([np.arange(6), *speeds])
        assert (len(self.pose), len(self.velocity)) == (POSE, VELOCITY)
        balls, hinges = (
            [(name, *start) for (name, n), start in zip(JOINTS.items(), starts, strict=True) if n == size]
            for size in (4, 1)
        )
        self._ball_at = np.add.outer([q for _, q, _ in balls], np.arange(4))  # [8, 4]
        self._hinge_at = np.array([q for _, q, _ in hinges])  # [4]
        self._order = np.concatenate(
            [np.add.outer([v for *_, v in balls], np.arange(3)).reshape(-1), [v for *_, v in hinges]]
        )  # [28] entries of qvel: ball joints, then hinges
        of = [BODIES[name] for name, *_ in [*balls, *hinges]]
        self._ball_gain = np.array([[body.stiffness] for body in of[:8]])
        self._hinge_gain = np.array([body.stiffness for body in of[8:]])
        self._ball_most = np.array([body.torque for body in of[:8]])
        self._hinge_most = np.array([body.torque for body in of[8:]])
        self._damping = model.dof_damping[self._order].copy()
        self._drag = self._damping + model.opt.timestep * np.concatenate(
            [np.repeat(self._ball_gain[:, 0], 3), self._hinge_gain]
        )
        self._left = np.zeros((8, 4, 4))
        self._hinge_target = np.zeros(4)

    def aim(self, balls: Array, hinges: Array) -> None:
        """Set the targets: rotations of ball joints [8, 4] and angles of hinges [4], in the order of clips."""
        w, x, y, z = balls.T
        # rows of the matrix that takes q to conjugate(q) * target, which is linear in q
        self._left[:, 0] = np.stack([w, x, y, z], axis=-1)
        self._left[:, 1] = np.stack([x, -w, -z, y], axis=-1)
        self._left[:, 2] = np.stack([y, z, -w, -x], axis=-1)
        self._left[:, 3] = np.stack([z, -y, x, -w], axis=-1)
        self._hinge_target = hinges

    def apply(self, data: Any) -> None:
        """Drive the joints for one step of the simulator."""
        speed = data.qvel[self._order]
        off = np.matmul(self._left, data.qpos[self._ball_at][:, :, None])[:, :, 0]  # [8, 4]
        sine = np.sqrt(np.einsum("ij,ij->i", off[:, 1:], off[:, 1:]))
        scale = 2.0 * np.arctan2(sine, np.abs(off[:, 0])) / np.copysign(np.maximum(sine, 1e-12), off[:, 0])
        torque = np.empty(28)
        torque[:24] = (off[:, 1:] * (self._ball_gain * scale[:, None])).reshape(-1)
        torque[24:] = self._hinge_gain * (self._hinge_target - data.qpos[self._hinge_at])
        torque -= self._drag * speed
        balls = torque[:24].reshape(8, 3)
        size = np.sqrt(np.einsum("ij,ij->i", balls, balls))
        balls *= (self._ball_most / np.maximum(size, self._ball_most))[:, None]
        torque[24:] = np.minimum(np.maximum(torque[24:], -self._hinge_most), self._hinge_most)  # np.clip is slow
        data.qfrc_applied[self._order] = torque + self._damping * speed
