"""A toy task and datasets of it, for the tests of the dataset modules."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import minari
import numpy as np
import pytest
from minari.data_collector.episode_buffer import EpisodeBuffer

from envs.data import datasets, minari_store
from envs.data.datasets import Episode
from envs.errors import DatasetError
from envs.tasks import DemoRecipe, Task

HORIZON = 6
ID = "awac-bench/toy-binary-v0/default-abc123-v0"


class ToyEnv(gymnasium.Env[Any, Any]):
    """A point that moves by its action; here only for its spaces and its name."""

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,))
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(3, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(3, np.float32), 0.0, False, False, {}


def toy_success(next_obs: Any) -> Any:
    return next_obs[..., 0] > 0.5


def toy(name: str = "toy-binary-v0", **changes: Any) -> Task:
    task = Task(
        id=name,
        summary="toy",
        obs_dim=3,
        action_dim=2,
        success_rule="first entry above one half",
        success=toy_success,
        expert="",
        recipe=DemoRecipe(),
        remote={"human": "D4RL/toy/human-v2", "cloned": "D4RL/toy/cloned-v2"},
        horizon=HORIZON,
    )
    return dataclasses.replace(task, **changes)


def episode(rng: np.random.Generator, steps: int, **changes: Any) -> Episode:
    obs = rng.standard_normal((steps + 1, 3)).astype(np.float32)
    action = rng.uniform(-1, 1, (steps, 2)).astype(np.float32)
    return Episode(obs, action, **changes)


class Place(NamedTuple):
    """Where a test's datasets lie, and every attempt to reach a network."""

    root: Path
    attempts: list[Any]


def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A Minari store of the test's own, no network, and the toy environment registered."""
    place = Place(tmp_path / "minari", [])

    def refuse(*address: Any, **_: Any) -> Any:
        place.attempts.append(address)
        raise OSError("no network here")

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(place.root))
    monkeypatch.delenv("MINARI_REMOTE", raising=False)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    gymnasium.register("toy-binary-v0", entry_point="toy_data:ToyEnv", max_episode_steps=HORIZON)
    yield place
    del gymnasium.registry["toy-binary-v0"]


def some_episodes() -> list[Episode]:
    """Two demonstrations and two rollouts, 20 steps in all; one is over the horizon, one a single step."""
    rng = np.random.default_rng(0)
    return [episode(rng, n, demo=i < 2, seed=10 + i) for i, n in enumerate((9, 1, 6, 4))]


def foreign(dataset_id: str, episodes: list[dict[str, Any]], env: Any = "toy-binary-v0", **spaces: Any) -> None:
    """A dataset as somebody else's program writes it."""
    buffers = [EpisodeBuffer(**e) for e in episodes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        minari.create_dataset_from_buffers(dataset_id, buffers, env=env, **spaces)


def plain(steps: int = 3, obs_dim: int = 3, action_dim: int = 2, scale: float = 0.5) -> dict[str, Any]:
    ends = np.zeros(steps, np.bool_)
    return {
        "observations": np.full((steps + 1, obs_dim), 0.25),
        "actions": np.full((steps, action_dim), scale),
        "rewards": np.full(steps, 77.0),
        "terminations": ends,
        "truncations": ends,
    }


def message(task: Task, name: str) -> str:
    """What loading this says; it must be one line."""
    with pytest.raises(DatasetError) as caught:
        datasets.load(task, name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def fake_download(parts: list[dict[str, Any]], fail: bool = False) -> Any:
    """Stands in for Minari's download: writes into whatever store Minari is pointed at."""

    def download(dataset_id: str, force_download: bool = False) -> None:
        print("Downloading from afar")
        if force_download:
            shutil.rmtree(minari_store.folder(dataset_id))
        foreign(dataset_id, parts)
        if fail:
            (minari_store.folder(dataset_id) / "data" / "main_data.hdf5").write_bytes(b"half")
            raise ConnectionError("the line was cut\nand a long traceback")

    return download
