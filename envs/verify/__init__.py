"""Checks of whether a dataset is what its task's environment would give, before any training is spent on it.

Checks, in the order of the report:

    content     the fingerprint, where this suite stored the dataset
    numbers     NaN, infinity
    actions     entries outside [-1, 1]
    lengths     against the horizon
    flags       terminated and truncated; where the task terminates, against the environment
    duplicates  episodes of identical content
    links       episodes that begin where the one before ended
    starts      first observations against 200 resets
    replay      whole episodes open loop, from recorded reset seeds or from the goal in the first observation
    steps       single transitions, from the state in observation or recorded infos
    shift       next observations that belong to another row's action; where nothing can be replayed, by a linear fit
    reward      recorded rewards against the task's rule or the environment

The simulator's part is `rerun`, `single_steps` and `replay` here, the rest `content`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.data import datasets
from envs.data.episodes import Episode, checked, fingerprint
from envs.data.minari_store import RawEpisode
from envs.task import Task
from envs.verify import content, replay, rerun
from envs.verify.content import Check, plural
from envs.verify.rerun import Rerun, Start
from envs.verify.single_steps import SingleSteps, incomplete

__all__ = ["TRANSITIONS", "VERDICTS", "Check", "Report", "verify"]

TRANSITIONS = 10_000  # replayed by default
ENDS = 1000  # most episodes whose last transition is repeated to judge its flag
VERDICTS = {
    "ok": "sound",
    "unchecked": "not checked: nothing could be replayed in the environment",
    "warn": "usable with warnings",
    "fail": "do not train on this",
}


@dataclass(frozen=True)
class Report:
    """Result of all checks of a dataset."""

    dataset: str
    episodes: int
    steps: int
    replayed: int  # episodes, spread over the dataset
    checks: tuple[Check, ...]

    @property
    def state(self) -> str:
        """State of the worst check: ok | warn | fail; where all are ok and nothing was replayed, unchecked."""
        states = {c.state for c in self.checks}
        return next((s for s in ("fail", "warn") if s in states), "ok" if self.replayed else "unchecked")

    @property
    def verdict(self) -> str:
        """Advice to people that follows from `state`."""
        return VERDICTS[self.state]

    @property
    def summary(self) -> str:
        """Summary for people in one line."""
        size = f"{plural(self.episodes, 'episode')}, {plural(self.steps, 'step')}"
        skipped = [c.name for c in self.checks if c.state == "skipped"]
        unchecked = f" (not checked: {', '.join(skipped)})" if skipped else ""
        return f"{self.dataset}: {size}, {plural(self.replayed, 'episode')} replayed: {self.verdict}{unchecked}"


@dataclass(frozen=True)
class _Reruns:
    """Episodes run again in the environment, and what comes of comparing."""

    whole: Rerun | None  # open loop
    single: Rerun | None  # one transition at a time
    steps: SingleSteps | None  # who repeats transitions; None where their states are not recorded
    checks: tuple[Check, Check]  # replay, steps
    start: Start | None  # how whole episodes were started

    @property
    def episodes(self) -> int:
        return max((rows.episodes for rows in (self.whole, self.single) if rows is not None), default=0)

    @property
    def best(self) -> Rerun | None:
        """Whichever run's transitions say most about rewards and ends."""
        if self.whole is not None and (self.single is None or self.whole.exact.all()):
            return self.whole
        return self.single


def verify(task: Task, name: str, count: int | None = None, progress: Callable[[str], None] | None = None) -> Report:
    """Check the dataset of that id or short name; `count` episodes are replayed, about `TRANSITIONS` steps if None.

    Raises `DatasetError` when it cannot be read, or its arrays do not have the shapes of the task.
    """
    dataset_id = datasets.resolve(task, name)
    raw, demos, own = datasets.load_raw(task, dataset_id)
    numbers, sound = content.numbers(raw)
    episodes, _ = checked(task, dataset_id, map(_loadable, raw), demos)
    recipe = own.get("recipe", {})
    chosen = _spread(episodes, np.flatnonzero(sound), count)
    with closing(rerun.simulator(task)) as env, closing(rerun.simulator(task)) as alone:
        done = _rerun(task, env, SingleSteps(alone), {i: episodes[i] for i in chosen}, own, progress)
        reward = (
            replay.dense_reward({i: episodes[i] for i in chosen}, done.best)
            if not task.computes_reward
            else replay.rule_reward(task, raw, episodes, done.whole, recipe)
        )
        checks = (
            *_content(own, episodes),
            numbers,
            content.actions(task, raw, recipe.get("clipped") or 0.0),
            content.lengths(task, episodes),
            _flags(task, raw, episodes, sound, done),
            content.duplicates(episodes),
            content.links(episodes),
            content.starts(env, [episodes[i] for i in np.flatnonzero(sound)]) if sound.any() else _nothing("starts"),
            *done.checks,
            _shift(env, {i: episodes[i] for i in chosen}, done),
            reward,
        )
    return Report(dataset_id, len(episodes), sum(len(e.action) for e in episodes), done.episodes, checks)


