"""A humanoid that follows a clip of motion: DeepMimic's task (Peng et al. 2018), of AWR's Table 2, in MuJoCo.

    humanoid-imitate-walk-v0    humanoid-imitate-NAME-v0 for a clip NAME of your own
    observation [227]: phase of the clip; height of the root; of each body its place about the root and the directions
        of its y and x axes; of each body its velocities, linear and angular
    action [28]: targets of the joints' controllers    reward: from 0 to 1, `envs.simulators.imitate_reward`

Bodies come in the order of `imitate_character.BODIES`. What is observed is turned so that the root faces along x, but
for the root's own rotation and velocities, as in DeepMimic's humanoid3d_phase_rot_ctrl.txt. Actions are in the units of
its policies: a ball joint's target is the rotation vector pi * action, a hinge's the middle of its range + twice the
range * action. DeepMimic bounds ball joints at 2 pi per axis, here at pi.

Episodes begin at a random time of the clip, in its state, raised where it would be in the ground. They end when a body
other than a foot touches the ground (for a clip with `touching="limbs"`: head, chest or root), which pays nothing, and
when a clip that does not loop is over. When a clip begins anew, it goes on from where the humanoid is. They are cut off
after 600 steps of 1/30 s, DeepMimic's 20 s.

Steps of the simulator are 1/300 s; DeepMimic's are 1/1200 s, of its controllers 1/600 s. From the same start, with the
clip's own poses as targets, bodies are 8 mm (median) from where steps of 1/4800 s leave them after 1/6 s, and 50 mm
after half a second, when it falls; with steps of 1/600 s 6 mm and 31 mm, for twice the time.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import gymnasium
import mujoco
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from envs.motion import library
from envs.motion.clip import JOINTS
from envs.motion.quaternions import exponential
from envs.simulators.imitate_character import BODIES, FEET, LIMBS, build
from envs.simulators.imitate_reward import WEIGHTS, Figure, heading, rewards
from envs.simulators.restore import RecordedState, State

__all__ = ["RATE", "SUBSTEPS", "HumanoidImitateEnv", "action_of", "targets_of"]

Array: TypeAlias = NDArray[np.float64]
Action: TypeAlias = NDArray[np.float32]

RATE = 30  # decisions per second (humanoid3d_phase_rot_ctrl.txt)
SUBSTEPS = 10  # steps of the simulator in each
CLEARANCE = 0.001  # metres between the ground and a clip that begins in it (DeepMimic's SceneSimChar.cpp)
PIXELS = (360, 480)  # of a picture

_HINGES = [name for name, size in JOINTS.items() if size == 1]
_BALL_ENTRIES = np.array([size == 4 for size in JOINTS.values() for _ in range(3 if size == 4 else 1)])  # [28]
_RANGES = np.array([BODIES[name].limits for name in _HINGES])  # [4, 2]
_MIDDLE, _SPAN = _RANGES.mean(axis=1), 2.0 * np.ptp(_RANGES, axis=1)


def targets_of(action: NDArray[Any]) -> tuple[Array, Array]:
    """Targets that an action [28] asks for: rotations of ball joints [8, 4], angles of hinges [4]."""
    clipped = np.minimum(np.maximum(np.asarray(action, np.float64), -1.0), 1.0)
    return exponential(np.pi * clipped[_BALL_ENTRIES].reshape(-1, 3)), _MIDDLE + _SPAN * clipped[~_BALL_ENTRIES]


def action_of(vectors: Array, angles: Array) -> Array:
    """The action [28] that asks for rotation vectors [8, 3] and angles [4], clipped to what actions can say."""
    out = np.empty(len(_BALL_ENTRIES))
    out[_BALL_ENTRIES] = vectors.reshape(-1) / np.pi
    out[~_BALL_ENTRIES] = (angles - _MIDDLE) / _SPAN
    return np.clip(out, -1.0, 1.0)


class HumanoidImitateEnv(RecordedState, gymnasium.Env[Array, Action]):
    """Follow the clip called `motion`; the same seed and actions give the same bytes.

    `substeps` are steps of the simulator in each of 1/30 s. A reset with the option `time` begins there, in seconds.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": RATE}  # noqa: RUF012 - as gymnasium declares it
    observation_space = Box(-np.inf, np.inf, (2 + 15 * len(BODIES),), np.float64)
    action_space = Box(-1.0, 1.0, (len(_BALL_ENTRIES),), np.float32)

    def __init__(self, motion: str, substeps: int = SUBSTEPS, render_mode: str | None = None) -> None:
        found = library.find(motion)
        self.clip, self.render_mode, self.substeps = found.clip, render_mode, substeps
        self.model = build(1 / RATE / substeps)
        self.actual, self.wanted = Figure(self.model), Figure(self.model)
        self.data = self.actual.data
        self.time = 0.0  # of the clip
        self.origin = np.zeros(3)  # of the clip, in the world
        falls = [name not in (FEET if found.touching == "feet" else LIMBS) for name in BODIES]
        self._bodies = np.array([self.model.body(name).id for name in BODIES])
        self._falls = np.array(falls)
        self._half = np.array([_half(body.shape, body.size) for body in BODIES.values()])  # [15, 3]
        self._radius = np.array([0.0 if b.shape == "box" else b.size[0] / 2 for b in BODIES.values()])
        self._renderer: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        drawn = self.np_random.uniform(0.0, self.clip.duration)
        self.time = float((options or {}).get("time", drawn))
        self.origin = np.zeros(3)
        mujoco.mj_resetData(self.model, self.data)
        self.actual.place(self.clip.pose(self.time), self.clip.velocity(self.time))
        if (lowest := self._lowest().min()) < CLEARANCE:
            self.origin[1] = CLEARANCE - lowest
            self.data.qpos[1] += self.origin[1]
            self.actual.look()
        self._pose_clip()
        return self._observation(), {}

    def step(self, action: Action) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        self.actual.drives.aim(*targets_of(action))
        for _ in range(self.substeps):
            self.actual.drives.apply(self.data)
            mujoco.mj_step(self.model, self.data)
        self.actual.look()
        self._advance()
        fallen = bool((self._lowest()[self._falls] <= 0.0).any()) or not np.isfinite(self.data.qvel).all()
        terms = dict.fromkeys(WEIGHTS, 0.0)
        if not fallen:
            terms = rewards(self.actual, self.wanted, self.origin[1])
        info = {f"reward_{name}": value for name, value in terms.items()}
        return self._observation(), sum(terms.values()), fallen or self.clip.is_over(self.time), False, info

    def render(self) -> NDArray[np.uint8] | None:
        """Draw the humanoid from its right [360, 480, 3], if `render_mode` is "rgb_array"."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            self._renderer = mujoco.Renderer(self.model, *PIXELS)
        mujoco.mj_forward(self.model, self.data)
        self._renderer.update_scene(self.data, camera="side")
        return np.asarray(self._renderer.render())

    def begin(self, obs: Array, state: State) -> None:
        """Take up an episode at its first row, where humanoid and clip have the root in common."""
        if recorded := self._recorded(state):
            self.time = float(obs[0]) * self.clip.duration
            self._start(*recorded)
            self.actual.look()
            self.origin = self.actual.pose[:3] - self.clip.pose(self.time)[:3]
            self._pose_clip()

    def restore(self, obs: Array, state: State) -> None:
        """Go on from a later row: the clip stays in the cycle that it is in, and where it is."""
        if recorded := self._recorded(state):
            self._set(*recorded)
            off = float(obs[0]) * self.clip.duration - self.time
            self.time += off - round(off / self.clip.duration) * self.clip.duration if self.clip.loops else off

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _advance(self) -> None:
        """Move the clip on by a step; one that begins anew goes on from where the humanoid is, on the ground."""
        before = self.clip.cycle(self.time)
        self.time += 1 / RATE
        if self.clip.cycle(self.time) > before:
            ahead = self.clip.pose(self.time)[:3]
            self.origin = (self.actual.pose[:3] - ahead) * (1.0, 0.0, 1.0)
        self._pose_clip()

    def _pose_clip(self) -> None:
        pose = self.clip.pose(self.time)
        pose[:3] += self.origin
        self.wanted.place(pose, self.clip.velocity(self.time))

    def _lowest(self) -> Array:
        """Height [15] of the lowest point of each body above the ground."""
        geoms = self._bodies  # the ground is geom 0, and each body has one, in the order of bodies
        upward = self.data.geom_xmat[geoms][:, 3:6]  # [15, 3] heights that the geoms' axes gain
        return np.asarray(self.data.geom_xpos[geoms, 1] - (np.abs(upward) * self._half).sum(-1) - self._radius)

    def _observation(self) -> Array:
        data, root = self.data, self.actual.pose
        axes = data.xmat[self._bodies].reshape(-1, 3, 3)  # columns are the axes of bodies
        centre = data.xipos[self._bodies]
        spin = data.cvel[self._bodies, :3]
        speed = data.cvel[self._bodies, 3:] + _across(spin, centre - data.subtree_com[self.actual.root])
        world = np.stack([centre - root[:3], axes[:, :, 1], axes[:, :, 0], speed, spin])  # [5, 15, 3]
        seen = world @ heading(root[3:7]).T
        seen[1:, 0] = world[1:, 0]  # the root's own, but for its place
        where = seen[:3].transpose(1, 0, 2).reshape(-1)
        moving = seen[3:].transpose(1, 0, 2).reshape(-1)
        return np.concatenate([[self.clip.phase(self.time), root[1]], where, moving])


def _across(a: Array, b: Array) -> Array:
    """Cross products [N, 3]; np.cross takes four times as long."""
    return np.asarray(a[:, [1, 2, 0]] * b[:, [2, 0, 1]] - a[:, [2, 0, 1]] * b[:, [1, 2, 0]])


def _half(shape: str, size: tuple[float, ...]) -> tuple[float, float, float]:
    """Half the sides of a shape without its rounding, along the axes of its geom; a capsule's is its own z."""
    if shape == "box":
        return size[0] / 2, size[1] / 2, size[2] / 2
    return 0.0, 0.0, size[1] / 2 if shape == "capsule" else 0.0
