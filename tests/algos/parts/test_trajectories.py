"""What is computed backwards along trajectories, against loops and sums written out; float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from algos.contract import Batch, Trajectories
from algos.parts.returns import advantages, backwards, standardised, td_lambda

GAMMA = 0.9


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def flags(*rows: str) -> Tensor:
    """One seed per text: a mark where the flag is set."""
    return torch.tensor([[float(c != ".") for c in row] for row in rows], dtype=torch.float64)


# two seeds: episodes of 4, 1, 3 and 4 steps; a true end and a cut of each length, the last one cut where rows end
ENDS = flags("...xx..x...x", "..xxx......x")
TRULY = flags("...x...x....", "..x.x.......")


def paths(seed: int = 0, ends: Tensor = ENDS, terminated: Tensor = TRULY) -> Trajectories:
    def fetch(part: slice) -> Batch:
        obs = torch.arange(ends.shape[1], dtype=torch.float64).expand_as(ends)[:, part, None]
        zero = torch.zeros_like(obs[..., 0])
        return Batch(obs, obs, zero, obs + 0.5, zero)

    return Trajectories(normal(*ends.shape, seed=seed), terminated, ends, fetch)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 1000])
def test_backwards_is_the_loop(length: int) -> None:
    first, factor = normal(3, length), 0.9 * (normal(3, length, seed=1) > -1.0).double()
    expected, after = torch.zeros_like(first), torch.zeros(3, dtype=torch.float64)
    for t in reversed(range(length)):
        after = first[:, t] + factor[:, t] * after
        expected[:, t] = after
    kept = first.clone(), factor.clone()
    torch.testing.assert_close(backwards(first, factor), expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(first, kept[0])
    assert torch.equal(factor, kept[1])


@pytest.mark.parametrize("trace", [0.0, 0.3, 0.95, 1.0])
def test_td_lambda_is_the_loop(trace: float) -> None:
    """Peng et al. 2019, section 3: a true end is worth nothing more, after a cut V(s') stands for the rest."""
    p, next_value = paths(), normal(2, 12, seed=1)
    for s in range(2):
        after = torch.tensor(0.0)
        for t in reversed(range(12)):
            v, goes_on = next_value[s, t], not ENDS[s, t]
            follows = (1 - trace) * v + trace * after if goes_on else (1 - TRULY[s, t]) * v
            after = p.reward[s, t] + GAMMA * follows
            assert float(td_lambda(p, next_value, GAMMA, trace)[s, t]) == pytest.approx(float(after), abs=1e-12)


def test_without_a_trace_it_is_the_one_step_target() -> None:
    p, next_value = paths(), normal(2, 12, seed=1)
    expected = p.reward + GAMMA * (1 - TRULY) * next_value
    torch.testing.assert_close(td_lambda(p, next_value, GAMMA, 0.0), expected, rtol=1e-12, atol=1e-12)


def test_with_a_full_trace_and_true_ends_it_is_the_discounted_sum_of_rewards() -> None:
    """Whatever V says."""
    p = paths(terminated=ENDS)
    returns = td_lambda(p, 1e3 * normal(2, 12, seed=1), GAMMA, 1.0)
    for s in range(2):
        for t in range(12):
            last = t + int(torch.argmax(ENDS[s, t:]))
            by_hand = sum(GAMMA**k * float(r) for k, r in enumerate(p.reward[s, t : last + 1]))
            assert float(returns[s, t]) == pytest.approx(by_hand, abs=1e-6)


def test_a_cut_episode_goes_on_with_the_value_of_its_last_next_state() -> None:
    p = paths(terminated=torch.zeros_like(ENDS))
    low, high = (td_lambda(p, torch.full((2, 12), v, dtype=torch.float64), GAMMA, 1.0) for v in (0.0, 1.0))
    to_the_end = [[4, 3, 2, 1, 1, 3, 2, 1, 4, 3, 2, 1], [3, 2, 1, 1, 1, 7, 6, 5, 4, 3, 2, 1]]
    torch.testing.assert_close(high - low, GAMMA ** torch.tensor(to_the_end, dtype=torch.float64))


@pytest.mark.parametrize("trace", [0.0, 0.5, 0.97, 1.0])
def test_advantages_are_the_sum_of_td_errors_to_come(trace: float) -> None:
    """Schulman et al. 2016, eq. 16."""
    p, value, next_value = paths(), normal(2, 12, seed=2), normal(2, 12, seed=3)
    going_on = ENDS == 0
    next_value[:, :-1] = torch.where(going_on[:, :-1], value[:, 1:], next_value[:, :-1])  # s' is the next row's s
    delta = p.reward + GAMMA * (1 - TRULY) * next_value - value
    got = advantages(p, value, next_value, GAMMA, trace)
    for s in range(2):
        for t in range(12):
            last = t + int(torch.argmax(ENDS[s, t:]))
            by_hand = sum((GAMMA * trace) ** k * float(d) for k, d in enumerate(delta[s, t : last + 1]))
            assert float(got[s, t]) == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("chunk", [1, 5, 6, 11, 12])
def test_a_network_is_given_all_rows_once_in_their_order(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("algos.contract._CHUNK", chunk)
    widths: list[int] = []

    def value(batch: Batch) -> Tensor:
        widths.append(batch.obs.shape[1])
        return batch.obs[..., 0] + batch.next_obs[..., 0]

    expected = 2 * torch.arange(12, dtype=torch.float64).expand(2, -1) + 0.5
    assert torch.equal(paths().map(value), expected)
    assert max(widths) <= chunk
    assert sum(widths) == 12


def test_standardised_is_per_seed() -> None:
    x = torch.stack((3 + 2 * normal(500), torch.full((500,), 7.0).double()))
    y = standardised(x)
    torch.testing.assert_close(y.mean(1), torch.zeros(2).double(), rtol=0, atol=1e-9)
    assert float(y[0].std(correction=0)) == pytest.approx(1, abs=1e-4)
    assert not y[1].any()  # what never varies is zero, not infinite
