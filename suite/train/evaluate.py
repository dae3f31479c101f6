"""Rollouts: collecting with the sampled policy, and scoring its mode on fixed initial states.

All seeds' environments step together. Reset seeds and exploration noise follow from (learner seed, iteration, lane)
alone, so no simulator or generator state has to survive a resume, and the number of workers changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envs.discrete import choices, one_hot
from envs.stepping.vector import VectorEnv
from envs.task import Task
from suite.record.metrics import SCORE_UNITS
from suite.train.in_turn import Act, InTurn

__all__ = [
    "EVAL_SEED",
    "FRESH_SEED",
    "Collected",
    "collect",
    "episode_scores",
    "evaluate",
    "uniform_actions",
    "uniform_choices",
]

EVAL_SEED = 1_000_000  # initial state of evaluation episode e: reset(seed=EVAL_SEED + e)
FRESH_SEED = 2_000_000  # the same for policies scored afterwards, in states that no run was evaluated in
_SUCCESS_SCORES = tuple(name for name, unit in SCORE_UNITS.items() if unit == "share")
_RESET, _NOISE, _EPISODE_NOISE = 11, 12, 13  # numbers that tell random streams apart


@dataclass(frozen=True)
class Collected:
    """Transitions of S seeds, episode after episode, and the episodes' scores."""

    obs: NDArray[np.float32]  # [S, n, O]
    action: NDArray[np.float32]  # [S, n, A] as sampled: the environment clips
    reward: NDArray[np.float32]  # [S, n]
    next_obs: NDArray[np.float32]  # [S, n, O]
    terminated: NDArray[np.bool_]  # [S, n]
    ends: NDArray[np.bool_]  # [S, n] last step of an episode, or of what was collected of it
    # of whole episodes; of those that were cut where a seed's iteration holds no whole one
    success: NDArray[np.float64]  # [S] share of episodes successful at their last step
    returns: NDArray[np.float64]  # [S] mean undiscounted return of the episodes


def collect(
    env: VectorEnv, act: Act, seeds: tuple[int, ...], iteration: int, steps: int, action_dim: int, chunk: int = 1
) -> Collected:
    """Collect `steps` environment steps per seed with the sampled policy, in equal lanes of freshly reset environments.

    A lane's last episode is cut where its steps end; a cut bootstraps, as a time limit does. `act` decides `chunk`
    actions at a time.
    """
    s = len(seeds)
    lanes = env.count // s
    length = steps // lanes
    resets = [
        int(x) for k in seeds for x in np.random.SeedSequence([k, _RESET, iteration]).generate_state(lanes, np.uint32)
    ]
    noise = np.stack(
        [
            np.random.default_rng([k, _NOISE, iteration]).standard_normal(
                (length, lanes, chunk * action_dim), np.float32
            )
            for k in seeds
        ]
    )  # [S, T, lanes, h A]
    obs, begins, play = env.reset(resets), np.ones((s, lanes), bool), InTurn(act, chunk)
    parts: list[tuple[NDArray[np.float32], ...]] = []
    flags: list[tuple[NDArray[np.bool_], ...]] = []
    for t in range(length):
        action = play(obs.reshape(s, lanes, -1), noise[:, t], begins)
        step = env.step(action.reshape(env.count, -1))
        begins = (step.terminated | step.truncated).reshape(s, lanes)
        parts.append((obs, action.reshape(env.count, -1), step.reward, step.next_obs))
        flags.append((step.terminated, step.truncated, step.success))
        obs = step.obs
    terminated, truncated, success = (np.stack(x, 1) for x in zip(*flags, strict=True))  # [count, T]
    stacked = [np.stack(x, 1) for x in zip(*parts, strict=True)]  # [count, T, ...]
    whole = terminated | truncated
    ends = whole.copy()
    ends[:, -1] = True
    success, returns = _means(
        stacked[2].reshape(s, -1), success.reshape(s, -1), whole.reshape(s, -1), ends.reshape(s, -1)
    )
    obs, action, reward, next_obs = (x.reshape(s, lanes * length, *x.shape[2:]) for x in stacked)
    return Collected(
        obs=obs,
        action=action,
        reward=reward,
        next_obs=next_obs,
        terminated=terminated.reshape(s, -1),
        ends=ends.reshape(s, -1),
        success=success,
        returns=returns,
    )


