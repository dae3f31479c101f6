"""gymnasium-robotics, imported without its notice and with joint types that it can compare.

Import this before anything of `gymnasium_robotics`. It prints a notice about rewards of the hand tasks, not used here,
whenever it is imported. And from MuJoCo 3.12 on, an enumeration on the left of a comparison equals no numpy integer, so
that `model.jnt_type[i] in (mjJNT_HINGE, mjJNT_SLIDE)` is false for every joint: gymnasium-robotics 1.4.2 then fails in
FrankaKitchen, Fetch and whatever else reads joints through its `mujoco_utils`. Its pull request 330 ("Fix joint-type
comparisons with MuJoCo 3.12") turns a model's types into Python's integers; no release has it yet. Here the types that
they are compared with become integers instead, in that module alone.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import farama_notifications  # type: ignore[import-untyped]
import mujoco
import numpy as np

farama_notifications.notifications.pop("gymnasium_robotics", None)

from gymnasium_robotics.utils import mujoco_utils  # noqa: E402

__all__ = ["compares"]


_JOINTS = SimpleNamespace(**{name: int(member) for name, member in mujoco.mjtJoint.__members__.items()})


class _WithIntegers:
    """MuJoCo's module as `mujoco_utils` sees it: its types of joints are integers."""

    def __getattr__(self, name: str) -> Any:
        return _JOINTS if name == "mjtJoint" else getattr(mujoco, name)


def compares() -> bool:
    """Whether an enumeration of MuJoCo's equals the numpy integer that arrays of a model hold."""
    hinge = mujoco.mjtJoint.mjJNT_HINGE
    return bool(hinge == np.int32(int(hinge)))


if not compares():
    mujoco_utils.mujoco = _WithIntegers()
