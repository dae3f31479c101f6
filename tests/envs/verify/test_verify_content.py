"""Checks of datasets that need no simulator, and how recorded rewards relate to a rule."""

from __future__ import annotations

import dataclasses
from typing import Any

import gymnasium
import numpy as np
import pytest
from toy_data import HORIZON, episode, toy

from envs.data.episodes import Episode
from envs.data.minari_store import RawEpisode
from envs.verify.content import (
    Check,
    actions,
    alignment,
    duplicates,
    last_observation,
    lengths,
    links,
    numbers,
    starts,
    truncations,
)
from envs.verify.replay import rule_reward


def raw(steps: int = 4, **changes: Any) -> RawEpisode:
    ends = np.arange(steps) == steps - 1
    part = RawEpisode(np.zeros((steps + 1, 3)), np.full((steps, 2), 0.5), np.zeros(steps), ~ends & False, 0, None, ends)
    return part._replace(**changes)


def at(*rows: int, steps: int = 4) -> Any:
    return np.isin(np.arange(steps), rows)


def test_numbers_that_are_none_are_counted_with_their_first_place() -> None:
    assert numbers([raw(), raw()])[0].state == "ok"
    huge = np.zeros((4, 2))
    huge[3, 1] = 1e300  # which single precision cannot hold
    check, sound = numbers([raw(), raw(action=huge), raw(reward=np.full(4, np.nan))])
    assert check == Check("numbers", "fail", "NaN or infinity in 2 episodes, first in the actions of episode 1, step 3")
    assert sound.tolist() == [True, False, False]


def test_actions_outside_their_bounds_or_on_another_scale() -> None:
    wide = np.array([[1.0, -1.0], [1.5, 0.0], [0.0, -2.0], [0.0, 0.0]])
    assert actions(toy(), [raw()]).state == "ok"
    found = actions(toy(), [raw(), raw(action=wide)]).found
    assert found == "12.5% of the entries lie outside [-1, 1], up to 2, and are clipped"
    assert "another scale" in actions(toy(), [raw(action=np.full((4, 2), 0.01))]).found


@pytest.mark.parametrize("action", [np.array([0, 2, 1, 2]), np.eye(3, dtype=np.float32)[[0, 2, 1, 2]]])
def test_choices_have_no_bounds(action: Any) -> None:
    discrete = toy(discrete=True, action_dim=3)
    assert actions(discrete, [raw(action=action)]) == Check("actions", "ok", "choices")


@pytest.mark.parametrize(
    ("steps", "changes", "complaint"),
    [
        ([HORIZON, HORIZON], {}, ""),
        ([HORIZON, 2], {}, ""),
        ([HORIZON + 1, 2], {"demo": True}, ""),
        ([HORIZON + 1, 2], {}, "1 episode beyond it that are no demonstrations"),
        ([4, 4], {}, "no episode that was cut off reaches it"),
        ([4, 4], {"terminated": True}, ""),
    ],
)
def test_lengths_are_compared_with_the_horizon(steps: list[int], changes: dict[str, Any], complaint: str) -> None:
    rng = np.random.default_rng(0)
    check = lengths(toy(), [episode(rng, n, **changes) for n in steps])
    assert (check.state, complaint in check.found) == ("warn" if complaint else "ok", True)


@pytest.mark.parametrize(
    ("changes", "terminates", "state", "found"),
    [
        ({}, True, "ok", "0 episodes terminated, 1 episode cut"),
        ({"terminated": at(3), "truncated": at()}, True, "ok", "1 episode terminated, 0 episodes cut"),
        ({"terminated": at(1)}, True, "fail", "1 episode with a step flagged terminated before the last"),
        ({"terminated": at(1)}, False, "warn", "1 episode flagged terminated: the task never terminates"),
        ({"truncated": at(1, 3)}, True, "warn", "1 episode with a step flagged truncated before the last"),
        ({"truncated": at()}, True, "warn", "1 episode without a flag at the end"),
        ({"truncated": None}, True, "ok", ""),
    ],
)
def test_flags(changes: dict[str, Any], terminates: bool, state: str, found: str) -> None:
    check = truncations(toy(terminates=terminates), [raw(**changes)])
    assert (check.state, found in check.found) == (state, True)


def test_copies_and_pieces_of_longer_episodes() -> None:
    rng = np.random.default_rng(0)
    one, two = episode(rng, 5), episode(rng, 5)
    assert (duplicates([one, two]).state, links([one, two]).state) == ("ok", "ok")
    assert duplicates([one, two, one, one]).found == "2 of 4 episodes are copies"
    other = dataclasses.replace(one, action=-one.action)
    assert duplicates([one, other]).state == "ok", "the same observations after other actions"
    pieces = [Episode(one.obs[:3], one.action[:2]), Episode(one.obs[2:], one.action[2:])]
    assert links(pieces).found.startswith("a longer episode was cut to pieces: 1 start equal")


