"""Recorded episodes run again in the environment, and what comes out of it beside what was recorded.

A difference means something only beside what rounding explains. Whole episodes amplify any difference with time: how
fast is measured by a twin of the episode with slightly disturbed actions, and `MARGIN` times the most that it has come
away so far is allowed. Transitions by themselves are in `envs.verify.single_steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit
from numpy.typing import NDArray

from envs import plugins
from envs.data.episodes import Episode
from envs.discrete import boxed
from envs.task import Task

__all__ = [
    "MARGIN",
    "Part",
    "Played",
    "Progress",
    "Rerun",
    "Start",
    "begins",
    "entry_spread",
    "from_first",
    "from_seed",
    "joined",
    "motion_ratio",
    "near",
    "simulator",
    "whole",
]

Array: TypeAlias = NDArray[Any]
Start: TypeAlias = Callable[[Any, Episode], Array]
Progress: TypeAlias = Callable[[str], None]

MARGIN = 10.0  # on default locomotion data, errors were at most 13 times the effect of 3 probes, and that below `near`
DISTURBANCE = 1e-3  # of the twin's actions: more than simulator versions differ by in one step
GROSS = 0.5  # of an entry's standard deviation: no contact explains such a difference


@dataclass(frozen=True)
class Rerun:
    """Transitions of a dataset, N of them, beside what the environment makes of them."""

    episode: NDArray[np.int64]  # [N] number in the dataset
    step: NDArray[np.int64]  # [N]
    error: Array  # [N] largest difference of an entry of the next observation
    tolerance: Array  # [N] explained by rounding, or by the growth of small differences
    gross: NDArray[np.bool_]  # [N] an entry is off by a good part of its spread
    # [N] the difference over the motion, by norms in units of the spread; the motion is that of the transition, or in
    # whole episodes that since their start
    ratio: Array
    reward: Array  # [N] as the environment gives it
    reward_tolerance: Array  # [N]
    terminated: NDArray[np.bool_]  # [N] by the environment
    terms: Mapping[str, Array]  # name -> [N]; they add up to `reward`. Empty where the environment does not say
    exact: NDArray[np.bool_]  # [N] the next observation is equal in single precision
    alone: bool  # each transition started from its recorded state, not from where the one before led

    @property
    def agrees(self) -> NDArray[np.bool_]:
        """Whether a transition [N] came out as recorded."""
        return np.asarray(self.exact | (self.error <= self.tolerance))

    @property
    def sure(self) -> NDArray[np.bool_]:
        """Whether reward and end of a transition [N] can be compared: it came from the recorded state."""
        return self.agrees if self.alone else self.exact

    @property
    def last(self) -> NDArray[np.bool_]:
        """Whether a transition [N] is the last of its episode."""
        return np.append(self.episode[1:] != self.episode[:-1], True)

    @property
    def episodes(self) -> int:
        return len(np.unique(self.episode))


def simulator(task: Task) -> Any:
    """Make the task's environment, reset once, without a time limit, which would end long demonstrations.

    What the task itself wraps around it stays. Choices it takes as episodes hold them, as vectors.
    """
    env = plugins.make(task.id, disable_env_checker=True)
    while isinstance(env, (TimeLimit, OrderEnforcing, PassiveEnvChecker)):  # what gymnasium wraps around all
        env = env.env
    env = boxed(env)
    env.reset(seed=0)
    return env


# whole episodes


def from_seed(env: Any, episode: Episode) -> Array:
    """Start as recorded by its reset seed; the first observation [O]."""
    return np.asarray(env.reset(seed=episode.seed)[0])


def from_first(env: Any, episode: Episode) -> Array:
    """Start where a reset would, with the goal read from the first observation."""
    env.reset(seed=0)
    env.begin(episode.obs[0].astype(np.float64), {})
    return np.asarray(env._get_obs())


def begins(env: Any, episode: Episode) -> bool:
    """Whether the episode starts as a reset would, its goal apart, so that it can be run `from_first`."""
    if not hasattr(env, "_place_goal"):  # its first observation is no more than any other
        return False
    return bool(np.abs(from_first(env, episode) - episode.obs[0]).max() <= 10 * near(episode.obs[:1])[0])


def whole(
    env: Any, episodes: Mapping[int, Episode], start: Start, progress: Progress | None = None, skip: int = 0
) -> Rerun:
    """Run episodes open loop from their start, without their first `skip` actions."""
    parts = []
    for done, (number, episode) in enumerate(episodes.items()):
        action = episode.action[skip:]
        first = start(env, episode)
        played = _play(env, action)
        target = episode.obs[1 : len(action) + 1]
        exact = (played.next_obs == target).all(axis=1) & bool((first.astype(np.float32) == episode.obs[0]).all())
        tolerance = near(target)
        if not exact.all():
            tolerance = tolerance + MARGIN * _growth(env, episode, start, action, played.next_obs)
        moved = target - episode.obs[0]
        parts.append(Part(number, played, target, moved, tolerance, exact))
        if progress is not None and (done + 1) % 20 == 0:
            progress(f"whole episodes {done + 1}/{len(episodes)}")
    return joined(parts, episodes.values(), alone=False)


def _growth(env: Any, episode: Episode, start: Start, action: Array, next_obs: Array) -> Array:
    """Distance [T] that a twin with slightly disturbed actions has come at most from next_obs [T, O].

    The twin of an episode of choices is its equal: they have no small disturbance.
    """
    noise = DISTURBANCE * np.random.default_rng(0).standard_normal(action.shape)
    start(env, episode)
    twin = _play(env, np.clip(action + noise, -1, 1).astype(np.float32))
    return np.asarray(np.maximum.accumulate(np.abs(twin.next_obs - next_obs).max(axis=1)))


# rows


@dataclass(frozen=True)
class Played:
    """Results of one episode's actions in the environment, in single precision as datasets hold them."""

    next_obs: NDArray[np.float32]  # [T, O]
    reward: Array  # [T]
    terminated: NDArray[np.bool_]  # [T]
    terms: dict[str, Array]

    @classmethod
    def empty(cls, steps: int, width: int) -> Played:
        return cls(np.zeros((steps, width), np.float32), np.zeros(steps), np.zeros(steps, np.bool_), {})

    def take(self, t: int, step: tuple[Any, ...]) -> None:
        self.next_obs[t], self.reward[t], self.terminated[t], _, info = step
        for name, value in info.items():
            if name.startswith("reward_"):
                self.terms.setdefault(name, np.zeros(len(self.reward)))[t] = value


