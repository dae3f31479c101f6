"""Checks of a dataset by a rerun in the environment: observations, shifts, rewards, terminations."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.data.episodes import Episode
from envs.data.minari_store import RawEpisode
from envs.task import Task
from envs.verify.content import Check, alignment, plural
from envs.verify.rerun import Rerun, Start, whole
from envs.verify.single_steps import SingleSteps

__all__ = ["dense_reward", "rule_reward", "shift", "single", "terminations", "whole_episodes"]

FEW = 0.01  # share of transitions that may disagree before a dataset is not to be trained on
RARE = 0.001  # ... before a warning: where a contact begins or ends within rounding, no tolerance holds
EARLY = 10  # steps after the start within which other simulator versions agree still
# Difference over motion, in the median, that another simulator version does not explain. MuJoCo 3.3.0 beside 4.0.0 on
# eight tasks: up to 0.20 in one step and 0.02 in the first ten; observations shifted by one row: from 0.30 and 0.16.
ASTRAY_ONE, ASTRAY_EARLY = 0.25, 0.08
OTHER_ENDS = 0.25  # share of ends that another simulator version may make differently
ALIKE = 0.99  # correlation of rewards that another simulator version explains
CLEARLY = 0.5  # of the own row's difference: less than that by another row's action, and the data are shifted

Array = NDArray[Any]


def whole_episodes(rows: Rerun, how: str, same_versions: bool, versions: str) -> Check:
    """Judge episodes run open loop: equal bit for bit, or close for as long as small differences stay small."""
    counted = f"{plural(rows.episodes, 'episode')}, {plural(len(rows.step), 'step')}, {how}"
    if rows.exact.all():
        return Check("replay", "ok", f"{counted}: every observation is equal bit for bit")
    i = int(np.argmax(~rows.exact))
    where = f"first different in episode {rows.episode[i]}, step {rows.step[i]}, by {rows.error[i]:.2g}"
    wrong = ~rows.agrees
    few = wrong.mean() <= FEW and wrong[rows.step < EARLY].mean() <= FEW
    if few and same_versions:
        return Check("replay", "warn", f"{counted}: close, but not equal as the same versions would be; {where}")
    if few:
        return Check("replay", "ok", f"{counted}: as close as small differences that grow allow; {where}{versions}")
    off = early_ratio(rows)
    if same_versions or off > ASTRAY_EARLY:
        lost = plural(len(np.unique(rows.episode[wrong])), "episode")
        return Check("replay", "fail", f"{counted}: {lost} leave the recorded course; {where}{versions}")
    found = f"{counted}: off by {off:.1%} of the motion in the first {EARLY} steps, later by more"
    return Check("replay", "warn", f"{found}; perhaps another simulator version{versions}")


def early_ratio(rows: Rerun) -> float:
    """Median difference over motion in the first steps of episodes."""
    return float(np.median(rows.ratio[rows.step < EARLY]))


def single(rows: Rerun, same_versions: bool) -> Check:
    """Judge transitions repeated from their recorded state."""
    wrong = ~rows.agrees
    said = f"{plural(rows.episodes, 'episode')}, {plural(len(wrong), 'transition')}"
    if not wrong.any():
        found = f"{said}: all come out as recorded, the largest difference {rows.error.max(initial=0.0):.1e}"
        return Check("steps", "ok", found)
    worst = int(np.argmax(np.where(wrong, rows.error, -1.0)))
    off = float(np.median(rows.ratio[wrong]))
    found = (
        f"{said}: {plural(int(wrong.sum()), 'next observation')} differ by more than rounding explains, up to "
        f"{rows.error[worst]:.2g} (episode {rows.episode[worst]}, step {rows.step[worst]}) and by {off:.0%} of the "
        "motion in the median"
    )
    if rows.last[wrong].all():
        found += ", all in the last step of an episode"
    if wrong.mean() > FEW and (same_versions or off > ASTRAY_ONE):
        return Check("steps", "fail", found)
    if wrong.mean() > FEW:
        return Check("steps", "warn", f"{found}; perhaps another simulator version")
    rare = wrong.mean() <= RARE and not (wrong & rows.gross).any()
    return Check("steps", "ok" if rare else "warn", found)


def shift(
    env: Any, steps: SingleSteps | None, episodes: Mapping[int, Episode], rows: Rerun | None, start: Start | None
) -> Check:
    """Whether next observations that do not come out as recorded belong to another row's action."""
    if rows is None:
        return alignment(list(episodes.values()))
    if rows.agrees.mean() >= 1 - FEW:
        return Check("shift", "ok", "next observations follow from the actions of their rows")
    if steps is not None:
        ratios = steps.lag(episodes, (0, 1, -1))
        for lag, side in ((1, "after"), (-1, "before")):
            if ratios[lag] < CLEARLY * ratios[0]:
                return _shifted(ratios[lag], ratios[0], side)
    if start is not None and not rows.alone:
        some, own = [e for e in episodes.values() if len(e.action) > EARLY][:5], early_ratio(rows)
        for side, moved, skip in (
            ("after", [_moved(e, 1) for e in some], 0),  # the first observation was lost
            ("after", some, 1),  # an action was put before the first
            ("before", [_moved(e, -1) for e in some], 0),  # an observation was
        ):
            ratio = early_ratio(whole(env, dict(enumerate(moved)), start, skip=skip)) if moved else math.inf
            if ratio < CLEARLY * own:
                return _shifted(ratio, own, side)
    return Check("shift", "ok", "no shift by one row explains what differs")


