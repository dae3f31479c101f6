"""Choosing among several actions per state: targets by hand, and points that are spread as a normal."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import Tensor, nn

from algos.parts.candidates import best, normal_points, soft_clipped_max


@pytest.mark.parametrize(("min_weight", "expected"), [(1.0, 2.0), (0.75, 3.5), (0.0, 9.0)])
def test_the_target_takes_the_best_of_mixed_critics(min_weight: float, expected: float) -> None:
    """Two actions rated (1, 9) and (2, 8): least 1 and 2, greatest 9 and 8."""
    q = torch.tensor([[1.0, 2.0], [9.0, 8.0]])[None, :, :, None]  # [S, E, K, B]
    assert soft_clipped_max(q, min_weight).tolist() == [[expected]]


class SeedsDisagree(nn.Module):
    """The first critic of seed 0 likes large actions, that of seed 1 small ones; the second critics the opposite."""

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        sign = torch.tensor([1.0, -1.0]).to(action)[:, None]
        q = sign * action.sum(-1) * obs[..., 0]
        return torch.stack((q, -q), dim=1)


def test_the_first_critic_chooses_for_every_seed_and_state() -> None:
    nets = tiny.stub_nets(tiny.constant_policy(0.0, 0.5), SeedsDisagree())
    actions = torch.tensor([0.3, -0.9, 0.7])[None, :, None, None].expand(2, 3, 2, 1)
    obs = torch.tensor([[1.0], [-1.0]]).expand(2, 2, 1)  # the second state turns the preference round
    chosen = best(nets, obs, actions)[..., 0]
    torch.testing.assert_close(chosen, torch.tensor([[0.7, -0.9], [-0.9, 0.7]]))


def test_without_noise_the_points_are_always_the_same_and_evenly_spread() -> None:
    points = normal_points(50, torch.zeros(2, 3, 4))
    assert points.shape == (2, 50, 3, 4)
    assert (points == points[:1, :, :1]).all()  # the same in every seed and state
    quantiles = torch.special.ndtri((torch.arange(50) + 0.5) / 50)
    for coordinate in points[0, :, 0].unbind(-1):
        torch.testing.assert_close(coordinate.sort().values, quantiles, rtol=1e-4, atol=1e-5)
    correlation = torch.corrcoef(points[0, :, 0].T)
    assert (correlation - torch.eye(4)).abs().max() < 0.35  # of 50 points in an order of their own


def test_noise_moves_every_point_as_a_normal_draw() -> None:
    noise = torch.randn(1, 20_000, 2, generator=torch.Generator().manual_seed(0)).double()
    points = normal_points(7, noise)
    assert points.mean(2).abs().max() < 0.03
    assert (points.var(2) - 1).abs().max() < 0.04
    assert ((points < 1.0).double().mean(2) - 0.8413).abs().max() < 0.01
    gaps = torch.special.ndtr(points).sort(dim=1).values.diff(dim=1)  # together they stay evenly spread
    torch.testing.assert_close(gaps, torch.full_like(gaps, 1 / 7), rtol=0, atol=1e-6)


def test_a_single_point_is_the_noise_itself() -> None:
    noise = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(normal_points(1, noise)[:, 0], noise)
    assert (normal_points(1, torch.zeros(1, 1, 3)) == 0).all()
