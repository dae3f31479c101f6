"""Checks of a dataset that need no simulator: its numbers, flags, lengths, repetitions and starts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.data.episodes import Episode
from envs.data.minari_store import RawEpisode
from envs.task import Task

__all__ = [
    "RESETS",
    "Check",
    "actions",
    "alignment",
    "duplicates",
    "last_observation",
    "lengths",
    "links",
    "numbers",
    "plural",
    "starts",
    "truncations",
]

RESETS = 200  # of the environment, which recorded starts are compared with
FAR = 0.5  # times the width of the resets' range: beyond 5 standard deviations where they are Gaussian
# Share of starts outside the range of 200 resets. Two of 201 are expected; more than 8 % comes by chance once in a
# million (the share is Beta(2, 199)).
OUTSIDE = 0.08
CLEARLY = 0.9  # of the own row's unexplained share: less than that by another row, and the data are taken for shifted


@dataclass(frozen=True)
class Check:
    """Finding of one check; `state` is ok | warn | fail | skipped."""

    name: str
    state: str
    found: str


def plural(count: int, what: str) -> str:
    """Count things in words: "1 episode", "1,000 episodes"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def numbers(raw: Sequence[RawEpisode]) -> tuple[Check, NDArray[np.bool_]]:
    """Look for NaN and infinity, also where single precision cannot hold a value; flag episodes [E] free of them."""
    sound = np.ones(len(raw), np.bool_)
    first = ""
    for i, part in enumerate(raw):
        for what, value in (("observations", part.obs), ("actions", part.action), ("rewards", part.reward)):
            if value is None or isinstance(value, dict) or np.asarray(value).dtype.kind not in "fiub":
                continue  # not an array of numbers: loading says so
            with np.errstate(over="ignore"):
                single = np.asarray(value, np.float32)
            bad = ~np.isfinite(single.reshape(len(single), -1)).all(axis=1)
            if bad.any():
                sound[i] = False
                first = first or f"first in the {what} of episode {i}, step {int(np.argmax(bad))}"
    if sound.all():
        return Check("numbers", "ok", "no NaN, no infinity"), sound
    return Check("numbers", "fail", f"NaN or infinity in {plural(int((~sound).sum()), 'episode')}, {first}"), sound


def actions(task: Task, raw: Sequence[RawEpisode], clipped: float = 0.0) -> Check:
    """Look for action entries outside [-1, 1], which are clipped, and actions that use little of that range.

    `clipped` is the share of entries that was clipped when the dataset was imported.
    """
    if task.discrete:  # loading has refused any that are none
        return Check("actions", "ok", "choices")
    if clipped:
        found = f"{clipped:.1%} of the entries lay outside [-1, 1] in the file that was imported, and were clipped"
        return Check("actions", "warn", f"{found}: are they on another scale?")
    largest = np.concatenate([np.abs(part.action).max(axis=1, initial=0) for part in raw])  # [N]
    outside = sum(int(np.count_nonzero(np.abs(part.action) > 1)) for part in raw)
    entries = sum(np.asarray(part.action).size for part in raw)
    most = float(largest.max())
    if outside:
        found = f"{outside / entries:.1%} of the entries lie outside [-1, 1], up to {most:.3g}, and are clipped"
        return Check("actions", "warn", found)
    if most < 0.1:
        return Check("actions", "warn", f"no entry is larger than {most:.2g}: were they recorded on another scale?")
    return Check("actions", "ok", f"all within [-1, 1], the largest {most:.3g}")


def lengths(task: Task, episodes: Sequence[Episode]) -> Check:
    """Compare lengths with the horizon; demonstrations may be longer and shorter, as human ones are."""
    steps = np.array([len(e.action) for e in episodes])
    rollout = np.array([not e.demo for e in episodes])
    said = f"{steps.min()} to {steps.max()} steps, horizon {task.horizon}"
    over = int((steps[rollout] > task.horizon).sum())
    if over:
        return Check("lengths", "warn", f"{said}: {plural(over, 'episode')} beyond it that are no demonstrations")
    cut = rollout & ~np.array([e.terminated for e in episodes])
    if cut.sum() > 1 and steps[cut].max() < task.horizon:
        return Check("lengths", "warn", f"{said}: no episode that was cut off reaches it")
    return Check("lengths", "ok", said)


def truncations(task: Task, raw: Sequence[RawEpisode]) -> Check:
    """Check flags at the ends of episodes and within them; whether terminations are true, the environment must say."""
    terminated = np.array([bool(np.any(p.terminated)) for p in raw])
    inside = np.array([bool(np.any(p.terminated[:-1])) for p in raw])
    known = [p.truncated for p in raw if p.truncated is not None]
    cut_inside = sum(bool(t[:-1].any()) for t in known)
    open_ended = sum(
        not (p.terminated[-1] or p.truncated[-1]) for p in raw if p.truncated is not None and len(p.terminated)
    )
    if inside.any() and task.terminates:
        return Check(
            "flags", "fail", f"{plural(int(inside.sum()), 'episode')} with a step flagged terminated before the last"
        )
    found = []
    if terminated.any() and not task.terminates:
        found.append(f"{plural(int(terminated.sum()), 'episode')} flagged terminated: the task never terminates")
    if cut_inside:
        found.append(f"{plural(cut_inside, 'episode')} with a step flagged truncated before the last")
    if open_ended:
        found.append(f"{plural(open_ended, 'episode')} without a flag at the end")
    if found:
        return Check("flags", "warn", "; ".join([*found, "the last step of each is taken as cut off"]))
    counts = f"{plural(int(terminated.sum()), 'episode')} terminated, {plural(int((~terminated).sum()), 'episode')} cut"
    return Check("flags", "ok", counts)


