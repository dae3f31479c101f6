"""A warm-up by chance: uniform over the actions, from the streams that the policy would have used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from toy_run import experiment, registered, train

from algos.learner.actor_critic import ActorCritic
from suite.experiment.requirements import lanes
from suite.train.evaluate import uniform_actions, uniform_choices


def test_actions_are_uniform_and_choices_equally_likely() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 5000, 3), np.float32)
    actions = uniform_actions(np.zeros((2, 5000, 4), np.float32), noise)
    assert actions.dtype == np.float32
    assert stats.kstest(actions.ravel(), stats.uniform(-1, 2).cdf).pvalue > 1e-4
    chosen = uniform_choices(np.zeros((2, 5000, 4), np.float32), noise)
    assert (chosen.sum(-1) == 1).all()
    assert chosen.mean((0, 1)) == pytest.approx([1 / 3] * 3, abs=0.02)


def test_chance_acts_until_the_warm_up_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy is asked for samples only afterwards; evaluations ask for its mode throughout."""
    asked: list[int] = []
    real = ActorCritic.act

    def act(self: ActorCritic, obs: np.ndarray, noise: np.ndarray | None = None) -> np.ndarray:
        if noise is not None:
            asked.append(self.updates)
        return real(self, obs, noise)

    monkeypatch.setattr(ActorCritic, "act", act)
    with registered():
        cell = experiment("awac", warmup_steps=16, warmup_actions="uniform")
        assert cell.protocol.online_steps > 2 * cell.protocol.steps_per_iteration
        by_chance = train(cell, tmp_path / "chance")
        first, asked[:] = list(asked), []
        by_policy = train(experiment("awac", warmup_steps=16), tmp_path / "policy")
    assert by_chance != by_policy
    iterations = -(-16 // cell.protocol.steps_per_iteration)
    lane = cell.protocol.steps_per_iteration // lanes(cell)
    assert len(asked) - len(first) == iterations * lane
