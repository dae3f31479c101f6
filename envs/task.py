"""Tasks: everything the suite must know about one, and the recipes of datasets made here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from envs.errors import SimulatorError

__all__ = [
    "DEFAULT",
    "AnyRecipe",
    "DemoRecipe",
    "GivenData",
    "Goal",
    "MazeRecipe",
    "MixRecipe",
    "NavigateRecipe",
    "NoiseRecipe",
    "PlayRecipe",
    "Recipe",
    "Task",
    "minus_distance",
]

_Columns: TypeAlias = dict[str, Any]

DEFAULT = "default"  # name of every task's first recipe


@dataclass(frozen=True)
class Recipe:
    """Recipe of a dataset: demonstrations by an expert, then rollouts of their clone.

    The expert is sampled from its Gaussian for whole episodes, and the clone sees observations as they are.
    """

    demonstrator: ClassVar[str] = "an expert"

    demonstrations: int = 15  # AWAC, section 3, on locomotion
    rollouts: int = 100  # episodes of the clone, sampled from its Gaussian (AWAC, section 3, on locomotion)
    clone_hidden: tuple[int, ...] = (256, 256)  # layers of the clone; half of Table 2's, for speed
    clone_updates: int = 3000
    clone_batch: int = 256


@dataclass(frozen=True)
class DemoRecipe(Recipe):
    """Recipe as above with a hampered expert, whose successful attempts are the demonstrations.

    The demonstrator sends `sent = previous + lag * (expert - previous)` plus Gaussian noise, and with
    `hold_probability` per step repeats its last command for a random number of `hold_steps` (inclusive range). The
    hidden command makes it slow and non-Markov in the observation, and so about as hard to clone as a human:
    independent noise alone would be averaged away by cloning.
    """

    demonstrator: ClassVar[str] = "a hampered expert"

    demonstrations: int = 25  # successful ones (AWAC, section 6.1)
    rollouts: int = 500  # AWAC, section 6.1
    noise: float = 0.0  # standard deviation of the demonstrator's Gaussian, times the expert's own
    lag: float = 1.0  # share of the way to the expert's command covered per step; 1: no lag
    hold_probability: float = 0.0  # per step
    hold_steps: tuple[int, int] = (5, 29)  # inclusive
    demo_steps: int = 300  # a demonstration may be longer than the task's horizon, as human ones are
    after_success: int = 30  # a demonstration goes on this many steps after its first success


@dataclass(frozen=True)
class MixRecipe:
    """Recipe of a dataset as D4RL's of locomotion: episodes sampled from given policies, one policy after the other.

    The last episode of each policy is cut off where its share is full.
    """

    parts: tuple[tuple[str, float], ...]  # (file stem in envs/experts, or RANDOM; its share of `steps`)
    steps: int = 1_000_000  # D4RL: for random, medium and expert

    RANDOM: ClassVar[str] = ""  # actions uniform in [-1, 1]


@dataclass(frozen=True)
class NoiseRecipe:
    """Recipe of a dataset without an expert: episodes of Ornstein-Uhlenbeck noise, x += -theta x + sigma N(0, 1).

    Each action dimension has a state of its own, zero when an episode begins; what is sent is clipped to [-1, 1].
    """

    rollouts: int = 500  # episodes (AWAC, section 6.2)
    theta: float = 0.15  # AWAC, section 6.2, and rlkit's default; so sigma
    sigma: float = 0.3


@dataclass(frozen=True)
class MazeRecipe:
    """Recipe of a maze's dataset: an expert runner is steered through it, with Gaussian noise.

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
class PlayRecipe:
    """Recipe of a dataset of play: a scripted oracle moves things about along noisy plans, without regard to the task.

    The module of the task's environment has the function `play` that does so. Tasks that differ in their option
    `number` alone share it.
    """

    rollouts: int = 1000  # episodes; OGBench
    length: int = 1000  # steps of each; OGBench
    noise: float = 0.1  # of the plan, as a share of the largest step of each action; OGBench
    smoothing: float = 0.5  # width over which it is smoothed, in steps; OGBench

    @property
    def player(self) -> str:
        """Who plays, in words."""
        return "a scripted oracle at play"


@dataclass(frozen=True)
class GivenData:
    """Others' recordings, which nothing here makes: they are found or fetched by name."""

    dataset: str  # e.g. d4rl/kitchen-complete-v0


