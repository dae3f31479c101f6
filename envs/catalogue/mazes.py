"""AntMaze of D4RL (Fu et al. 2020): a long way and no reward on it. With gymnasium's ant, and with D4RL's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from envs.rules import d4rl_mazes, maze_maps
from envs.task import GivenData, MazeRecipe, Task

__all__ = ["TASKS"]

# IQL's paper, XQL's configs/antmaze_config.py, CQL's README and cql_antmaze_new.py (values 2.02 of ours, plus 2),
# Cal-QL's run_antmaze.sh and WSRL's antmaze_cql (5.05 of ours, plus 5), RLPD's README: weights and gaps are divided by
# that factor, and the soft maximum gets its inverse as temperature. Online they run for 300,000 to 1,000,000 steps, and
# none of them decays weights. AWAC's temperature is ours: at 1, and with its weight decay, the quick profile's policy
# never arrives.
_SETTINGS = {
    "iql.expectile": 0.9,
    "iql.inverse_temperature": 10.0,
    "xql.inverse_temperature": 10.0,
    "cql.conservative_weight": 2.48,
    "cql.lagrange_gap": 0.495,
    "cql.conservative_temperature": 0.495,
    "cal-ql.conservative_weight": 0.99,
    "cal-ql.lagrange_gap": 0.158,
    "cal-ql.conservative_temperature": 0.198,
    "wsrl.conservative_weight": 0.99,
    "wsrl.lagrange_gap": 0.158,
    "wsrl.online_backup_samples": 10,
    "rlpd.backup_entropy": False,
    "rlpd.subset": 1,
    "awac.temperature": 3.0,
    "policy_weight_decay": 0.0,
    "rollouts": 300,  # of the recipe
}

# ReBRAC's penalties of the policy's loss and of the target, the latter for rewards that are a tenth of its own
_REBRAC = {"umaze": (0.003, 0.02), "medium": (0.001, 0.005), "large": (0.002, 0.01)}

# XQL's temperature and largest exponent: its offline/reproduce/antmaze, of play data
_XQL = {"umaze": (2.0, 7.0), "medium": (0.8, 5.0), "large": (0.6, 5.0)}

# SPOT's weight: its configs/online_finetune, of play data
_SPOT = {"umaze": 0.25, "medium": 0.05, "large": 0.025}

# FQL's weight: the commands of its README
_FQL = {"umaze": 10.0, "medium": 10.0, "large": 3.0}


def _official(name: str) -> dict[str, Any]:
    """What authors' code sets on these mazes."""
    return {
        "iql.inverse_temperature": 10.0,
        "iql.expectile": 0.9,
        "xql.inverse_temperature": 10.0,
        "xql.max_clip": _XQL[name][1],
        "cal-ql.hidden": (256, 256),
        "cal-ql.offline_updates": 1_000_000,
        "wsrl.hidden": (256, 256),
        "wsrl.offline_updates": 1_000_000,
        "rebrac.actor_bc_weight": _REBRAC[name][0],
        "rebrac.critic_bc_weight": _REBRAC[name][1],
        "rebrac.discount": 0.999,
        "rebrac.critic_lr": 5e-5,
        "spot.policy_lr": 1e-4,
        "spot.discount": 0.995 if name == "large" else 0.99,
    }


# Found by trial: 5000 updates at the profile's own step size are too few to walk by. One environment per seed: an
# evaluation plays its episodes one after the other.
_PROFILES: dict[str, dict[str, Any]] = {
    "quick": {
        "policy_lr": 1e-3,
        "critic_lr": 1e-3,
        "offline_updates": 10_000,
        "online_steps": 5000,
        "eval_every_offline": 5000,
        "eval_episodes": 10,
    },
    "smoke": {"eval_episodes": 1},
}


def _maze(name: str, **facts: Any) -> Task:
    """One maze, and its variant with starts and goals in any free cell, for data."""
    anywhere = f"antmaze-{name}-anywhere-v1"
    return Task(
        id=f"antmaze-{name}-v1",
        obs_dim=maze_maps.OBS_DIM,
        action_dim=8,
        horizon=1000,  # D4RL: 700 in the smallest
        entry_point="envs.simulators.mazes:AntMazeEnv",
        options={"maze": name},
        variants={anywhere: {"anywhere": True}},
        success_rule="within 0.5 m of the goal",
        success=maze_maps.success,
        expert="ant",
        recipe=MazeRecipe(name, anywhere),
        terminates=True,
        ends_at_success=True,
        obs_parts=maze_maps.PARTS,
        from_columns=d4rl_mazes.other_ant,
        settings={
            **_SETTINGS,
            "xql.beta": _XQL[name][0],
            "spot.support_weight": _SPOT[name],
            "fql.distil_weight": _FQL[name],
            "rebrac.actor_bc_weight": _REBRAC[name][0],
            "rebrac.critic_bc_weight": _REBRAC[name][1],
        },
        sources=dict.fromkeys(
            ("awac.temperature", "policy_weight_decay"), "ours: otherwise the quick profile's policy never arrives"
        ),
        presets={"official": _official(name)},
        profiles=_PROFILES,
        **facts,
    )


def _with_d4rls_ant(task: Task) -> Task:
    """The same maze with the ant of D4RL's recordings, which no expert here can steer."""
    maze = task.options["maze"]
    play, diverse = ("", "-diverse") if maze == "umaze" else ("-play", "-diverse")
    return replace(
        task,
        id=f"antmaze-{maze}-d4rl-v0",
        horizon=700 if maze == "umaze" else 1000,
        summary=f"{task.summary}, D4RL's own",
        entry_point="envs.simulators.d4rl_mazes:D4RLAntMazeEnv",
        variants={},
        expert="",
        recipe=GivenData(f"d4rl/antmaze-{maze}{play}-v2"),
        remote={"diverse": f"d4rl/antmaze-{maze}{diverse}-v2"},
        obs_parts=(),
        subtasks=d4rl_mazes.arrived,  # so that scores are D4RL's
        from_columns=d4rl_mazes.from_columns,
        anchors=None,
        d4rl_anchors=(0.0, 1.0),
    )


# Anchors: an ant that never arrives, and the mean return of the steered expert over 100 episodes.
_OWN = (
    _maze(
        "umaze",
        summary="a four-legged robot finds its way around a wall",
        remote={"play": "D4RL/antmaze/umaze-v1", "diverse": "D4RL/antmaze/umaze-diverse-v1"},
        anchors=(-1000.0, -175.59),
    ),
    _maze(
        "medium",
        summary="a four-legged robot finds its way through a maze",
        remote={"play": "D4RL/antmaze/medium-play-v1", "diverse": "D4RL/antmaze/medium-diverse-v1"},
        anchors=(-1000.0, -322.75),
    ),
    _maze(
        "large",
        summary="a four-legged robot finds its way through a large maze",
        remote={"play": "D4RL/antmaze/large-play-v1", "diverse": "D4RL/antmaze/large-diverse-v1"},
        anchors=(-1000.0, -462.32),
    ),
)

TASKS = (*_OWN, *map(_with_d4rls_ant, _OWN))
