"""Algorithms: what happens inside one gradient step.

    registry        names -> methods; `names`, `get` and `load` are its face
    methods         one file per method: losses, and nothing that steps, draws or logs
    parts           what several methods share
    contract        what a method is given and what it may define; opens with one update, in order
    learner_config  settings that all methods share: networks, batches, step sizes
    networks        seed-stacked networks, policies, distributions, policy files
    learner         the one update of all methods
    space           which values of settings are tried when a method is tuned
    settings        what a setting is: meaning, source, allowed values
    conditions      which values of other settings a setting is read with

Importing this package imports no torch.
"""

from algos.registry import ALGOS, Entry, get, load, names, usable

__all__ = ["ALGOS", "Entry", "get", "load", "names", "usable"]