def _loadable(part: RawEpisode) -> RawEpisode:
    """Remove from an episode what other checks report: NaN and infinity, flags before the end."""

    def finite(value: Any) -> Any:
        plain = value is not None and not isinstance(value, dict) and np.asarray(value).dtype.kind in "fiub"
        with np.errstate(over="ignore"):
            return np.nan_to_num(np.asarray(value, np.float32), posinf=0, neginf=0) if plain else value

    ends = np.asarray(part.terminated, np.bool_) & (np.arange(len(part.terminated)) == len(part.terminated) - 1)
    return part._replace(obs=finite(part.obs), action=finite(part.action), reward=finite(part.reward), terminated=ends)


def _spread(episodes: Sequence[Episode], sound: NDArray[np.int64], count: int | None) -> list[int]:
    """Choose `count` episodes spread from first to last, or as many as hold `TRANSITIONS` steps; their numbers."""
    if not len(sound):
        return []
    mean = float(np.mean([len(episodes[i].action) for i in sound]))
    wanted = math.ceil(TRANSITIONS / mean) if count is None else count
    picks = np.linspace(0, len(sound) - 1, min(wanted, len(sound))).round().astype(int)
    return [int(sound[i]) for i in np.unique(picks)]


def _content(own: Mapping[str, Any], episodes: Sequence[Episode]) -> tuple[Check, ...]:
    if "fingerprint" not in own:
        return ()
    found, stored = fingerprint(episodes), own["fingerprint"]
    if found == stored:
        return (Check("content", "ok", f"fingerprint {found}, as it was stored"),)
    return (Check("content", "fail", f"fingerprint {found}; it was stored as {stored} and changed since"),)


def _flags(
    task: Task, raw: Sequence[RawEpisode], episodes: Sequence[Episode], sound: NDArray[np.bool_], done: _Reruns
) -> Check:
    flags = content.truncations(task, raw)
    steps = done.steps
    whole = [i for i in np.flatnonzero(sound).tolist() if steps and not incomplete(steps.env, episodes[i])]
    some = whole[:: max(1, -(-len(whole) // ENDS))]
    return replay.terminations(task, flags, raw, done.best, steps, {i: episodes[i] for i in some})


def _shift(env: Any, episodes: Mapping[int, Episode], done: _Reruns) -> Check:
    unknown = content.last_observation(list(episodes.values()))
    if unknown:
        return Check("shift", "warn", unknown)
    return replay.shift(env, done.steps, episodes, done.best, done.start)


def _rerun(
    task: Task,
    env: Any,
    steps: SingleSteps,
    episodes: Mapping[int, Episode],
    own: Mapping[str, Any],
    progress: Callable[[str], None] | None,
) -> _Reruns:
    """Run the episodes again in every way that what was recorded allows: whole in `env`, by transitions in `steps`."""
    same, versions = _versions(task, own)
    open_loop, first, start = _open_loop(env, episodes, same, versions, progress)
    reasons = {i: incomplete(env, e) for i, e in episodes.items()}
    complete = {i: e for i, e in episodes.items() if not reasons[i]}
    if not complete:
        reason = next(iter(reasons.values()), "no episode is free of NaN and infinity")
        return _Reruns(open_loop, None, None, (first, Check("steps", "skipped", reason)), start)
    rows = steps.run(complete, progress)
    second = replay.single(rows, same)
    if first.state == "fail" and second.state == "ok" and not same:
        first = Check("replay", "warn", f"{first.found}; single transitions are sound: perhaps the seeds are not")
    return _Reruns(open_loop, rows, steps, (first, second), start)


def _versions(task: Task, own: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether the data were made with the simulator installed here, and what differs, or is not known."""
    made_with = own.get("recipe", {}).get("versions", {})
    here = {name: metadata.version(name) for name in task.simulator}
    differ = [f"{n} {made_with.get(n, 'unknown')} then, {v} here" for n, v in here.items() if made_with.get(n) != v]
    return not differ, f" ({', '.join(differ)})" if differ else ""


def _open_loop(
    env: Any, episodes: Mapping[int, Episode], same: bool, versions: str, progress: Callable[[str], None] | None
) -> tuple[Rerun | None, Check, Start | None]:
    if seeded := {i: e for i, e in episodes.items() if e.seed is not None}:
        rows = rerun.whole(env, seeded, rerun.from_seed, progress)
        return rows, replay.whole_episodes(rows, "from their reset seeds", same, versions), rerun.from_seed
    if begun := {i: e for i, e in episodes.items() if rerun.begins(env, e)}:
        rows = rerun.whole(env, begun, rerun.from_first, progress)
        how = "from the goal in the first observation"
        return rows, replay.whole_episodes(rows, how, False, versions), rerun.from_first
    return None, Check("replay", "skipped", "no reset seeds are recorded"), None


def _nothing(name: str) -> Check:
    return Check(name, "skipped", "no episode is free of NaN and infinity")
