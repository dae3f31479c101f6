"""Where the deviations of policies start and end, as the learner's settings say, in files too."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import tiny
import torch

from algos.contract import LearnerConfig
from algos.learner.actors import meta_of
from algos.networks.policy_file import load_policy, save_policy
from algos.settings import SettingError

FAMILY = {"awac": "gaussian", "sac": "squashed"}


@pytest.mark.parametrize("algo", FAMILY)
@pytest.mark.parametrize(("spread", "start"), [((-5.0, 2.0), 1.0), ((-5.0, 0.0), 0.082), (None, 0.5)])
def test_a_policy_starts_with_the_deviation_asked_for(
    algo: str, spread: tuple[float, float] | None, start: float
) -> None:
    learner = tiny.learner(algo, common={"log_std_range": spread, "std_start": start})
    batch, _ = learner.draw()
    std = learner.nets.policy(batch.obs).std
    assert std.flatten().tolist() == pytest.approx([start] * std.numel(), rel=0.02)  # a squashed one adds small weights


@pytest.mark.parametrize("algo", FAMILY)
def test_it_never_leaves_the_range(algo: str) -> None:
    learner = tiny.learner(algo, common={"log_std_range": (-2.0, -1.0)})
    with torch.no_grad():
        for parameter in learner.nets.policy.parameters():
            parameter.mul_(1000.0).add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)) * 100)
    batch, _ = learner.draw()
    std = learner.nets.policy(batch.obs).std
    assert std.min() >= math.exp(-2.0) - 1e-6
    assert std.max() <= math.exp(-1.0) + 1e-6


def test_behaviour_models_have_it_too() -> None:
    learner = tiny.learner("brac", common={"log_std_range": (-5.0, 0.0), "std_start": 0.082})
    batch, _ = learner.draw()
    (behaviour,) = (m for m in learner.nets.extra.values() if hasattr(m, "LOG_STD_RANGE"))
    assert behaviour(batch.obs).std.mean().item() == pytest.approx(0.082, rel=0.02)


@pytest.mark.parametrize("algo", FAMILY)
def test_a_file_remembers_the_range(algo: str, tmp_path: Path) -> None:
    learner = tiny.learner(algo, common={"log_std_range": (-4.0, 1.0), "std_start": 0.9})
    actor = learner.actor()
    sizes = {"obs_dim": tiny.LAYOUT.obs_dim, "action_dim": tiny.LAYOUT.action_dim, "hidden": tiny.SMALL["hidden"]}
    meta = {**meta_of(actor), **sizes}
    assert (meta["family"], tuple(meta["log_std_range"])) == (FAMILY[algo], (-4.0, 1.0))
    save_policy(tmp_path / "p.npz", actor, 0, meta)
    read, _ = load_policy([tmp_path / "p.npz"])
    obs = torch.randn(1, 9, tiny.LAYOUT.obs_dim)
    torch.testing.assert_close(read(obs).std, learner.nets.policy(obs.expand(3, -1, -1)).std[:1])
    assert "log_std_range" not in meta_of(tiny.learner(algo).actor()), "the family's own needs no word"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"log_std_range": (2.0, -5.0)}, "give the least and the largest"),
        ({"log_std_range": (1.0,)}, "give the least and the largest"),
        ({"std_start": 1.0}, "needs a log_std_range"),
        ({"std_start": 0.001, "log_std_range": (-5.0, 2.0)}, "is not inside"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(SettingError, match=why):
        LearnerConfig(**settings)
