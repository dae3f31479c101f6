"""BCQ: how far it moves the behaviour model's actions, its target by hand, its limits, and how it acts."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import toy_run
from torch import Tensor, nn

from algos.contract import Noise, Step
from algos.methods import bcq
from algos.networks.nets import Nets, TwinQ
from algos.networks.policy_file import read_policy
from algos.parts.vae import VAE
from algos.settings import SettingError

CFG = bcq.Config(target_candidates=3, act_candidates=100)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


class Behaviour(VAE):
    """A behaviour model that decodes tanh of 0.3 + the sum of the (clipped) latents, in every state."""

    def __init__(self) -> None:
        super().__init__(1, 1, 1, (4,))

    def decode(self, obs: Tensor, latent: Tensor) -> Tensor:
        return 0.3 + latent.sum(-1, keepdim=True)


def decoded(noise: Tensor) -> Tensor:
    """What that model makes of two draws per action: [2K, B] -> [K, B]."""
    k = len(noise) // 2
    return (0.3 + noise[:k].clamp(-0.5, 0.5) + noise[k:].clamp(-0.5, 0.5)).tanh()


@torch.no_grad()
def shift(policy: nn.Module, xi: float) -> None:
    """Make a perturbation the same everywhere."""
    *rest, bias = policy.parameters()
    for p in rest:
        p.zero_()
    bias.fill_(xi / policy.phi).atanh_()  # type: ignore[operator]


def problem(critic: nn.Module, xi: float = 0.0, target_xi: float = 0.0, rows: int = 16) -> tuple[Nets, Step]:
    """One state, data actions 0; the perturbation and its slow copy move every action by xi and target_xi."""
    policy = bcq.Perturbation(1, 1, 1, (4,), CFG.phi).double()
    nets = Nets(policy, critic, {"vae": Behaviour().double()}, None, target_policy=True)  # type: ignore[arg-type]
    assert nets.target_policy is not None
    shift(nets.policy, xi)
    shift(nets.target_policy, target_xi)
    asked = bcq.needs(CFG)
    ahead = normal(1, asked.next_action_samples, rows, 1)
    step = tiny.bandit_step(policy, nets, torch.zeros(rows).double())
    return nets, dataclasses.replace(
        step, noise=Noise(ahead[:, 0], normal(1, asked.action_samples, rows, 1, seed=1), ahead)
    )


def random_nets() -> Nets:
    o, a = tiny.LAYOUT.obs_dim, tiny.LAYOUT.action_dim
    policy, critic = bcq.Perturbation(2, o, a, (16,), 0.05), TwinQ(2, 2, o, a, (16,))
    nets = Nets(policy, critic, {"vae": VAE(2, o, a, (16,))}, None, target_policy=True)
    nets.init([torch.Generator().manual_seed(s) for s in range(2)], copy_targets=False)
    return nets.double()


def test_actions_move_by_at_most_phi_and_stay_within_bounds() -> None:
    nets = random_nets()
    with torch.no_grad():
        for p in nets.policy.parameters():
            p.mul_(30)  # saturated
    actions = normal(2, 4, 64, 3).clamp(-1, 1)
    moved = nets.policy(normal(2, 64, 5)).move(actions)
    assert float((moved - actions).abs().max().detach()) <= 0.05 + 1e-12
    assert float((moved - actions).abs().mean().detach()) > 0.02
    assert float(moved.abs().max().detach()) <= 1.0


def test_a_perturbation_belongs_to_its_state_and_action() -> None:
    nets = random_nets()
    obs, actions = normal(2, 6, 5), normal(2, 3, 6, 3).clamp(-1, 1)
    together = nets.policy(obs).move(actions)
    for k in range(3):
        for b in range(6):
            alone = nets.policy(obs[:, b : b + 1]).move(actions[:, k : k + 1, b : b + 1])
            torch.testing.assert_close(together[:, k : k + 1, b : b + 1], alone)


def test_the_target_mixes_the_critics() -> None:
    """Target critics 3 and 5: 3/4 of the lesser and 1/4 of the greater; only a true end stops it."""
    nets, step = problem(tiny.ConstantQ(0.0, 0.0))
    nets.target_critic = tiny.ConstantQ(3.0, 5.0)
    terminated = torch.arange(16)[None].remainder(2).double()
    step = dataclasses.replace(step, batch=dataclasses.replace(step.batch, terminated=terminated))
    out = bcq.td_target(CFG, nets, step, nets.target_policy(step.batch.next_obs))  # type: ignore[misc]
    torch.testing.assert_close(out, 0.99 * (1 - terminated) * 3.5)


def test_the_target_takes_the_best_behaviour_action_as_the_slow_copy_moves_it() -> None:
    """Q(a) = a - a^2, and only the slow copy moves actions, by 0.04."""
    nets, step = problem(tiny.QuadraticQ(1.0, 2.0), xi=-0.03, target_xi=0.04)
    assert step.noise.next_actions is not None
    a = (decoded(step.noise.next_actions[0, :, :, 0]) + 0.04).clamp(-1, 1)  # [K, B]
    out = bcq.td_target(CFG, nets, step, nets.target_policy(step.batch.next_obs))  # type: ignore[misc]
    torch.testing.assert_close(out, 0.99 * (a - a.square()).max(0).values[None])


def test_the_learner_gives_the_target_the_slow_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    learner = tiny.learner("bcq")
    real = learner.objective.td_target
    spy = lambda cfg, nets, step, dist: seen.append(dist.policy) or real(cfg, nets, step, dist)  # noqa: E731
    learner.objective = dataclasses.replace(learner.objective, td_target=spy)
    learner.run(1)
    assert seen == [learner.nets.target_policy]


class FirstLikesLarge(nn.Module):
    """Critics a and -a."""

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        return torch.stack((action[..., 0], -action[..., 0]), dim=1)


def test_the_perturbation_maximises_the_first_critic() -> None:
    nets, step = problem(FirstLikesLarge(), xi=0.02)
    assert step.noise.action is not None
    a = decoded(step.noise.action[0, :2, :, 0])[0] + 0.02
    loss, metrics = bcq.actor_loss(CFG, nets, step)
    assert float(loss.detach()) == pytest.approx(-float(a.mean()))
    assert float(metrics["q_policy"].detach()) == pytest.approx(-float(a.abs().mean()))
    assert float(metrics["perturbation"].detach()) == pytest.approx(0.02)
    optimiser = torch.optim.Adam(nets.policy.parameters(), 0.05)
    for _ in range(50):
        step = dataclasses.replace(step)  # of the policy as it has become
        loss, metrics = bcq.actor_loss(CFG, nets, step)
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
    assert float(metrics["perturbation"].detach()) == pytest.approx(CFG.phi, abs=2e-3)


def test_each_loss_reaches_only_its_own_network() -> None:
    nets = random_nets()
    step = tiny.random_step(nets.policy, nets, samples=4)
    loss, _ = bcq.actor_loss(CFG, nets, step)
    losses, _ = bcq.auxiliary_losses(CFG, nets, step)
    assert tiny.gradient(loss, nets.policy).any()
    assert not tiny.gradient(loss, nets.extra["vae"]).any()
    assert tiny.gradient(losses["vae"], nets.extra["vae"]).any()
    assert not tiny.gradient(losses["vae"], nets.policy).any()


def test_the_vae_has_draws_of_its_own() -> None:
    nets = random_nets()
    step = tiny.random_step(nets.policy, nets, samples=4)
    assert step.noise.action is not None
    before = [bcq.actor_loss(CFG, nets, step)[0], bcq.auxiliary_losses(CFG, nets, step)[0]["vae"]]
    step.noise.action[:, 2:] += 1.0
    after = [bcq.actor_loss(CFG, nets, step)[0], bcq.auxiliary_losses(CFG, nets, step)[0]["vae"]]
    assert torch.equal(before[0], after[0])
    assert (before[1] != after[1]).all()


# acting


def test_without_perturbation_it_is_the_best_of_the_behaviour_models_samples() -> None:
    """They reach from tanh(-0.7) to tanh(1.3), and Q(a) = a - a^2 peaks at 0.5."""
    nets, step = problem(tiny.QuadraticQ(1.0, 2.0))
    a = bcq.act(CFG, nets, step.batch.obs, None)
    assert torch.equal(a, bcq.act(CFG, nets, step.batch.obs, None))
    torch.testing.assert_close(a, torch.full_like(a, 0.5), atol=0.02, rtol=0)
    nets, step = problem(FirstLikesLarge())
    most = bcq.act(CFG, nets, step.batch.obs, None)
    torch.testing.assert_close(most, torch.full_like(a, math.tanh(1.3)), atol=1e-6, rtol=0)


def test_a_single_candidate_without_perturbation_clones() -> None:
    """The prior's centre for scores, one draw of the behaviour model to collect."""
    nets, _ = problem(tiny.QuadraticQ())
    cfg = dataclasses.replace(CFG, act_candidates=1)
    obs = torch.ones(1, 4000, 1).double()
    torch.testing.assert_close(bcq.act(cfg, nets, obs, None), torch.full_like(obs, math.tanh(0.3)))
    drawn = bcq.act(cfg, nets, obs, normal(1, 4000, 1)).detach().atanh()[0, :, 0] - 0.3  # sum of two clipped normals
    clipped = normal(200_000, seed=5).clamp(-0.5, 0.5)
    assert float(drawn.mean()) == pytest.approx(0.0, abs=0.03)
    assert float(drawn.var()) == pytest.approx(2 * float(clipped.var()), rel=0.05)  # had they moved together: 4


def test_the_perturbation_counts_when_it_acts() -> None:
    nets, step = problem(FirstLikesLarge(), xi=0.05 - 1e-9)
    most = bcq.act(CFG, nets, step.batch.obs, None)
    torch.testing.assert_close(most, torch.full_like(most, math.tanh(1.3) + 0.05), atol=1e-4, rtol=0)


def test_a_run_leaves_all_networks_that_it_acts_by(tmp_path: Path) -> None:
    """The perturbation alone does not act."""
    with toy_run.registered():
        toy_run.train(toy_run.experiment("bcq", (0,)), tmp_path)
    meta, arrays = read_policy(next(tmp_path.rglob("seed-0.npz")))
    assert meta["family"] == "networks"
    assert {name.split(".")[1] for name in arrays if name.startswith("nets.")} == {"policy", "critic", "extra"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"phi": -0.1}, "phi=-0.1: must be at least 0"),
        ({"target_candidates": 0}, "target_candidates=0: must be at least 1"),
        ({"act_candidates": 0}, "act_candidates=0: must be at least 1"),
        ({"target_min_weight": -0.1}, "target_min_weight=-0.1: must be in"),
        ({"vae_lr": 0.0}, "vae_lr=0.0: must be above 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        bcq.Config(**settings)
