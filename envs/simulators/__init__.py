"""The simulated worlds, each loaded when an environment of it is made, and what steers and restores them."""

from envs.simulators.drawing import without_drawing_if_it_fails

without_drawing_if_it_fails()
