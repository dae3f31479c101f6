"""Recorded episodes run again in the environment: as a whole from their start, or one transition at a time.

A difference means something only beside what rounding explains. Observations are stored in single precision, so a
state restored from one is off by up to half a unit in its last place, and contacts amplify that. Where a transition
comes out further off than `_near`, it is repeated from states moved by that much in random directions, and `MARGIN`
times the largest effect is allowed. Whole episodes amplify any difference with time: how fast is measured by a twin of
the episode with slightly disturbed actions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import gymnasium
import numpy as np
from numpy.typing import NDArray

from envs.episodes import Episode
from envs.restore import Restorable
from envs.task import Task

__all__ = ["Rerun", "SingleSteps", "Start", "begins", "from_first", "from_seed", "incomplete", "simulator", "whole"]

Array: TypeAlias = NDArray[Any]
Start: TypeAlias = Callable[[Any, Episode], Array]
Progress: TypeAlias = Callable[[str], None]

MARGIN = 10.0  # times the largest effect of the probes; on default data 13 times that of 3 probes was the most seen
PROBES = 8  # repetitions of a suspicious transition
PROBED = 50  # suspicious transitions that are repeated; the rest get the 0.9 quantile of these tolerances
DISTURBANCE = 1e-3  # of the twin's actions: more than simulator versions differ by in one step
GROSS = 0.5  # of an entry's standard deviation: no contact explains such a difference


@dataclass(frozen=True)
class Rerun:
    """N transitions of a dataset beside what the environment makes of them."""

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
    """The task's environment, reset once, without wrappers: a time limit must not end long demonstrations."""
    env = gymnasium.make(task.id, disable_env_checker=True).unwrapped
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
    return bool(np.abs(from_first(env, episode) - episode.obs[0]).max() <= 10 * _near(episode.obs[:1])[0])


def whole(
    env: Any, episodes: Mapping[int, Episode], start: Start, progress: Progress | None = None, skip: int = 0
) -> Rerun:
    """Episodes open loop from their start, without their first `skip` actions."""
    parts = []
    for done, (number, episode) in enumerate(episodes.items()):
        action = episode.action[skip:]
        first = start(env, episode)
        played = _play(env, action)
        target = episode.obs[1 : len(action) + 1]
        exact = (played.next_obs == target).all(axis=1) & bool((first.astype(np.float32) == episode.obs[0]).all())
        tolerance = _near(target)
        if not exact.all():
            tolerance = tolerance + MARGIN * _growth(env, episode, start, action, played.next_obs)
        moved = target - episode.obs[0]
        parts.append(_Part(number, played, target, moved, tolerance, exact))
        if progress is not None and (done + 1) % 20 == 0:
            progress(f"whole episodes {done + 1}/{len(episodes)}")
    return _joined(parts, episodes.values(), alone=False)


def _growth(env: Any, episode: Episode, start: Start, action: Array, next_obs: Array) -> Array:
    """How far [T] a twin with slightly disturbed actions has come at most from next_obs [T, O]."""
    noise = DISTURBANCE * np.random.default_rng(0).standard_normal(action.shape)
    start(env, episode)
    twin = _play(env, np.clip(action + noise, -1, 1).astype(np.float32))
    return np.asarray(np.maximum.accumulate(np.abs(twin.next_obs - next_obs).max(axis=1)))


# one transition at a time


def incomplete(env: Any, episode: Episode) -> str:
    """Why no transition of this episode can be repeated by itself; "" when it can."""
    if not isinstance(env, Restorable):
        return "this environment cannot be put into a recorded state"
    return env.missing(episode.obs[0].astype(np.float64), _states(episode)(0))


