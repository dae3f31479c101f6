"""The packed copy of a large dataset: read instead of it, and only while it is the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import minari
import numpy as np
import pytest
from toy_data import ID, Place, foreign, isolated, message, plain, some_episodes, toy

from envs.data import datasets, minari_store, packed


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(packed, "MIN_STEPS", 15)
    yield from isolated(tmp_path, monkeypatch)


@pytest.fixture
def no_hdf5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the dataset itself fails the test."""

    def read(*_: object, **__: object) -> None:
        raise AssertionError("the dataset itself was read")

    monkeypatch.setattr(minari_store, "episodes", read)


def copy_of(dataset_id: str) -> Path:
    return minari_store.folder(dataset_id) / packed.FOLDER


@pytest.mark.parametrize("has_rule", [True, False])
def test_the_copy_gives_the_same_dataset(has_rule: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    task = toy() if has_rule else toy(success=None, success_rule="", terminates=True)
    episodes = some_episodes()
    if not has_rule:
        rng = np.random.default_rng(0)
        for i, e in enumerate(episodes):
            rewards = rng.random(len(e.action)).astype(np.float32)
            episodes[i] = datasets.Episode(e.obs, e.action, e.demo, i == 1, e.seed, rewards)
    first = datasets.store(task, ID, episodes, {})
    before = datasets.load_episodes(task, ID)
    assert copy_of(ID).is_dir()
    monkeypatch.setattr(minari_store, "episodes", None)
    again = datasets.load(task, ID)
    assert again.info == first.info
    for field, values in vars(first.transitions).items():
        np.testing.assert_array_equal(getattr(again.transitions, field), values)
    assert [(e.demo, e.terminated, e.seed) for e in datasets.load_episodes(task, ID)] == [
        (e.demo, e.terminated, e.seed) for e in before
    ]


def test_small_datasets_go_without_and_minari_does_not_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets.store(toy(), ID, some_episodes(), {})
    assert list(minari.list_local_datasets()) == [ID]
    monkeypatch.setattr(packed, "MIN_STEPS", 21)
    datasets.store(toy(), "lab/small-v0", some_episodes(), {})
    assert not copy_of("lab/small-v0").exists()


def test_a_dataset_that_changed_is_read_itself() -> None:
    datasets.store(toy(), ID, some_episodes(), {})
    file = minari_store.folder(ID) / "data" / "main_data.hdf5"
    content = bytearray(file.read_bytes())
    where = content.index(some_episodes()[2].obs.tobytes()[:64])
    content[where + 2] ^= 1
    file.write_bytes(content)
    assert "is damaged" in message(toy(), ID)


@pytest.mark.parametrize("damage", ["content", "cut off", "gone", "about"])
def test_a_damaged_copy_is_made_anew(damage: str) -> None:
    info = datasets.store(toy(), ID, some_episodes(), {}).info
    obs, about = copy_of(ID) / "obs.npy", copy_of(ID) / "about.json"
    content = bytearray(obs.read_bytes())
    if damage == "content":
        content[-1] ^= 1
        obs.write_bytes(content)
    elif damage == "cut off":
        obs.write_bytes(content[:-40])
    elif damage == "gone":
        obs.unlink()
    else:
        about.write_text("{")
    read = datasets.load_episodes(toy(), ID)
    assert all(np.array_equal(a.obs, b.obs) for a, b in zip(read, some_episodes(), strict=True))
    assert datasets.load(toy(), ID).info == info
    assert packed.read(ID, packed.key(toy(), ID, {0, 1}), info.fingerprint) is not None  # made anew
    assert [p.name for p in copy_of(ID).parent.iterdir() if p.name.startswith(packed.FOLDER)] == [packed.FOLDER]


@pytest.mark.usefixtures("place")
def test_a_foreign_dataset_is_packed_when_it_is_first_read(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign("lab/toy/big-v0", [plain(9), plain(9, scale=1.5)])
    first = datasets.load(toy(), "lab/toy/big-v0").info
    assert first.clipped == 0.5
    monkeypatch.setattr(minari_store, "episodes", None)
    assert datasets.load(toy(), "lab/toy/big-v0").info == first


def test_another_task_is_not_given_the_copy() -> None:
    foreign("lab/toy/big-v0", [plain(9), plain(9)])
    datasets.load(toy(), "lab/toy/big-v0")
    dense = toy(success=None, success_rule="")
    assert set(datasets.load(dense, "lab/toy/big-v0").transitions.reward) == {77.0}
    assert set(datasets.load(toy(), "lab/toy/big-v0").transitions.reward) == {-1.0}


def test_recorded_states_are_read_from_the_dataset() -> None:
    states = [datasets.Episode(e.obs, e.action, infos={"qpos": np.ones((len(e.obs), 2))}) for e in some_episodes()]
    datasets.store(toy(), ID, states, {})
    datasets.load(toy(), ID)
    assert all("qpos" in e.infos for e in datasets.load_episodes(toy(), ID, infos=True))


def test_what_is_handed_out_may_be_changed_and_the_copy_stays() -> None:
    datasets.store(toy(), ID, some_episodes(), {})
    for e in datasets.load_episodes(toy(), ID):
        e.obs[:] = 0
    np.testing.assert_array_equal(datasets.load_episodes(toy(), ID)[0].obs, some_episodes()[0].obs)


def test_a_store_that_cannot_be_written_to_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(packed.np, "save", refuse)
    datasets.store(toy(), ID, some_episodes(), {})
    assert [p.name for p in minari_store.folder(ID).iterdir()] == ["data"]
    assert len(datasets.load(toy(), ID).transitions) == 20
