"""Imitation of motion by a humanoid (DeepMimic; AWR Table 2), dense rewards: a task for each clip."""

from __future__ import annotations

from envs.task import Recipe, Task

__all__ = ["PREFIX", "TASKS", "task_of"]

PREFIX = "humanoid-imitate-"
HORIZON = 600  # DeepMimic's 20 s at 30 Hz


def task_of(motion: str, summary: str = "", anchors: tuple[float, float] | None = None) -> Task:
    """The task of following the clip called `motion`."""
    return Task(
        id=f"{PREFIX}{motion}-v0",
        summary=summary or f"follow the clip {motion} with a humanoid, without falling",
        obs_dim=227,
        action_dim=28,
        horizon=HORIZON,
        entry_point="envs.simulators.imitate:HumanoidImitateEnv",
        options={"motion": motion},
        success_rule="",
        success=None,
        expert="",  # no policy follows a clip before it is trained: methods from scratch, or data of one's own
        recipe=Recipe(),
        anchors=anchors,
        reward_range=(0.0, 1.0),
        terminates=True,
        simulator=("mujoco",),
        settings={"discount": 0.95, "online_steps": 5_000_000, "demonstrations": 15, "rollouts": 100},
        sources={
            "discount": "DeepMimic's ct_agent_humanoid_ppo.txt",
            "online_steps": "ours: DeepMimic's policies take about 60 million",
        },
        presets={"official": {"awr.policy_std": 0.05}},
        profiles={"quick": {"eval_episodes": 5}, "smoke": {"eval_episodes": 1}},
    )


TASKS = (
    task_of(
        "walk",
        summary="walk as a written gait does, without falling",
        # of random actions, and the largest there can be: every step in the clip's own state
        anchors=(2.06, float(HORIZON)),
    ),
)