class SingleSteps:
    """Transitions repeated from their recorded state, in one environment."""

    def __init__(self, env: Any) -> None:
        self.env, self.rng = env, np.random.default_rng(0)

    def run(self, episodes: Mapping[int, Episode], progress: Progress | None = None) -> Rerun:
        """Every transition of the episodes."""
        parts = []
        for done, (number, episode) in enumerate(episodes.items()):
            played = self._chain(episode)
            target = episode.obs[1:]
            exact = (played.next_obs == target).all(axis=1)
            moved = target - episode.obs[:-1]
            parts.append(_Part(number, played, target, moved, _near(target), exact))
            if progress is not None and (done + 1) % 20 == 0:
                progress(f"single transitions of episode {done + 1}/{len(episodes)}")
        rows = _joined(parts, episodes.values(), alone=True)
        recorded = np.concatenate([_reward(e) for e in episodes.values()])
        self._widen(rows, episodes, recorded)
        return rows

    def ends(self, episodes: Mapping[int, Episode]) -> dict[int, bool]:
        """Whether the environment terminates in the last transition of each episode."""
        out = {}
        for number, episode in episodes.items():
            self._prepare(episode, len(episode.action) - 1)
            out[number] = bool(self.env.step(episode.action[-1])[2])
        return out

    def lag(self, episodes: Mapping[int, Episode], lags: Sequence[int], rows: int = 200) -> dict[int, float]:
        """Median `Rerun.ratio` with the action `lag` rows later in place of the row's own, over about `rows` rows."""
        spread, reach = _spread(episodes.values()), max(map(abs, lags))
        ratios: dict[int, list[float]] = {lag: [] for lag in lags}
        stride = max(1, sum(len(e.action) for e in episodes.values()) // rows)
        for episode in episodes.values():
            states = _states(episode)
            for t in range(reach, len(episode.action) - reach, stride):
                obs, target = episode.obs[t].astype(np.float64), episode.obs[t + 1]
                if self.env.missing(obs, states(t)):
                    continue
                for lag in lags:
                    self.env.begin(obs, states(t))
                    found = self.env.step(episode.action[t + lag])[0]
                    ratios[lag].append(float(_ratio(found - target, target - obs, spread)))
        return {lag: float(np.median(found)) if found else math.inf for lag, found in ratios.items()}

    def _chain(self, episode: Episode) -> _Played:
        """All transitions; each starts from the recorded row, and where that says nothing, from the last step."""
        states = _states(episode)
        played = _Played.empty(len(episode.action), episode.obs.shape[1])
        for t, action in enumerate(episode.action):
            (self.env.restore if t else self.env.begin)(episode.obs[t].astype(np.float64), states(t))
            played.take(t, self.env.step(action))
        return played

    def _prepare(self, episode: Episode, t: int, nudge: bool = False) -> None:
        """Put the environment before transition t, one step being made to get there, moved by rounding if `nudge`."""
        states, move = _states(episode), self._moved if nudge else lambda x: x
        if t:
            self.env.begin(episode.obs[t - 1].astype(np.float64), states(t - 1))
            self.env.step(episode.action[t - 1])
        obs = move(episode.obs[t]).astype(np.float64)
        (self.env.restore if t else self.env.begin)(obs, {k: move(v) for k, v in states(t).items()})

    def _moved(self, x: Array) -> Array:
        """x by half a unit in its last place, up or down, in the precision it was recorded in."""
        single = np.asarray(x, np.float32)
        unit = np.spacing(np.abs(single if np.array_equal(single, x) else x)).astype(np.float64)
        return np.asarray(x + 0.5 * unit * self.rng.choice((-1.0, 1.0), np.shape(x)))

    def _widen(self, rows: Rerun, episodes: Mapping[int, Episode], recorded: Array) -> None:
        """Tolerances of suspicious transitions, in place."""
        suspicious = np.flatnonzero(~rows.agrees | (np.abs(rows.reward - recorded) > rows.reward_tolerance))
        probed = suspicious[:: max(1, -(-len(suspicious) // PROBED))]
        for i in probed:
            effect, reward_effect = self._effect(episodes[int(rows.episode[i])], int(rows.step[i]))
            rows.tolerance[i] += MARGIN * effect
            rows.reward_tolerance[i] += MARGIN * reward_effect
        rest = np.setdiff1d(suspicious, probed)
        if len(rest):
            rows.tolerance[rest] = np.quantile(rows.tolerance[probed], 0.9)
            rows.reward_tolerance[rest] = np.quantile(rows.reward_tolerance[probed], 0.9)

    def _effect(self, episode: Episode, t: int) -> tuple[float, float]:
        """The most that rounding of the state changes the next observation and the reward of transition t."""
        self._prepare(episode, t)
        obs, reward, *_ = self.env.step(episode.action[t])
        effect = reward_effect = 0.0
        for _ in range(PROBES):
            self._prepare(episode, t, nudge=True)
            other, other_reward, *_ = self.env.step(episode.action[t])
            effect = max(effect, float(np.abs(other - obs).max()))
            reward_effect = max(reward_effect, abs(float(other_reward - reward)))
        return effect, reward_effect


# rows


@dataclass(frozen=True)
class _Played:
    """What the environment made of the actions of one episode, in single precision as datasets hold it."""

    next_obs: NDArray[np.float32]  # [T, O]
    reward: Array  # [T]
    terminated: NDArray[np.bool_]  # [T]
    terms: dict[str, Array]

    @classmethod
    def empty(cls, steps: int, width: int) -> _Played:
        return cls(np.zeros((steps, width), np.float32), np.zeros(steps), np.zeros(steps, np.bool_), {})

    def take(self, t: int, step: tuple[Any, ...]) -> None:
        self.next_obs[t], self.reward[t], self.terminated[t], _, info = step
        for name, value in info.items():
            if name.startswith("reward_"):
                self.terms.setdefault(name, np.zeros(len(self.reward)))[t] = value


def _play(env: Any, action: Array) -> _Played:
    """Actions [T, A] open loop; a termination does not stop them."""
    played = _Played.empty(len(action), env.observation_space.shape[0])
    for t, a in enumerate(action):
        played.take(t, env.step(a))
    return played


def _near(obs: Array) -> Array:
    """What is not worth a second look in observations [..., O]: some hundred units in the last place."""
    return np.asarray(1e-5 + 1e-5 * np.abs(obs).max(axis=-1).astype(np.float64))


def _states(episode: Episode) -> Callable[[int], dict[str, Array]]:
    """What was recorded beside row t of the episode, by the last part of its name: "state/qpos" is "qpos"."""
    steps = len(episode.action)
    kept = {k.rsplit("/", 1)[-1]: v for k, v in episode.infos.items() if np.ndim(v) and len(v) >= steps}
    return lambda t: {k: v[t] for k, v in kept.items()}


def _reward(episode: Episode) -> Array:
    """Recorded rewards [T]; NaN where there are none, which no comparison calls suspicious."""
    return np.full(len(episode.action), np.nan) if episode.reward is None else episode.reward.astype(np.float64)


class _Part(NamedTuple):
    """One episode's rows."""

    number: int
    played: _Played
    target: Array  # [T, O] recorded next observations
    moved: Array  # [T, O]
    tolerance: Array  # [T]
    exact: NDArray[np.bool_]  # [T]


def _spread(episodes: Iterable[Episode]) -> Array:
    """Standard deviation [O] of the entries of observations, never quite zero."""
    return np.asarray(np.concatenate([e.obs for e in episodes]).std(axis=0) + 1e-3)


def _ratio(off: Array, moved: Array, spread: Array) -> Array:
    return np.asarray(np.linalg.norm(off / spread, axis=-1) / (np.linalg.norm(moved / spread, axis=-1) + 1e-6))


def _joined(parts: Sequence[_Part], episodes: Iterable[Episode], alone: bool) -> Rerun:
    spread = _spread(episodes)
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
        ratio=_ratio(off, np.concatenate([p.moved for p in parts]), spread),
        reward=reward,
        reward_tolerance=1e-5 + 1e-6 * np.abs(reward),
        terminated=np.concatenate([p.played.terminated for p in parts]),
        terms=terms if complete else {},
        exact=np.concatenate([p.exact for p in parts]),
        alone=alone,
    )