def _means(
    reward: NDArray[np.float32], success: NDArray[np.bool_], whole: NDArray[np.bool_], ends: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Success and mean return per seed [S] of what was collected, of steps [S, n]; `ends` are where episodes stop.

    Episodes that stop without being `whole` count where a seed has no others.
    """
    counted = np.where(whole.any(1, keepdims=True), whole, ends)
    episodes = counted.sum(1)
    number: NDArray[np.int64] = np.cumsum(ends, 1) - ends  # of the episode that each step belongs to
    kept = np.stack([np.isin(n, n[c]) for n, c in zip(number, counted, strict=True)])
    return (success & counted).sum(1) / episodes, np.where(kept, reward, 0.0).sum(1, dtype=np.float64) / episodes


def uniform_actions(obs: NDArray[np.float32], noise: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Actions [S, n, A] uniform in [-1, 1], from standard normal noise of that shape; they act as a policy does."""
    from scipy.special import ndtr  # late: most runs have no such warm-up

    assert noise is not None, "chance has no mode"
    return np.asarray(2.0 * ndtr(noise) - 1.0, np.float32)


def uniform_choices(obs: NDArray[np.float32], noise: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Choices as one-hot vectors [S, n, A], each as likely, from standard normal noise of that shape."""
    assert noise is not None, "chance has no mode"
    return one_hot(choices(noise), noise.shape[-1])


def evaluate(
    env: VectorEnv, act: Act, seeds: int, episodes: int, task: Task, chunk: int = 1
) -> dict[str, NDArray[np.float64]]:
    """Scores of the policy's mode, each [S]: the same `episodes` initial states for every seed and algorithm."""
    scores = episode_scores(env, act, seeds, episodes, task, chunk=chunk)
    return _with_normalized(task, {name: values.mean(axis=1) for name, values in scores.items()})  # of the mean return


def episode_scores(
    env: VectorEnv,
    act: Act,
    seeds: int,
    episodes: int,
    task: Task,
    first: int = EVAL_SEED,
    sample: bool = False,
    chunk: int = 1,
) -> dict[str, NDArray[np.float64]]:
    """Scores of single episodes, each [S, episodes]; episode e starts from reset(seed=first + e).

    They are the scores that the task has: successes by its rule, the last step's reward where that says how close an
    episode came to its goal, normalised ones between its anchors.

    `sample` acts by samples instead of modes. Their noise follows from the episode's reset seed, so that neither the
    number of environments nor that of episodes changes an episode. `act` decides `chunk` actions at a time.
    """
    lanes = env.count // seeds
    waves = range(first, first + episodes, lanes)
    scores = [_wave(env, act, seeds, start, task, sample, chunk) for start in waves]
    joined = {name: np.concatenate([w[name] for w in scores], axis=1)[:, :episodes] for name in scores[0]}
    unwanted = set(_SUCCESS_SCORES) if task.success is None else set()
    if task.goal is None:
        unwanted.add("final_reward")
    return _with_normalized(task, {name: values for name, values in joined.items() if name not in unwanted})


def _with_normalized(task: Task, scores: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    return scores if task.anchors is None else {**scores, "normalized_score": task.normalized(scores["return"])}


def _wave(
    env: VectorEnv, act: Act, seeds: int, first: int, task: Task, sample: bool, chunk: int
) -> dict[str, NDArray[np.float64]]:
    """Play one episode in every lane: [S, lanes] per score."""
    lanes = env.count // seeds
    resets = range(first, first + lanes)
    noise = _episode_noise(resets, task.horizon, chunk * env.action_space.shape[0]) if sample else None
    obs, begins, play = env.reset([*resets] * seeds), np.ones((seeds, lanes), bool), InTurn(act, chunk)
    running = np.ones(env.count, bool)
    last = np.zeros(env.count, bool)
    ever = np.zeros(env.count, bool)
    total, hits, length, reward = np.zeros((4, env.count))
    placed: NDArray[np.bool_] | bool = False  # [count, K] subtasks that were in place at any time
    for t in range(task.horizon):
        action = play(obs.reshape(seeds, lanes, -1), None if noise is None else np.stack([noise[t]] * seeds), begins)
        step = env.step(action.reshape(env.count, -1))
        begins = (step.terminated | step.truncated).reshape(seeds, lanes)
        total += np.where(running, step.reward, 0.0)
        reward = np.where(running, step.reward, reward)
        hits += running & step.success
        length += running
        ever |= running & step.success
        last = np.where(running, step.success, last)
        if task.subtasks is not None:
            placed |= running[:, None] & task.subtasks(step.next_obs)
        running &= ~(step.terminated | step.truncated)
        obs = step.obs
        if not running.any():
            break
    out = {
        "success": last,
        "success_any": ever,
        "success_steps": hits / length,
        "return": total,
        "episode_length": length,
        "final_reward": reward,
    }
    if task.subtasks is not None:
        out["normalized_score"] = 100.0 * np.mean(placed, axis=-1)
    return {name: values.astype(np.float64).reshape(seeds, lanes) for name, values in out.items()}


def _episode_noise(resets: range, horizon: int, action_dim: int) -> NDArray[np.float32]:
    """Standard normal noise [T, lanes, A], one stream per episode."""
    draws = [
        np.random.default_rng([_EPISODE_NOISE, seed]).standard_normal((horizon, action_dim), np.float32)
        for seed in resets
    ]
    return np.stack(draws, axis=1)