def test_a_last_observation_that_was_never_recorded() -> None:
    rng = np.random.default_rng(0)
    made = [episode(rng, 5) for _ in range(4)]
    assert last_observation(made) == ""
    padded = [dataclasses.replace(e, obs=np.concatenate((e.obs[:-1], e.obs[-2:-1]))) for e in made]
    assert last_observation(padded).startswith("the last observation of 4 episodes repeats")
    still = [dataclasses.replace(e, obs=np.ones_like(e.obs)) for e in made]
    assert last_observation(still) == "", "nothing moves anywhere in these"


class Resets(gymnasium.Env[Any, Any]):
    """First entry uniform in [0, 1], second Gaussian, third constant."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        rng = np.random.default_rng(seed)
        return np.array([rng.uniform(), rng.standard_normal(), 2.0]), {}


def begun(*first: tuple[float, float, float]) -> list[Episode]:
    return [Episode(np.array([f, f], np.float32), np.zeros((1, 2), np.float32)) for f in first]


def test_starts_are_compared_with_resets() -> None:
    env = Resets()
    own = [tuple(env.reset(seed=1000 + i)[0]) for i in range(300)]
    assert starts(env, begun(*own)).state == "ok"
    assert "entries 2: entry 2 is 2.5, resets give 2 to 2" in starts(env, begun((0.5, 0, 2.5))).found
    assert "1 of 2 episodes" in starts(env, begun((0.5, 0, 2), (1.6, 0, 2))).found, "far outside"
    assert starts(env, begun((0.5, 0, 2), (1.05, 0, 2))).state == "ok", "one a little outside may be chance"
    assert "20 of 20 episodes" in starts(env, begun(*[(1.05, 0, 2)] * 20)).found, "many are not"


def linear(shift: int) -> list[Episode]:
    """A damped point pushed by actions that change slowly; `shift` moves them against the observations."""
    rng, out = np.random.default_rng(0), []
    for _ in range(5):
        obs, action = np.zeros((101, 3), np.float32), rng.uniform(-1, 1, (101, 2)).astype(np.float32)
        for t in range(100):
            action[t] = 0.8 * action[t - 1] + 0.2 * action[t]
            obs[t + 1] = 0.9 * obs[t] + np.array([action[t, 0], action[t, 1], action[t].sum()])
        out.append(Episode(obs[1:-1], np.roll(action, shift, axis=0)[1:-2]))
    return out


def test_a_shift_is_seen_without_a_simulator() -> None:
    assert alignment(linear(0)).state == "ok"
    assert alignment(linear(1)).found.startswith("actions of the row after predict")
    assert alignment(linear(-1)).found.startswith("actions of the row before predict")
    short = [Episode(e.obs[:9], e.action[:8]) for e in linear(0)]
    assert alignment(short).state == "skipped", "too few rows for a fit of 8 weights"
    assert alignment([]).state == "skipped"


SUCCESS = np.array([0, 1, 1, 0, 0, 1], np.bool_)


@pytest.mark.parametrize(
    ("rewards", "state", "found"),
    [
        (SUCCESS - 1.0, "ok", "recorded rewards are the task's own"),
        (np.where(SUCCESS, 10, -0.1), "ok", "the sparse reward of gymnasium-robotics"),
        (SUCCESS * 1.0, "ok", "1 and 0, where the rule's are 0 and -1"),
        (-1.0 * SUCCESS, "warn", "reversed: -1 on success and 0 otherwise"),
        (np.array([10, 10, 10, -0.1, -0.1, 10]), "warn", "by another rule: 16.67% of the steps differ"),
        (SUCCESS * 5 + np.arange(6.0), "ok", "dense: 7.67 on success"),
        (SUCCESS * -5 + np.arange(6.0), "warn", "unrelated to success"),
        (np.zeros(3), "ok", "none recorded that fit"),
    ],
)
def test_recorded_rewards_beside_the_rule(rewards: Any, state: str, found: str) -> None:
    obs = np.zeros((7, 3), np.float32)
    obs[1:, 0] = SUCCESS
    made = Episode(obs, np.zeros((6, 2), np.float32))
    check = rule_reward(toy(), [raw(6, reward=rewards)], [made], None, {})
    assert (check.state, found in check.found) == (state, True), check.found
    never = dataclasses.replace(made, obs=np.zeros_like(obs))
    assert rule_reward(toy(), [raw(6, reward=np.arange(6.0))], [never], None, {}).state == "ok", (
        "nothing to compare with"
    )
