"""Gymnasium's MuJoCo tasks (AWAC Figure 5), dense rewards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from envs.task import MixRecipe, Recipe, Task

__all__ = ["TASKS"]

_LOCOMOTION_SETTINGS = {
    "normalise_obs": True,
    "awac.temperature": 10.0,
    "abm.temperature": 10.0,
    "mpo.temperature": 10.0,
    "xql.beta": 5.0,
    "spot.support_weight": 0.2,
    "rlpd.backup_entropy": True,
    "wsrl.calibrate": False,
    "wsrl.conservative_weight": 5.0,
    "wsrl.conservative_temperature": 1.0,
    "online_steps": 500_000,
    "demonstrations": 15,
    "rollouts": 100,
}
_PROFILES: dict[str, dict[str, Any]] = {
    # one environment per seed: an evaluation plays its episodes one after the other
    "standard": {"eval_episodes": 10},
    "quick": {"eval_episodes": 5},
    "smoke": {"eval_episodes": 1},
}
_HUNDREDS = "ours (benchmarks/profile.md): Q is in the hundreds, and at the 1 of AWAC A.3 few rows decide"
_LOCOMOTION_SOURCES = {
    "normalise_obs": "CORL and TD3+BC; AWAC: as they are, from which nothing here learns to run within minutes",
    "awac.temperature": _HUNDREDS,
    "abm.temperature": _HUNDREDS,
    "mpo.temperature": _HUNDREDS,
    "xql.beta": "ours: XQL's code has 1 where returns are scaled to span 1000; here they span thousands",
    "spot.support_weight": "SPOT's configs: 0.05 to 0.2 on medium and medium-replay data, 0.2 to 1 on medium-expert",
    "rlpd.backup_entropy": "RLPD's README for these tasks",
    **dict.fromkeys(
        ("wsrl.calibrate", "wsrl.conservative_weight", "wsrl.conservative_temperature"),
        "WSRL's experiments/scripts/locomotion",
    ),
    "online_steps": "AWAC's MuJoCo script: 500 epochs of 1000; the text does not say how long Figure 5's runs are",
    "demonstrations": "AWAC section 3",
    "rollouts": "AWAC section 3",
}


def _like_d4rl(name: str, replay: float = 0.0, stages: tuple[int, ...] = ()) -> dict[str, MixRecipe]:
    """Recipes of the datasets that D4RL has too, by its names for them, with the expert `name`.

    `stages` are the steps of SAC's training at which it was kept (envs/experts/sac), the last one being "medium";
    `replay` is the size of D4RL's medium-replay beside its medium. D4RL kept what its SAC had collected until then.
    Here the policies kept on the way are played for equal shares, which a replay of theirs would hold.
    """
    recipes = {"random": MixRecipe(((MixRecipe.RANDOM, 1.0),)), "expert": MixRecipe(((name, 1.0),))}
    if stages:
        kept = [f"sac/{name}-{steps}" for steps in stages]
        recipes |= {
            "medium": MixRecipe(((kept[-1], 1.0),)),
            "medium-replay": MixRecipe(tuple((stage, replay / len(kept)) for stage in kept)),
            "medium-expert": MixRecipe(((kept[-1], 1.0), (name, 1.0))),
        }
    return recipes


# Random actions do not give D4RL's lower anchors of hopper and ant in today's simulator.
_LOCOMOTION: dict[str, Any] = {
    "success_rule": "",
    "success": None,
    "horizon": 1000,  # as gymnasium registers them
    "reward_range": (-math.inf, math.inf),
    "simulator": ("gymnasium", "mujoco"),
    "settings": _LOCOMOTION_SETTINGS,
    "sources": _LOCOMOTION_SOURCES,
    "profiles": _PROFILES,
}

# The simulator of the papers left all contact forces at zero; -v5 fills most of them.
_NO_FORCES = {"include_cfrc_ext_in_observation": False}


def _presets(official: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What presets set on a runner: RLPD's sizes and bonus, CORL's temperature, and the `official` ones of the task.

    Observations are as they are but in the code of TD3+BC, SPOT, AWR and CORL. SPOT's weights are those of medium data.
    """
    plain = {"normalise_obs": False}
    return {
        "official": {
            **plain,
            "td3-bc.normalise_obs": True,
            "spot.normalise_obs": True,
            "awr.normalise_obs": True,
            "rlpd.hidden": (256, 256),
            "wsrl.hidden": (256, 256),
            "wsrl.calibrate": False,
            "wsrl.conservative_weight": 5.0,
            "wsrl.conservative_temperature": 1.0,
            "wsrl.offline_updates": 250_000,
            "rlpd.backup_entropy": True,
            **official,
        },
        **dict.fromkeys(("official-mujoco", "awac-scripts", "awr-paper", "d3rlpy"), plain),
        "corl": {"awac.temperature": 1 / 3},
    }


