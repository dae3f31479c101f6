"""Profiles: how far a run is scaled down from the paper's sizes. Imports no torch, for `bench list`."""

from __future__ import annotations

from typing import Any

__all__ = ["PROFILES", "QUICK"]

QUICK = "quick"  # the profile of commands that are given none

# A profile changes sizes and rates, never semantics.
PROFILES: dict[str, dict[str, Any]] = {
    "paper": {},
    "standard": {
        # the paper's rates and data, with networks and phases that take an hour of one CPU core for five seeds, and
        # minutes of a GPU; twice the steps where the paper has five times as many (relocate)
        "hidden": (256, 256),
        "batch_size": 256,
        "offline_updates": 25_000,
        "online_steps": 100_000,
        "eval_every_offline": 5000,
        "eval_every_online": 10_000,
        "eval_episodes": 50,
        "dataset_steps": 300_000,
    },
    "quick": {
        # by the procedure in benchmarks/profile.md: there are far fewer updates than the paper's, so steps are larger
        # and targets follow faster, or Q would still be falling when the run ends
        "hidden": (128, 128),
        "batch_size": 256,
        "policy_lr": 5e-4,
        "critic_lr": 5e-4,
        "tau": 0.05,
        "offline_updates": 5000,
        "online_steps": 20_000,
        "updates_per_step": 1.0,
        "eval_every_offline": 2500,
        "eval_every_online": 5000,
        "eval_episodes": 20,
        "dataset_steps": 100_000,
    },
    "smoke": {
        "hidden": (16, 16),
        "batch_size": 16,
        "offline_updates": 20,
        "online_steps": 120,
        "steps_per_iteration": 40,
        "warmup_steps": 0,
        "eval_every_offline": 10,
        "eval_every_online": 40,
        "eval_episodes": 2,
        "demonstrations": 1,
        "rollouts": 4,
        "dataset_steps": 400,
    },
}
