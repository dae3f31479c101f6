"""Tasks: what is learned, from which data, and when it counts as solved. One entry per task, facts only.

A task is a registered gymnasium environment plus everything the suite must know about it: shapes, horizon,
reward bounds, the success rule, where it has one, in words and as a function of a recorded observation, the recipe
of its default dataset, score anchors, and the settings the papers use on it.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from envs import adroit

__all__ = ["TASKS", "DemoRecipe", "Recipe", "Task", "UnknownTaskError", "get"]


class UnknownTaskError(ValueError):
    """No task of that name; the message gives the nearest one."""


@dataclass(frozen=True)
class Recipe:
    """How a task's default dataset is generated: demonstrations by an expert, then rollouts of their clone.

    The expert is sampled from its Gaussian for whole episodes, and the clone sees observations as they are.
    """

    demonstrator: ClassVar[str] = "an expert"

    demonstrations: int = 15  # AWAC, section 5, on locomotion
    rollouts: int = 100  # episodes of the clone, sampled from its Gaussian (AWAC, section 5, on locomotion)
    clone_hidden: tuple[int, ...] = (256, 256)  # layers of the clone; half of Table 2's, for speed
    clone_updates: int = 3000
    clone_batch: int = 256


@dataclass(frozen=True)
class DemoRecipe(Recipe):
    """The same with a hampered expert, whose successful attempts are the demonstrations.

    The demonstrator sends `sent = previous + lag * (expert - previous)` plus Gaussian noise, and with
    `hold_probability` per step repeats its last command for a random number of `hold_steps` (inclusive range). The
    hidden command makes it slow and non-Markov in the observation, and so about as hard to clone as a human:
    independent noise alone would be averaged away by cloning.
    """

    demonstrator: ClassVar[str] = "a hampered expert"

    demonstrations: int = 25  # successful ones (AWAC, section 5)
    rollouts: int = 500  # AWAC, section 5
    noise: float = 0.0  # standard deviation of the demonstrator's Gaussian, times the expert's own
    lag: float = 1.0  # share of the way to the expert's command covered per step; 1: no lag
    hold_probability: float = 0.0  # per step
    hold_steps: tuple[int, int] = (5, 29)  # inclusive
    demo_steps: int = 300  # a demonstration may be longer than the task's horizon, as human ones are
    after_success: int = 30  # a demonstration goes on this many steps after its first success


@dataclass(frozen=True)
class Task:
    """Everything the suite knows about one task."""

    id: str  # gymnasium id, e.g. "door-binary-v0"
    summary: str
    obs_dim: int
    action_dim: int
    success_rule: str  # in words, printed by reports; "" where there is none
    # next_obs [..., O] -> success [...] (bool): the paper's rule from the recorded observation alone. None: no episode
    # succeeds or fails, scores are returns, and rewards are those that the environment gave
    success: Callable[[NDArray[Any]], NDArray[np.bool_]] | None
    expert: str  # file stem in envs/experts
    recipe: Recipe
    remote: Mapping[str, str] = field(default_factory=dict)  # short name -> Minari dataset id
    horizon: int = 200  # steps; the released launcher forces 200 on all hand tasks
    reward_range: tuple[float, float] = (-1.0, 0.0)  # per step; infinite where there is no bound
    terminates: bool = False  # whether episodes end before the horizon
    # returns of a policy that never succeeds (random actions, without a rule) and of the shipped expert: 0 and 100
    anchors: tuple[float, float] | None = None
    simulator: tuple[str, ...] = ("gymnasium-robotics", "mujoco")  # distributions that make its data what they are
    # settings of the papers for this task: "setting" for the protocol and the learner, "algo.setting" for one method
    settings: Mapping[str, Any] = field(default_factory=dict)
    # profile -> sizes at which this task is learned, where the profile's own are too large or too small for it
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def short_name(self) -> str:
        """As users write it: the id without its version, e.g. door-binary."""
        return re.sub(r"-v\d+$", "", self.id)

    @property
    def headline(self) -> str:
        """The score by which its policies are judged first."""
        return "return" if self.success is None else "success"

    def reward(self, next_obs: NDArray[Any]) -> NDArray[np.float32]:
        """The paper's reward of arriving in `next_obs` [..., O]: 0 on success, else -1.

        Raises `ValueError` where the task has no rule, so that rewards must have been recorded.
        """
        if self.success is None:
            raise ValueError(f"{self.id} has no success rule: its rewards do not follow from an observation")
        return np.asarray(self.success(next_obs), dtype=np.float32) - 1.0


# AWAC A.4: temperature .3 on manipulation; Table 1: environment steps of fine-tuning (hammer is not in it); RLPD's
# README for the same tasks
_HAND_SETTINGS = {
    "awac.temperature": 0.3, "abm.temperature": 0.3, "mpo.temperature": 0.3,
    "online_steps": 800_000, "rlpd.backup_entropy": False,
}  # fmt: skip

# Found by trial: small networks learn pen and door within minutes on a CPU, and fail on relocate.
_SMALL = {"hidden": (128, 128), "policy_lr": 5e-4, "critic_lr": 5e-4}

# AWAC A.4: temperature 1 on MuJoCo; section 5: 15 demonstrations, 100 rollouts. The paper's text does not say how long
# Figure 5's runs are: AWAC's MuJoCo script trains 500 epochs of 1000 steps.
_LOCOMOTION_SETTINGS = {
    "awac.temperature": 1.0, "abm.temperature": 1.0, "mpo.temperature": 1.0,
    "online_steps": 500_000, "demonstrations": 15, "rollouts": 100,
}  # fmt: skip

_LOCOMOTION: dict[str, Any] = {
    "success_rule": "",
    "success": None,
    "horizon": 1000,
    "reward_range": (-math.inf, math.inf),
    "simulator": ("gymnasium", "mujoco"),
    "settings": _LOCOMOTION_SETTINGS,
    "profiles": {
        # one environment per seed: an evaluation plays its episodes one after the other
        "quick": _SMALL | {"online_steps": 10_000, "eval_episodes": 5},
        "smoke": {"eval_episodes": 1},
    },
}

TASKS: dict[str, Task] = {
    task.id: task
    for task in (
        Task(
            id="pen-binary-v0",
            summary="spin a pen in the hand to a target orientation",
            obs_dim=45,
            action_dim=24,
            success_rule="pen within 0.075 m of the target and axes aligned (cosine >= 0.95)",
            success=adroit.pen_success,
            expert="pen",
            anchors=(-200.0, -64.54),
            recipe=DemoRecipe(noise=1.0),
            remote={k: f"D4RL/pen/{k}-v2" for k in ("human", "cloned", "expert")},
            settings=_HAND_SETTINGS,
            profiles={"quick": _SMALL | {"online_steps": 10_000}},
        ),
        Task(
            id="door-binary-v0",
            summary="undo the latch and swing the door open",
            obs_dim=39,
            action_dim=28,
            success_rule="door angle > 1.4 rad",
            success=adroit.door_success,
            expert="door",
            anchors=(-200.0, -54.61),
            recipe=DemoRecipe(lag=0.2, hold_probability=0.1),
            remote={k: f"D4RL/door/{k}-v2" for k in ("human", "cloned", "expert")},
            settings=_HAND_SETTINGS,
            profiles={"quick": _SMALL},
        ),
        Task(
            id="relocate-binary-v0",
            summary="grasp the ball and carry it to the target",
            obs_dim=39,
            action_dim=30,
            success_rule="ball within 0.1 m of the target",
            success=adroit.relocate_success,
            expert="relocate",
            anchors=(-200.0, -48.27),
            recipe=DemoRecipe(lag=0.15, hold_probability=0.05),
            remote={k: f"D4RL/relocate/{k}-v2" for k in ("human", "cloned", "expert")},
            settings=_HAND_SETTINGS | {"online_steps": 4_000_000},
            profiles={"quick": {"batch_size": 128}},
        ),
        Task(
            id="hammer-binary-v0",
            summary="pick up the hammer and drive the nail in",
            obs_dim=46,
            action_dim=26,
            success_rule="nail within 0.01 m of fully driven",
            success=adroit.hammer_success,
            expert="hammer",
            anchors=(-200.0, -39.95),
            recipe=DemoRecipe(lag=0.3, hold_probability=0.05),
            remote={k: f"D4RL/hammer/{k}-v2" for k in ("human", "cloned", "expert")},
            settings=_HAND_SETTINGS,
        ),
        Task(
            id="point-reach-v0",
            summary="push a point to a goal and stop there: seconds, to try a method on",
            obs_dim=6,
            action_dim=2,
            success_rule="",
            success=None,
            expert="point",
            anchors=(-109.53, -13.77),
            recipe=Recipe(clone_hidden=(64, 64), clone_updates=100),
            horizon=100,
            reward_range=(-math.sqrt(8), 0.0),
            simulator=("gymnasium",),
            settings={"online_steps": 100_000, "demonstrations": 15, "rollouts": 100},
            profiles={
                "quick": {
                    "hidden": (64, 64),
                    "batch_size": 128,
                    "policy_lr": 1e-3,
                    "critic_lr": 1e-3,
                    "offline_updates": 2000,
                    "online_steps": 6000,
                    "eval_every_offline": 1000,
                    "eval_every_online": 2000,
                },
            },
        ),
        Task(
            id="halfcheetah-v5",
            summary="run forward on two legs in the plane",
            obs_dim=17,
            action_dim=6,
            expert="halfcheetah",
            anchors=(-267.71, 8622.42),  # D4RL: -280.18, 12135
            recipe=Recipe(clone_updates=10_000),
            remote={k: f"mujoco/halfcheetah/{k}-v0" for k in ("simple", "medium", "expert")},
            **_LOCOMOTION,
        ),
        Task(
            id="walker2d-v5",
            summary="walk on two legs in the plane without falling",
            obs_dim=17,
            action_dim=6,
            expert="walker2d",
            anchors=(1.93, 5972.15),  # D4RL: 1.63, 4592.3
            recipe=Recipe(clone_updates=10_000),
            remote={k: f"mujoco/walker2d/{k}-v0" for k in ("simple", "medium", "expert")},
            terminates=True,
            **_LOCOMOTION,
        ),
        Task(
            id="hopper-v5",
            summary="hop on one leg in the plane without falling",
            obs_dim=11,
            action_dim=3,
            expert="hopper",
            anchors=(17.04, 3639.51),  # D4RL: -20.27, 3234.3, the lower not reproduced by random actions
            recipe=Recipe(clone_updates=3000),
            remote={k: f"mujoco/hopper/{k}-v0" for k in ("simple", "medium", "expert")},
            terminates=True,
            **_LOCOMOTION,
        ),
        Task(
            id="ant-v5",
            summary="run on four legs without turning over",
            obs_dim=27,  # no contact forces; Minari's `mujoco/ant` datasets have them
            action_dim=8,
            expert="ant",
            anchors=(-47.46, 5338.18),  # D4RL: -325.6, 3879.7, the lower not reproduced by random actions
            recipe=Recipe(clone_updates=500),
            terminates=True,
            **_LOCOMOTION,
        ),
    )
}


def get(name: str) -> Task:
    """The task called `name`, with or without its version suffix."""
    for task in TASKS.values():
        if name in (task.id, task.short_name):
            return task
    known = [t.short_name for t in TASKS.values()]
    close = difflib.get_close_matches(re.sub(r"-v\d+$", "", name), known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
    raise UnknownTaskError(f"unknown task {name!r}; {hint}")