def _runner(name: str, **facts: Any) -> Task:
    """One running task, which ends when the runner falls; its expert and datasets are called `name` too."""
    shared = {
        "id": f"{name}-v5",
        "expert": name,
        "recipes": _like_d4rl(name),
        "remote": {f"minari-{kind}": f"mujoco/{name}/{kind}-v0" for kind in ("simple", "medium", "expert")},
        "terminates": True,
        "presets": _presets({}),
    }
    return Task(**{**_LOCOMOTION, **shared, **facts})


# presets: where AWR's code (awr_configs.py, commit 831442f) departs from its values for HalfCheetah
TASKS = (
    _runner(
        "halfcheetah",
        entry_point="envs.simulators.locomotion:HalfCheetahEnv",
        summary="run forward on two legs in the plane",
        obs_dim=17,
        action_dim=6,
        anchors=(-267.71, 8622.42),
        d4rl_anchors=(-280.178953, 12135.0),
        recipe=Recipe(clone_updates=6000),
        recipes=_like_d4rl("halfcheetah", 0.202, tuple(range(0, 120_001, 20_000))),
        presets=_presets({"spot.support_weight": 0.05}),
        # at the profile's 0.05 Q runs away: no fall ends an episode (benchmarks/profile.md)
        profiles={**_PROFILES, "quick": {**_PROFILES["quick"], "tau": 0.01}},
        terminates=False,
    ),
    _runner(
        "walker2d",
        entry_point="envs.simulators.locomotion:Walker2dEnv",
        summary="walk on two legs in the plane without falling",
        obs_dim=17,
        action_dim=6,
        anchors=(1.93, 5972.15),
        d4rl_anchors=(1.629008, 4592.3),
        recipe=Recipe(clone_updates=10_000),
        recipes=_like_d4rl("walker2d", 0.302, tuple(range(0, 160_001, 40_000))),
        presets=_presets({"awr.policy_lr": 2.5e-5, "spot.support_weight": 0.2}),
    ),
    _runner(
        "hopper",
        entry_point="envs.simulators.locomotion:HopperEnv",
        summary="hop on one leg in the plane without falling",
        obs_dim=11,
        action_dim=3,
        anchors=(17.04, 3639.51),
        d4rl_anchors=(-20.272305, 3234.3),
        recipe=Recipe(clone_updates=3000),
        recipes=_like_d4rl("hopper", 0.402, tuple(range(0, 160_001, 40_000))),
        presets=_presets({"awr.policy_lr": 1e-4, "spot.support_weight": 0.1}),
    ),
    _runner(
        "ant",
        entry_point="envs.simulators.locomotion:AntEnv",
        options=_NO_FORCES,
        summary="run on four legs without turning over",
        obs_dim=27,
        action_dim=8,
        remote={},  # Minari's `mujoco/ant` datasets have contact forces
        anchors=(-47.46, 5338.18),
        d4rl_anchors=(-325.6, 3879.7),
        recipe=Recipe(clone_updates=500),
        recipes=_like_d4rl("ant", 0.302, tuple(range(0, 60_001, 20_000))),
        presets=_presets({"awr.policy_std": 0.2}),
    ),
    _runner(
        "humanoid",
        entry_point="envs.simulators.locomotion:HumanoidEnv",
        options=_NO_FORCES,
        summary="run on two legs with arms and a trunk, without falling",
        obs_dim=270,
        action_dim=17,
        expert="",
        recipes={},
        remote={},  # as of the ant
        # no anchors without an expert, and D4RL has none: random actions return 112 here; AWR's Table 1, on v2, has
        # AWR 4996, PPO 695, TRPO 552 and RWR 509
        recipe=Recipe(),
        presets=_presets({"awr.policy_lr": 1e-5}),
    ),
)
