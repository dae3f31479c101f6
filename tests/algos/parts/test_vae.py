"""The conditional VAE against torch's own divergences, exact likelihoods and quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from algos.contract import Batch, LearnerConfig, Noise, Step
from algos.networks.dists import Gaussian
from algos.networks.nets import Linear
from algos.parts.vae import VAE, latents, log_prob_bound, vae_loss

DECODER_STD = math.sqrt(1 / 8)


def step_on(obs: Tensor, action: Tensor) -> Step:
    zero = torch.zeros_like(action[..., 0])
    dist = Gaussian(action, action[:, :1])  # not looked at
    return Step(Batch(obs, action, zero, obs, zero), Noise(None, None), LearnerConfig(), lambda _: dist)


@torch.no_grad()
def flat_vae(decoded: float, mean: float, log_std: float, action_dim: int = 3) -> VAE:
    """A VAE that ignores what it is given: it decodes tanh(decoded) and encodes N(mean, exp(log_std)^2)."""
    model = VAE(1, 2, action_dim, (4,)).double()
    for p in model.parameters():
        p.zero_()
    *_, decoder_bias = model.decoder.parameters()
    *_, encoder_bias = model.encoder.parameters()
    decoder_bias.fill_(decoded)
    encoder_bias[..., : 2 * action_dim] = mean
    encoder_bias[..., 2 * action_dim :] = log_std
    return model


def data(rows: int, action_dim: int = 3, seeds: int = 1) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    obs, action = torch.randn(seeds, rows, 2, generator=g), torch.rand(seeds, rows, action_dim, generator=g) * 2 - 1
    return obs.double(), action.double()


def test_the_loss_is_reconstruction_plus_half_the_divergence() -> None:
    obs, action = data(16)
    noise = torch.zeros(1, 2, 16, 3).double()
    loss, metrics = vae_loss(flat_vae(0.3, 0.7, -0.4), step_on(obs, action), noise)
    mse = (math.tanh(0.3) - action).square().mean()
    kl = kl_divergence(Normal(0.7, math.exp(-0.4)), Normal(0.0, 1.0))
    assert float(metrics["vae_mse"]) == pytest.approx(float(mse))
    assert float(metrics["vae_kl"]) == pytest.approx(float(kl))
    assert float(loss.detach()) == pytest.approx(float(mse + 0.5 * kl))


def test_the_bound_is_the_likelihood_where_latents_say_nothing() -> None:
    """Then every action comes from N(tanh(decoded), 1/8)."""
    obs, action = data(16)
    _, metrics = vae_loss(flat_vae(-0.5, 0.0, 0.0), step_on(obs, action), torch.zeros(1, 2, 16, 3).double())
    exact = Normal(math.tanh(-0.5), DECODER_STD).log_prob(action).sum(-1).mean()
    assert float(metrics["behaviour_log_prob"]) == pytest.approx(float(exact))


def test_the_bound_is_the_expected_log_ratio_of_joint_and_encoder() -> None:
    """E_q[log p(a|z) + log p(z) - log q(z)], both sides by Gauss-Hermite quadrature over the two latents; it bounds
    log p(a|s) = log E_p[p(a|z)] from below."""
    model = VAE(1, 2, 1, (8,)).double()
    g = torch.Generator().manual_seed(1)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.7, generator=g)
    obs, action = data(1, action_dim=1)
    nodes, weight = np.polynomial.hermite_e.hermegauss(40)
    z = torch.tensor(np.stack(np.meshgrid(nodes, nodes), -1).reshape(-1, 2))  # [N, 2]
    w = torch.tensor(np.outer(weight, weight).reshape(-1) / weight.sum() ** 2)  # [N]
    step = step_on(obs, action)
    bounds = [vae_loss(model, step, n.view(1, 2, 1, 1))[1]["behaviour_log_prob"] for n in z]
    bound = float((w * torch.cat(bounds).detach()).sum())

    def log_likelihood(latent: Tensor) -> Tensor:  # [N, 2] -> [N]
        decoded = model.decode(obs.expand(-1, len(latent), -1), latent[None]).tanh()
        return Normal(decoded, DECODER_STD).log_prob(action).sum(-1)[0].detach()

    posterior = model.encode(obs, action)
    q = Normal(posterior.mean[0, 0].detach(), posterior.log_std[0, 0].exp().detach())
    drawn = q.mean + q.stddev * z
    direct = w @ (log_likelihood(drawn) + (Normal(0.0, 1.0).log_prob(drawn) - q.log_prob(drawn)).sum(-1))
    assert bound == pytest.approx(float(direct), rel=1e-9)
    assert bound < float((w * log_likelihood(z).exp()).sum().log())


def test_two_draws_make_a_latent() -> None:
    noise = torch.arange(2 * 4 * 5 * 3.0).view(2, 4, 5, 3)
    z = latents(noise)
    assert z.shape == (2, 2, 5, 6)
    assert torch.equal(z[:, 0], torch.cat((noise[:, 0], noise[:, 2]), dim=-1))
    assert torch.equal(z[:, 1], torch.cat((noise[:, 1], noise[:, 3]), dim=-1))


def test_drawn_latents_are_clipped_and_samples_stay_with_their_state() -> None:
    model = VAE(2, 2, 3, (8,)).double()
    g = torch.Generator().manual_seed(1)
    for p in model.parameters():
        torch.nn.init.normal_(p, generator=g)
    obs, _ = data(5, seeds=2)
    z = 2 * torch.randn(2, 4, 5, 6, generator=g).double()
    samples = model.sample(obs, z)
    assert samples.shape == (2, 4, 5, 3)
    for k in range(4):
        torch.testing.assert_close(samples[:, k], model.decode(obs, z[:, k].clamp(-0.5, 0.5)))
    assert not torch.allclose(samples[:, 0], model.decode(obs, z[:, 0]))


def test_the_encoders_deviation_keeps_to_its_range() -> None:
    obs, action = data(4)
    for raw, expected in [(-9.0, -4.0), (0.5, 0.5), (99.0, 15.0)]:
        assert (flat_vae(0.0, 0.0, raw).encode(obs, action).log_std == expected).all()


@pytest.mark.slow
def test_it_learns_what_the_actions_do_in_each_state() -> None:
    """Actions are the sign of the first observation times 0.6, give or take 0.05."""
    model = VAE(1, 2, 1, (32,))
    for module in (model.encoder, model.decoder):
        for layer in module.layers:
            layer.init([torch.Generator().manual_seed(3)])
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    g = torch.Generator().manual_seed(0)
    bounds = []
    for _ in range(300):
        obs = torch.randn(1, 64, 2, generator=g)
        action = 0.6 * obs[..., :1].sign() + 0.05 * torch.randn(1, 64, 1, generator=g)
        loss, metrics = vae_loss(model, step_on(obs, action), torch.randn(1, 2, 64, 1, generator=g))
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
        bounds.append(float(metrics["behaviour_log_prob"]))
    obs = torch.tensor([[[2.0, 0.3], [-2.0, 0.3]]])
    actions = model.sample(obs, torch.randn(1, 200, 2, 2, generator=g)).tanh()
    torch.testing.assert_close(actions.mean(1)[0, :, 0].detach(), torch.tensor([0.6, -0.6]), atol=0.12, rtol=0)
    assert np.mean(bounds[-20:]) > np.mean(bounds[:20]) + 0.4


def test_seeds_do_not_see_each_other() -> None:
    model = VAE(2, 2, 3, (8,)).double()
    g = torch.Generator().manual_seed(1)
    for p in model.parameters():
        torch.nn.init.normal_(p, generator=g)
    obs, action = data(6, seeds=2)
    loss, _ = vae_loss(model, step_on(obs, action), torch.randn(2, 2, 6, 3, generator=g).double())
    for seed, p in [
        (k, p) for k in (0, 1) for p in torch.autograd.grad(loss[k], list(model.parameters()), retain_graph=True)
    ]:
        assert (p[seed] != 0).any()
        assert (p[1 - seed] == 0).all()


def test_the_bound_at_the_encoders_mean_of_each_row() -> None:
    """Exact where latents say nothing; else the reconstruction there less the whole divergence."""
    obs, action = data(16)
    exact = Normal(math.tanh(-0.5), DECODER_STD).log_prob(action).sum(-1)
    torch.testing.assert_close(log_prob_bound(flat_vae(-0.5, 0.0, 0.0), obs, action).detach(), exact)
    kl = 6 * kl_divergence(Normal(0.7, math.exp(-0.4)), Normal(0.0, 1.0))
    torch.testing.assert_close(log_prob_bound(flat_vae(-0.5, 0.7, -0.4), obs, action).detach(), exact - kl)


def test_the_bound_at_the_encoders_mean_is_that_of_a_draw_without_noise() -> None:
    obs, action = data(16)
    model = VAE(1, 2, 3, (8,)).double()
    for module in model.modules():
        if isinstance(module, Linear):
            module.init([torch.Generator().manual_seed(3)])
    _, metrics = vae_loss(model, step_on(obs, action), torch.zeros(1, 2, 16, 3).double())
    rows = log_prob_bound(model, obs, action).detach()
    assert float(rows.std()) > 1e-3
    torch.testing.assert_close(rows.mean(1), metrics["behaviour_log_prob"])