@dataclass(frozen=True)
class NavigateRecipe:
    """Recipe of a maze's dataset as OGBench's `navigate`: what moves is led from goal to goal, with Gaussian noise.

    The module of the task's environment has the function `navigate` that does so. Tasks that differ in their option
    `number` alone share it.
    """

    rollouts: int = 1000  # episodes; OGBench
    length: int = 1000  # steps of each; OGBench
    noise: float = 0.2  # standard deviation of the noise on the actions; OGBench's, of the ant
    expert: str = ""  # file stem in envs/experts of what is turned towards the goals; "": a point, which needs none
    gain: float = 1.0  # what the expert's actions are multiplied by, where the body here needs more than its own

    @property
    def player(self) -> str:
        """Who plays, in words."""
        return f"{'an expert steered' if self.expert else 'a point led'} from goal to goal"


AnyRecipe: TypeAlias = Recipe | NoiseRecipe | MixRecipe | MazeRecipe | PlayRecipe | NavigateRecipe | GivenData


def minus_distance(achieved: Any, desired: Any) -> Any:
    """Reward -|achieved - desired| over the last axis [..., G] -> [...], of numpy arrays or torch tensors."""
    return -(((achieved - desired) ** 2).sum(-1) ** 0.5)


@dataclass(frozen=True)
class Goal:
    """Entries of observations that hold what was reached and what was asked for, so that goals can be exchanged.

    Rewards are those of arriving in an observation, and reaching a goal does not end an episode.
    """

    achieved: tuple[int, ...]  # entries of an observation
    desired: tuple[int, ...]  # entries of the same meaning, in the same order
    # achieved [..., G], desired [..., G] -> reward [...], in operators that numpy arrays and torch tensors share
    reward: Callable[[Any, Any], Any] = minus_distance

    def reward_of(self, next_obs: NDArray[Any]) -> NDArray[Any]:
        """Reward of arriving in `next_obs`: [..., O] -> [...]."""
        return np.asarray(self.reward(next_obs[..., list(self.achieved)], next_obs[..., list(self.desired)]))


