"""A MUJOCO_GL that cannot be had does not stop what draws nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

STEP = """
import envs.simulators.sawyer, mujoco
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><body><joint/><geom size='1'/></body></worldbody></mujoco>")
mujoco.mj_step(model, mujoco.MjData(model))
print("stepped")
"""


def step(way: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MUJOCO_GL": way}
    return subprocess.run([sys.executable, "-c", STEP], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("way", ["nonsense", "disable"])
def test_physics_run_whatever_mujoco_gl_says(way: str) -> None:
    done = step(way)
    assert (done.returncode, done.stdout) == (0, "stepped\n"), done.stderr
    said = done.stderr.splitlines()
    assert said == ([] if way == "disable" else [said[0]])
    if said:
        assert said[0].startswith("bench: MUJOCO_GL=nonsense cannot be had here (")
        assert said[0].endswith("; nothing is drawn")
