"""Clips of motion: DeepMimic's format, the poses between frames, and what happens at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from envs.errors import MotionError
from envs.motion.clip import HINGES, POSE, QUATERNIONS, VELOCITY, Clip, parse, read, unused

NONE = [1.0, 0.0, 0.0, 0.0]  # no rotation
REST = [0.0, 0.9, 0.0, *NONE * 4, 0.0, *NONE * 2, 0.0, *NONE, 0.0, *NONE * 2, 0.0]


def written(frames: list[list[float]], **more: Any) -> bytes:
    return json.dumps({"Loop": "wrap", **more, "Frames": frames}).encode()


def turned(seconds: float, x: float, degrees: float) -> list[float]:
    """A frame with the root at x, and with root and chest turned about the vertical, and a knee bent."""
    frame = [seconds, *REST]
    half = np.radians(degrees) / 2
    frame[1] = x
    frame[4:8] = frame[8:12] = [float(np.cos(half)), 0.0, float(np.sin(half)), 0.0]
    frame[1 + HINGES[0]] = -degrees / 100
    return frame


def three() -> Clip:
    return parse(written([turned(0.5, 3.0, 0), turned(0.25, 4.0, 40), turned(9.0, 5.0, 60)]), "three")


def test_a_pose_has_the_numbers_of_a_frame_and_a_velocity_those_of_the_degrees_of_freedom() -> None:
    assert (len(REST), POSE, VELOCITY) == (43, 43, 34)
    clip = three()
    assert clip.duration == 0.75, "the duration of the last frame counts for nothing"
    assert clip.poses.shape == (3, 43)
    assert clip.poses[:, 0].tolist() == [0.0, 1.0, 2.0], "clips begin at the origin"


@pytest.mark.parametrize(("time", "x", "degrees"), [(0.0, 0, 0), (0.125, 0.25, 10), (0.5, 1, 40), (0.625, 1.5, 50)])
def test_between_frames_positions_go_straight_and_rotations_at_constant_speed(
    time: float, x: float, degrees: float
) -> None:
    pose = three().pose(time)
    assert pose[0] == pytest.approx(x)
    turn = Rotation.from_quat(pose[QUATERNIONS[:2]], scalar_first=True).as_rotvec(degrees=True)
    np.testing.assert_allclose(turn, [[0, degrees, 0]] * 2, atol=1e-9)
    assert pose[HINGES[0]] == pytest.approx(-degrees / 100)


def test_a_clip_that_loops_wins_ground_in_each_cycle_and_none_upwards() -> None:
    frames = [turned(0.5, 3.0, 0), turned(0.25, 4.0, 40), turned(0.0, 5.0, 60)]
    frames[2][2] += 0.3
    clip = parse(written(frames), "climbs")
    for time in (0.1, 0.6):
        ahead = clip.pose(time + 2 * clip.duration) - clip.pose(time)
        np.testing.assert_allclose(ahead, [4.0, *[0.0] * 42], atol=1e-12)
        np.testing.assert_allclose(clip.velocity(time + clip.duration), clip.velocity(time), atol=1e-12)
        assert clip.phase(time + clip.duration) == pytest.approx(time / clip.duration)
    assert [clip.cycle(t) for t in (0.0, 0.74, 0.76, 1.6)] == [0, 0, 1, 2]
    assert not clip.is_over(100.0)


def test_a_clip_that_does_not_loop_ends_in_its_last_frame_at_rest() -> None:
    clip = parse(written([turned(0.5, 0.0, 0), turned(0.0, 1.0, 40)], Loop="none"), "once")
    assert [clip.is_over(t) for t in (0.0, 0.49, 0.5, 7.0)] == [False, False, True, True]
    assert [clip.phase(t) for t in (0.25, 0.5, 7.0)] == [0.5, 1.0, 1.0]
    np.testing.assert_allclose(clip.pose(7.0), clip.poses[-1], atol=1e-12)
    assert not clip.velocity(7.0).any()
    assert clip.velocity(0.25)[0] == pytest.approx(2.0)


def test_velocities_are_those_from_frame_to_frame_in_between_interpolated() -> None:
    clip = three()
    radians = np.radians(40) / 0.5
    expected = {0.0: (2.0, radians), 0.5: (4.0, np.radians(20) / 0.25), 0.25: (3.0, (radians + np.radians(80)) / 2)}
    for time, (speed, turn) in expected.items():
        found = clip.velocity(time)
        np.testing.assert_allclose(found[:9], [speed, 0, 0, 0, turn, 0, 0, turn, 0], atol=1e-9)


def test_a_rotation_and_its_negative_are_one() -> None:
    frames = [turned(0.5, 0.0, 0), turned(0.0, 1.0, 40)]
    frames[1][4:12] = [-v for v in frames[1][4:12]]
    clip, same = (
        parse(written(frames), "negative"),
        parse(written([turned(0.5, 0.0, 0), turned(0.0, 1.0, 40)]), "plain"),
    )
    np.testing.assert_allclose(clip.velocity(0.1), same.velocity(0.1), atol=1e-12)


def test_a_clip_without_loop_does_not_loop_and_what_else_it_asks_for_is_named() -> None:
    content = json.dumps({"Frames": [turned(0.5, 0, 0), turned(0, 1, 0)], "CycleSyncRootRot": True}).encode()
    assert not parse(content, "plain").loops
    assert unused(content) == ["CycleSyncRootRot"]


def frames_with(f: int, entry: int, value: Any) -> bytes:
    frames: list[list[Any]] = [turned(0.5, 0, 0), turned(0.5, 1, 0), turned(0, 2, 0)]
    frames[f][entry] = value
    return written(frames)


BAD = {
    "not JSON": (b"Frames", "not readable as JSON"),
    "no frames": (b"{}", "'Frames' is missing"),
    "one frame": (written([turned(0.5, 0, 0)]), "Frames: 2 entries are needed, not 1"),
    "of a dog": (written([[0.1] * 80] * 2), "Frames: entry 0: 44 entries are needed, not 80"),
    "uneven": (written([turned(0.5, 0, 0), turned(0.5, 1, 0)[:-1]]), "Frames: entry 1: 44 entries are needed, not 43"),
    "words": (frames_with(1, 3, "far"), 'Frames: entry 1: entry 3: a number from -1000 to 1000 is needed, not "far"'),
    "infinite": (frames_with(2, 1, float("inf")), "Frames: entry 2: entry 1: a number from -1000 to 1000 is needed"),
    "no time": (frames_with(1, 0, 0.0), "Frames: entry 1: the duration, entry 0, must be above 0, not 0"),
    "no rotation": (
        frames_with(1, 8, 0.0),
        "Frames: entry 1: the rotation of chest, from entry 8 on, has length 0; a quaternion (w, x, y, z) of length 1",
    ),
    "loop": (written([turned(0.5, 0, 0)] * 2, Loop="mirror"), 'Loop: one of none, wrap is needed, not "mirror"'),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_holds_no_clip_is_one_clear_line(name: str, tmp_path: Path) -> None:
    content, said = BAD[name]
    path = tmp_path / "clip.txt"
    path.write_bytes(content)
    with pytest.raises(MotionError) as raised:
        read(path)
    assert str(raised.value).startswith(f"{path} is no clip of DeepMimic's humanoid: {said}")
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(MotionError, match=r"cannot read .*: No such file or directory"):
        read(tmp_path / "none.txt")
