"""Fitting a model of the behaviour to the replayed actions: by their likelihood, alike or weighted by advantage."""

from __future__ import annotations

import torch
from torch import Tensor

from algos.contract import BATCH, ENSEMBLE, Step, row_mean
from algos.networks.dists import Dist
from algos.networks.nets import Nets

__all__ = ["advantage_over", "behaviour_loss", "softmax_weights"]


def softmax_weights(log_weight: Tensor) -> Tensor:
    """Softmax over each seed's batch, times its size: weights of mean one, which never overflow; [S, B] -> [S, B]."""
    return torch.softmax(log_weight, dim=BATCH) * log_weight.shape[BATCH]


@torch.no_grad()
def advantage_over(nets: Nets, step: Step, model: Dist, noise: Tensor) -> Tensor:
    """How far the least critic rates the batch's actions above one of a model's own: noise [S, B, A] -> [S, B]."""
    assert step.q_data is not None
    own, _ = model.sample(noise)
    return step.q_data.amin(ENSEMBLE) - nets.q(step.batch.obs, own).amin(ENSEMBLE)


def behaviour_loss(nets: Nets, step: Step, temperature: float | None = None) -> tuple[Tensor, Tensor]:
    """Loss of the network "behaviour" on the batch, and its mean log-likelihood there; each [S].

    With a `temperature`, rows are weighted by the exponential of their advantage over the model's own action, which
    the last of the update's draws for actions makes.
    """
    model: Dist = nets.extra["behaviour"](step.batch.obs)
    log_prob = model.log_prob(step.batch.action)  # [S, B]
    plain = row_mean(log_prob)
    if temperature is None:
        return -plain, plain.detach()
    assert step.noise.action is not None
    w = softmax_weights(advantage_over(nets, step, model, step.noise.action[:, -1]) / temperature)
    return row_mean(-w * log_prob), plain.detach()
