"""Clones that come with the package, and that data are the same under the kernels of other processors."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import Bench

from algos.networks.policy_file import load_policy, read_policy, save_policy
from envs import tasks
from envs.data import datasets
from envs.errors import DatasetError
from envs.task import Recipe, Task
from suite.experiment.resolve import sized
from suite.recipes import build, experts, known, policies

# what is played with the expert and with the clone, in few episodes; fingerprints of both
PLAYED = """
import dataclasses, sys
from algos.networks.policy_file import load_policy
from envs import tasks
from envs.data.episodes import fingerprint
from suite.recipes import demonstrator, play, policies
task = tasks.get(sys.argv[1])
files = (policies.expert_file(task), policies.CLONES / f"{sys.argv[1]}.npz")
expert, clone = (load_policy([path])[0] for path in files)
few = dataclasses.replace(task.recipe, demonstrations=2)
demos = demonstrator.demonstrations(task, few, expert, 0, 0)
print(fingerprint(demos), fingerprint(play.rollouts(task, clone, 2, 0, 0)))
"""
# an old processor: no kernels of torch, MKL and numpy but those that need nothing newer than SSE
OLD = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR AVX2 FMA3",
}
# played on Intel Xeon (AVX-512)
KNOWN = {
    "door-binary": "f6d880ce8f8f a15382fd806b",
    "halfcheetah": "1f420e4274c3 92a32a07fdbb",
    "point-reach": "b1dd019ec140 7d3c428ccecd",
}


@pytest.mark.parametrize("kernels", ["own", "old"])
@pytest.mark.parametrize("name", KNOWN)
def test_data_are_the_same_on_every_processor(name: str, kernels: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PLAYED, name],
        env=os.environ | (OLD if kernels == "old" else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == KNOWN[name]


def cloned() -> list[Task]:
    """Tasks whose default datasets are rollouts of a clone beside demonstrations of an expert."""
    return [t for t in tasks.TASKS.values() if isinstance(t.recipe, Recipe) and t.expert]


@pytest.mark.parametrize("task", cloned(), ids=lambda t: t.short_name)
@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_default_data_are_played_by_the_clone_that_ships(task: Task, profile: str) -> None:
    chosen = sized(task, profile)
    path = policies.shipped_clone(chosen, chosen.recipe, 0)
    assert path is not None, f"make it again: bench data clone {task.short_name} --out envs/experts/clones/..."
    meta = read_policy(path)[0]
    assert sorted(meta["candidates"])[2] == round(meta[task.headline], 2), "the median of five"
    assert build.sources(chosen, chosen.recipe)["clone"] == policies.digest(path)


def test_another_recipe_or_seed_has_another_clone() -> None:
    task = sized(tasks.get("point-reach"), "quick")
    assert policies.shipped_clone(task, task.recipe, 1) is None
    more = dataclasses.replace(task.recipe, demonstrations=3)
    assert policies.shipped_clone(task, more, 0) is None
    longer = dataclasses.replace(task.recipe, rollouts=7)
    assert policies.shipped_clone(task, longer, 0) is not None, "rollouts are played, not cloned from"
    assert "clone" not in build.sources(task, task.recipe, 1)


def test_rollouts_are_those_of_the_shipped_clone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A clone that does nothing at all stands in for the one that ships; the rollouts are its."""
    task = dataclasses.replace(tasks.get("point-reach"), horizon=5)
    policy, meta = load_policy([policies.CLONES / "point-reach.npz"])
    for p in policy.parameters():
        p.data.zero_()
    policy.start_at(1e-9)
    save_policy(tmp_path / "point-reach.npz", policy, 0, meta)
    monkeypatch.setattr(policies, "CLONES", tmp_path)
    recipe = dataclasses.replace(task.recipe, rollouts=2)
    assert meta["cloned_from"] == policies.cloned_from(task, recipe, 0)
    data = build.build(dataclasses.replace(task, recipe=recipe), 0, 0)
    episodes = datasets.load_episodes(task, data.info.id)
    assert all(abs(e.action).max() < 0.1 for e in episodes if not e.demo)
    assert all(abs(e.action).max() > 0.1 for e in episodes if e.demo)


def test_data_that_are_not_what_they_are_elsewhere_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    task = sized(tasks.get("point-reach"), "smoke")
    monkeypatch.setattr(known, "_known", lambda: {build.built_id(task, 5): "0" * 12})
    said: list[str] = []
    info = build.build(task, 5, 0, said.append).info
    assert f"fingerprint {info.fingerprint}, elsewhere 000000000000. This machine" in said[-1]
    monkeypatch.setattr(known, "_known", lambda: {info.id: info.fingerprint})
    assert known.differs(info) is None


def test_every_default_dataset_has_its_known_fingerprint() -> None:
    ids = {build.built_id(sized(task, "quick")) for task in cloned()}
    assert ids <= set(known._known()), "python benchmarks/fingerprints.py"


def test_a_clone_is_made_again_by_the_command(bench: Bench, tmp_path: Path) -> None:
    out = tmp_path / "clone.npz"
    done = bench("data", "clone", "point-reach", "--out", str(out), "--candidates", "3", "--episodes", "2")
    assert done.code == 0, done.err
    meta = read_policy(out)[0]
    assert sorted(meta["candidates"])[1] == round(meta["return"], 2)
    task = sized(tasks.get("point-reach"), "quick")
    assert meta["cloned_from"] == policies.cloned_from(task, task.recipe, 0)


def test_tasks_without_a_clone_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="sawyer-push-v0 has no rollouts of a clone"):
        experts.clone_of(tasks.get("sawyer-push"), tmp_path / "clone.npz")
    with pytest.raises(DatasetError, match="no expert of it is at hand"):
        experts.clone_of(tasks.get("humanoid"), tmp_path / "clone.npz")
    assert not list(tmp_path.iterdir())
