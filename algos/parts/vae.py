"""The conditional VAE that models the behaviour policy in BCQ and BEAR (Fujimoto et al. 2019; Kumar et al. 2019).

    minimise |a - tanh decode(s, z)|^2 / A + 1/2 KL( q(z|s,a) || N(0, 1) ) / L,  z ~ q(z|s,a),  L = 2A latents

4A times this is, up to a constant, minus the evidence bound of a decoder N(tanh decode(s, z), 1/8): so the loss also
gives a lower bound on log p(a|s), the nearest that a VAE has to a likelihood. `log_prob_bound` is that bound with the
reconstruction taken at the encoder's mean instead of averaged over its draws: a number of (s, a) alone, as a rule a
little above the bound, and the bound itself where the decoder does not listen to its latents.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from algos.contract import Metrics, Step, row_mean
from algos.networks.dists import Gaussian
from algos.networks.nets import MLP, Nets

__all__ = ["ENCODER_DRAWS", "METRICS", "VAE", "latents", "log_prob_bound", "model_of", "row_loss", "vae_loss"]

ENCODER_DRAWS = 2  # action-wide draws of noise that `vae_loss` takes: a latent is as wide as two actions
METRICS = {
    "vae_mse": "squared distance between the batch's actions and their reconstructions, mean over dimensions",
    "vae_kl": "divergence of the encoder from the prior, mean over latents",
    "behaviour_log_prob": "log-likelihood of the batch's actions under the behaviour model (of a VAE: a lower bound)",
}
_KL_WEIGHT = 0.5
_LATENT_CLIP = 0.5  # of latents that are drawn, not encoded: keeps to the likelier half of the behaviour


class VAE(nn.Module):
    """Encoder and decoder of actions given observations, two latents per action dimension."""

    def __init__(self, seeds: int, obs_dim: int, action_dim: int, hidden: Sequence[int] = (750, 750)) -> None:
        super().__init__()
        self.action_dim = action_dim
        self.encoder = MLP((seeds,), (obs_dim + action_dim, *hidden, 4 * action_dim))
        self.decoder = MLP((seeds,), (obs_dim + 2 * action_dim, *hidden, action_dim))

    def encode(self, obs: Tensor, action: Tensor) -> Gaussian:
        """Distribution of the latents of given actions [S, B, A]: [S, B, 2A]."""
        mean, log_std = self.encoder(torch.cat((obs, action), dim=-1)).chunk(2, dim=-1)
        return Gaussian(mean, log_std.clamp(-4.0, 15.0))

    def decode(self, obs: Tensor, latent: Tensor) -> Tensor:
        """Actions before their tanh: [S, B, O], [S, B, 2A] -> [S, B, A]."""
        out: Tensor = self.decoder(torch.cat((obs, latent), dim=-1))
        return out

    def sample(self, obs: Tensor, latent: Tensor) -> Tensor:
        """K behaviour actions per state before their tanh, from normal latents: [S, K, B, 2A] -> [S, K, B, A]."""
        s, k, b, width = latent.shape
        clipped = latent.clamp(-_LATENT_CLIP, _LATENT_CLIP).reshape(s, k * b, width)
        rows = obs[:, None].expand(-1, k, -1, -1).reshape(s, k * b, -1)
        return self.decode(rows, clipped).view(s, k, b, -1)


def model_of(nets: Nets) -> VAE:
    """The VAE among a method's networks, under the name `vae`."""
    model = nets.extra["vae"]
    assert isinstance(model, VAE)
    return model


def latents(noise: Tensor) -> Tensor:
    """Noise for latents from twice as many action-wide draws: [S, 2K, B, A] -> [S, K, B, 2A]."""
    first, second = noise.chunk(2, dim=1)
    return torch.cat((first, second), dim=-1)


def vae_loss(vae: VAE, step: Step, noise: Tensor) -> tuple[Tensor, Metrics]:
    """Reconstruction and divergence on the batch, from `ENCODER_DRAWS` draws [S, 2, B, A]; each [S]."""
    mse, kl = map(row_mean, _row_parts(vae, step.batch.obs, step.batch.action, noise))
    loss = mse + _KL_WEIGHT * kl
    bound = _evidence(loss.detach(), step.batch.action.shape[-1])
    return loss, {"vae_mse": mse.detach(), "vae_kl": kl.detach(), "behaviour_log_prob": bound}


def row_loss(vae: VAE, obs: Tensor, action: Tensor, noise: Tensor) -> Tensor:
    """The loss at each of given actions [S, B, A], from `ENCODER_DRAWS` draws [S, 2, B, A]: [S, B]."""
    mse, kl = _row_parts(vae, obs, action, noise)
    return mse + _KL_WEIGHT * kl


def log_prob_bound(vae: VAE, obs: Tensor, action: Tensor) -> Tensor:
    """The bound on log p(a|s) at the encoder's mean: log N(a; decoded mean, 1/8) - KL(encoder || N(0, 1)); [S, n]."""
    posterior = vae.encode(obs, action)
    mse = (vae.decode(obs, posterior.mean).tanh() - action).square().mean(-1)
    return _evidence(mse + _KL_WEIGHT * _divergence(posterior), action.shape[-1])


def _row_parts(vae: VAE, obs: Tensor, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Reconstruction error and divergence of each row, means over dimensions and latents: [S, B] each."""
    posterior = vae.encode(obs, action)
    latent, _ = posterior.sample(latents(noise)[:, 0])
    return (vae.decode(obs, latent).tanh() - action).square().mean(-1), _divergence(posterior)


def _divergence(posterior: Gaussian) -> Tensor:
    """KL of the encoder's normal from the prior, mean over latents: [S, B]."""
    log_std = posterior.log_std
    return (0.5 * (posterior.mean.square() + (2.0 * log_std).exp() - 1.0) - log_std).mean(-1)


def _evidence(loss: Tensor, action_dim: int) -> Tensor:
    """The bound on log p(a|s) that a loss amounts to; the decoder's variance follows from the weight of the KL."""
    variance = _KL_WEIGHT / 4.0
    return -action_dim * (2.0 * loss / _KL_WEIGHT + 0.5 * math.log(2.0 * math.pi * variance))
