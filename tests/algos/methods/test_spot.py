"""SPOT against a plain recomputation of its losses, where its policy must end, and its limit: TD3."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from asked import resolve
from numpy.typing import NDArray
from torch import nn

from algos.contract import Noise, Step
from algos.methods import spot, td3
from algos.networks.nets import MLP, Nets
from algos.networks.policies import DeterministicPolicy
from algos.parts.vae import VAE
from algos.settings import SettingError

Array = NDArray[np.float64]


def random_problem() -> tuple[Nets, Step]:
    """Two seeds in double precision, with a VAE whose encoder and decoder both matter."""
    o, a = tiny.LAYOUT.obs_dim, tiny.LAYOUT.action_dim
    nets = tiny.random_nets(DeterministicPolicy, vae=VAE(2, o, a, (16, 16)))
    return nets, tiny.random_step(nets.policy, nets, samples=4)


def plain(mlp: Any, seed: int, x: Array) -> Array:
    """One seed's network on rows [B, inputs], layer by layer."""
    assert isinstance(mlp, MLP)
    for n, layer in enumerate(mlp.layers):
        weight, bias = (p[seed].detach().numpy() for p in (layer.weight, layer.bias))
        x = x @ weight + bias
        x = np.maximum(x, 0.0) if n < len(mlp.layers) - 1 else x
    return x


def plain_vae_loss(model: VAE, seed: int, obs: Array, action: Array, noise: Array) -> Array:
    """SPOT's elbo_loss of each row with beta 0.5 and one draw [2, B, A], whose halves make a latent: [B]."""
    a = action.shape[1]
    out = plain(model.encoder, seed, np.concatenate((obs, action), 1))
    mean, std = out[:, : 2 * a], np.exp(np.clip(out[:, 2 * a :], -4, 15))
    z = mean + std * np.concatenate((noise[0], noise[1]), 1)
    u = np.tanh(plain(model.decoder, seed, np.concatenate((obs, z), 1)))
    kl = -0.5 * (1 + np.log(std**2) - mean**2 - std**2).mean(1)
    return ((u - action) ** 2).mean(1) + 0.5 * kl


def test_losses_are_those_of_a_plain_recomputation() -> None:
    nets, step = random_problem()
    batch, model = step.batch, nets.extra["vae"]
    assert isinstance(model, VAE)
    assert step.noise.action is not None
    assert step.noise.next_action is not None
    cfg = spot.Config(support_weight=0.7)
    loss, metrics = spot.actor_loss(spot.on_phase(cfg, "offline"), nets, step)
    fit, _ = spot.auxiliary_losses(spot.on_phase(cfg, "offline"), nets, step)
    target = spot.td_target(cfg, nets, step, nets.policy(batch.next_obs)).detach()
    for s in range(2):
        obs, noise = batch.obs[s].numpy(), step.noise.action[s].numpy()
        action = np.tanh(plain(nets.policy.body, s, obs))
        q = critic(nets.critic, s, obs, action)[0]
        cost = plain_vae_loss(model, s, obs, action, noise[:2]).mean()
        assert float(loss[s].detach()) == pytest.approx(0.7 * cost - q.mean() / np.abs(q).mean(), rel=1e-9)
        assert float(metrics["support_cost"][s].detach()) == pytest.approx(cost, rel=1e-9)
        data = plain_vae_loss(model, s, obs, batch.action[s].numpy(), noise[2:]).mean()
        assert float(fit["vae"][s].detach()) == pytest.approx(data, rel=1e-9)
        after = batch.next_obs[s].numpy()
        smooth = np.clip(0.2 * step.noise.next_action[s].numpy(), -0.5, 0.5)
        ahead = np.clip(np.tanh(plain(nets.policy.body, s, after)) + smooth, -1, 1)
        y = batch.reward[s].numpy() + 0.99 * (1 - batch.terminated[s].numpy()) * critic(
            nets.target_critic, s, after, ahead
        ).min(0)
        np.testing.assert_allclose(target[s].numpy(), y, rtol=1e-9)


def critic(network: Any, seed: int, obs: Array, action: Array) -> Array:
    """Both of a seed's critics at given actions: [E, B]."""
    layers, x = list(network.body.layers), np.concatenate((obs, action), 1)
    out = []
    for e in range(2):
        h = x
        for n, layer in enumerate(layers):
            h = h @ layer.weight[seed, e].detach().numpy() + layer.bias[seed, e].detach().numpy()
            h = np.maximum(h, 0.0) if n < len(layers) - 1 else h
        out.append(h[:, 0])
    return np.stack(out)


class Flat(VAE):
    """A VAE that says nothing by its latents: it encodes the prior and decodes tanh(0.5) everywhere."""

    def __init__(self) -> None:
        super().__init__(1, 1, 1, (4,))
        with torch.no_grad():
            for p in self.parameters():
                p.zero_()
            *_, bias = self.decoder.parameters()
            bias.fill_(0.5)


