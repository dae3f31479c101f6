"""Scores against scripted episodes worked out by hand, and collected transitions in their order."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import toy_run
from toy_env import HORIZON, POINT, SCRIPT

from envs.stepping.vector import VectorEnv
from envs.task import Goal
from suite.train.evaluate import EVAL_SEED, Collected, _means, collect, episode_scores, evaluate


def still(obs: Any, noise: Any) -> Any:
    """The action 0 everywhere."""
    return np.zeros((*obs.shape[:2], 1), np.float32)


assert EVAL_SEED % 4 == 0  # the first evaluation episode plays the first script

TASK = dataclasses.replace(toy_run.TASK, horizon=5)  # which scores the scripts have, and how long they play

# What `toy_env.script` gives within 5 steps, rewards 10, 20, ...; one row per initial state
HAND = {
    "success": [1, 0, 0, 0],  # at the last step: of 2, of 3, of 4, of the 5 that the horizon leaves of 9
    "success_any": [1, 1, 0, 1],
    "success_steps": [1 / 2, 2 / 3, 0 / 4, 1 / 5],
    "return": [30, 60, 100, 150],
    "episode_length": [2, 3, 4, 5],
}


@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("episodes", [1, 3, 4])
def test_scores_are_those_of_the_script_however_they_are_spread_over_environments(lanes: int, episodes: int) -> None:
    """In waves, with environments to spare, and with episodes that start again while longer ones run."""
    with VectorEnv(SCRIPT, 2 * lanes, 0) as env:
        scores = evaluate(env, still, 2, episodes, TASK)
    assert scores.keys() == HAND.keys()
    for name, each in HAND.items():
        assert scores[name] == pytest.approx([np.mean(each[:episodes])] * 2), name


def test_an_episode_that_ends_at_the_horizon_itself_is_whole() -> None:
    with VectorEnv(SCRIPT, 4, 0) as env:
        scores = evaluate(env, still, 1, 4, dataclasses.replace(TASK, horizon=9))
    assert scores["success"] == pytest.approx([(1 + 0 + 0 + 1) / 4])
    assert scores["episode_length"] == pytest.approx([(2 + 3 + 4 + 9) / 4])


def test_a_task_of_goals_is_scored_by_the_last_steps_reward_too() -> None:
    """Of the episode's own last step, also where its environment has begun another one since."""
    with VectorEnv(SCRIPT, 4, 0) as env:
        scores = evaluate(env, still, 1, 4, dataclasses.replace(TASK, goal=Goal((0,), (1,))))
    assert scores.keys() == {*HAND, "final_reward"}
    assert scores["final_reward"] == pytest.approx([(20 + 30 + 40 + 50) / 4])


def test_a_task_without_a_success_rule_has_no_such_scores() -> None:
    with VectorEnv(SCRIPT, 4, 0) as env:
        scores = evaluate(env, still, 1, 4, dataclasses.replace(TASK, success=None))
    assert scores.keys() == {"return", "episode_length"}


def test_a_task_with_anchors_has_a_normalised_score_of_each_episode_and_of_the_mean() -> None:
    task = dataclasses.replace(TASK, anchors=(-50.0, 150.0))
    with VectorEnv(SCRIPT, 4, 0) as env:
        each, mean = episode_scores(env, still, 1, 4, task), evaluate(env, still, 1, 4, task)
    assert each["normalized_score"].tolist() == [[(r + 50) / 2 for r in HAND["return"]]]
    assert mean["normalized_score"].tolist() == task.normalized(mean["return"]).tolist() == [67.5]


def test_every_seed_is_scored_by_its_own_actions() -> None:
    """Seed k sends the action k, which its reward shows: 2, 3, 4 and 5 steps long."""

    def act(obs: Any, noise: Any) -> Any:
        assert noise is None, "evaluation takes the mode"
        assert obs.shape == (3, 2, 2)
        return np.tile(np.arange(3, dtype=np.float32)[:, None, None], (1, 2, 1))

    with VectorEnv(SCRIPT, 6, 0) as env:
        scores = evaluate(env, act, 3, 4, TASK)
    assert scores["return"] == pytest.approx([(340 + k * 14) / 4 for k in range(3)])


def test_every_seed_sees_the_same_initial_states() -> None:
    first: list[Any] = []

    def act(obs: Any, noise: Any) -> Any:
        first.append(obs.copy())
        return np.zeros((*obs.shape[:2], 2), np.float32)

    with VectorEnv(POINT, 4, 0) as env:
        evaluate(env, act, 2, 3, toy_run.TASK)
        alone = np.concatenate([[env.reset([EVAL_SEED + e] * 4)[0]] for e in range(4)])
    waves = [first[0], first[HORIZON]]
    for seed in (0, 1):
        np.testing.assert_array_equal(np.concatenate([w[seed] for w in waves]), alone)


# collection


def played(
    seeds: tuple[int, ...], lanes: int, steps: int, iteration: int = 0, env_id: str = POINT
) -> tuple[Collected, list[Any], list[Any]]:
    """What is collected with actions that are the noise itself, and everything that the policy saw."""
    saw: list[Any] = []
    noises: list[Any] = []

    def act(obs: Any, noise: Any) -> Any:
        saw.append(obs.copy())
        noises.append(noise.copy())
        return noise

    with VectorEnv(env_id, len(seeds) * lanes, 0) as env:
        return collect(env, act, seeds, iteration, steps, env.action_space.shape[0]), saw, noises


