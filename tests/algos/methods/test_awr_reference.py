"""AWR, its ablations and AWAC's MARWIL against a second implementation, in numpy, on the same episodes and batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import plain_numpy
import pytest
import torch
from plain_numpy import Array, Episode, Network, Pair, Policy

# Both compute in double precision, where sums in another order differ by about 1e-15 of their size; standardising, and
# Adam where gradients are small, magnify that.
TOLERANCE = 1e-10
FAST = {"policy_lr": 1e-2}
SGD = {"momentum": 0.9, "value_lr": 1e-2}


@pytest.fixture
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# the second implementation itself


def test_lambda_returns_by_hand() -> None:
    """Rewards 1 and 2, then V = 10: of 3 + ... with discount 1/2 and lambda 1/4, and after a true end."""
    obs = np.arange(3.0)[:, None]
    known = {0.0: 5.0, 1.0: 8.0, 2.0: 10.0}

    def value(states: Array) -> Array:
        return np.array([known[float(s[0])] for s in states])

    def of(terminated: bool, trace: float) -> Array:
        episode = Episode(obs, np.zeros((2, 1)), np.array([1.0, 2.0]), terminated)
        return plain_numpy.returns([(episode, 0), (episode, 1)], value, 0.5, trace, through_terminals=False)

    np.testing.assert_allclose(of(False, 0.25), [0.75 * 5.0 + 0.25 * 4.5, 7.0])  # 1 + 8/2; 1 + 2/2 + 10/4; 2 + 10/2
    np.testing.assert_allclose(of(True, 0.25), [0.75 * 5.0 + 0.25 * 2.0, 2.0])
    np.testing.assert_allclose(of(False, 0.0), [5.0, 7.0])
    np.testing.assert_allclose(of(False, 1.0), [4.5, 7.0])


@pytest.mark.parametrize("fixed_std", [None, 0.4])
def test_gradients_by_hand_are_differences_of_the_losses(fixed_std: float | None) -> None:
    random = np.random.default_rng(0)

    def random_network(outputs: int) -> Network:
        sizes = [(5, 7), (7, 6), (6, outputs)]
        return Network([random.normal(size=s) for s in sizes], [random.normal(size=s[1]) for s in sizes])

    obs, action = random.normal(size=(9, 5)), random.uniform(-1, 1, size=(9, 3))
    weight, target = random.uniform(size=9), random.normal(size=9)
    policy, value = Policy(random_network(3), random.normal(size=3) + 3, fixed_std), random_network(1)
    for loss, parameters in (
        (lambda: policy.imitation(obs, action, weight), policy.parameters),
        (lambda: plain_numpy.value_error(value, obs, target), value.parameters),
    ):
        for p, gradient in zip(parameters, loss()[1], strict=True):
            for at in np.ndindex(p.shape):
                was, around = p[at], []
                for nudge in (1e-6, -1e-6):
                    p[at] = was + nudge
                    around.append(loss()[0])
                p[at] = was
                assert gradient[at] == pytest.approx((around[0] - around[1]) / 2e-6, rel=1e-5, abs=1e-6)


def test_the_episodes_hold_every_kind_of_end_and_the_ring_begins_within_an_episode() -> None:
    parts = plain_numpy.offline_episodes()
    assert {e.terminated for e in parts} == {True, False}
    assert min(e.steps for e in parts) == 1
    cut_short = 0
    for seed in (3, 7, 11):
        memory = plain_numpy.Memory(parts, plain_numpy.RING)
        for n in range(3):
            memory.collected += plain_numpy.collected(seed, n)
        rows = memory.rows()
        assert len(rows) == plain_numpy.OFFLINE + plain_numpy.RING
        cut_short += rows[plain_numpy.OFFLINE][1] > 0
    assert cut_short


# against the learner

CASES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("td(lambda)", "awr", {}, {}),
    ("Monte Carlo", "marwil", {}, {}),
    ("one step", "awr", {"td_lambda": 0.0}, {}),
    ("sharp", "awr", {"temperature": 0.3}, {}),
    ("no cap", "awr", {"weight_cap": None, "temperature": 0.5}, {}),
    ("raw", "awr", {"standardise": False, "temperature": 20.0}, {}),
    ("unscaled V", "awr", {"scale_values": False}, {}),
    ("raw, unscaled V", "marwil", {"standardise": False, "scale_values": False, "temperature": 0.5}, {}),
    ("own rate of V", "awr", {"value_lr": 3e-3}, {}),
    ("no baseline", "awr", {"baseline": False}, {}),
    ("no baseline, raw", "awr", {"baseline": False, "standardise": False, "temperature": 50.0}, {}),
    ("no V at all", "marwil", {"baseline": False}, {}),
    ("on policy", "awr", {"on_policy": True}, {}),
    ("RWR", "rwr", {}, {}),
    ("newest collected rows", "awr", {"replay_size": 20}, {}),
    ("more room than rows", "awr", {"replay_size": 500}, {}),
    ("SGD", "awr", SGD, {}),
    ("SGD, decay", "awr", SGD, {"policy_weight_decay": 0.3}),
    ("Adam, decay", "awr", {}, {"policy_weight_decay": 0.3}),
    ("fixed deviation", "awr", {"policy_std": 0.4}, {}),
    # as in AWR's presets, but with steps large enough to be seen
    ("code", "awr", {**SGD, "policy_std": 0.4}, {"policy_weight_decay": 0.0, "normalise_obs": True}),
    (
        "paper",
        "awr",
        {**SGD, "temperature": 0.05, "standardise": False, "scale_values": False},
        {"policy_weight_decay": 0.0, "policy_lr": 1e-3},
    ),
    ("terminals ignored", "awr", {}, {"bootstrap_through_terminals": True}),
    ("discount", "awr", {}, {"discount": 0.9}),
]


@pytest.mark.slow
@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize(("name", "settings", "common"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_every_update_is_that_of_the_plain_one(name: str, settings: dict[str, Any], common: dict[str, Any]) -> None:
    """Prepared columns, losses and parameters: two iterations offline, and three online, in which the ring wraps."""
    pair = Pair(name, settings, {**FAST, **common})
    for _ in range(2):
        pair.iteration(TOLERANCE)
    for _ in range(3):
        pair.collect()
        pair.iteration(TOLERANCE)
    assert pair.moved() > 1e-3


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize(("temperature", "reached"), [(0.3, True), (3.0, False)])
def test_the_cap_is_reached_by_some_weights_at_a_low_temperature_and_by_none_at_a_high_one(
    temperature: float, reached: bool
) -> None:
    """So that the comparison above has seen both."""
    pair = Pair("awr", {"temperature": temperature}, FAST)
    pair.iteration(TOLERANCE)
    for one in pair.plain:
        share = float((one.columns["weight"] == 20.0).mean())
        assert 0 < share < 0.5 if reached else share == 0


def test_single_precision_is_as_close_as_its_rounding() -> None:
    """1e-7 of an input's size; returns of V / (1 - discount) begin with a hundred times that."""
    pair = Pair("awr", {}, FAST)
    for _ in range(2):
        pair.iteration(1e-4)
    pair.collect()
    pair.iteration(1e-4)
