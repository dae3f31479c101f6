"""MuJoCo where its way to draw cannot be had: physics need none, but importing MuJoCo fails on a wrong MUJOCO_GL."""

from __future__ import annotations

import contextlib
import os
import sys

__all__ = ["without_drawing_if_it_fails"]

_PARTS = ("mujoco.rendering", "mujoco.osmesa", "mujoco.egl", "mujoco.glfw")  # what the wrong value has half imported


def without_drawing_if_it_fails() -> None:
    """Import MuJoCo; where MUJOCO_GL names what is not here, without drawing, which a line on stderr says.

    Processes that are started from this one inherit the choice, and say nothing.
    """
    way = os.environ.get("MUJOCO_GL")
    if not way or "mujoco" in sys.modules:
        return
    try:
        import mujoco  # noqa: F401 - slow, and only worth it where the variable is set
    except Exception as error:  # an error of whichever library it names
        for name in [name for name in sys.modules if name == "mujoco" or name.startswith(_PARTS)]:
            del sys.modules[name]
        os.environ["MUJOCO_GL"] = "disable"
        reason = str(error).partition("\n")[0]
        with contextlib.suppress(OSError, ValueError):  # nobody reads stderr
            print(f"bench: MUJOCO_GL={way} cannot be had here ({reason}); nothing is drawn", file=sys.stderr)
