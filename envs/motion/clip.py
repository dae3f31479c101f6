"""A clip of motion in DeepMimic's text format (Peng et al. 2018), and the pose that it asks for at any time.

    {"Loop": "wrap", "Frames": [[duration, root position, root rotation, rotations of the joints], ...]}

A frame has 44 numbers: its duration in seconds, the root's position (x forward, y up, z to the right, in metres), and
rotations in the order of `JOINTS`: quaternions (w, x, y, z), and angles in radians of knees and elbows. The last frame
is the end of the clip, so that its duration counts for nothing. A clip that loops ("wrap") goes on from the first frame
where the last one is: the root keeps the ground that it has won, along x and z.

Between frames positions go straight and rotations the shorter way at constant speed. Velocities are those from one
frame to the next, interpolated in turn, as in DeepMimic's Motion.cpp (commit 1f915c5).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from disk.reading import read_file
from disk.shapes import ShapeError, listing, number, one_of, parse_json, table
from envs.errors import MotionError, first_line
from envs.motion.quaternions import conjugate, logarithm, product, slerp

__all__ = [
    "HINGES", "HINGE_SPEEDS", "JOINTS", "POSE", "QUATERNIONS", "TURNS", "VELOCITY", "Clip", "parse", "read", "unused",
]  # fmt: skip

Array: TypeAlias = NDArray[np.float64]

# joint -> numbers of it in a pose: 4 of a ball joint, 1 of a hinge about z; 7 of the root come before them
JOINTS = {
    "chest": 4, "neck": 4, "right_hip": 4, "right_knee": 1, "right_ankle": 4, "right_shoulder": 4, "right_elbow": 1,
    "left_hip": 4, "left_knee": 1, "left_ankle": 4, "left_shoulder": 4, "left_elbow": 1,
}  # fmt: skip
POSE = 7 + sum(JOINTS.values())  # numbers of a pose: 43
VELOCITY = 6 + sum(3 if size == 4 else 1 for size in JOINTS.values())  # of a velocity: 34, the degrees of freedom

_LOOPS = ("none", "wrap")
_FRAMES = listing(listing(number(-1e3, 1e3), least=1 + POSE, most=1 + POSE), least=2, most=100_000)
_SHAPE = table({"Frames": _FRAMES}, {"Loop": one_of(*_LOOPS)})
_LENGTHS = (0.5, 1.5)  # of quaternions before they are scaled to 1; those of DeepMimic's own clips: 0.58 to 1.12


def _layout() -> tuple[tuple[list[int], list[int]], tuple[list[int], list[int]]]:
    """Where quaternions and hinges begin in a pose, and the same of velocities."""
    balls, hinges, ball_speeds, hinge_speeds = [3], list[int](), [3], list[int]()
    at, speed_at = 7, 6
    for size in JOINTS.values():
        (balls if size == 4 else hinges).append(at)
        (ball_speeds if size == 4 else hinge_speeds).append(speed_at)
        at, speed_at = at + size, speed_at + (3 if size == 4 else 1)
    return (balls, hinges), (ball_speeds, hinge_speeds)


(_BALLS, _HINGES), (_BALL_SPEEDS, _HINGE_SPEEDS) = _layout()
QUATERNIONS = np.add.outer(_BALLS, np.arange(4))  # [9, 4] entries of a pose: the root's rotation first
TURNS = np.add.outer(_BALL_SPEEDS, np.arange(3))  # [9, 3] entries of a velocity
HINGES, HINGE_SPEEDS = np.array(_HINGES), np.array(_HINGE_SPEEDS)  # [4] entries of a pose, of a velocity


@dataclass(frozen=True)
class Clip:
    """Frames of a motion: `times` [F] in seconds from 0 on, `poses` [F, 43], and whether it goes on from its end."""

    times: Array
    poses: Array
    loops: bool

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return float(self.times[-1])

    def phase(self, time: float) -> float:
        """Share of the clip that is over: from 0 to below 1, anew in each cycle; of one that ends at most 1."""
        if self.loops:
            return math.fmod(time / self.duration, 1.0)
        return min(time / self.duration, 1.0)

    def is_over(self, time: float) -> bool:
        """Whether a clip that does not loop has come to its end."""
        return not self.loops and time >= self.duration

    def cycle(self, time: float) -> int:
        """Number of times that the clip has begun anew."""
        return int(time // self.duration) if self.loops else 0

    def pose(self, time: float) -> Array:
        """Pose [43] at a time from 0 on: root position, then rotations, as in a frame."""
        f, share = self._frame(time)
        before, after = self.poses[f], self.poses[f + 1]
        out = before + share * (after - before)
        out[QUATERNIONS] = slerp(before[QUATERNIONS], after[QUATERNIONS], share)
        out[:3] += self.cycle(time) * self._gained
        return np.asarray(out)

    def velocity(self, time: float) -> Array:
        """Velocity [34] at a time: the root's, linear and angular in the world, then joints' in their own frames."""
        if self.is_over(time):
            return np.zeros(VELOCITY)
        f, share = self._frame(time)
        return np.asarray((1 - share) * self._velocities[f] + share * self._velocities[f + 1])

    def _frame(self, time: float) -> tuple[int, float]:
        """The frame before a time, and how far it lies behind it, as a share of the way to the next."""
        within = min(time, self.duration) if not self.loops else time - self.cycle(time) * self.duration
        f = min(max(int(np.searchsorted(self.times, within, side="right")) - 1, 0), len(self.times) - 2)
        return f, float((within - self.times[f]) / (self.times[f + 1] - self.times[f]))

    @cached_property
    def _gained(self) -> Array:
        """Ground that a cycle wins [3]; none upwards, so that a clip that loops does not climb."""
        way = self.poses[-1, :3] - self.poses[0, :3]
        return np.asarray(way * (1.0, 0.0, 1.0))

    @cached_property
    def _velocities(self) -> Array:
        """Velocities [F, 34] from each frame to the next; the last frame has those of the one before."""
        step = np.diff(self.times)[:, None]
        before, after = self.poses[:-1], self.poses[1:]
        out = np.zeros((len(step), VELOCITY))
        out[:, :3] = (after - before)[:, :3] / step
        q, p = before[:, QUATERNIONS], after[:, QUATERNIONS]
        out[:, TURNS] = logarithm(product(conjugate(q), p)) / step[:, None]
        out[:, TURNS[0]] = logarithm(product(p[:, 0], conjugate(q[:, 0]))) / step
        out[:, HINGE_SPEEDS] = (after - before)[:, HINGES] / step
        return np.concatenate([out, out[-1:]])


def read(path: Path) -> Clip:
    """Read a clip; raises `MotionError` in one line for a file that holds none."""
    try:
        content = read_file(path)
    except OSError as error:
        raise MotionError(f"cannot read {path}: {first_line(error)}") from None
    return parse(content, str(path))


def parse(content: bytes, where: str) -> Clip:
    """Read a clip from the content of a file, which messages call `where`; raises `MotionError` for any other."""
    try:
        found = parse_json(content, _SHAPE)
        frames = np.array(found["Frames"], np.float64)
        if wrong := next(_wrong(frames), ""):
            raise ShapeError(wrong)
    except ShapeError as error:
        raise MotionError(f"{where} is no clip of DeepMimic's humanoid: {error}") from None
    times = np.concatenate([[0.0], np.cumsum(frames[:-1, 0])])
    poses = frames[:, 1:]
    poses[:, [0, 2]] -= poses[0, [0, 2]]  # clips begin at the origin, as in DeepMimic
    poses[:, QUATERNIONS] /= np.linalg.norm(poses[:, QUATERNIONS], axis=-1, keepdims=True)
    return Clip(times, poses, found.get("Loop", "none") == "wrap")


def unused(content: bytes) -> list[str]:
    """Names of what else a clip's file asks for, such as CycleSyncRootRot, which has no effect here."""
    found: dict[str, Any] = parse_json(content, _SHAPE)
    return sorted(set(found) - {"Loop", "Frames"})


def _wrong(frames: Array) -> Iterator[str]:
    """What is wrong with the numbers of frames [F, 44]."""
    for f in np.flatnonzero(frames[:-1, 0] <= 0)[:1]:
        yield f"Frames: entry {f}: the duration, entry 0, must be above 0, not {frames[f, 0]:g}"
    lengths = np.linalg.norm(frames[:, 1 + QUATERNIONS], axis=-1)
    for f, joint in np.argwhere((lengths < _LENGTHS[0]) | (lengths > _LENGTHS[1]))[:1]:
        names = ["root", *(name for name, size in JOINTS.items() if size == 4)]
        yield (
            f"Frames: entry {f}: the rotation of {names[joint]}, from entry {1 + QUATERNIONS[joint, 0]} on, has length "
            f"{lengths[f, joint]:.3g}; a quaternion (w, x, y, z) of length 1 is needed"
        )