def at_rest(action: float, b: float, k: float, weight: float) -> bool:
    """Whether the policy's loss is level at this action, Q(a) = b a - k a^2 / 2."""
    nets = tiny.stub_nets(tiny.constant_action(action), tiny.QuadraticQ(b, k), vae=Flat().double())
    step = tiny.bandit_step(nets.policy, nets, torch.zeros(5).double(), noise=torch.zeros(4, 5).double())
    loss, _ = spot.actor_loss(spot.Config(support_weight=weight), nets, step)
    return bool(tiny.gradient(loss, nets.policy).abs().max() < 1e-9)


def test_the_bandit_ends_where_the_closed_form_says() -> None:
    """Behaviour N(m, 1/8), m = tanh 0.5: level where c (b - k a) = 2 weight (a - m), c = 1 / |Q(a)|."""
    b, k, weight, m, end = 1.0, 2.0, 0.6, float(np.tanh(0.5)), 0.3
    for _ in range(300):
        c = 1 / abs(b * end - k * end**2 / 2)
        end = 0.5 * end + 0.5 * (c * b + 2 * weight * m) / (c * k + 2 * weight)
    assert at_rest(end, b, k, weight)
    assert not at_rest(end + 0.02, b, k, weight)


def test_without_its_weight_it_is_td3_with_a_scale_per_seed() -> None:
    nets, step = random_problem()
    loss, metrics = spot.actor_loss(spot.Config(support_weight=0.0), nets, step)
    plain_loss, _ = td3.actor_loss(td3.Config(), nets, step)
    expected = tiny.gradient(plain_loss * metrics["q_coef"], nets.policy)
    torch.testing.assert_close(tiny.gradient(loss, nets.policy), expected)
    ours = spot.td_target(spot.Config(), nets, step, step.dist)
    assert torch.equal(ours, td3.td_target(td3.Config(), nets, step, step.dist))


def test_the_policys_latents_are_not_those_of_the_fit() -> None:
    """Two draws each: changing one pair leaves the other's loss alone."""
    nets, step = random_problem()
    assert step.noise.action is not None
    cfg = spot.on_phase(spot.Config(), "offline")

    def both(noise: Noise) -> tuple[Any, Any]:
        one = dataclasses.replace(step, noise=noise)
        return spot.actor_loss(cfg, nets, one)[0], spot.auxiliary_losses(cfg, nets, one)[0]["vae"]

    policy, fit = both(step.noise)
    for pair, which in ((slice(0, 2), 0), (slice(2, 4), 1)):
        moved = step.noise.action.clone()
        moved[:, pair] += 1.0
        found = both(dataclasses.replace(step.noise, action=moved))
        assert [bool((x != y).all()) for x, y in zip(found, (policy, fit), strict=True)] == [which == 0, which == 1]


def test_online_the_vae_rests_and_the_weight_decays_to_its_floor() -> None:
    cfg = spot.Config(support_weight=2.0, support_decay_updates=100)
    nets, step = random_problem()
    for age, left in [(0, 1.0), (30, 0.7), (80, 0.2), (1000, 0.2)]:
        aged = dataclasses.replace(step, age=torch.tensor(age))
        for phase, expected in (("offline", 2.0), ("online", 2.0 * left)):
            found = spot.actor_loss(spot.on_phase(cfg, phase), nets, aged)[1]["support_coef"]  # type: ignore[arg-type]
            assert found.tolist() == pytest.approx([expected] * 2)
    learner = tiny.learner("spot", phase="online")
    before = tiny.parameters(learner)
    learner.run(3)
    moved = {name.split(".")[0] for name in tiny.changed(before, tiny.parameters(learner))}
    assert moved == {"policy", "target_policy", "critic", "target_critic"}
    still_fitted = tiny.learner("spot", phase="online", settings={"behaviour_fit": "always"})
    before = tiny.parameters(still_fitted)
    still_fitted.run(1)
    assert any(name.startswith("extra.vae") for name in tiny.changed(before, tiny.parameters(still_fitted)))


def test_the_policys_loss_moves_no_vae_and_its_gradient_comes_through_it() -> None:
    nets, step = random_problem()
    with_cost, _ = spot.actor_loss(spot.Config(support_weight=1.0), nets, step)
    without, _ = spot.actor_loss(spot.Config(support_weight=0.0), nets, step)
    assert (tiny.gradient(with_cost - without, nets.policy)).norm() > 0
    model: nn.Module = nets.extra["vae"]
    assert tiny.gradient(with_cost, model).any(), "what the learner must not apply is there"


@pytest.mark.parametrize(("algo", "sets"), [("spot", []), ("brac", ["behaviour_fit=offline"])])
def test_a_model_that_is_fitted_offline_needs_prior_data(algo: str, sets: list[str]) -> None:
    with pytest.raises(SettingError, match=f"prior_data=false contradicts {algo}, which cannot do without offline"):
        resolve(algo, "point-reach", (0,), "quick", [*sets, "prior_data=false"])
    assert resolve(algo, "point-reach", (0,), "quick", ["behaviour_fit=always", "prior_data=false"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"support_weight": -0.1}, "support_weight=-0.1: must be at least 0"),
        ({"support_decay_floor": 1.5}, r"support_decay_floor=1.5: must be in \[0, 1\]; 1 is no decay"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        spot.Config(**settings)