def _play(env: Any, action: Array) -> Played:
    """Step the environment by actions [T, A]; a termination does not stop them."""
    played = Played.empty(len(action), env.observation_space.shape[0])
    for t, a in enumerate(action):
        played.take(t, env.step(a))
    return played


def near(obs: Array) -> Array:
    """Difference in observations [..., O] that is not worth a second look: some hundred units in the last place."""
    return np.asarray(1e-5 + 1e-5 * np.abs(obs).max(axis=-1).astype(np.float64))


class Part(NamedTuple):
    """Recorded rows of one episode beside those that were played."""

    number: int
    played: Played
    target: Array  # [T, O] recorded next observations
    moved: Array  # [T, O]
    tolerance: Array  # [T]
    exact: NDArray[np.bool_]  # [T]


def entry_spread(episodes: Iterable[Episode]) -> Array:
    """Standard deviation [O] of the entries of observations, never quite zero."""
    return np.asarray(np.concatenate([e.obs for e in episodes]).std(axis=0) + 1e-3)


def motion_ratio(off: Array, moved: Array, spread: Array) -> Array:
    """Norm of off [..., O] over that of moved [..., O], both in units of the spread [O]."""
    return np.asarray(np.linalg.norm(off / spread, axis=-1) / (np.linalg.norm(moved / spread, axis=-1) + 1e-6))


def joined(parts: Sequence[Part], episodes: Iterable[Episode], alone: bool) -> Rerun:
    """Join the rows of several episodes, with tolerances for rounding alone."""
    spread = entry_spread(episodes)
    off = np.concatenate([np.abs(p.played.next_obs - p.target) for p in parts])
    reward = np.concatenate([p.played.reward for p in parts])
    names = set.intersection(*(set(p.played.terms) for p in parts))
    terms = {n: np.concatenate([p.played.terms[n] for p in parts]) for n in sorted(names)}
    complete = bool(terms) and np.allclose(sum(terms.values()), reward, rtol=1e-6, atol=1e-6)
    return Rerun(
        episode=np.concatenate([np.full(len(p.target), p.number) for p in parts]),
        step=np.concatenate([np.arange(len(p.target)) for p in parts]),
        error=off.max(axis=1).astype(np.float64),
        tolerance=np.concatenate([p.tolerance for p in parts]),
        gross=np.any(off > GROSS * spread, axis=1),
        ratio=motion_ratio(off, np.concatenate([p.moved for p in parts]), spread),
        reward=reward,
        reward_tolerance=1e-5 + 1e-6 * np.abs(reward),
        terminated=np.concatenate([p.played.terminated for p in parts]),
        terms=terms if complete else {},
        exact=np.concatenate([p.exact for p in parts]),
        alone=alone,
    )
