"""The Adroit hand tasks of the AWAC paper (section 6.1), sparse rewards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envs.rules import adroit
from envs.task import DemoRecipe, Task

__all__ = ["TASKS"]

_HAND_SETTINGS = {
    "awac.temperature": 0.5,
    "awac.advantage_clip": 0.5,
    "awac.v_estimator": "mean_action",
    # Z(s) normalises unclipped advantages: both methods of Table 1 as the text has it
    "awac-z.temperature": 0.3,
    "awac-z.advantage_clip": None,
    "awac-z.v_estimator": "sample",
    "abm.temperature": 0.3,
    "mpo.temperature": 0.3,
    "online_steps": 800_000,
    "rlpd.backup_entropy": False,
    "iql.inverse_temperature": 0.5,
    "xql.inverse_temperature": 0.5,
    "bear-loose.eps_online": 0.25,
}

_AWAC = "rlkit's examples/awac/hand/awac1.py; the text (A.3) has 0.3 and no clip, by which few rows decide"
_TEXT = "AWAC A.3: 0.3 on manipulation"
_HAND_SOURCES = {
    "awac.temperature": _AWAC,
    "awac.advantage_clip": _AWAC,
    "awac.v_estimator": _AWAC,
    "awac-z.temperature": _TEXT,
    "awac-z.advantage_clip": "Z(s) normalises unclipped advantages",
    "awac-z.v_estimator": "AWAC eq. 9",
    "abm.temperature": _TEXT,
    "mpo.temperature": _TEXT,
    "online_steps": "AWAC Table 1",
    "rlpd.backup_entropy": "RLPD's README for these tasks",
    "iql.inverse_temperature": "implicit_q_learning's configs/kitchen_config.py, which is of the hands too",
    "xql.inverse_temperature": "XQL's configs, as IQL's on the hands",
    "rebrac.actor_bc_weight": "ReBRAC's configs for cloned data",
    "rebrac.critic_bc_weight": "ReBRAC's configs for cloned data",
    "bear-loose.eps_online": "where the sweep of AWAC's own scripts on pen ends; it has no other hand task",
}
# found by the procedure in benchmarks/profile.md
_QUICK = {"rollouts": 100}

# ReBRAC's penalties on cloned data: of the policy's loss and of the target
_REBRAC = {"pen": (0.05, 0.5), "door": (0.01, 0.1), "relocate": (0.1, 0.01), "hammer": (0.1, 0.5)}


def _hand(name: str, settings: Mapping[str, Any] | None = None, **facts: Any) -> Task:
    """One hand task; its expert and D4RL's data of it are called `name` too."""
    penalties = dict(zip(("rebrac.actor_bc_weight", "rebrac.critic_bc_weight"), _REBRAC[name], strict=True))
    beta = {key: _HAND_SETTINGS[key] for key in ("iql.inverse_temperature", "xql.inverse_temperature")}
    shared: dict[str, Any] = {
        "id": f"{name}-binary-v0",
        "obs_dim": adroit.OBS_DIM[name],
        "horizon": 200,  # AWAC's launcher runs all of them at 200
        "expert": name,
        "remote": {kind: f"D4RL/{name}/{kind}-v2" for kind in ("human", "cloned", "expert")},
        "settings": {**_HAND_SETTINGS, **penalties, **(settings or {})},
        "sources": _HAND_SOURCES,
        "profiles": {"quick": _QUICK},
        "presets": {
            **{key: {"awac.advantage_clip": None, "awac.v_estimator": "sample"} for key in ("corl", "d3rlpy")},
            "official": {**beta, **penalties},  # where the preset has its values for running
        },
    }
    return Task(**{**shared, **facts})


TASKS = (
    _hand(
        "pen",
        entry_point="envs.simulators.hands:PenEnv",
        summary="spin a pen in the hand to a target orientation",
        action_dim=24,
        success_rule="pen within 0.075 m of the target and axes aligned (cosine >= 0.95)",
        success=adroit.pen_success,
        anchors=(-200.0, -64.54),
        recipe=DemoRecipe(noise=1.0),
        profiles={"quick": _QUICK | {"online_steps": 10_000}},
    ),
    _hand(
        "door",
        entry_point="envs.simulators.hands:DoorEnv",
        summary="undo the latch and swing the door open",
        action_dim=28,
        success_rule="door angle > 1.4 rad",
        success=adroit.door_success,
        anchors=(-200.0, -54.61),
        recipe=DemoRecipe(lag=0.2, hold_probability=0.1),
    ),
    _hand(
        "relocate",
        entry_point="envs.simulators.hands:RelocateEnv",
        summary="grasp the ball and carry it to the target",
        action_dim=30,
        success_rule="ball within 0.1 m of the target",
        success=adroit.relocate_success,
        anchors=(-200.0, -48.27),
        recipe=DemoRecipe(lag=0.15, hold_probability=0.05),
        settings={"online_steps": 4_000_000},
        profiles={"quick": _QUICK, "standard": {"online_steps": 200_000}},
    ),
    _hand(
        "hammer",
        entry_point="envs.simulators.hands:HammerEnv",
        summary="pick up the hammer and drive the nail in",
        action_dim=26,
        success_rule="nail within 0.01 m of fully driven",
        success=adroit.hammer_success,
        anchors=(-200.0, -39.95),
        recipe=DemoRecipe(lag=0.3, hold_probability=0.05),
    ),
)
