"""Recorded states: an environment put back into one goes on as it did when it was recorded."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from recorded import record

import envs  # noqa: F401  # registers the tasks
from envs import tasks
from envs.data.episodes import Episode
from envs.simulators.restore import Restorable
from envs.verify.rerun import simulator
from envs.verify.single_steps import SingleSteps, incomplete

HANDS = ("pen", "door", "relocate", "hammer")


RESTORED = [
    *(f"{hand}-{kind}" for hand in HANDS for kind in ("binary", "dense")),
    "halfcheetah",
    "walker2d",
    "hopper",
    "ant",
    "humanoid",
    "humanoid-imitate-walk",
    "point-reach",
]


@pytest.mark.parametrize("name", RESTORED)
def test_going_on_from_recorded_rows_repeats_every_transition(name: str) -> None:
    task = tasks.get(name)
    env, again, rng = simulator(task), simulator(task), np.random.default_rng(0)
    assert isinstance(again, Restorable)
    again.reset(seed=1)  # another goal, where there is one
    obs, _ = env.reset(seed=0)
    for t in range(30):
        data = getattr(env, "data", None)
        state = {} if data is None else {"qpos": data.qpos.copy(), "qvel": data.qvel.copy()}
        assert again.missing(obs, state) == ""
        (again.restore if t else again.begin)(obs, state)
        action = rng.uniform(-1, 1, task.action_dim).astype(np.float32)
        obs, reward, *_ = env.step(action)
        found, same, *_ = again.step(action)
        np.testing.assert_allclose(found, obs, rtol=0, atol=1e-6)
        assert same == pytest.approx(reward, abs=1e-6)


@pytest.mark.parametrize("name", HANDS)
def test_goals_come_from_the_first_observation(name: str) -> None:
    env, again = simulator(tasks.get(f"{name}-binary")), simulator(tasks.get(f"{name}-binary"))
    obs, _ = env.reset(seed=5)
    assert np.abs(again._get_obs() - obs).max() > 1e-2
    again.begin(obs, {})
    np.testing.assert_allclose(again._get_obs(), obs, rtol=0, atol=1e-9)


def test_velocities_beyond_what_is_observed_are_kept_from_the_last_step() -> None:
    env: Any = simulator(tasks.get("hopper"))
    fast = np.concatenate((env.data.qpos[1:], np.full(6, 1.0)))
    assert env.missing(fast, {}) == ""
    fast[-1] = 10.0
    assert env.missing(fast, {}) == "velocities beyond 10"
    env.begin(fast, {})
    env.data.qvel[:] = 12.5
    env.restore(fast, {})
    assert env.data.qvel.tolist() == [1.0] * 5 + [12.5]
    env.restore(fast, {"qpos": np.zeros(6), "qvel": np.full(6, 3.0)})
    assert env.data.qvel.tolist() == [3.0] * 6, "a recorded state comes before the observation"


def test_hand_episodes_without_states_of_their_model_are_incomplete() -> None:
    task = tasks.get("door-binary")
    env, (part,) = simulator(task), record(task, [3], states=True)

    def episode(infos: Any) -> Episode:
        return Episode(part["observations"], part["actions"], infos=infos)

    states = part["infos"]
    assert incomplete(env, episode(states)) == ""
    assert incomplete(env, episode({f"state/{k}": v for k, v in states.items()})) == "", "nested, as Minari stores them"
    for unfit in (
        {},
        {"qpos": states["qpos"]},
        {**states, "qvel": states["qvel"][:, :-1]},
        {**states, "qpos": np.ones(3)},
    ):
        assert "no simulator states" in incomplete(env, episode(unfit))


def test_tolerances_cover_what_single_precision_changes_and_no_more() -> None:
    task = tasks.get("halfcheetah")
    (part,) = record(task, [200])
    episode = Episode(part["observations"], part["actions"], reward=part["rewards"])
    rows = SingleSteps(simulator(task)).run({0: episode})
    assert rows.agrees.all()
    assert not rows.exact.all(), "rounded states do not come out bit for bit"
    off = dataclasses.replace(episode, obs=episode.obs.copy())
    off.obs[-1, -1] += 1e-3  # of velocities around 5
    assert np.flatnonzero(~SingleSteps(simulator(task)).run({0: off}).agrees).tolist() == [199]
    assert (np.abs(rows.reward - part["rewards"]) <= rows.reward_tolerance).all()
    assert set(rows.terms) == {"reward_forward", "reward_ctrl"}
