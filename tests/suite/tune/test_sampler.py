"""The sampler: the same trials for the same history, and better ones than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from algos.settings import SettingError
from algos.space import Choice, Space, Span
from suite.record.trials import State, Trial, best
from suite.tune import sampler

pytest.importorskip("optuna", reason="the extra tune is not installed")

SPACE: Space = {"x": Span(0.01, 100, log=True), "y": Span(-1, 1), "kind": Choice((None, "a", True))}


def trial(number: int, values: dict[str, Any], score: float | None = 0.0, state: State = "complete") -> Trial:
    return Trial("awac", number, values, {}, (0.1, 0.2), score, state)


def propose(before: Sequence[Trial], count: int = 4, kind: str = "tpe", seed: int = 0, space: Space = SPACE) -> Any:
    return sampler.propose(space, before, count, kind=kind, seed=(seed, len(before)))


HISTORY = [trial(n, {"x": 10.0 ** (n % 5 - 2), "y": n / 10 - 0.5, "kind": None}, -float(n)) for n in range(10)]


@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_the_same_history_and_seed_give_the_same_trials(kind: str) -> None:
    assert propose(HISTORY, kind=kind) == propose(HISTORY, kind=kind)
    assert propose(HISTORY, kind=kind) != propose(HISTORY, kind=kind, seed=1)
    assert propose(HISTORY, 2, kind) == propose(HISTORY, 4, kind)[:2]


def test_chance_looks_at_no_history() -> None:
    worse = [trial(t.number, dict(t.values), -t.score) for t in HISTORY if t.score is not None]
    assert propose(HISTORY, kind="random") == propose(worse, kind="random")
    assert propose(HISTORY) != propose(worse)


def test_what_is_tried_is_in_the_space_and_short() -> None:
    for values in propose([], 200, "random"):
        assert all(values[name] in domain for name, domain in SPACE.items())
        assert len(f"{values['x']:.10g}".replace(".", "").strip("0")) <= 3
    kinds = {values["kind"] for values in propose([], 50, "random")}
    assert kinds == {None, "a", True}


def test_a_span_of_logarithms_is_drawn_evenly_in_them() -> None:
    x = np.log10([values["x"] for values in propose([], 400, "random")])
    shares = np.histogram(x, bins=4, range=(-2, 2))[0] / 400
    assert np.abs(shares - 0.25).max() < 4 * math.sqrt(0.25 * 0.75 / 400)


def test_every_state_of_a_trial_can_be_told() -> None:
    values = {"x": 1.0, "y": 0.0, "kind": "a"}
    states = [
        trial(10, values, None, "given up"),
        trial(11, values, None, "diverged"),
        trial(12, {**values, "x": 1e9}),  # defaults may lie outside
    ]
    assert propose([*HISTORY, *states]) != propose([*HISTORY, trial(10, values, 9.0)] * 2)
    assert len(propose([states[1]])) == 4, "nothing is complete yet"


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_a_known_optimum(seed: int) -> None:
    """f(x, y) = -log10(x / 3)^2 - (y - 0.5)^2 is largest, 0, at (3, 0.5)."""

    def value(values: dict[str, Any]) -> float:
        return float(-(math.log10(values["x"] / 3) ** 2) - (values["y"] - 0.5) ** 2)

    space = {name: SPACE[name] for name in ("x", "y")}
    trials: list[Trial] = []
    while len(trials) < 60:
        for values in propose(trials, seed=seed, space=space):
            trials.append(trial(len(trials), values, value(values)))
    found = best(trials)
    assert found is not None
    assert abs(math.log10(found.values["x"] / 3)) < 0.15
    assert abs(found.values["y"] - 0.5) < 0.15


def test_without_optuna_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r"pip install 'awac-bench\[tune\]'"):
        sampler.check()
