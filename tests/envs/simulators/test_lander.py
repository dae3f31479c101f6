"""The lunar lander: gymnasium's own, the recording of its controller, the shipped experts, and life without Box2D."""

from __future__ import annotations

import builtins
import dataclasses
import math
import re
import sys
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from command import Bench

from algos.networks.policy_file import load_policy
from envs import task as task_module
from envs import tasks, verify
from envs.data import datasets
from envs.discrete import one_hot
from envs.errors import SimulatorError
from envs.stepping.vector import VectorEnv
from suite.measure import doctor
from suite.recipes import experts as distill
from suite.recipes import policies
from suite.recipes.play import rollouts

pytest.importorskip("Box2D", reason="the extra box2d is not installed")

from envs.simulators import lander  # needs it

NAMES = ("lunarlander", "lunarlander-continuous")


@pytest.mark.parametrize("name", NAMES)
def test_the_environment_is_gymnasiums(name: str) -> None:
    task = tasks.get(name)
    continuous = not task.discrete
    with gymnasium.make(task.id) as ours, gymnasium.make("LunarLander-v3", continuous=continuous) as theirs:
        assert ours.spec is not None
        assert (ours.observation_space, ours.action_space) == (theirs.observation_space, theirs.action_space)
        assert ours.observation_space.shape == (task.obs_dim,)
        assert ours.spec.max_episode_steps == task.horizon == 1000
        ours.action_space.seed(0)
        np.testing.assert_array_equal(ours.reset(seed=3)[0], theirs.reset(seed=3)[0])
        for _ in range(task.horizon):
            action = ours.action_space.sample()
            got, expected = ours.step(action), theirs.step(action)
            np.testing.assert_array_equal(got[0], expected[0])
            assert got[1:4] == expected[1:4]
            if got[2]:
                break
        assert got[2], "random actions crash"


def test_an_episode_follows_from_its_seed_whatever_went_before() -> None:
    """Box2D keeps state of its own."""
    actions = np.eye(4)[np.random.default_rng(0).integers(4, size=(60, 1))]
    with VectorEnv("lunarlander-v3", 1, 0) as env:
        env.reset([5])
        once = [env.step(a).next_obs for a in actions]
        for seed in (8, 5):
            env.reset([seed])
            again = [env.step(a).next_obs for a in actions]
    np.testing.assert_array_equal(once, again)


def test_the_facts_of_the_tasks() -> None:
    discrete, continuous = (tasks.get(name) for name in NAMES)
    assert (discrete.action_dim, discrete.discrete, continuous.action_dim, continuous.discrete) == (4, True, 2, False)
    for task in (discrete, continuous):
        assert (task.headline, task.reward_range, task.terminates) == ("return", (-math.inf, math.inf), True)


@pytest.mark.parametrize("continuous", [False, True])
def test_a_recording_is_what_distilling_reads(
    continuous: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lander, "EPISODES", 3)
    task = dataclasses.replace(tasks.get(NAMES[continuous]), horizon=40)
    lander.record(tmp_path / "r.npz", task)
    obs, wish, std = distill._read_rollouts(task, tmp_path / "r.npz")
    with np.load(tmp_path / "r.npz") as file:
        sent, lengths = file["actions"], file["episode_lengths"]
    assert lengths.tolist() == [40, 40, 40]
    env: Any = lander.LanderEnv(continuous=continuous)
    expected = [lander._controller(env, o) for o in obs]
    np.testing.assert_allclose(wish, expected if continuous else one_hot(expected, 4), atol=1e-6)
    assert (std is None) != continuous
    assert np.array_equal(sent[:40], wish[:40]), "the first of three is undisturbed"
    share = (sent[40:] != wish[40:]).any(axis=1).mean()
    assert share > 0.9 if continuous else 0 < share < 3 * lander.NOISE
    second, _ = env.reset(seed=lander.SEED + 1)
    np.testing.assert_array_equal(second, obs[40])


@pytest.mark.parametrize("name", NAMES)
def test_what_was_played_is_verified(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    task = tasks.get(name)
    datasets.store(task, "lab/played-v0", rollouts(task, None, 2, 0, 0), {})
    report = verify.verify(task, "lab/played-v0")
    assert report.verdict == "sound"
    assert {c.name: c.found for c in report.checks}["replay"].endswith("every observation is equal bit for bit")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_expert_lands_as_its_file_says(name: str) -> None:
    task = tasks.get(name)
    path = policies.expert_file(task)
    policy, meta = load_policy([path])
    assert path.stat().st_size < 100_000
    assert (meta["task"], meta["family"]) == (task.id, "categorical" if task.discrete else "gaussian")
    assert task.anchors is not None
    assert task.anchors[1] == pytest.approx(meta["return"], abs=0.01)
    assert meta["return"] > 200, "solved, as its documentation has it"
    found = distill.scores(task, policy, 10, seed=9, workers=0)
    assert found["return"] == pytest.approx(meta["return"], abs=4 * meta["return_std"] / np.sqrt(10))


# without Box2D


def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = task_module.metadata.distribution

    def distribution(name: str) -> Distribution:
        if name == "box2d":
            raise task_module.metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(task_module.metadata, "distribution", distribution)


def test_one_line_says_which_extra_is_missing_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, bench: Bench
) -> None:
    absent(monkeypatch)
    for command in (
        ("run", "--algo", "ppo", "--env", "pen-binary,lunarlander", "--set", "start=scratch", "--profile", "smoke"),
        ("data", "build", "--env", "lunarlander"),
    ):
        said = bench(*command)
        assert (said.code, said.err) == (2, "bench: lunarlander needs box2d: pip install 'awac-bench[box2d]'\n")
    assert not Path("runs").exists()


def test_whoever_makes_the_environment_is_told_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("Box2D"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    for module in ("envs.simulators.lander", "gymnasium.envs.box2d.lunar_lander", "gymnasium.envs.box2d"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(SimulatorError, match=r"needs Box2D: pip install 'awac-bench\[box2d\]'"):
        gymnasium.make("lunarlander-v3")


def test_the_doctor_warns_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: tasks.get(name) for name in ("point-reach", "lunarlander")}
    monkeypatch.setattr(tasks, "TASKS", few)
    assert doctor._simulator().state == "ok"
    absent(monkeypatch)
    found = doctor._simulator()
    assert found.state == "warn"
    assert re.fullmatch(r"pip install (-c \S+ -e '\S+|'awac-bench)\[box2d\]'", found.repair)
    assert "1 tasks reset and step" in found.found


def test_a_plain_installation_is_named_where_no_extra_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch)
    bare = dataclasses.replace(tasks.get("lunarlander"), extra="")
    with pytest.raises(SimulatorError, match="pip install 'awac-bench'"):
        bare.check_simulator()