def test_shapes_and_the_order_lane_after_lane() -> None:
    seeds, lanes, steps = (4, 9, 2), 2, 2 * HORIZON
    got, saw, noises = played(seeds, lanes, steps)
    assert (got.obs.shape, got.action.shape) == ((3, steps, 3), (3, steps, 2))
    assert (got.reward.shape, got.terminated.shape, got.success.shape) == ((3, steps), (3, steps), (3,))
    for t in range(HORIZON):
        for s in range(3):
            for lane in range(lanes):
                row = lane * HORIZON + t
                np.testing.assert_array_equal(got.obs[s, row], saw[t][s, lane])
                np.testing.assert_array_equal(got.action[s, row], noises[t][s, lane])
                if t + 1 < HORIZON:
                    np.testing.assert_array_equal(got.next_obs[s, row], saw[t + 1][s, lane])
    moved = got.obs[..., :2] + np.float32(0.3) * got.action.clip(-1, 1)
    np.testing.assert_allclose(got.next_obs[..., :2], moved, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(got.reward, (got.next_obs[..., 0] > 0.5) - np.float32(1))
    assert not got.terminated.any()


def test_success_and_returns_are_per_episode() -> None:
    got, _, _ = played((4, 9), 2, 2 * HORIZON)
    last = got.next_obs[:, [HORIZON - 1, 2 * HORIZON - 1], 0] > 0.5
    assert got.success == pytest.approx(last.mean(axis=1))
    assert got.returns == pytest.approx(got.reward.sum(axis=1) / 2)


def test_a_lanes_last_episode_is_cut_and_does_not_count_as_terminated() -> None:
    """Rows whose reset seeds make an episode of 4 or 9 steps never terminate; the cut at the end does not either."""
    got, _, _ = played((0, 1, 2, 3), 1, 30, env_id=SCRIPT)
    for s in range(4):
        starts = np.flatnonzero(got.obs[s, :, 1] == 0)
        ends = [*(starts[1:] - 1), 29]
        lengths = np.diff([*starts, 30])
        natural = [n for n, e in zip(lengths, ends, strict=True) if got.terminated[s, e]]
        assert set(natural) <= {2, 3}, "only these scripts end by termination"
        assert got.terminated[s].sum() == sum(n in (2, 3) for n in lengths[:-1]) + got.terminated[s, 29]
        assert (got.next_obs[s, ends, 1] == lengths).all(), "a successor belongs to its own episode"
        hits = [(2, True), (3, False), (4, False), (9, True)]
        known = [dict(hits)[int(n)] for n in lengths[:-1]]
        earned = [got.reward[s, a : e + 1].sum() for a, e in zip(starts, ends, strict=True)]
        # the last one counts where it came to its own end just there, which some of these lengths leave open
        scores = [(np.mean(known), np.mean(earned[:-1]))]
        if int(lengths[-1]) in dict(hits):
            scores.append((np.mean([*known, dict(hits)[int(lengths[-1])]]), np.mean(earned)))
        assert any((got.success[s], got.returns[s]) == pytest.approx(score, rel=1e-6) for score in scores)


@pytest.mark.parametrize(
    ("whole", "cut", "expected"),
    [
        ([], [6], (0.0, 6.0)),  # nothing came to its end: what there is
        ([4], [6], (1.0, 4.0)),
        ([2, 3], [5], (0.5, 2.5)),
        ([5, 5], [], (0.5, 5.0)),
    ],
)
def test_what_was_cut_does_not_count_where_episodes_came_to_their_end(
    whole: list[int], cut: list[int], expected: tuple[float, float]
) -> None:
    """A step earns 1; the first episode succeeds, and one that was cut does not."""
    ends = np.cumsum([*whole, *cut]) - 1
    steps = np.zeros((1, ends[-1] + 1), bool)
    last, own, success = steps.copy(), steps.copy(), steps.copy()
    last[0, ends], own[0, ends[: len(whole)]], success[0, ends[: min(1, len(whole))]] = True, True, True
    found = _means(np.ones(steps.shape, np.float32), success, own, last)
    assert (found[0][0], found[1][0]) == expected


def test_seeds_follow_from_learner_seed_iteration_and_lane_alone() -> None:
    """What seed 9 collects does not depend on the seeds beside it, nor on what was collected before."""
    packed, _, _ = played((4, 9, 2), 2, 2 * HORIZON, iteration=3)
    alone, _, _ = played((9,), 2, 2 * HORIZON, iteration=3)
    for name in ("obs", "action", "reward", "next_obs", "terminated"):
        np.testing.assert_array_equal(getattr(packed, name)[1], getattr(alone, name)[0])
    later, _, _ = played((9,), 2, 2 * HORIZON, iteration=4)
    assert not np.isin(later.obs[0, [0, HORIZON], 0], alone.obs[0, :, 0]).any()
    assert (alone.obs[0, 0] != alone.obs[0, HORIZON]).all(), "lanes start differently"
    assert (alone.action != later.action).all()


def test_noise_is_standard_normal() -> None:
    got, _, _ = played((0, 1), 1, 4000)
    assert got.action.mean() == pytest.approx(0, abs=0.03)
    assert got.action.std() == pytest.approx(1, abs=0.03)
    assert abs(np.corrcoef(got.action[0].ravel(), got.action[1].ravel())[0, 1]) < 0.05
