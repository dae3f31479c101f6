"""Policies that a run has kept, made into files that data can be generated from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from algos.networks.nets import activate
from algos.networks.policies import SquashedPolicy
from algos.networks.policy_file import load_policy, save_policy
from envs import tasks
from envs.errors import DatasetError
from suite.recipes import experts as distill
from suite.recipes import play

TASK = tasks.get("point-reach")


def kept(path: Path, obs_dim: int = 6) -> Path:
    """A policy as runs keep them."""
    torch.manual_seed(0)
    policy = SquashedPolicy(2, obs_dim, 2, (8, 8))
    activate(policy, "tanh")
    for p in policy.parameters():
        torch.nn.init.normal_(p, std=0.3)
    sizes = {"obs_dim": obs_dim, "action_dim": 2, "hidden": [8, 8], "activation": "tanh"}
    meta = {"family": "squashed", **sizes, "algo": "sac", "return": 3.0}
    path.parent.mkdir()
    save_policy(path, policy, 1, meta)
    return path


def test_it_acts_as_before_up_to_half_precision_and_is_scored_as_it_is_used(tmp_path: Path) -> None:
    source, out = kept(tmp_path / "at+20" / "seed-1.npz"), tmp_path / "out.npz"
    told = distill.adopt(TASK, source, out, episodes=3, seed=4, workers=0)
    policy, meta = load_policy([out])
    assert meta == told
    assert (meta["source"], meta["algo"], meta["episodes"]) == ("at+20/seed-1.npz", "sac", 3)
    obs = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32)
    before = play.act(load_policy([source])[0], obs)
    np.testing.assert_allclose(play.act(policy, obs), before, atol=5e-3)
    sampled = distill.scores(TASK, policy, 3, 9, 0, sample=True)
    assert meta["return"] == sampled["return"] != 3.0
    with np.load(out) as file:
        assert {file[n].dtype for n in file.files if n != "meta"} == {np.dtype(np.float16)}


def test_a_policy_of_another_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="takes 5 observations and gives 2 actions; point-reach-v0 has 6 and 2"):
        distill.adopt(TASK, kept(tmp_path / "at+0" / "seed-1.npz", 5), tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()
