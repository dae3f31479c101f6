"""Franka Kitchen of D4RL (Fu et al. 2020): an arm does four things in a kitchen, taught by people who did others."""

from __future__ import annotations

from typing import Any

from envs.rules import kitchen
from envs.task import GivenData, Task

__all__ = ["TASKS"]

_SLIDE = ("microwave", "kettle", "light switch", "slide cabinet")
_BURNER = ("microwave", "kettle", "bottom burner", "light switch")

_WSRL = "WSRL's experiments/configs/train_config.py"

# The numbers that others use on these data, all on rewards of 4 less, as here
_SETTINGS = {
    "iql.expectile": 0.7,
    "iql.inverse_temperature": 0.5,
    "cql.conservative_weight": 5.0,
    "cal-ql.conservative_weight": 5.0,
    "wsrl.conservative_weight": 5.0,
}


def _kitchen(name: str, subtasks: tuple[str, ...], summary: str) -> Task:
    """One of D4RL's three, which two environments share."""
    facts: dict[str, Any] = kitchen.of(subtasks)
    return Task(
        id=f"kitchen-{name}-v0",
        summary=summary,
        obs_dim=kitchen.OBS_DIM,
        action_dim=kitchen.ARM,
        horizon=280,  # D4RL
        entry_point="envs.simulators.kitchen:KitchenEnv",
        options={"subtasks": subtasks},
        success_rule=f"{', '.join(subtasks[:-1])} and {subtasks[-1]} in place at once",
        expert="",
        recipe=GivenData(f"d4rl/kitchen-{name}-v0"),
        reward_range=(-float(len(subtasks)), 0.0),
        terminates=True,
        ends_at_success=True,
        d4rl_anchors=(0.0, float(len(subtasks))),
        settings={**_SETTINGS, "online_steps": 500_000},
        sources={**dict.fromkeys(_SETTINGS, _WSRL), "online_steps": "WSRL's finetune.py"},
        profiles={"quick": {"eval_episodes": 10}, "smoke": {"eval_episodes": 1}},
        **facts,
    )


TASKS = (
    _kitchen("complete", _SLIDE, "an arm does four things in a kitchen, shown by people in full"),
    _kitchen("partial", _SLIDE, "an arm does four things in a kitchen, shown by people in full or in part"),
    _kitchen("mixed", _BURNER, "an arm does four things in a kitchen, never shown together"),
)
