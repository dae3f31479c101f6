"""The simulated worlds, each loaded when an environment of it is made, and what steers and restores them."""
