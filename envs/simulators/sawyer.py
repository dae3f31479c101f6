"""Pushing a puck to a goal on a table, as in section 6.2 of the AWAC paper, without the robot's arm.

    sawyer-push-v0        (50 steps of 0.1 s)
    observation [6]: hand xy, puck xy, goal xy    action [2]: where the hand goes, 2 cm per unit
    reward: -|puck - goal| in metres, of the state arrived in    success: the puck lies within 5 cm of the goal

Numbers are those of multiworld's `SawyerPush-v0`: the hand's box (20 x 10 cm), its 2 cm per unit of action, 0.1 s per
step, the puck's size and mass, the places where hand and puck start. Goals lie in 40 x 20 cm, as the paper says. No
episode ends before its time limit. What differs from multiworld:

- Positions are counted from the middle of the table, in units of 10 cm. From multiworld's metres, which differ by some
  hundredths, small networks learn next to nothing in some thousands of updates.
- The hand is a peg that moves in the plane, at constant speed through a step, with the arm left out. Its radius (9 mm,
  just clear of the puck at the start) and the friction of puck and table (0.5) are ours.
- The hand starts where multiworld's first action brings it: at the box's edge, not outside.
- Goals are the puck's alone, as in the paper. `hand_goal=True` adds multiworld's goal for the hand: observations are
  then hand, puck, hand's goal, puck's goal, with reward and success of the distance over all four numbers.
- Goals fill 40 cm, of which the hand can serve 30: the outermost stay up to 6 cm away. `goal_width=0.3` is multiworld's
  registration.
- The paper plots the final distance. The success radius is ours (multiworld: 6 cm, hand's and puck's distances added).

Substeps are 5 ms instead of 2: at the end of 200 episodes of Ornstein-Uhlenbeck noise the puck lies 0.7 mm (median)
from where substeps of 0.5 ms leave it, against 0.3 mm, and steps take half the time.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import gymnasium
import mujoco
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from envs.rules.sawyer import SUCCESS_DISTANCE, UNIT, reward

__all__ = ["SawyerPushEnv", "controller"]

Array: TypeAlias = NDArray[np.float64]

STEP, SUBSTEP = 0.1, 0.005  # seconds
REACH = 0.02  # metres per unit of action and step
HAND_LOW, HAND_HIGH = np.array([-0.10, 0.55]), np.array([0.10, 0.65])
HAND_START, PUCK_START = (0.0, 0.55), (0.0, 0.60)
GOAL_Y = (0.5, 0.7)
MIDDLE = np.array([0.0, 0.6])  # of the table
PEG_RADIUS, PUCK_RADIUS = 0.009, 0.04
CONTACT = PEG_RADIUS + PUCK_RADIUS

# The puck cannot turn. It stands on a small foot in its middle, whose friction is the same in all directions. Peg and
# puck touch each other, foot and table touch each other, and nothing else does.
_SCENE = f"""
<mujoco model="push">
  <option timestep="{SUBSTEP}" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <default><geom contype="0" conaffinity="0"/></default>
  <visual><headlight ambient="0.4 0.4 0.4" diffuse="0.5 0.5 0.5" specular="0 0 0"/></visual>
  <worldbody>
    <camera name="top" pos="0 0.6 0.7" fovy="40"/>
    <geom type="plane" pos="0 0.6 0" size="0.5 0.5 0.1" friction="0.5 0 0" contype="1" rgba="0.7 0.7 0.65 1"/>
    <site name="goal" type="cylinder" pos="0 0.6 0.001" size="{PUCK_RADIUS} 0.001" rgba="0.2 0.7 0.3 0.6"/>
    <body name="hand" pos="0 0 0.015" gravcomp="1">
      <joint name="hand_x" type="slide" axis="1 0 0"/>
      <joint name="hand_y" type="slide" axis="0 1 0"/>
      <geom type="sphere" size="{PEG_RADIUS}" mass="1" contype="2" rgba="0.3 0.3 0.3 1"/>
      <geom type="cylinder" pos="0 0 0.03" size="{PEG_RADIUS} 0.03" mass="0" rgba="0.3 0.3 0.3 1"/>
    </body>
    <body name="puck" pos="0 0 0.015">
      <joint name="puck_x" type="slide" axis="1 0 0"/>
      <joint name="puck_y" type="slide" axis="0 1 0"/>
      <joint name="puck_z" type="slide" axis="0 0 1"/>
      <geom type="cylinder" size="{PUCK_RADIUS} 0.015" mass="0.1" conaffinity="2" rgba="0.2 0.3 0.8 1"/>
      <geom type="sphere" pos="0 0 -0.01" size="0.005" mass="0" friction="0.5 0 0" conaffinity="1"/>
    </body>
  </worldbody>
  <actuator>
    <intvelocity joint="hand_x" kp="1e4" kv="200" actrange="{HAND_LOW[0]} {HAND_HIGH[0]}"/>
    <intvelocity joint="hand_y" kp="1e4" kv="200" actrange="{HAND_LOW[1]} {HAND_HIGH[1]}"/>
  </actuator>
