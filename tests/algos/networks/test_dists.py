"""Choices as a distribution, against torch's own and by counting; float64. The other families are in test_nets."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, OneHotCategorical, kl_divergence

from algos.networks.dists import Categorical, Gaussian

S, B, A = 2, 6, 4


def some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def choices(seed: int = 0) -> Categorical:
    return Categorical(2 * some(S, B, A, seed=seed))


def test_likelihood_entropy_and_divergence_are_torchs() -> None:
    ours, new = choices(), choices(1)
    theirs = OneHotCategorical(logits=ours.logits)
    for n in range(A):
        action = torch.eye(A).double()[n].expand(S, B, A)
        torch.testing.assert_close(ours.log_prob(action), theirs.log_prob(action))
    torch.testing.assert_close(ours.entropy, theirs.entropy())
    torch.testing.assert_close(ours.kl(new), kl_divergence(theirs, OneHotCategorical(logits=new.logits)))
    torch.testing.assert_close(ours.std, theirs.variance.sqrt())


def test_the_likeliest_choice_is_the_mode_and_what_no_noise_gives() -> None:
    ours = choices()
    assert torch.equal(ours.mode, OneHotCategorical(logits=ours.logits).mode)
    action, log_prob = ours.sample(torch.zeros(S, B, A).double())
    assert torch.equal(action, ours.mode)
    torch.testing.assert_close(log_prob, ours.log_probs.amax(-1))


def test_choices_come_as_often_as_they_are_likely() -> None:
    """20,000 draws: a share is off by more than 5 standard errors once in a million."""
    ours, n = choices(), 20_000
    action, log_prob = ours.many().sample(some(S, n, B, A, seed=5))
    assert torch.equal(action.sum(-1), torch.ones(S, n, B).double())
    assert torch.equal(action.amax(-1), torch.ones(S, n, B).double())
    p = ours.logits.softmax(-1)
    error = (action.mean(1) - p).abs() / (p * (1 - p) / n).sqrt()
    assert error.max() < 5
    torch.testing.assert_close(log_prob, ours.many().log_prob(action))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_far_out_chooses_all_the_same(dtype: torch.dtype) -> None:
    noise = torch.tensor([[[-40.0, -9.0, 9.0, 0.0], [-40.0, -40.0, -40.0, -41.0], [9.0, 40.0, 0.0, 40.0]]], dtype=dtype)
    action, log_prob = Categorical(torch.zeros(1, 3, 4, dtype=dtype)).sample(noise)
    assert torch.equal(action.sum(-1), torch.ones(1, 3, dtype=dtype))
    assert action[0, 0].argmax() == 2
    assert action[0, 2].argmax() in (1, 3)
    assert log_prob.isfinite().all()


def test_gradients_reach_the_logits_through_likelihoods_and_not_through_samples() -> None:
    logits = some(S, B, A).requires_grad_()
    action, log_prob = Categorical(logits).sample(some(S, B, A, seed=1))
    assert not action.requires_grad
    assert log_prob.requires_grad
    assert not Categorical(logits).mode.requires_grad
    assert not Categorical(logits).detached().logits.requires_grad


def test_likelihoods_of_extreme_logits_are_finite() -> None:
    logits = torch.tensor([[[1e4, -1e4, 0.0]]], requires_grad=True)
    ours = Categorical(logits)
    (ours.log_prob(torch.eye(3)[1].view(1, 1, 3)).sum() + ours.entropy.sum()).backward()
    assert ours.log_prob(torch.eye(3)[1].view(1, 1, 3)).item() == pytest.approx(-2e4)
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_a_normals_entropy_and_divergence_are_torchs() -> None:
    old, new = (Gaussian(some(S, B, A, seed=n), some(S, 1, A, seed=n + 2)) for n in range(2))
    torch.testing.assert_close(old.entropy.expand(S, B), Normal(old.mean, old.std).entropy().sum(-1))
    theirs = kl_divergence(Normal(old.mean, old.std), Normal(new.mean, new.std)).sum(-1)
    torch.testing.assert_close(old.kl(new), theirs)


def test_a_fixed_spread_is_what_no_loss_moves() -> None:
    mean, log_std = some(S, B, A).requires_grad_(), some(S, 1, A).requires_grad_()
    Gaussian(mean, log_std).fixed_spread().log_prob(some(S, B, A, seed=3)).sum().backward()
    assert mean.grad is not None
    assert log_std.grad is None
    ours = choices()
    assert ours.fixed_spread() is ours
