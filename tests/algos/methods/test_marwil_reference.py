"""MARWIL in its own form against a second implementation, in numpy, on the same episodes and batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from plain_numpy import UPDATES, Pair, PlainMARWIL

# Both compute in double precision, where sums in another order differ by about 1e-15 of their size; Adam, where
# gradients are small, magnifies that.
TOLERANCE = 1e-10
FAST = {"policy_lr": 1e-2}


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "defaults": ({}, {}),
    "cap reached": ({"scale_start": 0.01}, {}),
    "no cap": ({"scale_start": 1.0, "weight_cap": None}, {}),
    "fast scale": ({"scale_start": 0.5, "scale_rate": 0.3}, {}),
    "scale of the last batch": ({"scale_start": 9.0, "scale_rate": 1.0}, {}),
    "scale that stays": ({"scale_start": 4.0, "scale_rate": 0.0}, {}),
    "sharp": ({"beta": 3.0, "scale_start": 1.0}, {}),
    "cloning": ({"beta": 0.0}, {}),
    "RLlib": ({"scale_rate": 1e-8, "weight_cap": None}, {"policy_weight_decay": 0.0}),
    "decay": ({"scale_start": 1.0}, {"policy_weight_decay": 0.3}),
    "standardised observations": ({"scale_start": 1.0}, {"normalise_obs": True}),
    "terminals ignored": ({"scale_start": 1.0}, {"bootstrap_through_terminals": True}),
    "discount": ({"scale_start": 1.0}, {"discount": 0.9}),
}


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "common"), CASES.values(), ids=CASES)
def test_every_update_is_that_of_the_plain_one(settings: dict[str, Any], common: dict[str, Any]) -> None:
    """Returns, losses, parameters and c: two iterations offline, and three online, in which the ring wraps."""
    pair = Pair("marwil-rllib", settings, {**FAST, **common})
    for _ in range(2):
        pair.iteration(TOLERANCE)
    for _ in range(3):
        pair.collect()
        pair.iteration(TOLERANCE)
    assert pair.moved() > 1e-3


@pytest.mark.parametrize(("start", "reached"), [(0.01, True), (100.0, False)])
def test_the_cap_is_reached_by_some_weights_where_c_is_small_and_by_none_where_it_is_large(
    start: float, reached: bool
) -> None:
    """So that the comparison above has seen both."""
    pair = Pair("marwil-rllib", {"scale_start": start}, FAST)
    pair.update(TOLERANCE)
    for one in pair.plain:
        assert isinstance(one, PlainMARWIL)
        share = float((one.weight == 20.0).mean())
        assert 0 < share < 1 if reached else share == 0


@pytest.mark.parametrize("done", [UPDATES, 1])
def test_the_running_scale_goes_on_where_it_was_saved(done: int) -> None:
    """At the end of an iteration and within one, offline and online; every seed's c differs."""
    pair = Pair("marwil-rllib", {"scale_start": 9.0, "scale_rate": 0.2}, FAST)
    pair.iteration(TOLERANCE)
    for _ in range(2):
        for n in range(UPDATES):
            pair.update(TOLERANCE)
            if n == done - 1:
                pair.reload()
                pair.agree(TOLERANCE)
        pair.agree(TOLERANCE)
        pair.collect()
    pair.iteration(TOLERANCE)
    squares = sorted(one.square for one in pair.plain if isinstance(one, PlainMARWIL))
    assert len(squares) == 3
    assert squares[0] < squares[1] < squares[2] < 8.0


def test_at_rllibs_rate_it_does_not_matter_that_c_moves_after_it_is_used() -> None:
    """RLlib's code moves c by a batch's advantages before it divides them; ours divides by c as it was."""
    settings, common = {"scale_rate": 1e-8, "weight_cap": None}, {**FAST, "policy_weight_decay": 0.0}
    pair = Pair("marwil-rllib", settings, common, scale_first=True)
    pair.iteration(1e-6)
    pair = Pair("marwil-rllib", {"scale_rate": 0.5}, common, scale_first=True)
    with pytest.raises(AssertionError, match="actor_loss: apart by"):
        pair.update(1e-6)


def test_single_precision_is_as_close_as_its_rounding() -> None:
    """1e-7 of an input's size, magnified by Adam where gradients are small."""
    torch.set_default_dtype(torch.float32)
    pair = Pair("marwil-rllib", {"scale_start": 1.0}, FAST)
    for _ in range(2):
        pair.iteration(1e-4)
    pair.collect()
    pair.iteration(1e-4)