def _moved(e: Episode, rows: int) -> Episode:
    """Move the observations of an episode down (1) or up (-1) by one row."""
    obs = np.concatenate((e.obs[:1], e.obs[:-1])) if rows > 0 else e.obs[1:]
    return dataclasses.replace(e, obs=obs, action=e.action[: len(obs) - 1])


def _shifted(ratio: float, own: float, side: str) -> Check:
    return Check(
        "shift",
        "fail",
        f"next observations follow from the action of the row {side}, off by {ratio:.1%} of the motion and by "
        f"{own:.0%} with their own: observations and actions are shifted against each other by one",
    )


# rewards


def rule_reward(
    task: Task,
    raw: Sequence[RawEpisode],
    episodes: Sequence[Episode],
    rerun: Rerun | None,
    recipe: Mapping[str, Any],
) -> Check:
    """Compare recorded rewards with the task's rule, which training uses in their place.

    Those of an imported file are no longer there: the import compared them, and noted it in the recipe.
    """
    rule = np.concatenate([task.reward(e.obs[1:]) for e in episodes])
    if rerun is not None and rerun.exact.any():
        ours = np.concatenate([task.reward(episodes[i].obs[1:]) for i in np.unique(rerun.episode)])
        differ = int((ours != rerun.reward)[rerun.exact].sum())
        if differ:
            return Check("reward", "fail", f"the environment disagrees with the rule in {plural(differ, 'transition')}")
    if "source" in recipe:
        return _imported_reward(recipe.get("agreement"))
    if any(p.reward is None or np.size(p.reward) != len(p.action) for p in raw):
        return Check("reward", "ok", "none recorded that fit; training uses the task's rule")
    recorded = np.concatenate([np.asarray(p.reward, np.float64).reshape(-1) for p in raw]) + 0.0  # no -0
    if np.array_equal(recorded, rule):
        return Check("reward", "ok", "recorded rewards are the task's own")
    state, relation = _relation_to_rule(recorded, rule)
    return Check("reward", state, f"recorded rewards are {relation}; training uses the task's rule in their place")


def _imported_reward(agreement: float | None) -> Check:
    if agreement is None:
        return Check("reward", "skipped", "the import replaced the file's rewards by the task's rule")
    found = f"the file's rewards agreed with the task's rule in {agreement:.1%} of rows; the import replaced them by it"
    return Check("reward", "ok" if agreement >= 1 - RARE else "warn", found)


def _relation_to_rule(recorded: Array, rule: Array) -> tuple[str, str]:
    values, success = np.unique(recorded), rule == 0
    if success.all() or not success.any():
        return "ok", f"{_listed(values)}, and the rule's are {rule[0]:g} throughout"
    won, lost = recorded[success], recorded[~success]
    if np.ptp(won) == 0 and np.ptp(lost) == 0:
        if (won[0], lost[0]) == (10.0, -0.1):
            return "ok", "10 and -0.1, where the rule's are 0 and -1: the sparse reward of gymnasium-robotics"
        if won[0] > lost[0]:
            return "ok", f"{won[0]:g} and {lost[0]:g}, where the rule's are 0 and -1"
        return "warn", f"reversed: {won[0]:g} on success and {lost[0]:g} otherwise"
    if len(values) == 2:
        differ = float(np.mean((recorded == values[1]) != success))
        return "warn", f"two-valued, {_listed(values)}, by another rule: {differ:.2%} of the steps differ"
    if won.mean() > lost.mean():
        return "ok", f"dense: {won.mean():.3g} on success and {lost.mean():.3g} otherwise in the mean"
    return "warn", f"unrelated to success: {won.mean():.3g} on success and {lost.mean():.3g} otherwise in the mean"


def _listed(values: Array) -> str:
    if len(values) > 3:
        return f"{values[0]:.3g} to {values[-1]:.3g}"
    return " and ".join(f"{v:g}" for v in values)


