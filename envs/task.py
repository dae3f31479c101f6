"""What a task is: everything the suite must know about it, and how its default dataset is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["DemoRecipe", "MazeRecipe", "Recipe", "Task"]


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
class MazeRecipe:
    """How a maze's default dataset is generated: an expert runner is steered through it, with Gaussian noise.

    The demonstrations go from the task's starts to its goals, the rollouts from anywhere to anywhere, as D4RL's "play"
    and "diverse" data do.
    """

    demonstrator: ClassVar[str] = "an expert steered from waypoint to waypoint"

    maze: str  # name of its map
    anywhere: str  # gymnasium id of the same maze with starts and goals anywhere
    demonstrations: int = 25
    rollouts: int = 300
    noise: float = 0.2  # standard deviation of the noise on the rollouts' actions; D4RL's
    demo_noise: float = 0.0


@dataclass(frozen=True)
class Task:
    """Everything the suite knows about one task."""

    id: str  # gymnasium id, e.g. "door-binary-v0"
    summary: str
    obs_dim: int
    action_dim: int
    success_rule: str  # in words, printed by reports; "" where there is none
    # next_obs [..., O] -> success [...] (bool): the rule from the recorded observation alone. None: no episode succeeds
    # or fails, and rewards are those that the environment gave
    success: Callable[[NDArray[Any]], NDArray[np.bool_]] | None
    expert: str  # file stem in envs/experts
    recipe: Recipe | MazeRecipe
    remote: Mapping[str, str] = field(default_factory=dict)  # short name -> Minari dataset id
    horizon: int = 200  # steps; the released launcher forces 200 on all hand tasks
    reward_range: tuple[float, float] = (-1.0, 0.0)  # per step; infinite where there is no bound
    terminates: bool = False  # whether episodes end before the horizon
    ends_at_success: bool = False  # the first success is the end of an episode, also of recorded ones that go on
    obs_parts: tuple[str, ...] = ()  # keys of recorded dictionaries, which laid end to end are the observation
    dense: bool = False  # rewards are those that the environment gave also where there is a success rule
    # recorded rewards [N], next_obs [N, O] of a whole dataset from elsewhere -> rewards, with a known slip of the
    # environment it was recorded in put right where it shows; the same array where not
    mend: Callable[[NDArray[np.float32], NDArray[Any]], NDArray[np.float32]] | None = None
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
    def binary(self) -> bool:
        """Whether rewards follow from success, 0 or -1, so that they need not be recorded."""
        return self.success is not None and not self.dense

    @property
    def headline(self) -> str:
        """The score by which its policies are judged first."""
        return "success" if self.binary else "return"

    def reward(self, next_obs: NDArray[Any]) -> NDArray[np.float32]:
        """The reward of arriving in `next_obs` [..., O] in a binary task: 0 on success, else -1.

        Raises `ValueError` for any other, whose rewards must have been recorded.
        """
        if self.success is None or self.dense:
            raise ValueError(f"{self.id} has no success rule that gives its rewards: they must have been recorded")
        return np.asarray(self.success(next_obs), dtype=np.float32) - 1.0