</mujoco>
"""
_POSITIONS = 4  # hand x, y and puck x, y come first among the joints


class SawyerPushEnv(gymnasium.Env[Array, NDArray[np.float32]]):
    """Push a puck to a goal; the same seed and actions give the same bytes.

    `goal_width` is how far the puck's goals spread along x, in metres; `hand_goal` adds a goal for the hand.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / STEP)}  # noqa: RUF012 - as gymnasium declares it
    action_space = Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, goal_width: float = 0.4, hand_goal: bool = False, render_mode: str | None = None) -> None:
        if not 0 <= goal_width <= 1:
            raise ValueError(f"goal_width={goal_width}: must be in [0, 1] metres")
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode={render_mode!r}: only rgb_array is drawn")
        self.render_mode, self.hand_goal = render_mode, hand_goal
        puck_low, puck_high = (-goal_width / 2, GOAL_Y[0]), (goal_width / 2, GOAL_Y[1])
        self._goal_low = np.concatenate((HAND_LOW, puck_low) if hand_goal else (puck_low,))
        self._goal_high = np.concatenate((HAND_HIGH, puck_high) if hand_goal else (puck_high,))
        self.observation_space = Box(-5.0, 5.0, (_POSITIONS + len(self._goal_low),), np.float64)
        self.model = mujoco.MjModel.from_xml_string(_SCENE)
        self.data = mujoco.MjData(self.model)
        self.goal = self._goal_low  # in metres
        self._renderer: Any = None
        self._height = 0.0
        self._place()
        mujoco.mj_step(self.model, self.data, 200)
        self._height = float(self.data.qpos[_POSITIONS])  # the foot sinks in by a third of a millimetre

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        self.goal = self.np_random.uniform(self._goal_low, self._goal_high)
        self._place()
        self.model.site_pos[0, :2] = self.goal[-2:]
        return self._observation(), {"success": self._succeeded()}

    def step(self, action: NDArray[np.float32]) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        self.data.ctrl[:] = np.clip(action, -1.0, 1.0) * (REACH / STEP)
        mujoco.mj_step(self.model, self.data, round(STEP / SUBSTEP))
        obs = self._observation()
        return obs, self._reward(), False, False, {"success": self._succeeded()}

    def compute_reward(self, achieved_goal: Array, desired_goal: Array, info: Any) -> Array:
        """Rewards [...] of goals [..., G] as observations hold them; called as gymnasium-robotics' environments are."""
        return np.asarray(reward(achieved_goal, desired_goal))

    def render(self) -> NDArray[np.uint8] | None:
        """Draw the table from above [480, 480, 3], if `render_mode` is "rgb_array"."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            self._renderer = mujoco.Renderer(self.model, 480, 480)
        mujoco.mj_forward(self.model, self.data)
        self._renderer.update_scene(self.data, camera="top")
        return np.asarray(self._renderer.render())

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _place(self) -> None:
        """Put hand and puck to rest where episodes begin."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = (*HAND_START, *PUCK_START, self._height)
        self.data.act[:] = HAND_START

    def _reward(self) -> float:
        achieved = self.data.qpos[0 if self.hand_goal else 2 : _POSITIONS]
        return float(self.compute_reward(achieved / UNIT, self.goal / UNIT, {}))

    def _succeeded(self) -> bool:
        return -self._reward() < SUCCESS_DISTANCE

    def _observation(self) -> Array:
        positions = np.concatenate((self.data.qpos[:_POSITIONS], self.goal)).reshape(-1, 2)
        return np.asarray(((positions - MIDDLE) / UNIT).reshape(-1))


def controller(obs: NDArray[Any]) -> Array:
    """Go round the puck until the hand is behind it, then carry it along: obs [6] -> action [2].

    Peg and puck stick where they touch, so that the puck follows the hand's own direction.
    """
    hand, puck, goal = UNIT * obs[:2], UNIT * obs[2:4], UNIT * obs[4:6]
    way, beside = goal - puck, hand - puck
    distance, apart = np.hypot(*way), np.hypot(*beside)
    if distance < 0.008:
        return np.zeros(2)
    angle = np.arctan2(beside[1], beside[0])
    turn = (np.arctan2(-way[1], -way[0]) - angle + np.pi) % (2 * np.pi) - np.pi
    if abs(turn) < 0.4:
        move = way - beside * max(0.0, apart - CONTACT) / apart
    else:
        angle += np.clip(turn, -0.8, 0.8)
        move = puck + 0.055 * np.array([np.cos(angle), np.sin(angle)]) - hand
    return np.asarray(move / max(REACH, np.abs(move).max()))