def duplicates(episodes: Sequence[Episode]) -> Check:
    """Look for episodes of identical content, as in D4RL's "cloned" data."""
    distinct = len({(e.obs.tobytes(), e.action.tobytes()) for e in episodes})
    if distinct == len(episodes):
        return Check("duplicates", "ok", f"{plural(len(episodes), 'episode')}, all different")
    return Check("duplicates", "warn", f"{len(episodes) - distinct} of {plural(len(episodes), 'episode')} are copies")


def links(episodes: Sequence[Episode]) -> Check:
    """Look for episodes that begin where the one before ended: a long one cut to pieces."""
    linked = sum(np.array_equal(a.obs[-1], b.obs[0]) for a, b in itertools.pairwise(episodes))
    if linked:
        found = f"a longer episode was cut to pieces: {plural(linked, 'start')} equal to the end of the one before"
        return Check("links", "warn", found)
    return Check("links", "ok", "no episode begins where the one before ended")


def last_observation(episodes: Sequence[Episode]) -> str:
    """Say what is wrong with final observations, "" if nothing: files without successors often repeat the last row."""
    long = [e for e in episodes if len(e.action) > 1]
    same = sum(np.array_equal(e.obs[-1], e.obs[-2]) for e in long)
    moved = sum(not np.array_equal(e.obs[-2], e.obs[-3]) for e in long)
    if same > 0.5 * len(long) and moved > 0.5 * len(long):
        return f"the last observation of {plural(same, 'episode')} repeats the one before: drop the last step"
    return ""


def alignment(episodes: Sequence[Episode]) -> Check:
    """Whether the actions of their own rows predict next observations best, by a linear fit on every tenth row.

    The fit of obs[t+1] - obs[t] sees obs[t] and obs[t-1], and the action of row t - 1, t or t + 1. For files that
    nothing can be replayed of: on good data the own row wins, if narrowly where actions change slowly.
    """
    long = [e for e in episodes if len(e.action) > 4]
    rest = {lag: _unexplained(long, lag) for lag in (-1, 0, 1)} if long else {0: math.nan}
    if any(math.isnan(r) for r in rest.values()):
        return Check("shift", "skipped", "nothing could be replayed, and there are too few steps to compare rows")
    shares = (
        f"share left unexplained: {rest[0]:.3f}, by those of the rows before and after {rest[-1]:.3f}, {rest[1]:.3f}"
    )
    best = min(rest, key=lambda lag: rest[lag])
    if rest[best] < CLEARLY * rest[0]:
        side = "after" if best > 0 else "before"
        return Check(
            "shift", "warn", f"actions of the row {side} predict next observations better than their own; {shares}"
        )
    if best:
        return Check("shift", "skipped", f"nothing could be replayed, and a linear fit cannot tell; {shares}")
    return Check("shift", "ok", f"actions of their own rows predict next observations best; {shares}")


def _unexplained(episodes: Sequence[Episode], lag: int) -> float:
    """Median over the entries of the share of variance that a linear fit leaves; NaN where there are too few rows."""
    seen, change = [], []
    for e in episodes:
        t = np.arange(1, len(e.action) - 1)
        seen.append(np.concatenate((e.obs[t], e.obs[t - 1], e.action[t + lag]), axis=1))
        change.append(e.obs[t + 1] - e.obs[t])
    x, y = (np.concatenate(parts).astype(np.float64) for parts in (seen, change))
    if len(x) < 10 * x.shape[1]:
        return math.nan
    y = y[:, y.std(axis=0) > 1e-6]
    x, y = x - x.mean(axis=0), (y - y.mean(axis=0)) / y.std(axis=0)
    test = np.arange(len(x)) % 10 == 0
    ridge = 1e-6 * np.trace(x.T @ x) / x.shape[1] * np.eye(x.shape[1])
    weight = np.linalg.solve(x[~test].T @ x[~test] + ridge, x[~test].T @ y[~test])
    return float(np.median(((x[test] @ weight - y[test]) ** 2).mean(axis=0)))


def starts(env: Any, episodes: Sequence[Episode]) -> Check:
    """Compare first observations with those of `RESETS` resets of the environment."""
    reset = np.stack([np.asarray(env.reset(seed=seed)[0], np.float64) for seed in range(RESETS)])  # [RESETS, O]
    first = np.stack([e.obs[0].astype(np.float64) for e in episodes])  # [E, O]
    low, high = reset.min(axis=0), reset.max(axis=0)
    rounding = 1e-5 + 1e-5 * np.abs(reset).max(axis=0)
    width = high - low
    below, above = low - first, first - high
    off = np.maximum(below, above)  # [E, O] beyond the range
    far = off > FAR * width + rounding
    outside = off > rounding
    chance = OUTSIDE * len(first) + 2
    often = (outside.sum(axis=0) > chance) & (width > rounding)
    bad = far.any(axis=0) | often
    if not bad.any():
        return Check("starts", "ok", f"as {RESETS} resets of the environment give them")
    which = np.flatnonzero(bad)
    count = int((far | (outside & often)).any(axis=1).sum())
    entries = ", ".join(map(str, which[:6])) + (f" and {len(which) - 6} more" if len(which) > 6 else "")
    worst = which[np.argmax(off[:, which].max(axis=0))]
    example = float(first[int(np.argmax(off[:, worst])), worst])
    found = (
        f"{count} of {plural(len(first), 'episode')} start where {RESETS} resets do not, in entries {entries}: "
        f"entry {worst} is {example:.3g}, resets give {low[worst]:.3g} to {high[worst]:.3g}"
    )
    return Check("starts", "warn", found)
