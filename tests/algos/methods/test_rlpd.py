"""RLPD against SAC, which it is without its ensemble, and a random minimum worked out by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import tiny
import torch
from asked import resolve

from algos.learner.capture import WARMUP
from algos.methods import rlpd, sac
from algos.networks.nets import Nets, TwinQ
from algos.networks.policies import SquashedPolicy
from algos.parts.entropy import LogAlpha
from algos.settings import SettingError

# what is left of RLPD is SAC but for the policy's loss, which takes the mean of the critics
AS_SAC: dict[str, Any] = {"critics": 2, "subset": 2, "layer_norm": False, "policy_every": 1, "target_entropy": -3.0}


def test_the_minimum_of_a_random_subset_by_hand() -> None:
    """Two seeds choose the critics of their smallest draws: 1 and 3, and 0 and 2."""
    q = torch.tensor([[5.0, 1.0, 2.0, 4.0], [3.0, 0.0, 7.0, 1.0]])[..., None] + torch.tensor([0.0, 10.0])
    draws = torch.tensor([[0.9, 0.1, 0.5, 0.2], [0.3, 0.8, 0.1, 0.7]])
    assert rlpd.subset_min(q, draws, 2).tolist() == [[1.0, 11.0], [3.0, 13.0]]
    assert rlpd.subset_min(q, draws, 1).tolist() == [[1.0, 11.0], [7.0, 17.0]]
    assert rlpd.subset_min(q, None, 4).tolist() == [[1.0, 11.0], [0.0, 10.0]]


def test_every_critic_is_chosen_equally_often_and_for_each_seed_anew() -> None:
    learner = tiny.learner("rlpd", phase="online")
    draws = torch.stack([learner.draw()[1].critics for _ in range(400)])  # type: ignore[misc]
    chosen = draws.topk(2, dim=2, largest=False).indices
    share = torch.bincount(chosen.flatten(), minlength=10) / chosen.numel()
    torch.testing.assert_close(share, torch.full((10,), 0.1), atol=0.02, rtol=0)
    assert (chosen[:, 0].sort().values != chosen[:, 1].sort().values).any(1).float().mean() > 0.9


def test_two_plain_critics_in_step_with_the_policy_are_sacs() -> None:
    """From the same start and draws the critics and alpha move bit for bit as SAC's."""
    ours = tiny.learner("rlpd", phase="online", settings=AS_SAC, offline_fraction=None)
    theirs = tiny.learner("sac-prior", phase="online")
    for learner in (ours, theirs):
        learner.run(1)
    different = tiny.changed(tiny.parameters(ours), tiny.parameters(theirs))
    assert {name.split(".")[0] for name in different} == {"policy"}


@pytest.mark.parametrize("bonus", [True, False])
def test_where_the_critics_agree_the_losses_are_sacs_bit_for_bit(bonus: bool) -> None:
    nets = tiny.stub_nets(tiny.random_nets(SquashedPolicy).policy, tiny.QuadraticQ())
    step = tiny.random_step(nets.policy, nets)
    cfg = rlpd.Config(**{**AS_SAC, "target_entropy": None}, alpha=0.2, backup_entropy=bonus)
    dist = nets.policy(step.batch.next_obs)
    plain = sac.Config(alpha=0.2 if bonus else 0.0)
    assert torch.equal(rlpd.td_target(cfg, nets, step, dist), sac.td_target(plain, nets, step, dist))
    ours, _ = rlpd.actor_loss(cfg, nets, step)
    assert torch.equal(ours, sac.actor_loss(sac.Config(alpha=0.2), nets, step)[0])
    assert rlpd.needs(cfg).bounded_q != bonus


def test_the_policy_follows_the_mean_of_all_critics() -> None:
    nets = tiny.random_nets(SquashedPolicy)
    nets = Nets(nets.policy, TwinQ(2, 5, tiny.LAYOUT.obs_dim, tiny.LAYOUT.action_dim, (8,)).double(), {}, None)
    nets.init([torch.Generator().manual_seed(s) for s in range(2)], copy_targets=True)
    step = tiny.random_step(nets.policy, nets)
    action, log_prob = step.sampled
    assert nets.critic is not None
    expected = (0.3 * log_prob - nets.critic(step.batch.obs, action).mean(1)).mean(1)
    torch.testing.assert_close(rlpd.actor_loss(rlpd.Config(alpha=0.3), nets, step)[0], expected)


