"""Datasets: what is stored is what is learned from, and nothing unfit or foreign is."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import minari
import numpy as np
import pytest
from toy_data import ID, Place, episode, foreign, isolated, message, plain, some_episodes, toy

from envs import tasks
from envs.data import datasets, minari_store
from envs.data.datasets import Episode
from envs.errors import DatasetError


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield from isolated(tmp_path, monkeypatch)


@pytest.fixture
def episodes() -> list[Episode]:
    return some_episodes()


def test_the_round_trip_is_bit_exact(episodes: list[Episode]) -> None:
    stored = datasets.store(toy(), ID, episodes, {"noise": 0.5, "holds": (5, 29)}, "toy data")
    read = datasets.load_episodes(toy(), ID)
    assert [(e.demo, e.seed) for e in read] == [(True, 10), (True, 11), (False, 12), (False, 13)]
    for before, after in zip(episodes, read, strict=True):
        assert before.obs.tobytes() == after.obs.tobytes()
        assert before.action.tobytes() == after.action.tobytes()
    assert datasets.load(toy(), ID).info == stored.info
    assert stored.info.recipe == {"noise": 0.5, "holds": [5, 29]}
    assert stored.info.description == "toy data"
    assert stored.info.fingerprint == datasets.fingerprint(episodes)


def test_recorded_simulator_states_come_back_where_they_are_asked_for(episodes: list[Episode]) -> None:
    rng = np.random.default_rng(0)
    states = [{"qpos": rng.random((len(e.obs), 3)), "time": rng.random(len(e.obs))} for e in episodes]
    kept = [dataclasses.replace(e, infos=s) for e, s in zip(episodes, states, strict=True)]
    datasets.store(toy(), ID, kept, {})
    assert [e.infos for e in datasets.load_episodes(toy(), ID)] == [{}] * len(episodes)
    slow = minari_store._read_any(minari_store.folder(ID) / "data", 4, infos=True)
    for before, after, again in zip(states, datasets.load_episodes(toy(), ID, infos=True), slow, strict=True):
        assert again.infos is not None
        assert set(after.infos) == set(again.infos) == set(before)
        for name in before:
            np.testing.assert_array_equal(after.infos[name], before[name])
            np.testing.assert_array_equal(again.infos[name], before[name])


@pytest.mark.parametrize("draw", range(5))
def test_no_transition_crosses_an_episode(draw: int) -> None:
    rng = np.random.default_rng(draw)
    lengths = rng.integers(1, 12, size=rng.integers(1, 9))
    made = [episode(rng, n, demo=bool(rng.integers(2))) for n in lengths]
    rows = datasets.transitions(toy(), made)
    assert len(rows) == lengths.sum()
    for i in range(len(rows)):
        source, step = made[rows.episode[i]], rows.step[i]
        np.testing.assert_array_equal(rows.obs[i], source.obs[step])
        np.testing.assert_array_equal(rows.next_obs[i], source.obs[step + 1])
        np.testing.assert_array_equal(rows.action[i], source.action[step])
        assert rows.demo[i] == source.demo
        assert rows.truncated[i] == (step == len(source.action) - 1)
    types = {f.name: getattr(rows, f.name).dtype for f in dataclasses.fields(rows)}
    assert [n for n, t in types.items() if t == np.float32] == ["obs", "action", "reward", "next_obs"]
    assert [n for n, t in types.items() if t == np.int32] == ["episode", "step"]
    assert [n for n, t in types.items() if t == np.bool_] == ["terminated", "truncated", "demo"]


def test_rewards_are_those_of_the_observation_arrived_in() -> None:
    obs = np.zeros((5, 3), np.float32)
    obs[[0, 2], 0] = 1.0  # successful at reset, which no action earned, and after the second action
    made = [Episode(obs, np.zeros((4, 2), np.float32))]
    data = datasets.store(toy(), ID, made, {})
    assert data.transitions.reward.tolist() == [-1.0, 0.0, -1.0, -1.0]
    assert next(iter(minari.load_dataset(ID).iterate_episodes())).rewards.tolist() == [-1.0, 0.0, -1.0, -1.0]
    assert (data.info.rollout_success, data.info.rollout_success_any) == (0.0, 1.0)
    assert (data.info.demo_success, data.info.return_mean) == (None, -3.0)


def test_foreign_rewards_terminations_and_precision_are_replaced() -> None:
    part = plain(steps=8, scale=1.5)
    part["terminations"] = np.arange(8) % 5 == 2  # D4RL ends pen episodes where this suite goes on
    foreign("lab/toy/mixed-v3", [part, plain()])
    data = datasets.load(toy(), "lab/toy/mixed-v3")
    assert set(data.transitions.reward.tolist()) == {-1.0}
    assert not data.transitions.terminated.any()
    assert not any(e.terminated for e in datasets.load_episodes(toy(), "lab/toy/mixed-v3"))
    assert np.flatnonzero(data.transitions.truncated).tolist() == [7, 10]
    assert data.transitions.obs.dtype == np.float32
    assert data.transitions.action.max() == 1.0
    assert data.info.clipped == 16 / 22
    assert data.info.over_horizon == 1
    assert (data.info.demos, data.info.demo_success) == (0, None)


def test_terminations_count_where_the_task_terminates(episodes: list[Episode]) -> None:
    task = toy(terminates=True)
    episodes[1] = dataclasses.replace(episodes[1], terminated=True)
    assert not datasets.transitions(toy(), episodes).terminated.any()
    rows = datasets.store(task, ID, episodes, {}).transitions
    assert np.flatnonzero(rows.terminated).tolist() == [9]
    assert np.flatnonzero(rows.truncated).tolist() == [8, 15, 19]
    part = plain()
    part["terminations"] = np.array([True, False, False])
    foreign("lab/toy/late-v0", [part])
    assert "episode 0: goes on after step 0 terminated" in message(task, "lab/toy/late-v0")


def test_every_episode_of_human_data_is_a_demonstration() -> None:
    foreign("D4RL/toy/human-v2", [plain(), plain(2)])
    foreign("D4RL/toy/cloned-v2", [plain(), plain(2)])
    assert datasets.load(toy(), "human").transitions.demo.all()
    assert datasets.load(toy(), "human").info.demos == 2
    assert not datasets.load(toy(), "cloned").transitions.demo.any()


def test_the_fingerprint_sees_every_part_of_the_content(episodes: list[Episode]) -> None:
    first = episodes[0]
    nudged = first.obs.copy()
    nudged[-1, -1] = np.nextafter(nudged[-1, -1], np.float32(9))
    moved = first.action.copy()
    moved[0, 0] *= -1
    variants = [
        episodes,
        episodes[::-1],
        episodes[:-1],
        *(
            [dataclasses.replace(first, **c), *episodes[1:]]
            for c in ({"obs": nudged}, {"action": moved}, {"demo": False}, {"terminated": True})
        ),
    ]
    found = [datasets.fingerprint(v) for v in variants]
    assert len(set(found)) == len(variants)
    assert all(len(f) == 12 and int(f, 16) >= 0 for f in found)


def test_minaris_own_tools_read_what_is_stored(episodes: list[Episode]) -> None:
    datasets.store(toy(anchors=(-6.0, -1.0)), ID, episodes, {})
    dataset = minari.load_dataset(ID)
    assert list(minari.list_local_datasets()) == [ID]
    assert (dataset.total_episodes, dataset.total_steps) == (4, 20)
    assert dataset.recover_environment().spec.id == "toy-binary-v0"
    assert minari.get_normalized_score(dataset, np.array([-1.0])).tolist() == [1.0]
    read = list(dataset.iterate_episodes())
    assert [bool(e.truncations[-1]) for e in read] == [True] * 4
    np.testing.assert_array_equal(read[2].observations, episodes[2].obs)


def test_both_readers_agree(episodes: list[Episode]) -> None:
    datasets.store(toy(), ID, episodes, {})
    direct = list(minari_store.episodes(ID))
    through_minari = list(minari_store._read_any(minari_store.folder(ID) / "data", 4))
    for one, other in zip(direct, through_minari, strict=True):
        np.testing.assert_array_equal(one.obs, other.obs)
        np.testing.assert_array_equal(one.action, other.action)
        np.testing.assert_array_equal(one.terminated, other.terminated)
        assert one.seed == other.seed


# data that does not fit


@pytest.mark.parametrize(("key", "what"), [("observations", "observations"), ("actions", "actions")])
@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e300])
def test_numbers_that_are_none_are_found_with_their_place(key: str, what: str, value: float) -> None:
    part = plain()
    part[key][2, 1] = value
    foreign("lab/toy/nan-v0", [plain(), part])
    assert f"episode 1: {what} hold NaN or infinity, first at step 2" in message(toy(), "lab/toy/nan-v0")


def test_an_empty_dataset_is_refused(episodes: list[Episode]) -> None:
    foreign("lab/toy/empty-v0", [])
    assert "is empty" in message(toy(), "lab/toy/empty-v0")
    with pytest.raises(DatasetError, match="is empty"):
        datasets.store(toy(), ID, [], {})
    nothing = dataclasses.replace(episodes[0], obs=episodes[0].obs[:1], action=episodes[0].action[:0])
    with pytest.raises(DatasetError, match="1 observations and 0 actions"):
        datasets.store(toy(), ID, [nothing], {})


def test_data_of_another_task_is_refused_by_shape_and_by_name(episodes: list[Episode]) -> None:
    foreign("lab/wide-v0", [plain(obs_dim=3, action_dim=4)])
    assert "actions have shape [3, 4], toy-binary-v0 needs [rows, 2]" in message(toy(), "lab/wide-v0")
    datasets.store(toy(), ID, episodes, {})
    twin = toy("twin-binary-v0")  # same shapes
    assert "belongs to toy-binary-v0" in message(twin, ID)


@pytest.mark.parametrize(
    ("dataset_id", "env"),
    [
        ("D4RL/door/human-v2", None),
        ("lab/handle-v0", "AdroitHandDoor-v1"),
        ("lab/handle-v0", "door-binary-v0"),
    ],
)
def test_a_recorded_environment_of_another_task_is_refused(dataset_id: str, env: str | None) -> None:
    same_shapes = dataclasses.replace(tasks.get("relocate-binary"), action_dim=28)
    spaces = {
        "observation_space": gymnasium.spaces.Box(-np.inf, np.inf, (39,)),
        "action_space": gymnasium.spaces.Box(-1, 1, (28,)),
    }
    foreign(dataset_id, [plain(obs_dim=39, action_dim=28)], env=None, **spaces)
    path = minari_store.folder(dataset_id) / "data" / "metadata.json"
    about = json.loads(path.read_text())
    if env is not None:
        path.write_text(json.dumps({**about, "env_spec": json.dumps({"id": env})}))
    complaint = message(same_shapes, dataset_id)
    assert "belongs to door-binary-v0" in complaint
    assert "cannot be used for relocate-binary-v0" in complaint
    assert len(datasets.load(tasks.get("door-binary"), dataset_id).transitions) == 3


def test_dictionary_observations_are_refused() -> None:
    part = plain()
    part["observations"] = {"state": np.zeros((4, 3)), "goal": np.zeros((4, 2))}
    box = gymnasium.spaces.Box(-1, 1, (3,))
    spaces = {
        "observation_space": gymnasium.spaces.Dict({"state": box, "goal": gymnasium.spaces.Box(-1, 1, (2,))}),
        "action_space": gymnasium.spaces.Box(-1, 1, (2,)),
    }
    foreign("lab/toy/dict-v0", [part], env=None, **spaces)
    assert "observations are a dictionary of goal, state" in message(toy(), "lab/toy/dict-v0")


# recorded data


@pytest.mark.parametrize("name", ["pen", "door", "relocate", "hammer"])
def test_recorded_expert_rollouts_can_be_stored(name: str) -> None:
    folder = os.environ.get("BENCH_TEST_DATA")
    if folder is None:
        pytest.skip("BENCH_TEST_DATA names no folder of recorded data")
    task = tasks.get(f"{name}-binary")
    with np.load(Path(folder) / f"{name}-expert-rollouts.npz") as file:
        obs, action, success = file["observations"], file["actions"], file["success"]
    made = [Episode(o, a, seed=500 + i) for i, (o, a) in enumerate(zip(obs, action, strict=True))]
    data = datasets.store(task, f"awac-bench/{task.id}/expert-v0", made, {})
    np.testing.assert_array_equal(data.transitions.next_obs, obs[:, 1:].reshape(-1, task.obs_dim))
    np.testing.assert_array_equal(data.transitions.action, action.reshape(-1, task.action_dim))
    expected = success.ravel()  # the simulator's own flag
    if name == "door":  # ... which calls a door open from 1.35 rad on
        expected = expected & (obs[:, 1:, 28].ravel() > 1.4)
    np.testing.assert_array_equal(data.transitions.reward, np.where(expected, 0.0, -1.0))
    assert data.info.over_horizon == 0
