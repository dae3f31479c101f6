"""Recorded transitions repeated one at a time, each from the state in its observation or recorded beside it.

Where a transition comes out further off than `rerun.near`, it is repeated from states moved by half a unit in the last
place in random directions, and `MARGIN` times the largest effect is allowed: contacts amplify rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from envs.data.episodes import Episode
from envs.simulators.restore import Restorable
from envs.verify.rerun import MARGIN, Part, Played, Progress, Rerun, entry_spread, joined, motion_ratio, near

__all__ = ["SingleSteps", "incomplete"]

Array: TypeAlias = NDArray[Any]

PROBES = 8  # repetitions of a suspicious transition
PROBED = 50  # suspicious transitions that are repeated; the rest get the 0.9 quantile of these tolerances


def incomplete(env: Any, episode: Episode) -> str:
    """Say why no transition of this episode can be repeated by itself; "" when it can."""
    if not isinstance(env, Restorable):
        return "this environment cannot be put into a recorded state"
    return env.missing(episode.obs[0].astype(np.float64), _states(episode)(0))


class SingleSteps:
    """Transitions repeated from their recorded state, in one environment."""

    def __init__(self, env: Any) -> None:
        self.env, self.rng = env, np.random.default_rng(0)

    def run(self, episodes: Mapping[int, Episode], progress: Progress | None = None) -> Rerun:
        """Repeat every transition of the episodes."""
        parts = []
        for done, (number, episode) in enumerate(episodes.items()):
            played = self._chain(episode)
            target = episode.obs[1:]
            exact = (played.next_obs == target).all(axis=1)
            moved = target - episode.obs[:-1]
            parts.append(Part(number, played, target, moved, near(target), exact))
            if progress is not None and (done + 1) % 20 == 0:
                progress(f"single transitions of episode {done + 1}/{len(episodes)}")
        rows = joined(parts, episodes.values(), alone=True)
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
        spread, reach = entry_spread(episodes.values()), max(map(abs, lags))
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
                    ratios[lag].append(float(motion_ratio(found - target, target - obs, spread)))
        return {lag: float(np.median(found)) if found else math.inf for lag, found in ratios.items()}

    def _chain(self, episode: Episode) -> Played:
        """Repeat all transitions of an episode, each from its recorded row, completed by what the last step left."""
        states = _states(episode)
        played = Played.empty(len(episode.action), episode.obs.shape[1])
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
        """Move x by half a unit in its last place, up or down, in the precision it was recorded in."""
        single = np.asarray(x, np.float32)
        unit = np.spacing(np.abs(single if np.array_equal(single, x) else x)).astype(np.float64)
        return np.asarray(x + 0.5 * unit * self.rng.choice((-1.0, 1.0), np.shape(x)))

    def _widen(self, rows: Rerun, episodes: Mapping[int, Episode], recorded: Array) -> None:
        """Widen the tolerances of suspicious transitions, in place."""
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
        """Largest change of next observation and reward of transition t by rounding of the state."""
        self._prepare(episode, t)
        obs, reward, *_ = self.env.step(episode.action[t])
        effect = reward_effect = 0.0
        for _ in range(PROBES):
            self._prepare(episode, t, nudge=True)
            other, other_reward, *_ = self.env.step(episode.action[t])
            effect = max(effect, float(np.abs(other - obs).max()))
            reward_effect = max(reward_effect, abs(float(other_reward - reward)))
        return effect, reward_effect


def _states(episode: Episode) -> Callable[[int], dict[str, Array]]:
    """Function from row t to what was recorded beside it, by the last part of its name: "state/qpos" is "qpos"."""
    steps = len(episode.action)
    kept = {k.rsplit("/", 1)[-1]: v for k, v in episode.infos.items() if np.ndim(v) and len(v) >= steps}
    return lambda t: {k: v[t] for k, v in kept.items()}


def _reward(episode: Episode) -> Array:
    """Recorded rewards [T]; NaN where there are none, which no comparison calls suspicious."""
    return np.full(len(episode.action), np.nan) if episode.reward is None else episode.reward.astype(np.float64)