def dense_reward(episodes: Mapping[int, Episode], rows: Rerun | None) -> Check:
    """Compare recorded rewards with those that the environment gives for the same transitions."""
    if rows is None:
        return Check("reward", "skipped", "nothing could be replayed")
    replayed = [episodes[int(i)].reward for i in np.unique(rows.episode)]
    recorded = np.concatenate([r for r in replayed if r is not None]).astype(np.float64)
    sure = rows.sure
    if sure.mean() < FEW:
        return Check("reward", "skipped", "no transition could be repeated: see replay, steps and shift")
    off = np.abs(recorded - rows.reward)
    wrong = sure & (off > rows.reward_tolerance)
    if not wrong.any():
        return Check("reward", "ok", f"as the environment gives them, within {off[sure].max():.1e}")
    share = float(wrong.sum() / sure.sum())
    found = f"{share:.1%} of the rewards are not the environment's, by up to {off[wrong].max():.3g}"
    if rows.last[wrong].all():
        return Check("reward", "fail" if share > FEW else "warn", f"{found}, all in the last step of an episode")
    if share <= FEW:
        return Check("reward", "warn", found)
    if relation := _relation(recorded, rows, sure, rows.reward_tolerance):
        return Check("reward", "fail", f"{found}: {relation}")
    alike = float(np.corrcoef(recorded[sure], rows.reward[sure])[0, 1])
    found = f"{found}: correlation {alike:.4f}, no sum of its terms"
    if rows.agrees.mean() < 1 - FEW and alike > ALIKE:
        return Check("reward", "warn", f"{found}; perhaps another simulator version")
    return Check("reward", "fail", found)


def _relation(recorded: Array, rows: Rerun, sure: NDArray[np.bool_], tolerance: Array) -> str:
    """Say how recorded rewards follow from the environment's; "" where no relation is found."""
    terms = rows.terms or {"the environment's reward": rows.reward}
    columns = np.stack([*terms.values(), np.ones(len(recorded))], axis=1)
    weight, *_ = np.linalg.lstsq(columns[sure], recorded[sure], rcond=None)
    rest = np.abs(columns @ weight - recorded)[sure]
    if np.mean(rest <= 10 * tolerance[sure] + 1e-4) > 1 - FEW:
        names = [*terms, "a constant"]
        wanted = np.append(np.ones(len(terms)), 0.0)
        varies = np.append(np.ptp(columns[sure][:, :-1], axis=0) > 1e-6, True)  # a constant term is the constant
        odd = [
            f"{name} {'is reversed' if abs(w + 1) < 1e-2 and right else f'has weight {w:.3g}'}"
            for name, w, right, used in zip(names, weight, wanted, varies, strict=True)
            if used and abs(w - right) > 1e-2
        ]
        return ", ".join(odd) or "a small constant apart"
    for lag in (1, -1):
        inner = sure & np.roll(sure, lag) & (rows.episode == np.roll(rows.episode, lag))
        if inner.any() and np.mean(np.abs(recorded - np.roll(rows.reward, lag))[inner] < 1e-4) > 0.5:
            return f"they are those of the row {'before' if lag > 0 else 'after'}"
    return ""


# terminations


def terminations(
    task: Task,
    flags: Check,
    raw: Sequence[RawEpisode],
    rows: Rerun | None,
    steps: SingleSteps | None,
    episodes: Mapping[int, Episode],
) -> Check:
    """Complete the check `flags` by the environment: whether episodes end where they say.

    `episodes` are those whose last transition can be repeated.
    """
    if not task.terminates or flags.state == "fail":
        return flags
    says = {} if steps is None else steps.ends(episodes)
    if rows is not None:
        last = rows.last & rows.sure
        says |= {int(e): bool(t) for e, t in zip(rows.episode[last], rows.terminated[last], strict=True)}
    flagged = {i: bool(p.terminated[-1]) for i, p in enumerate(raw)}
    may = FEW if rows is None or rows.agrees.mean() > 1 - FEW else OTHER_ENDS
    at_limit = {i for i, p in enumerate(raw) if len(p.action) == task.horizon}
    false = {i for i, end in says.items() if flagged[i] and not end}
    missed = {i for i, end in says.items() if end and not flagged[i]}
    if timeouts := false & at_limit:
        found = f"{plural(len(timeouts), 'episode')} of the full {task.horizon} steps flagged terminated: timeouts"
        return Check("flags", "fail", f"{found} marked as terminals, as the environment would go on")
    if false:
        found = f"{plural(len(false), 'episode')} flagged terminated where the environment would go on"
        return Check("flags", "fail" if len(false) > may * len(says) else "warn", found)
    if missed:
        found = f"{plural(len(missed), 'episode')} flagged as cut where the environment terminates"
        return Check("flags", "fail" if len(missed) > may * len(says) else "warn", found)
    early = _ends_early(rows)
    if early:
        return Check("flags", "warn", f"{plural(early, 'episode')} with later steps than the environment would allow")
    unsure = sum(flagged[i] for i in at_limit - set(says))
    if unsure:
        found = f"{plural(unsure, 'episode')} of exactly {task.horizon} steps flagged terminated; perhaps timeouts"
        return Check("flags", "warn", f"{found}: no transition could be repeated to tell")
    if not says:
        return flags
    return Check("flags", flags.state, f"{flags.found}; {plural(len(says), 'last step')} compared with the environment")


def _ends_early(rows: Rerun | None) -> int:
    """Count episodes that go on after a transition in which the environment terminates."""
    if rows is None:
        return 0
    return len(np.unique(rows.episode[~rows.last & rows.sure & rows.terminated]))