def test_the_target_takes_the_critics_that_were_drawn() -> None:
    """Target critics 3, 5 and 4, of which the first has the largest draw."""
    nets = tiny.stub_nets(tiny.constant_policy(0.0, 0.5), tiny.ConstantQ(3.0, 5.0, 4.0))
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(1, dtype=torch.float64))
    noise = dataclasses.replace(step.noise, critics=torch.tensor([[0.9, 0.1, 0.2]]))
    cfg = rlpd.Config(critics=3, alpha=0.0)
    target = rlpd.td_target(cfg, nets, dataclasses.replace(step, noise=noise), nets.policy(step.batch.next_obs))
    assert float(target.detach()) == pytest.approx(0.99 * 4)


@pytest.mark.parametrize(("target_entropy", "expected"), [(None, -0.5), (0.7, 0.7)])
def test_alpha_aims_at_half_of_sacs_entropy(target_entropy: float | None, expected: float) -> None:
    """One action dimension; d loss / d log alpha is the entropy minus what is aimed at."""
    nets = tiny.stub_nets(tiny.constant_policy(0.0, 0.4), tiny.ConstantQ(0.0), log_alpha=LogAlpha(1).double())
    grid = tiny.normal_grid(501)
    step = tiny.bandit_step(nets.policy, nets, torch.zeros_like(grid), grid[None])
    losses, _ = rlpd.auxiliary_losses(rlpd.Config(target_entropy=target_entropy), nets, step)
    entropy = 0.5 * math.log(2 * math.pi * math.e * 0.16)
    found = float(tiny.gradient(losses["log_alpha"], nets.extra["log_alpha"]))
    assert found == pytest.approx(entropy - expected, rel=1e-6)


def test_what_the_learner_is_built_of() -> None:
    learner = tiny.learner("rlpd", phase="online")
    critic = learner.nets.critic
    assert critic is not None
    assert critic.critics == 10
    assert critic.body.norms is not None
    assert tiny.phases("rlpd") == ["online"]


def test_half_of_every_batch_is_prior_data() -> None:
    learner = tiny.learner("rlpd", phase="online")
    assert learner.replay is not None
    index = learner.sampler.index(torch.rand(len(tiny.SEEDS), 32, dtype=torch.float64))
    assert (index < learner.replay.offline).sum(1).tolist() == [16] * len(tiny.SEEDS)


def test_the_policy_and_alpha_step_once_in_a_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a recorded learner needs one graph for that update and one for all the others."""
    recorded: list[int] = []  # turns
    learner = tiny.learner("rlpd", phase="online", settings={"policy_every": 4})
    monkeypatch.setattr(learner.rounds, "_record", lambda kind, turn: recorded.append(turn))
    moved = []
    for _ in range(8):
        before = tiny.parameters(learner)
        learner.run(1)
        different = tiny.changed(before, tiny.parameters(learner))
        moved.append({name.split(".")[0] for name in different})
    critics = {"critic", "target_critic"}
    assert moved == [critics | {"policy", "extra"}, critics, critics, critics] * 2
    learner.rounds.capture = True
    learner.run(4 * WARMUP)
    assert set(recorded) == {0, 1}


def test_its_own_protocol_survives_the_profiles() -> None:
    """A share of prior data is what the method is; how often it updates is a rate, which a profile may lower."""
    own = {"offline_fraction", "updates_per_step", "policy_every", "warmup_steps"}
    at = {p: resolve("rlpd", "door-binary", (0,), p).settings for p in ("paper", "quick", "smoke")}
    found = {p: tuple(s[name]["value"] for name in sorted(own)) for p, s in at.items()}
    assert found == {"paper": (0.5, 20, 20.0, 5000), "quick": (0.5, 2, 1.0, 125), "smoke": (0.5, 2, 1.0, 0)}
    assert at["quick"]["offline_fraction"]["source"] == "registry entry rlpd"
    assert at["quick"]["policy_every"]["source"] == "profile quick of rlpd"
    assert at["quick"]["batch_size"]["source"] == "profile quick"
    typed = resolve("rlpd", "door-binary", (0,), "quick", ["policy_every=3", "offline_fraction=none"]).settings
    assert (typed["policy_every"]["value"], typed["offline_fraction"]["value"]) == (3, None)
    assert resolve("cal-ql", "door-binary", (0,), "quick").protocol.offline_fraction == 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"subset": 0}, "subset=0: must be at least 1"),
        ({"critics": 1}, "subset=2 is more than there are: critics=1"),
        ({"policy_every": 0}, "policy_every=0: must be at least 1"),
        ({"alpha": -0.1}, "alpha=-0.1: must be auto or at least 0"),
        ({"alpha": 0.1, "target_entropy": -3.0}, "target_entropy contradicts a fixed alpha"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        rlpd.Config(**settings)