@dataclass(frozen=True)
class Task:
    """One task: its environment, its data, how it is scored, and the settings that papers use on it."""

    id: str  # gymnasium id, e.g. "door-binary-v0"
    summary: str
    obs_dim: int
    action_dim: int
    horizon: int  # steps after which an episode is cut off
    success_rule: str  # in words, printed by reports; "" where there is none
    # next_obs [..., O] -> success [...] (bool): the rule from the recorded observation alone. None: no episode succeeds
    # or fails, and rewards are those that the environment gave
    success: Callable[[NDArray[Any]], NDArray[np.bool_]] | None
    expert: str  # file stem in envs/experts; "": none, so no demonstrations
    recipe: AnyRecipe  # of the default dataset
    entry_point: str = ""  # "module:Class" of its environment; "" where its package registers it with gymnasium itself
    options: Mapping[str, Any] = field(default_factory=dict)  # keyword arguments of that class
    # gymnasium id -> options besides these: further environments of the class, which its data are collected in
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipes: Mapping[str, AnyRecipe] = field(default_factory=dict)  # of further ones, by the name users give them
    remote: Mapping[str, str] = field(default_factory=dict)  # short name -> Minari dataset id
    reward_range: tuple[float, float] = (-1.0, 0.0)  # per step; infinite where there is no bound
    terminates: bool = False  # whether episodes end before the horizon
    ends_at_success: bool = False  # the first success is the end of an episode, also of recorded ones that go on
    obs_parts: tuple[str, ...] = ()  # keys of recorded dictionaries, which laid end to end are the observation
    content: str = ""  # fingerprint of what users brought for it, such as a clip; runs with another are other runs
    dense: bool = False  # rewards are those that the environment gave also where there is a success rule
    # next_obs [..., O] -> reward [...], where it is not 0 on success and else -1; scores are of success all the same
    reward_rule: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    # next_obs [..., O] -> which of K subtasks are in place [..., K] (bool): rewards are how many, less K, and
    # normalised scores the share of them that was in place at any time of an episode
    subtasks: Callable[[NDArray[Any]], NDArray[np.bool_]] | None = None
    # arrays of a file by D4RL's names, and what is recorded beside them -> the same as this task has them, and what was
    # done; for states that others lay out in another way. Raises `ValueError` where they are of another task
    from_columns: Callable[[_Columns, _Columns], tuple[_Columns, _Columns, list[str]]] | None = None
    # recorded rewards [N], next_obs [N, O] of a whole dataset from elsewhere -> rewards, with a known slip of the
    # environment it was recorded in corrected where it shows; the same array where not
    fix_rewards: Callable[[NDArray[np.float32], NDArray[Any]], NDArray[np.float32]] | None = None
    discrete: bool = False  # an action is one of `action_dim` choices, a one-hot vector inside the suite
    # returns of a policy that never succeeds (random actions, without a rule) and of the shipped expert: 0 and 100
    anchors: tuple[float, float] | None = None
    d4rl_anchors: tuple[float, float] | None = None  # the same two of D4RL, for scores beside its own
    goal: Goal | None = None  # where episodes pursue goals that can be exchanged afterwards; rewards follow from it
    simulator: tuple[str, ...] = ("gymnasium-robotics", "mujoco")  # distributions that make its data what they are
    extra: str = ""  # extra of this package that installs its simulator, where a plain installation lacks it
    # settings of the papers for this task: "setting" for the protocol and the learner, "algo.setting" for one method
    settings: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)  # where values of `settings` come from, by the same keys
    # preset -> what its source sets on this task alone, keys as in `settings`
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # profile -> sizes at which this task is learned, where the profile's own are too large or too small for it
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def short_name(self) -> str:
        """Name as users write it: the id without its version, e.g. door-binary."""
        return re.sub(r"-v\d+$", "", self.id)

    @property
    def settles(self) -> bool:
        """Whether rewards say how far the task is done, and stay where it is: those of running have no bounds."""
        return all(math.isfinite(bound) for bound in self.reward_range)

    @property
    def given(self) -> str:
        """Id of others' dataset that is taken where none is named; "" where a recipe makes one."""
        return self.recipe.dataset if isinstance(self.recipe, GivenData) else ""

    @property
    def datasets(self) -> list[str]:
        """Names of the task's datasets, those that can be built here, or one given by others, first."""
        if self.given:
            return [self.given, *self.recipes, *self.remote]
        own = isinstance(self.recipe, NoiseRecipe | MixRecipe | PlayRecipe | NavigateRecipe)
        built = [DEFAULT] if self.expert or own else []
        return [*built, *self.recipes, *self.remote]

    def recipe_of(self, name: str) -> AnyRecipe:
        """Recipe of the dataset that users call by that name, `DEFAULT` or one of `recipes`."""
        return self.recipe if name == DEFAULT else self.recipes[name]

    @property
    def computes_reward(self) -> bool:
        """Whether rewards follow from observations, by the goal or the success rule, so that none need be recorded."""
        return self.goal is not None or (self.success is not None and not self.dense)

    @property
    def headline(self) -> str:
        """Name of the score by which policies are judged first."""
        if self.subtasks is not None:
            return "normalized_score"
        return "return" if self.success is None or self.dense else "success"

    def check_simulator(self) -> None:
        """Raise `SimulatorError` where a distribution that simulates the task is not installed."""
        for name in self.simulator:
            try:
                metadata.distribution(name)  # its version would be parsed from a long file
            except metadata.PackageNotFoundError:
                package = f"awac-bench[{self.extra}]" if self.extra else "awac-bench"
                raise SimulatorError(f"{self.short_name} needs {name}: pip install '{package}'") from None

    def normalized(self, returns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Place returns between the anchors, which the task must have: 0 to 100."""
        assert self.anchors is not None, self.id
        low, high = self.anchors
        return 100.0 * (returns - low) / (high - low)

    def reward(self, next_obs: NDArray[Any]) -> NDArray[np.float32]:
        """Reward of arriving in `next_obs` [..., O] by the papers' rule.

        It is the goal's, or how many subtasks are in place less their number, or the task's own, or 0 on success and
        else -1.

        Raises `ValueError` where the task has neither, so that rewards must have been recorded.
        """
        if self.goal is not None:
            return self.goal.reward_of(next_obs).astype(np.float32)
        if self.subtasks is not None:
            placed = self.subtasks(next_obs)
            return np.asarray(placed.sum(-1) - placed.shape[-1], np.float32)
        if self.success is None or self.dense:
            raise ValueError(f"{self.id} has no success rule that gives its rewards: they must have been recorded")
        if self.reward_rule is not None:
            return np.asarray(self.reward_rule(next_obs), dtype=np.float32)
        return np.asarray(self.success(next_obs), dtype=np.float32) - 1.0
