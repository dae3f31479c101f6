"""The walk that ships: what its script writes, feet that stand, a mass that moves as a pendulum."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from envs.motion import library
from envs.simulators import imitate_gait
from envs.simulators.imitate import HumanoidImitateEnv

WALK = Path(library.__file__).parent / "clips" / "walk.txt"


@pytest.fixture(scope="module")
def env() -> HumanoidImitateEnv:
    return HumanoidImitateEnv("walk")


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
